"""Which alert tells of each state and of each metric by which the exporter tells of trouble: the tables in README.md.

Read from the rules, so that a new state or metric that no alert tells of is noticed: then the reason has to be given here.
"""

import re

import promql
from cases import alerts

BEGIN, END = "<!-- made by `check.py --write` -->", "<!-- end of what is made -->"
# Series with a label `state` that can be any.
STATES = {
    "source": {"huaweicloud_sms_source_state", "source:huaweicloud_sms_state:fresh", "source:huaweicloud_sms_state_age:seconds"},
    "task": {"huaweicloud_sms_task_state", "task:huaweicloud_sms_state:fresh"},
}
# Read states to tell a cutover from the rest, and to count what a share is of.
CIRCUMSTANCES = {"source:huaweicloud_sms_cutover:active", "account:huaweicloud_sms_sources_underway:count"}
WITHOUT = {
    "source finished": "the aim",
    "source cleared": "the end of a clean-up that worked",
    "task READY": "nobody has started it: SourcesIdle tells of its source in waiting",
    "task MIGRATE_SUCCESS": "the aim",
    "task SYNC_SUCCESS": "the aim",
    "task unknown": "UnknownValue; SourcesIdle tells of its source",
    "sms_exporter_build_info": "what runs, no trouble",
    "sms_exporter_poll_success": "one failed poll is no trouble; DataStale goes by the last good one",
    "sms_exporter_poll_duration_seconds": "what gets too slow gets stale",
    "sms_exporter_polls_total": "a rate to look at",
    "sms_exporter_api_request_duration_seconds": "slow requests end in stale data",
    "sms_exporter_api_retries_total": "what retries do not mend is ApiErrors or DataStale",
    "sms_exporter_api_rate_limit_requests_per_second": "falls with 429, of which ApiThrottled tells",
    "sms_exporter_api_budget_wait_seconds_total": "waiting that is too long ends in DetailsOld or DataStale",
    "sms_exporter_list_rereads_total": "a list that was read again is whole",
    "sms_exporter_duplicates_dropped_total": "the service repeats objects; what is missing is IncompleteData",
    "sms_exporter_malformed_values_total": "one value is missing, and the log names it; a whole object is IncompleteData",
    "sms_exporter_series": "a count; SeriesDropped tells what is too many",
    "sms_exporter_page_bytes": "a size",
    "sms_exporter_config_last_reload_success_timestamp_seconds": "a time; ReloadFailed tells of failures",
    "sms_exporter_storage_last_success_timestamp_seconds": "a time; StorageFailing tells of failures",
    "sms_exporter_objects_filtered": "what name filters leave out, by intent; the log says where nothing is left",
    "sms_exporter_http_open_connections": "who is connected to the exporter; a scrape that fails is ExporterDown",
    "sms_exporter_http_evictions_total": "idle and slow clients made room; a scrape that fails is ExporterDown",
    "sms_exporter_http_requests_total": "who asks the exporter what; a scrape that fails is ExporterDown",
}


def closed_set(root, name):
    """The spellings of a set of the model, `unknown` among them."""
    text = (root / "src/model/state.rs").read_text()
    body = re.search(rf"^    {name} {{\n(.*?)^    }}\n", text, re.M | re.S)[1]
    return re.findall(r'= \d+ "(\w+)"', body) + ["unknown"]


def metrics(root):
    """The families of the exporter about itself."""
    return re.findall(r'^ +\w+ \w+ "(sms_exporter_\w+)"', (root / "src/metrics/catalogue.rs").read_text(), re.M)


