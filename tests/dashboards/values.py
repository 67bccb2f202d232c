#!/usr/bin/env python3
"""Compares what key panels show with what their numbers should be, worked out anew from the raw series.

    values.py http://127.0.0.1:9090 [--at TIME]

The raw series are read from the same Prometheus at the same moment, so a fleet that moves meanwhile
does no harm; the sums are made here, without PromQL.
"""

import argparse
import math
import sys
import time

import live

FAILED_STATES = {"error", "clearfailed", "premigfailed"}
FAILED_TASKS = {"MIGRATE_FAIL", "SYNC_FAIL"}
WORKING = {"initialize", "replicate", "syncing", "cutovering", "cloning"}
DONE = {"finished", "clearing", "cleared", "clearfailed", "deleting"}
MOVING = {"RUNNING", "SYNCING"}


class Fleet:
    """The raw series of one moment, by name, and the few sets that the panels are about."""

    def __init__(self, samples):
        self.samples = samples
        self.state = {labels["source_id"]: labels["state"] for labels, _ in self.of("source_state")}
        self.tasks = {labels["task_id"]: labels for labels, _ in self.of("task_state")}
        self.moving = {task for task, labels in self.tasks.items() if labels["state"] in MOVING}
        self.failed = {source for source, state in self.state.items() if state in FAILED_STATES} | {
            labels["source_id"] for labels in self.tasks.values() if labels["state"] in FAILED_TASKS
        }
        connected = self.by_source("source_connected")
        self.lost = {source for source, value in connected.items() if not value and self.state[source] in WORKING}
        self.total = self.by_source("source_total_size_bytes")
        self.done = self.by_source("source_replicated_size_bytes")
        self.speed = self.by_task("task_migrate_speed_bytes_per_second")
        self.limit = self.by_task("task_speed_limit_bytes_per_second")
        self.threshold = self.by_task("task_overspeed_threshold_ratio")

    def of(self, name):
        """The (labels, value) pairs of a metric."""
        return self.samples.get("huaweicloud_sms_" + name, [])

    def by_source(self, name):
        """The values of a metric by source."""
        return {labels["source_id"]: value for labels, value in self.of(name)}

    def by_task(self, name):
        """The values of a metric by task, of tasks that move data."""
        return {labels["task_id"]: value for labels, value in self.of(name) if labels["task_id"] in self.moving}

    def left(self):
        """Bytes left by source."""
        return {
            source: max(self.total[source] - self.done[source], 0) for source in self.total.keys() & self.done.keys()
        }

    def bad_checks(self):
        """The checks that say ERROR at sources that are not done."""
        problems = [labels for labels, _ in self.of("source_check_problem") if labels["result"] == "ERROR"]
        return {
            (labels["source_id"], labels["check"], labels["error_code"])
            for labels in problems
            if self.state[labels["source_id"]] not in DONE
        }

    def reasons(self):
        """The rows of failed sources: one per code, or one without a code."""
        of_source = {(labels["source_id"], labels["error_code"]) for labels, _ in self.of("source_error_info")}
        coded = {source for source, _ in of_source}
        of_task = {(labels["source_id"], labels["error_code"]) for labels, _ in self.of("task_error_info")}
        rows = {row for row in of_source if row[0] in self.failed}
        rows |= {row for row in of_task if row[0] in self.failed - coded}
        return rows | {(source, None) for source in self.failed - coded - {source for source, _ in of_task}}

    def use(self):
        """Speed over limit, of limited tasks."""
        return {task: self.speed[task] / self.limit[task] for task in self.speed.keys() & self.limit.keys()}

    def headroom(self):
        """The share of the room above the limit that is used, of the twenty tasks that are closest to theirs."""
        use = self.use()
        nearest = sorted(use, key=use.get, reverse=True)[:20]
        return [max(use[task] - 1, 0) / self.threshold[task] for task in nearest if self.threshold.get(task)]


def expected(fleet):
    """What key queries should give: the dashboard's uid, the panel's title and the query's letter, the values."""
    progress = {source: fleet.done[source] / size for source, size in fleet.total.items() if size}
    ranks = [1] * len(fleet.reasons()) + [2] * len(fleet.lost) + [3] * len(fleet.bad_checks())
    limited = fleet.speed.keys() & fleet.limit.keys()
    named, fast = "huaweicloud-sms-fleet", "huaweicloud-sms-throughput"
    return {
        (named, "Servers", "A"): [len(fleet.state)],
        (named, "Failed", "A"): [len(fleet.failed)],
        (named, "Disconnected", "A"): [len(fleet.lost)],
        (named, "Replicated", "A"): [sum(fleet.done.values()) / sum(fleet.total.values())],
        (named, "Bytes left", "A"): [sum(fleet.left().values())],
        (named, "Throughput", "A"): [sum(fleet.speed.values())],
        (named, "Throughput against limits", "A"): [sum(fleet.speed[task] for task in limited)],
        (named, "Throughput against limits", "B"): [sum(fleet.speed[task] for task in fleet.speed.keys() - limited)],
        (named, "Throughput against limits", "C"): [sum(fleet.limit.values())],
        (named, "Needs attention", "A"): ranks,
        (named, "Progress per server", "B"): [
            share for source, share in progress.items() if fleet.state[source] not in DONE
        ],
        (fast, "Tasks that move data", "A"): [len(fleet.moving)],
        (fast, "Above their limit", "A"): [sum(value for _, value in fleet.of("task_overspeed"))],
        (fast, "Top speeds", "A"): sorted(fleet.speed.values())[-15:],
        (fast, "Headroom before the stop", "A"): sorted(fleet.use().values())[-20:],
        (fast, "Headroom before the stop", "E"): fleet.headroom(),
        ("huaweicloud-sms-source", "Replicated", "A"): [max(progress.values())],
        ("huaweicloud-sms-source", "State", "A"): [value for _, value in fleet.of("source_state_code")],
    }


def raw(prometheus):
    """Every series of the fleet at one moment."""
    samples = {}
    query = '{__name__=~"huaweicloud_sms_.+"}'
    for series in live.api(prometheus.url, "query", query=query, time=prometheus.at)["result"]:
        labels = series["metric"]
        samples.setdefault(labels["__name__"], []).append((labels, float(series["value"][1])))
    return samples


def same(shown, wanted):
    """Whether two lists hold the same numbers, in any order."""
    pairs = zip(sorted(shown), sorted(wanted), strict=False)
    return len(shown) == len(wanted) and all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in pairs)


def compared(prometheus):
    """Each key query with what is wrong."""
    choice = prometheus.everything()
    targets = {
        (uid, panel["title"], target["refId"]): target for uid, panel in live.panels() for target in panel["targets"]
    }
    samples = raw(prometheus)
    if "huaweicloud_sms_source_total_size_bytes" not in samples:
        yield "servers", "Prometheus knows none at this moment"
        return
    for key, wanted in expected(Fleet(samples)).items():
        if key not in targets:
            yield key, "no such query"
            continue
        shown = prometheus.run({**targets[key], "instant": True}, choice)
        yield key, None if same(shown, wanted) else f"shows {sorted(shown)[:8]}, not {sorted(wanted)[:8]}"


def main():
    """0 when every key query gives what it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the Prometheus")
    parser.add_argument("--at", type=float, default=None, help="the moment, in seconds (now)")
    options = parser.parse_args()
    try:
        return live.report(compared(live.Prometheus(options.url, options.at or time.time(), 900)))
    except OSError as error:
        print(f"cannot reach {options.url}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
