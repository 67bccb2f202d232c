#!/usr/bin/env python3
"""Runs every panel's query on a Prometheus that scrapes the exporter.

    live.py http://127.0.0.1:9090 [--at TIME] [--since SECONDS] [--errors-only] [--blind] [--expect FILE]

Every query is run as Grafana would run it, once with All in every variable and once for a single
server. A query that is refused fails; so does one that returns no finite value,
unless it is one of the few below that are empty while all is well.

With --blind the API must have been away for longer than data is believed: no number about the fleet may then be shown,
nothing may be green, and each table has to say that it is not known whether there is more.
"""

import argparse
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "dashboards"
POINTS = 120
MIN_STEP = 30
MOMENTS = 6
# How many servers are tried until a panel of one server shows something: not every server has a
# task, an error or a failed check.
SERVERS_TRIED = 80
MAY_BE_EMPTY = {
    ("huaweicloud-sms-exporter", "Credentials end in", "A"): "permanent keys have no end",
    ("huaweicloud-sms-fleet", "Alerts that fire", "A"): "needs the rules, and time for them to fire",
    ("huaweicloud-sms-fleet", "Needs attention", "D"): "nobody's agent need be gone",
    ("huaweicloud-sms-fleet", "Errors by code", "A"): "nobody need have failed",
    ("huaweicloud-sms-source", "Errors", "A"): "nobody need have failed",
    ("huaweicloud-sms-source", "Alerts of this server", "A"): "needs the rules, and time for them to fire",
    ("huaweicloud-sms-source", "Consistency check", "A"): "most servers are never compared",
    ("huaweicloud-sms-throughput", "What stalls", "B"): "needs half an hour of history",
    ("huaweicloud-sms-throughput", "What stalls", "E"): "who gains nothing has no end in sight",
}
# What stays true and green while the API is away: the exporter knows it of itself.
KNOWN_BLIND = {"Configuration", "Credentials end in"}
# Tables that say nothing reassuring when they are empty.
FACTS = {
    "Alerts that fire",
    "Alerts of this server",
    "About the server",
    "About the task",
    "Subtasks",
    "Disks",
    "Versions",
}
# A tool of one's own on a machine with a proxy should still reach a Prometheus beside it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the Prometheus")
    parser.add_argument("--at", type=float, default=None, help="end of the range, in seconds (now)")
    parser.add_argument("--since", type=int, default=900, help="length of the range, in seconds")
    parser.add_argument("--errors-only", action="store_true", help="an empty panel is no failure (an empty fleet)")
    parser.add_argument("--blind", action="store_true", help="the API is away: nothing may look as if all were well")
    parser.add_argument("--expect", help="JSON list of {uid, panel, refId, sum, tolerance}: values to compare with")
    return parser.parse_args()


def api(url, path, **parameters):
    """The data of an answer of Prometheus' API; ValueError with its message where it refuses."""
    address = f"{url.rstrip('/')}/api/v1/{path}"
    try:
        with OPENER.open(address, urllib.parse.urlencode(parameters).encode(), timeout=60) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        try:
            raise ValueError(json.load(error).get("error", error)) from error
        except json.JSONDecodeError:
            raise ValueError(str(error)) from error


def filled(text, choice, step, since):
    """A query with Grafana's variables replaced as Grafana replaces them."""
    window = max(step + MIN_STEP, 4 * MIN_STEP)
    values = {**choice, "__rate_interval": f"{window}s", "__interval": f"{step}s", "__range": f"{since}s"}
    for name in sorted(values, key=len, reverse=True):
        text = text.replace("${" + name + "}", values[name]).replace("$" + name, values[name])
    if re.search(r"\$(?!1\b)", text):
        raise ValueError(f"a variable is left: {text}")
    return text


def finite(value):
    """Whether a sample's text is a number that can be drawn."""
    return math.isfinite(float(value))