class Reader:
    """Follows expressions through what is recorded."""

    def __init__(self, rules):
        self.recorded = {}
        for rule in (rule for group in rules["groups"] for rule in group["rules"]):
            if "record" in rule:
                self.recorded.setdefault(rule["record"], []).append(rule)

    def behind(self, selector):
        """The rules that record what a selector selects."""
        wanted = {m.label: m.value for m in selector.matchers if m.op == "="}
        return [rule for rule in self.recorded.get(selector.name, ())
                if all(wanted.get(label, value) == value for label, value in rule.get("labels", {}).items())]

    def states(self, kind, node, seen=()):
        """The states of a kind of object that an expression asks for; not those that it leaves out."""
        if node.kind != "selector":
            children = node.children[:1] if node.name == "unless" else node.children
            return set().union(*(self.states(kind, child, seen) for child in children))
        matchers = [m for m in node.matchers if m.label == "state"]
        if node.name in STATES[kind]:
            return {one for m in matchers if m.op in ("=", "=~") for one in m.value.split("|")}
        if node.name in CIRCUMSTANCES or node.name in seen:
            return set()
        found = set().union(*(self.states(kind, promql.parse(rule["expr"]), (*seen, node.name))
                              for rule in self.behind(node)))
        return {state for state in found if all(
            bool(re.fullmatch(m.value, state)) == (m.op in ("=", "=~")) for m in matchers)}

    def metrics(self, text, seen=()):
        """All metrics that an expression reads, through whatever is recorded."""
        found = set()
        for selector in promql.selectors(text):
            found.add(selector.name)
            for rule in self.behind(selector) if selector.name not in seen else ():
                found |= self.metrics(rule["expr"], (*seen, selector.name))
        return found


def told(rules, root):
    """For each state and each metric of the exporter, the alerts that tell of it."""
    reader = Reader(rules)
    table = {f"source {state}": [] for state in closed_set(root, "SourceState")}
    table |= {f"task {state}": [] for state in closed_set(root, "TaskState")}
    table |= {metric: [] for metric in metrics(root)}
    for rule in alerts(rules):
        tree, name = promql.parse(rule["expr"]), rule["alert"].removeprefix("HuaweiSms")
        subjects = {f"{kind} {state}" for kind in STATES for state in reader.states(kind, tree)}
        if rule["labels"]["component"] == "exporter":
            subjects |= reader.metrics(rule["expr"])
        if rule["alert"] == "HuaweiSmsUnknownValue":
            subjects |= {"source unknown"}
        for subject in subjects & set(table):
            if name not in table[subject]:
                table[subject].append(name)
    return table


def text(rules, root):
    """The tables, as Markdown."""
    table = told(rules, root)

    def rows(chosen):
        return "\n".join(f"| {subject.split()[-1]} | {', '.join(names) or WITHOUT.get(subject, '?')} |"
                         for subject, names in table.items() if chosen(subject))

    return (f"{BEGIN}\n\n| state of a source | alerts, or why there is none |\n| --- | --- |\n"
            f"{rows(lambda subject: subject.startswith('source '))}\n\n"
            "| state of a task | alerts, or why there is none |\n| --- | --- |\n"
            f"{rows(lambda subject: subject.startswith('task '))}\n\n"
            "| metric of the exporter | alerts that read it, or why there is none |\n| --- | --- |\n"
            f"{rows(lambda subject: subject.startswith('sms_'))}\n\n{END}")


def write(rules, root):
    """Makes the tables anew."""
    page = root / "alerts/README.md"
    page.write_text(re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: text(rules, root), page.read_text(), flags=re.S))


def checks(rules, root):
    """Whether every state and metric is told of, or a reason given, and the tables are as made."""
    table = told(rules, root)
    missing = [subject for subject, names in table.items() if not names and subject not in WITHOUT]
    wrong = [subject for subject in WITHOUT if table.get(subject, ["gone"])]
    yield "every state and every metric has an alert, or a reason why not", "\n".join(missing)
    yield "no reason is given for what has an alert, or is no more", "\n".join(wrong)
    made = text(rules, root) in (root / "alerts/README.md").read_text()
    yield "the tables in README.md are as made from the rules", "" if made else "run check.py --write"
