#!/usr/bin/env python3
"""Holds the dashboards to the house rules and to the structure that Grafana's own types describe.

    check_structure.py [--house-only]

The second needs node and npm; its packages are installed beside it when they are missing.
"""

import itertools
import json
import pathlib
import re
import subprocess
import sys

import promql
from parts import codes

HERE = pathlib.Path(__file__).resolve().parent
SHIPPED = HERE.parents[1] / "dashboards"
CATALOGUE = json.loads((HERE / "catalogue.json").read_text(encoding="utf-8"))
# What Prometheus itself makes, with the labels that our rules and scrapes give them.
FOREIGN = {
    "up": [],
    "scrape_duration_seconds": [],
    "ALERTS": ["alertname", "alertstate", "severity", "account", "source_id", "source_name"],
    "ALERTS_FOR_STATE": ["alertname", "severity", "account", "source_id", "source_name"],
}
TARGET_LABELS = {"job", "instance"}
VARIABLES = ["datasource", "job", "account", "source_id"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
CLOSED_SETS = {
    "state": {name for name, _ in codes.SOURCE_STATES + codes.TASK_STATES},
    "result": {"OK", "WARN", "ERROR"},
}
PROPERTIES = {"unit", "decimals", "mappings", "color", "min", "max", "thresholds", "links", "displayName", "noValue"}
RATES = {"rate", "irate", "deriv", "delta"}


def known(name):
    """The labels of a metric, or None where there is no such metric."""
    if name in FOREIGN:
        return {*FOREIGN[name], *TARGET_LABELS}
    if name in CATALOGUE:
        return {*CATALOGUE[name]["labels"], *TARGET_LABELS}
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    if CATALOGUE.get(family, {}).get("type") == "histogram":
        return {*CATALOGUE[family]["labels"], "le", *TARGET_LABELS}
    return None


def selector_problems(selector):
    """What is wrong with one metric of a query."""
    labels = known(selector.name)
    if labels is None:
        yield f"no such metric: {selector.name}"
        return
    for label in selector.labels:
        if label not in labels:
            yield f"{selector.name} has no label {label}"
    if selector.name not in ("ALERTS", "ALERTS_FOR_STATE") and selector.matchers.get("job") != "$job":
        yield f"{selector.name} does not ask for the job"
    if "account" in labels and not selector.matchers.get("account", "").startswith("$account"):
        yield f"{selector.name} does not ask for the account"
    if selector.name.startswith("huaweicloud_sms_") and promql.nearest_aggregation(selector) != "max":
        yield f"{selector.name} would be doubled by a second exporter"
    yield from range_problems(selector)


def range_problems(selector):
    """What is wrong with the window of a metric."""
    allowed = {"[$__rate_interval]"}
    if "increase" in selector.within or "max_over_time" in selector.within:
        allowed.add("[$__range]")
    elif selector.range and not RATES & set(selector.within):
        yield f"{selector.name}{selector.range} is in no function that is known here"
    if selector.range and selector.range not in allowed:
        yield f"{selector.name}{selector.range} is not Grafana's window"


def query_problems(text, legend=""):
    """What is wrong with a query."""
    query = promql.read(text)
    labels = set(TARGET_LABELS | query.made).union(*(known(s.name) or set() for s in query.selectors))
    yield from itertools.chain.from_iterable(selector_problems(s) for s in query.selectors)
    for label in (query.grouped | set(re.findall(r"{{(\w+)}}", legend))) - labels:
        yield f"no metric of the query has the label {label}"


def columns(panel):
    """The columns of a table: the name of the field, and its heading."""
    steps = {step["id"]: step["options"] for step in panel["transformations"]}
    kept = steps["filterFieldsByName"]["include"]["names"]
    renamed = steps["organize"]["renameByName"]
    return {name: renamed.get(name, name) for name in kept}


def table_problems(panel):
    """Columns that no query gives, and headings that the order asks for in vain."""
    labels = set()
    for target in panel["targets"]:
        query = promql.read(target["expr"])
        labels |= query.made.union(*(known(s.name) or set() for s in query.selectors))
    several = len(panel["targets"]) > 1
    labels |= {f"Value #{target['refId']}" if several else "Value" for target in panel["targets"]}
    shown = columns(panel)
    for name in shown.keys() - labels:
        yield f"no query gives a column {name}"
    for field in panel["options"]["sortBy"]:
        if field["displayName"] not in shown.values():
            yield f"ordered by {field['displayName']}, which is no column"
    if len(set(shown.values())) != len(shown):
        yield "two columns have the same heading"


def field_names(panel):
    """Whether a name can be that of a field of the panel."""
    if panel["type"] == "table":
        names = set(columns(panel).values())
        return lambda name: name in names
    legends = [target["legendFormat"] for target in panel["targets"]]
    label = re.compile(r"{{(\w+)}}")
    open_sets = [CLOSED_SETS.get(match.group(1), set()) for match in map(label.fullmatch, legends) if match]
    return lambda name: name in legends or any(name in values for values in open_sets)


def override_problems(panel):
    """Overrides that hit nothing, or set what Grafana does not know."""
    matches = field_names(panel)
    refs = [target["refId"] for target in panel["targets"]]
    for item in panel["fieldConfig"]["overrides"]:
        kind, wanted = item["matcher"]["id"], item["matcher"]["options"]
        hit = {
            "byName": matches,
            "byFrameRefID": refs.__contains__,
            "byType": lambda wanted: wanted in ("number", "string") and panel["type"] == "table",
        }.get(kind, lambda _: False)
        if not hit(wanted):
            yield f"the override {kind} {wanted} hits no field"
        for entry in item["properties"]:
            if entry["id"] not in PROPERTIES and not entry["id"].startswith("custom."):
                yield f"the override of {wanted} sets {entry['id']}, which is no property"
            if entry["id"] == "links":
                yield from link_problems(panel, entry["value"])


def link_problems(panel, links):
    """Links to dashboards that are not there, or with fields that the row lacks."""
    for link in links:
        uid = re.match(r"/d/([\w-]+)", link["url"])
        page = re.fullmatch(r"https://\S+/(alerts/runbooks)/\$\{__data\.fields\.alertname\}\.md", link["url"])
        if page and (HERE.parents[1] / page.group(1)).is_dir():
            pass
        elif not uid or uid.group(1) not in {f"huaweicloud-sms-{path.stem}" for path in SHIPPED.glob("*.json")}:
            yield f"a link leads nowhere: {link['url']}"
        for field in re.findall(r"__data\.fields\.(\w+)", link["url"]):
            if field not in columns(panel):
                yield f"a link needs the field {field}, which the table does not keep"


def panel_problems(panel):
    """What is wrong with a panel that has queries."""
    defaults = panel["fieldConfig"]["defaults"]
    if len(panel.get("description", "")) < 60 or not panel["description"].endswith("."):
        yield "no description that says what to do"
    if not (defaults.get("unit") or defaults.get("mappings")):
        yield "neither a unit nor value mappings"
    if panel["datasource"] != DATASOURCE or any(t["datasource"] != DATASOURCE for t in panel["targets"]):
        yield "asks another data source than the variable's"
    refs = [target["refId"] for target in panel["targets"]]
    if len(refs) != len(set(refs)):
        yield "two queries have the same letter"
    for target in panel["targets"]:
        for problem in query_problems(target["expr"], target["legendFormat"]):
            yield f"{target['refId']}: {problem}"
    if panel["type"] == "table":
        yield from table_problems(panel)
    if panel["type"] == "stat":
        yield from stat_problems(panel)
    yield from override_problems(panel)


def grid_problems(panels):
    """Panels that overlap or leave the grid."""
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
            yield f"{panel['title']!r} leaves the grid"
    for one, other in itertools.combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        if not (beside or apart):
            yield f"{one['title']!r} and {other['title']!r} overlap"


def variable_problems(variables):
    """What is wrong with the variables."""
    if [variable["name"] for variable in variables] != VARIABLES:
        yield f"the variables are not {VARIABLES}"
    for variable in variables:
        if variable["type"] == "datasource":
            if variable["query"] != "prometheus":
                yield "the data source may be something else than a Prometheus"
            continue
        if variable["datasource"] != DATASOURCE:
            yield f"{variable['name']} asks another data source than the variable's"
        if variable["name"] == "job" and variable.get("allValue"):
            yield "All of job would hold jobs that are no exporters"
        if variable["name"] != "job" and variable["includeAll"] and not variable.get("allValue"):
            yield f"All of {variable['name']} would name every value in the query"
        for name in re.findall(r"\b(?:huaweicloud_sms|sms_exporter)_\w+", variable["query"]["query"]):
            if known(name) is None:
                yield f"{variable['name']}: no such metric: {name}"


def annotation_problems(annotations):
    """What is wrong with the marks across the graphs."""
    if [annotation["name"] for annotation in annotations] != ["Outages", "Restarts", "Alerts"]:
        yield "outages, restarts and alerts are not marked"
    for annotation in annotations:
        if annotation["datasource"] != DATASOURCE:
            yield f"{annotation['name']} asks another data source than the variable's"
        for problem in query_problems(annotation["expr"], annotation["titleFormat"]):
            yield f"{annotation['name']}: {problem}"


def stat_problems(panel):
    """A number that would be green, or look like one, while nothing is known."""
    defaults = panel["fieldConfig"]["defaults"]
    if defaults["thresholds"]["steps"][0]["color"] == "green":
        yield "is green while nothing is known"
    if re.match(r"\d", defaults.get("noValue", "")):
        yield "shows a number while nothing is known"


def dashboard_problems(name, dashboard):
    """What is wrong with a dashboard as a whole."""
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    wanted = {"uid": f"huaweicloud-sms-{name}", "editable": False, "id": None, "tags": ["huaweicloud-sms"]}
    for key, value in wanted.items():
        if dashboard[key] != value:
            yield f"{key} is {dashboard[key]!r}, not {value!r}"
    if dashboard["schemaVersion"] not in (38, 39) or "__inputs" in dashboard:
        yield "not what Grafana 10 imports as it is"
    if len(ids) != len(set(ids)) or not all(isinstance(number, int) and number > 0 for number in ids):
        yield "the panels' ids are not unique"
    titles = [panel["title"] for panel in panels]
    if len(titles) != len(set(titles)) or not all(titles):
        yield "two panels have the same title, or one has none"
    yield from grid_problems(panels)
    yield from variable_problems(dashboard["templating"]["list"])
    yield from annotation_problems(dashboard["annotations"]["list"])
    if not any(panel["title"] == "Data age" and panel["gridPos"]["y"] == 0 for panel in panels):
        yield "the age of the data does not stand on top"


def house_rules():
    """Every rule's subject with its problems."""
    for path in sorted(SHIPPED.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        yield path.name, list(dashboard_problems(path.stem, dashboard))
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield f"{path.name} {panel['id']} {panel['title']!r}", list(panel_problems(panel))


def status(command, where):
    """The exit status of a command whose output the reader sees."""
    return subprocess.run(command, cwd=where, check=False).returncode


def grafana_types():
    """Whether the dashboards are what Grafana's types allow."""
    where = HERE / "schema"
    if not (where / "node_modules").exists():
        print("installing the types of Grafana (npm ci)", flush=True)
        if status(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], where):
            return False
    return status(["node", "validate.mjs"], where) == 0


def main():
    """0 when nothing is wrong."""
    passed = failed = 0
    for name, problems in house_rules():
        passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
        for problem in problems:
            print(f"FAILED {name}: {problem}")
    checks = [
        ("the files are what build.py writes", lambda: status([sys.executable, "build.py", "--check"], HERE) == 0)
    ]
    if sys.argv[1:] != ["--house-only"]:
        checks.append(("Grafana's types", grafana_types))
    for name, check in checks:
        right = check()
        passed, failed = (passed + 1, failed) if right else (passed, failed + 1)
        if not right:
            print(f"FAILED {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
