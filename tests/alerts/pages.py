"""Whether each alert says what a reader needs: labels, annotations, thresholds, its runbook, the error codes."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import yaml

import promql
import tools
from cases import alerts
from mutants import THRESHOLD, seconds

RUNBOOKS = "https://github.com/sms-exporter/sms-exporter/blob/main/alerts/runbooks/"
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard_url"}
SEVERITIES = {"critical", "warning", "info", "none"}
COMPONENTS = {"exporter", "fleet", "source", "task"}
DASHBOARDS = ("/d/huaweicloud-sms-exporter", "/d/huaweicloud-sms-fleet", "/d/huaweicloud-sms-source?var-account=")
# How a value gets into a URL; a blank is no plus there.
ENCODED = r' | urlquery | reReplaceAll "\\+" "%20" '
# Known at once and for good.
WITHOUT_FOR = {"HuaweiSmsUnknownValue", "HuaweiSmsConsistencyDifferences", "HuaweiSmsWatchdog"}
TWO_POLLS = 60
# Prometheus restores what is as long as this after a restart.
RESTORED = 600
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Silence", "Over when"]


def shape(rule):
    """What an alerting rule lacks by the conventions."""
    name, labels, notes = rule["alert"], rule["labels"], rule["annotations"]
    if not name.startswith("HuaweiSms"):
        yield "the name does not begin with HuaweiSms"
    if set(labels) != {"severity", "component"}:
        yield f"labels {sorted(labels)}"
    elif labels["severity"] not in SEVERITIES or labels["component"] not in COMPONENTS:
        yield f"labels {labels}"
    if set(notes) != ANNOTATIONS or not all(notes.values()):
        yield f"annotations {sorted(notes)}"
    if notes.get("runbook_url") != f"{RUNBOOKS}{name}.md":
        yield "runbook_url is not that of its page"
    if not notes.get("dashboard_url", "").startswith(DASHBOARDS):
        yield "dashboard_url leads to none of the dashboards"
    for value in re.findall(r"=\{\{(.*?)\}\}", notes.get("dashboard_url", "")):
        if not value.endswith(ENCODED):
            yield f"dashboard_url takes{value}as it is"
    if name not in WITHOUT_FOR and seconds(rule.get("for", "0s")) < TWO_POLLS:
        yield "`for` is shorter than two polls"
    if TWO_POLLS < seconds(rule.get("for", "0s")) < RESTORED:
        yield "`for` is too short to be restored after a restart of Prometheus, and too long to be over soon"
    if labels.get("severity") in ("critical", "warning") and "First:" not in notes.get("description", ""):
        yield "the description does not say what to do first"


def runbook(name, folder):
    """What the page of an alert lacks."""
    page = folder / f"{name}.md"
    if not page.exists():
        yield "no runbook page"
        return
    text = page.read_text()
    if not text.startswith(f"# {name}\n"):
        yield "the page's title is not the alert's name"
    if re.findall(r"^## (.+)$", text, re.M) != SECTIONS:
        yield f"the sections are not {', '.join(SECTIONS)}"
    if "```promql\n" not in text.split("## Diagnosis")[-1].split("## Mitigation")[0]:
        yield "the diagnosis has no query to paste"
    silence, over = text.split("## Silence")[-1].split("## Over when")[0], text.split("## Over when")[-1]
    if f"amtool silence add alertname={name}" not in silence or "--duration=" not in silence:
        yield "no command that silences this alert for a while"
    if "```promql\n" not in over:
        yield "no query that shows that it is over"


def silences(name, folder, tests):
    """Labels in the command of a page's silence that the alert has in no test: it would silence nothing."""
    test = yaml.safe_load((tests / f"{name}.test.yml").read_text())
    cases = [case for group in test["tests"] for case in group.get("alert_rule_test", []) if case["alertname"] == name]
    labels = {label for case in cases for alert in case.get("exp_alerts") or [] for label in alert["exp_labels"]}
    command = (folder / f"{name}.md").read_text().split("amtool silence add")[-1].split("\\\n")[0]
    return [f"the silence asks for {label}" for label in re.findall(r"(\w+)=", command) if label not in labels | {"alertname"}]


def thresholds(rules):
    """Thresholds that nobody reads, and such as are read but not set."""
    every = [rule for group in rules["groups"] for rule in group["rules"]]
    defined = {rule["record"] for rule in every if rule.get("record", "").startswith(THRESHOLD)}
    used = {s.name for rule in every for s in promql.selectors(rule["expr"]) if s.name.startswith(THRESHOLD)}
    return "\n".join([f"{name} is never used" for name in sorted(defined - used)]
                     + [f"{name} is not set" for name in sorted(used - defined)])


