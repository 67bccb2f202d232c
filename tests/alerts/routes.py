"""Alertmanager's example configuration: valid, every route taken by some alert, inhibitions in the right order."""

import re

import yaml

import tools
from cases import alerts

RECEIVERS = {"critical": "pager", "warning": "tickets", "info": "nobody", "none": "nobody"}
HEARTBEAT = {"HuaweiSmsWatchdog": "heartbeat"}


def misrouted(config, labels, receiver):
    """What amtool says when an alert of these labels does not go to the receiver."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return tools.amtool("config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receiver}", *pairs)


def table(config, cases, rules):
    """Alerts that go elsewhere than the table of routes, or the severity of an alert of ours, says."""
    own = [({"alertname": rule["alert"], **rule["labels"], "source_id": "s-1"},
            HEARTBEAT.get(rule["alert"], RECEIVERS[rule["labels"]["severity"]])) for rule in alerts(rules)]
    for labels, receiver in [(case["labels"], case["receiver"]) for case in cases] + own:
        if misrouted(config, labels, receiver):
            yield f"{labels} does not go to {receiver}"


def holds(matcher, labels):
    """Whether a matcher of Alertmanager holds for labels."""
    name, op, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher).groups()
    found = labels.get(name, "")
    equal = bool(re.fullmatch(value, found)) if "~" in op else value == found
    return equal != op.startswith("!")


def taken_by(config, labels):
    """The route of an alert, the root where none of its branches takes it."""
    branches = config["route"]["routes"]
    return next((route for route in branches if all(holds(m, labels) for m in route["matchers"])), config["route"])


def misgrouped(config, cases, rules):
    """Alerts that are grouped by something else than the table says, or by a label that they do not have."""
    for case in cases:
        grouped = taken_by(config, case["labels"]).get("group_by", config["route"]["group_by"])
        if grouped != case.get("group_by", grouped):
            yield f"{case['labels']} is grouped by {grouped}"
    for rule in alerts(rules):
        about_a_server = rule["labels"]["severity"] == "critical" and rule["labels"]["component"] in ("source", "task")
        labels = {"alertname": rule["alert"], **rule["labels"], "source_id": "s-1" if about_a_server else ""}
        grouped = taken_by(config, labels).get("group_by", config["route"]["group_by"])
        if ("source_id" in grouped) != about_a_server:
            yield f"{rule['alert']} ({rule['labels']['severity']}) is grouped by {grouped}"


def unused(config, cases):
    """Routes that no line of the table takes."""
    taken = [taken_by(config, case["labels"]) for case in cases]
    every = [config["route"], *config["route"]["routes"]]
    return "\n".join(f"no alert takes the route {route.get('matchers', 'at the root')}" for route in every
                     if not any(route is one for one in taken))


def inhibitions(config, rules):
    """Inhibitions between alerts that there are not."""
    names = {rule["alert"] for rule in alerts(rules)}
    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            label, value = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()
            if label == "alertname":
                yield from (f"no alert {name}" for name in value.split("|") if name not in names)


def checks(rules, root):
    """The checks on the example configuration."""
    path = root / "alerts/alertmanager.example.yml"
    config = yaml.safe_load(path.read_text())
    cases = yaml.safe_load((root / "tests/alerts/routes.yml").read_text())
    yield "amtool accepts the example configuration", tools.amtool("check-config", path)
    yield "every alert goes to its receiver", "\n".join(table(path, cases, rules))
    yield "alerts about a server are grouped by server, others by alert and account", "\n".join(misgrouped(config, cases, rules))
    yield "every route is taken by some alert", unused(config, cases)
    yield "inhibitions name alerts that there are", "\n".join(inhibitions(config, rules))
