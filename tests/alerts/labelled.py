"""Labels that an account gives its series: the rules must not mind them, and carry them where they are told to."""

import re

import yaml

import kill

LABELS = {"team": "migration", "env": "prod"}
PLAIN = "by (account"
# What alerts/README.md says to make of it.
TOLD = f"{PLAIN}, {', '.join(LABELS)}"


def with_labels(series):
    """The text of a series, with the labels behind its account."""
    pairs = "".join(f', {name}="{value}"' for name, value in LABELS.items())
    return re.sub(r'\baccount="[^"]*"', lambda account: account[0] + pairs, series)


def labelled(test, *, carried):
    """A test over labelled series; where they are `carried`, what is expected has the labels as well."""
    test = yaml.safe_load(test)
    for group in test["tests"]:
        for series in group["input_series"]:
            series["series"] = with_labels(series["series"])
        if not carried:
            continue
        for case in group.get("alert_rule_test", []):
            for alert in case.get("exp_alerts") or []:
                if "account" in alert["exp_labels"]:
                    alert["exp_labels"] = alert["exp_labels"] | LABELS
        for case in group.get("promql_expr_test", []):
            for sample in case.get("exp_samples") or []:
                sample["labels"] = with_labels(sample.get("labels", "{}"))
    return yaml.safe_dump(test)


def problems(rules_file, tests, *, carried):
    """What promtool says of every test, over labelled series."""
    text = rules_file.read_text()
    rules = yaml.safe_load(text.replace(PLAIN, TOLD) if carried else text)
    found = kill.reduced(rules, tests, change=lambda test: labelled(test, carried=carried))
    return "\n".join(filter(None, (problem for _, problem in found)))


def checks(rules_file, tests):
    """Both ways in which the rules can meet such labels, and whether the manual tells the second."""
    yield "labels of accounts change no alert", problems(rules_file, tests, carried=False)
    yield "alerts carry labels of accounts where told to", problems(rules_file, tests, carried=True)
    told = f"s/{PLAIN}/{TOLD}/g" in rules_file.with_name("README.md").read_text()
    yield "README.md tells how alerts carry them", "" if told else f"no s/{PLAIN}/{TOLD}/g"