def template_queries(rules):
    """The queries inside annotations, with their verbs filled in."""
    for rule in alerts(rules):
        for text in rule["annotations"].values():
            for quoted in re.findall(r'(?:printf|query) "((?:[^"\\]|\\.)*)"', text):
                query = json.loads(f'"{quoted}"').replace("%q", '"x"')
                if not query.startswith("account="):
                    yield query.replace("{%s}", '{account="x"}').replace("(%s)", "(up)")


def page_queries(folder):
    """The queries to paste of all runbook pages: one for each paragraph of a promql block."""
    for page in sorted(folder.glob("*.md")):
        for block in re.findall(r"```promql\n(.*?)```", page.read_text(), re.S):
            yield from (query for query in block.split("\n\n") if query.strip())


def unparsable(queries):
    """What promtool says of queries that are wrong, each as the rule of a file of its own making."""
    rules = [{"record": f"query{n}", "expr": query} for n, query in enumerate(queries)]
    if not rules:
        return "no queries found"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queries.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        return tools.promtool("check", "rules", path)


def error_codes(root):
    """Codes that stand in no table, twice, or under another category than theirs."""
    known = json.loads((root / "tests/fixtures/error-categories.json").read_text())
    category = {entry["code"]: entry["category"] for entry in known["codes"]} | known["extra_codes"]
    text = (root / "alerts/runbooks/error-codes.md").read_text()
    shown = {}
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title = section.split("\n")[0].strip("` ")
        for code, meaning, action in re.findall(r"^\| (SMS\.\d{4}) \| (.+?) \| (.+?) \|$", section, re.M):
            shown.setdefault(code, []).append(title)
    wrong = [f"{code} is under {shown.get(code, 'no category')}, not {own}" for code, own in category.items()
             if shown.get(code) != [own]]
    return "\n".join(wrong + [f"{code} is not a code of the service" for code in sorted(set(shown) - set(category))])


def categories(rules, root):
    """Categories of error codes that an alert on errors does not explain."""
    known = json.loads((root / "tests/fixtures/error-categories.json").read_text())["categories"]
    for rule in alerts(rules):
        if rule["alert"] in ("HuaweiSmsSourceError", "HuaweiSmsTaskFailed"):
            told = set(re.findall(r'eq \.Labels\.category "(\w+)"', rule["annotations"]["description"]))
            yield from (f"{rule['alert']}: {name}" for name in sorted(told ^ set(known)))


def moved_runbooks(root):
    """What is wrong with the command of README.md that says where the runbooks are, run on a copy of the rules."""
    text = (root / "alerts/README.md").read_text()
    told = re.search(r"^# where the runbooks are\n(sed (?:.*\\\n)*.*)$", text, re.M)
    if not told:
        return "README.md has no command for it"
    base = re.search(r"#(https://[^#]+)#'", told[1])
    with tempfile.TemporaryDirectory() as folder:
        names = ("huaweicloud-sms.rules.yml", "prometheusrule.yaml")
        for name in names:
            (Path(folder) / name).write_text((root / "alerts" / name).read_text())
        subprocess.run(["sh", "-ec", told[1]], cwd=folder, check=True, timeout=60)
        for name in names:
            data = yaml.safe_load((Path(folder) / name).read_text())
            for rule in alerts(data.get("spec", data)):
                if rule["annotations"]["runbook_url"] != f"{base[1]}{rule['alert']}.md":
                    return f"{name}: {rule['alert']} has {rule['annotations']['runbook_url']}"
    return ""


def checks(rules, root):
    """The checks on rules and pages."""
    folder = root / "alerts/runbooks"
    for rule in alerts(rules):
        problems = [*shape(rule), *runbook(rule["alert"], folder)]
        problems = problems or silences(rule["alert"], folder, root / "tests/alerts")
        name = f"{rule['alert']} ({rule['labels']['severity']})"
        yield f"{name} has labels, annotations and a runbook", "\n".join(problems)
    pages = {page.stem for page in folder.glob("*.md")} - {rule["alert"] for rule in alerts(rules)} - {"error-codes"}
    yield "no runbook without its alert", "\n".join(sorted(pages))
    yield "one command moves every link to a runbook", moved_runbooks(root)
    yield "every threshold is set and used", thresholds(rules)
    yield "every category of error codes is explained", "\n".join(categories(rules, root))
    yield "every error code is in the table of its category", error_codes(root)
    yield "the queries in annotations are valid", unparsable(list(template_queries(rules)))
    yield "the queries in runbooks are valid", unparsable(list(page_queries(folder)))
