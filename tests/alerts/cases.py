"""Whether each alert has a test of every kind, with the whole of its annotations.

A test group's name begins with its kind. What the kinds mean is read from the expectations, not from the name alone.
"""

import yaml

KINDS = ("fires", "silent", "stale", "recovers")
# What always fires has no other case.
ALWAYS = {"HuaweiSmsWatchdog"}


def alerts(rules):
    """All alerting rules; an alert of two tiers comes twice."""
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def expectations(group, name):
    """What a test group expects of an alert, in the order of time as written."""
    return [case.get("exp_alerts") or [] for case in group.get("alert_rule_test", []) if case["alertname"] == name]


def shows(kind, expected):
    """Whether expectations are what their kind promises."""
    if kind == "fires":
        return any(expected)
    if kind == "silent":
        return bool(expected) and not any(expected)
    if kind == "recovers":
        return len(expected) > 1 and bool(expected[0]) and not expected[-1]
    return bool(expected)


def misnamed(groups, name):
    """Test groups whose expectations are not what their name promises."""
    for group in groups:
        kind = group["name"].split(":")[0]
        if kind not in KINDS or not shows(kind, expectations(group, name)):
            yield f"{group['name']!r} does not show what it says"


def untested(groups, rule):
    """Kinds without a test, and a tier that never fires."""
    name = rule["alert"]
    kinds = {group["name"].split(":")[0] for group in groups if expectations(group, name)}
    for kind in KINDS[:1] if name in ALWAYS else KINDS:
        if kind not in kinds:
            yield f"no test of kind {kind!r}"
    fired = [alert for group in groups for expected in expectations(group, name) for alert in expected]
    if not any(rule["labels"].items() <= alert["exp_labels"].items() for alert in fired):
        yield f"no test in which it fires with {rule['labels']}"
    for alert in fired:
        if set(alert.get("exp_annotations", {})) != set(rule["annotations"]):
            yield "a test that does not compare all annotations"


def problems(rule, tests):
    """What is missing in the tests of one alerting rule."""
    test = tests / f"{rule['alert']}.test.yml"
    if not test.exists():
        return f"no {test.name}"
    groups = yaml.safe_load(test.read_text())["tests"]
    return "\n".join([*misnamed(groups, rule["alert"]), *untested(groups, rule)])


def strays(rules, tests):
    """Tests of alerts that there are not."""
    names = {rule["alert"] for rule in alerts(rules)} | {"recordings"}
    return "\n".join(t.name for t in sorted(tests.glob("*.test.yml")) if t.name.removesuffix(".test.yml") not in names)


def checks(rules, tests):
    """One check for each alerting rule."""
    for rule in alerts(rules):
        name = f"{rule['alert']} ({rule['labels']['severity']})"
        yield f"{name} fires, stays silent, goes stale, recovers", problems(rule, tests)
    yield "no test without its alert", strays(rules, tests)