class Prometheus:
    """One Prometheus and the range that is looked at."""

    def __init__(self, url, at, since):
        self.url, self.since = url, since
        self.at = time.time() if at is None else at
        self.step = max(since // POINTS, 15)

    def moments(self, target):
        """The ends of ranges at which a target may show something: a list of errors may be empty just now."""
        return [self.at - self.since * part / MOMENTS for part in range(MOMENTS)] if target["instant"] else [self.at]

    def run(self, target, choice, at=None):
        """The last values of the series of a target that have one that is finite."""
        expression = filled(target["expr"], choice, self.step, self.since)
        if target["instant"]:
            data = api(self.url, "query", query=expression, time=at or self.at)
            samples = [[series["value"]] for series in data["result"]]
        else:
            data = api(
                self.url, "query_range", query=expression, start=self.at - self.since, end=self.at, step=self.step
            )
            samples = [series["values"] for series in data["result"]]
        values = [[float(value) for _, value in series if finite(value)] for series in samples]
        return [series[-1] for series in values if series]

    def everything(self):
        """All in every variable, as Grafana fills it in; without an exporter no job is known."""
        data = api(self.url, "query", query="group by (job) (sms_exporter_build_info)", time=self.at)
        jobs = "|".join(re.escape(series["metric"]["job"]) for series in data["result"])
        return {"job": f"({jobs})".replace("\\", "\\\\"), "account": ".*", "source_id": ".*"}

    def servers(self):
        """The ids of the servers, those with a task first."""
        seen = []
        for name in ("huaweicloud_sms_task_state_code", "huaweicloud_sms_source_state_code"):
            data = api(self.url, "query", query=f"max by (source_id) ({name})", time=self.at)
            seen += [series["metric"].get("source_id", "") for series in data["result"]]
        return [server for server in dict.fromkeys(seen) if server]


def panels():
    """Every panel that has queries, with its dashboard."""
    for path in sorted(SHIPPED.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            if panel.get("targets"):
                yield dashboard["uid"], panel


def check(prometheus, target, choices, excuse):
    """What is wrong with a query, or None; one of the choices has to give a finite value, unless there is an excuse."""
    try:
        if any(prometheus.run(target, choice, at) for choice in choices for at in prometheus.moments(target)):
            return None
    except ValueError as error:
        return str(error)
    if excuse:
        print(f"empty, as it may be: {excuse}: {target['expr'][:60]}...")
    return None if excuse else "no finite series"


def colour(panel, legend, value):
    """The colour in which a stat shows a value, or that nothing came (None)."""
    defaults = panel["fieldConfig"]["defaults"]
    settings = {"thresholds": defaults["thresholds"], "mappings": defaults["mappings"]}
    for item in panel["fieldConfig"]["overrides"]:
        if item["matcher"] == {"id": "byName", "options": legend}:
            settings.update((entry["id"], entry["value"]) for entry in item["properties"])
    if settings.get("color", {}).get("mode") == "fixed":
        return settings["color"]["fixedColor"]
    for mapping in settings["mappings"]:
        if mapping["type"] == "special" and value is None:
            return mapping["options"]["result"]["color"]
        if value is not None and f"{value:g}" in mapping["options"]:
            return mapping["options"][f"{value:g}"]["color"]
    steps = settings["thresholds"]["steps"]
    return [step["color"] for step in steps if step["value"] is None or (value is not None and value >= step["value"])][
        -1
    ]


def blind_stat(prometheus, uid, panel, choice):
    """What a stat shows as if it were known."""
    for target in panel["targets"]:
        values = prometheus.run({**target, "instant": True}, choice)
        if values and uid != "huaweicloud-sms-exporter" and panel["title"] != "Data age":
            yield f"{target['refId']} shows {values}"
        green = [value for value in values or [None] if "green" in colour(panel, target["legendFormat"], value)]
        if green and panel["title"] not in KNOWN_BLIND:
            yield f"{target['refId']} is green with {green}"


def blind(prometheus):
    """Each panel that gives comfort, with what it shows although nothing is known."""
    everything = prometheus.everything()
    servers = [{**everything, "source_id": server} for server in prometheus.servers()[:1]] or [everything]
    for uid, panel in panels():
        choice = servers[0] if uid == "huaweicloud-sms-source" else everything
        name = f"{uid} {panel['id']} {panel['title']!r} while blind"
        if panel["type"] == "stat":
            yield name, "; ".join(blind_stat(prometheus, uid, panel, choice)) or None
        elif panel["type"] == "state-timeline" and uid != "huaweicloud-sms-exporter":
            values = [prometheus.run({**target, "instant": True}, choice) for target in panel["targets"]]
            yield name, f"goes on with {values}" if any(values) else None
        elif panel["type"] == "table" and panel["title"] not in FACTS:
            expression = filled(panel["targets"][0]["expr"], choice, prometheus.step, prometheus.since)
            rows = api(prometheus.url, "query", query=expression, time=prometheus.at)["result"]
            told = any(value.startswith("unknown:") for row in rows for value in row["metric"].values())
            yield name, None if told else f"does not say that nothing is known: {rows[:3]}"


def marks(prometheus, choice):
    """Each dashboard's annotations, with what Prometheus says against them."""
    for path in sorted(SHIPPED.glob("*.json")):
        for annotation in json.loads(path.read_text(encoding="utf-8"))["annotations"]["list"]:
            target = {"expr": annotation["expr"], "instant": False}
            needed = annotation["name"] == "Restarts"
            problem = check(prometheus, target, [choice], None if needed else "nothing of the kind need have happened")
            yield f"{path.name}, annotation {annotation['name']}", problem


def compare(prometheus, expectations, choice):
    """What is wrong with the values of single queries, one line each."""
    targets = {(uid, panel["id"], target["refId"]): target for uid, panel in panels() for target in panel["targets"]}
    for wanted in expectations:
        key = (wanted["uid"], wanted["panel"], wanted["refId"])
        total = sum(prometheus.run(targets[key], choice)) if key in targets else math.nan
        right = math.isclose(total, wanted["sum"], rel_tol=wanted.get("tolerance", 1e-9), abs_tol=1e-9)
        yield key, None if right else f"adds up to {total}, not {wanted['sum']}"


def report(outcomes):
    """Prints what failed and the sums; the exit status."""
    passed = failed = 0
    for name, problem in outcomes:
        passed, failed = (passed + 1, failed) if problem is None else (passed, failed + 1)
        if problem is not None:
            print(f"FAILED {name}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def outcomes(prometheus, options):
    """Every check that is made, with what is wrong."""
    if options.blind:
        yield from blind(prometheus)
        return
    everything = prometheus.everything()
    servers = [{**everything, "source_id": server} for server in prometheus.servers()[:SERVERS_TRIED]]
    if not servers and not options.errors_only:
        yield "servers", "Prometheus knows none"
    for uid, panel in panels():
        for target in panel["targets"]:
            nothing = "there are no servers" if options.errors_only else None
            excuse = nothing or MAY_BE_EMPTY.get((uid, panel["title"], target["refId"]))
            name = f"{uid} {panel['id']} {panel['title']!r} {target['refId']}"
            yield f"{name}, All", check(prometheus, target, [everything], excuse)
            yield f"{name}, one server", check(prometheus, target, servers or [everything], excuse)
    if not options.errors_only:
        yield from marks(prometheus, everything)
    if options.expect:
        expectations = json.loads(pathlib.Path(options.expect).read_text(encoding="utf-8"))
        yield from compare(prometheus, expectations, everything)


def main():
    """0 when every query runs and every panel shows something."""
    options = arguments()
    prometheus = Prometheus(options.url, options.at, options.since)
    try:
        return report(outcomes(prometheus, options))
    except OSError as error:
        print(f"cannot reach {options.url}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
