"""Checks what people get: `python3 tests/alerts/check_notifications.py`.

Real Alertmanagers, the installed one and the newer one of tests/engines, read the shipped receivers and templates and
notify stand-ins of the services. What these receive is held against what the services take and what a reader needs.
"""

import functools
import json
import re
import sys
import tempfile
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml

import engines
import standins
import tools

FILES = [engines.SHIPPED / name for name in ("receivers.example.yml", "receivers-0.32.example.yml")]
TEMPLATES = engines.SHIPPED / "templates/huaweicloud-sms.tmpl"
ALERTMANAGER = "https://alertmanager.example.com"
SIZES = {"one": 1, "two": 2, "many": 400, "worst": 400}
TITLES = {
    "one": "SourceError in one: app-001",
    "two": "2 × SourceError in two: app-001, app-002",
    "many": "400 × SourceError in many: app-001, app-002, app-003 and 397 more",
}
# Sixty-four signs of three bytes, and what must neither be run, nor call everybody, nor break a quotation.
WORST = "迁" * 30 + '<!channel> {{ .ExternalURL }} "a" & [b](c) : # '
KEPT = "服" * 200
# In bytes; of a text that the service counts by signs, four bytes a sign.
LIMITS = {
    "pagerduty": 512_000,
    "opsgenie": 15_000,
    "slack": 40_000,
    "email": 100_000,
    "wecom": 2048,
    "teams": 28_000,
    "dingtalk": 20_000,
    "feishu": 20_000,
    "relay": 512_000,
}


def alert(account, number, begin, resolved=False):
    """An alert as Prometheus sends it, with the texts of the rules."""
    name = f"app-{number:03}" if account != "worst" else f"{number:03}{WORST}"
    now = datetime.now(timezone.utc)
    labels = {
        "alertname": "HuaweiSmsSourceError",
        "severity": "critical",
        "component": "source",
        "account": account,
        "source_id": f"id-{number:03}",
        "source_name": name,
    }
    filler = KEPT if account == "worst" else ""
    return {
        "labels": labels,
        "annotations": {
            "summary": f"The migration of {name} has failed.",
            "description": f"Server {name} is in state error since 2026-11-27 03:00:00 +0000 UTC, stage replicating,"
            f" 43% copied, target ecs-{number}; source id id-{number:03}, account {account}. Error SMS.1805,"
            f" category network: a connection fails.{filler} First: from the source, reach the SMS endpoint"
            f" on port 443.{filler} All codes: error-codes.md beside the runbook.",
            "runbook_url": "https://github.com/sms-exporter/sms-exporter/blob/main/alerts/runbooks/HuaweiSmsSourceError.md",
            "dashboard_url": f"/d/huaweicloud-sms-source?var-source_id=id-{number:03}",
        },
        "startsAt": begin.isoformat(),
        "endsAt": (now if resolved else now + timedelta(hours=1)).isoformat(),
    }


def configuration(engine, web, mailbox, secrets):
    """The shipped receivers, all of them notified of everything, with the addresses of the stand-ins."""
    config = yaml.safe_load(FILES[0].read_text())
    for file in FILES[1:]:
        if engine.takes(file):
            config["receivers"] += yaml.safe_load(file.read_text())["receivers"]
    config["templates"] = [str(TEMPLATES)]
    shared = config["global"]
    del shared["smtp_auth_username"], shared["smtp_auth_password_file"]
    shared |= {
        "pagerduty_url": f"{web.address}/pagerduty",
        "opsgenie_api_url": f"{web.address}/opsgenie/",
        "wechat_api_url": f"{web.address}/wecom/",
        "smtp_smarthost": mailbox.address,
        "smtp_require_tls": False,
    }
    for receiver in [{"name": "slack", "global": [shared]}, *config["receivers"]]:
        for settings in (one for kind in receiver.values() if isinstance(kind, list) for one in kind):
            for key in [key for key in settings if key.endswith("_file")]:
                secret = Path(secrets, f"{receiver['name']}-{key}")
                secret.write_text(f"{web.address}/{receiver['name']}" if "url" in key else "0" * 32)
                settings[key] = str(secret)
            if str(settings.get("url", "")).startswith("http"):
                settings["url"] = f"{web.address}/{receiver['name']}"
    names = [receiver["name"] for receiver in config["receivers"]]
    config["route"] = {
        "receiver": names[0],
        "group_by": ["alertname", "account"],
        "group_wait": "4s",
        "group_interval": "20s",
        "routes": [{"receiver": name, "continue": True} for name in names],
    }
    return yaml.safe_dump(config), names


def post(address, alerts):
    """Gives Alertmanager alerts, as Prometheus would."""
    request = urllib.request.Request(
        f"{address}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        answer.read()


def deep(value):
    """All texts of a structure, one after the other."""
    if isinstance(value, dict):
        return " ".join(map(deep, value.values()))
    if isinstance(value, list):
        return " ".join(map(deep, value))
    return str(value)


def read(service, body):
    """The title and the text that a person sees, and how many bytes count against the service's limit."""
    if service == "email":
        subject, text, html = standins.mail(body)
        return subject, f"{text}{html}", len(body)
    sent = json.loads(body)
    if service == "pagerduty":
        firing = sent["payload"].get("custom_details", {}).get("firing", "")
        # A text that Alertmanager took for YAML arrives as something else.
        return sent["payload"]["summary"], firing + deep(sent["links"]) if isinstance(firing, str) else "", len(body)
    if service == "opsgenie":
        return sent.get("message", ""), sent.get("description", ""), len(sent.get("description", ""))
    if service == "slack":
        return sent["attachments"][0]["title"], deep(sent), len(deep(sent))
    if service == "wecom":
        return sent["text"]["content"].splitlines()[0], deep(sent), len(sent["text"]["content"].encode())
    if service == "teams":
        blocks = sent["attachments"][0]["content"]["body"]
        return blocks[0]["text"], deep(blocks), len(body)
    if service == "dingtalk":
        return sent["markdown"]["title"].removeprefix("[SMS] "), sent["markdown"]["text"], len(body)
    if service == "feishu":
        card = sent["card"]
        title, content = card["header"]["title"]["content"], card["elements"][0]["content"]
        return title.removeprefix("[SMS] "), content, len(body)
    return "", deep(sent["alerts"]), len(body)


def links(service, number):
    """What must be in a text about this server: its runbook, its dashboard, a silence for it."""
    silence = f"{ALERTMANAGER}/#/silences/new?filter=%7Balertname%3D%22HuaweiSmsSourceError%22%2Caccount%3D%22"
    everything = ["/runbooks/HuaweiSmsSourceError.md", f"/d/huaweicloud-sms-source?var-source_id=id-{number:03}"]
    if service not in ("wecom", "relay"):
        everything += ["https://grafana.example.com/d/", silence, f"%2Csource_id%3D%22id-{number:03}%22%7D"]
    return everything


def texts(service, account, text):
    """What is wrong with the text of a notification that fires."""
    shown = 5 if service == "wecom" else 10
    wanted = min(SIZES[account], shown)
    count = len(set(re.findall(r"app-\d\d\d|\d\d\d迁", text)))
    if count != max(wanted, min(SIZES[account], 3)):
        yield f"names {count} servers, not {wanted}"
    if account == "worst":
        if service != "relay" and "<!channel>" in text:
            yield "calls everybody"
        return
    told = (
        []
        if service == "wecom"
        else ["stage replicating, 43% copied, target ecs-1", "SMS.1805", "reach the SMS endpoint"]
    )
    yield from (f"has no {part!r}" for part in [*told, *links(service, 1)] if part not in text)
    if account == "many" and service not in ("wecom", "relay") and "And 390 more" not in text:
        yield "does not say how many are left out"


@functools.cache  # looked at anew whenever something arrives
def problems(service, account, body, resolved):
    """What is wrong with one notification, a line each."""
    return "\n".join(faults(service, account, body, resolved))


def faults(service, account, body, resolved):
    """What is wrong with one notification."""
    title, text, size = read(service, body)
    wanted = TITLES.get(account)
    if wanted and service != "relay":
        wanted = f"Resolved: {wanted}" if resolved else wanted
        if title != wanted:
            yield f"the title is {title!r}, not {wanted!r}"
    if service in ("pagerduty", "opsgenie") and not 0 < len(title) <= {"pagerduty": 1024, "opsgenie": 130}[service]:
        yield f"a title of {len(title)} signs"
    if size > LIMITS[service]:
        yield f"{size} bytes, more than the {LIMITS[service]} that are taken"
    if not resolved:
        yield from texts(service, account, text)
    elif service in ("slack", "email", "teams", "dingtalk", "feishu") and "Over: " not in text:
        yield "does not say what is over"


@functools.cache
def account_of(service, body):
    """Which group a notification is about."""
    text = standins.mail(body)[0] if service == "email" else deep(json.loads(body))
    return next((account for account in SIZES if re.search(rf"\b(in|account) {account}\b|%22{account}%22", text)), None)


def wanting(services, received, resolved):
    """What is wrong for each service and group. Alertmanager may send a part of a group first: the last one counts."""
    wrong = {(service, account): "nothing came" for service in services for account in SIZES}
    closed = set()
    for service, path, body in received:
        if service == "opsgenie" and resolved:
            closed.add(path)
            continue
        account = account_of(service, body)
        wrong[service, account] = problems(service, account, body, resolved)
    if resolved:
        for account, _ in zip(SIZES, closed):
            wrong["opsgenie", account] = (
                "" if all(path.split("?")[0].endswith("/close") for path in closed) else "not closed"
            )
    return wrong


def live(engine):
    """What a real Alertmanager sends when alerts fire and when they are resolved."""
    web = standins.Web()
    mailbox = standins.Mailbox(web)
    with tempfile.TemporaryDirectory() as secrets:
        config, services = configuration(engine, web, mailbox, secrets)
        running = engines.Running(engine, config, ALERTMANAGER)
        try:
            address = standins.until(running.address, "Alertmanager does not say where it listens")
            # What began longer ago than `group_wait` would be sent at once, a part of its group alone.
            begin = datetime.now(timezone.utc)
            for resolved in (False, True):
                post(
                    address,
                    [alert(account, n + 1, begin, resolved) for account, size in SIZES.items() for n in range(size)],
                )
                wrong = web.until(
                    lambda received: wanting(services, received, resolved), lambda wrong: not any(wrong.values())
                )
                for (service, account), problem in wrong.items():
                    state = "resolved" if resolved else "firing"
                    yield f"{service}, {SIZES.get(account)} {state} ({account}), {engine}", problem
            errors = [
                line
                for line in running.log().splitlines()
                if re.search(r"level=(warn|error)", line, re.I) and "Truncated message" not in line
            ]
            yield f"nothing fails on the way, {engine}", "\n".join(errors)[:3000]
        finally:
            running.close()
            mailbox.close()
            web.close()


def data(alerts, group_labels):
    """What a template is given for these alerts."""
    first = alerts[0]["labels"]
    common = {name: value for name, value in first.items() if all(one["labels"].get(name) == value for one in alerts)}
    return {
        "receiver": "any",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": group_labels,
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": ALERTMANAGER,
    }


def rendered(engine, text, alerts, group_labels=None):
    """What amtool makes of a template's text."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(data(alerts, group_labels or {}), file)
        file.flush()
        _, output = tools.run(
            engine.amtool,
            "template",
            "render",
            f"--template.glob={TEMPLATES}",
            f"--template.text={text}",
            f"--template.data={file.name}",
        )
    return output


def one_of(name, status="firing", **labels):
    """An alert of ours with these labels and nothing else in it."""
    time = datetime(2026, 11, 27, 3, 4, tzinfo=timezone.utc).isoformat()
    about = {
        "description": "It broke. First: mend it.",
        "summary": "Broken.",
        "dashboard_url": "/d/huaweicloud-sms-fleet",
        "runbook_url": f"https://github.com/sms-exporter/sms-exporter/blob/main/alerts/runbooks/HuaweiSms{name}.md",
    }
    return {
        "status": status,
        "labels": {"alertname": f"HuaweiSms{name}", **labels},
        "annotations": about,
        "startsAt": time,
        "endsAt": time,
    }


APP = {"account": "prod", "source_id": "a b", "source_name": "app.01"}
OTHER = {"account": "prod", "source_id": "c", "source_name": "app-01"}
GROUPS = {
    "a server with two alerts": (
        [one_of("SourceError", **APP), one_of("AgentDisconnected", **APP)],
        "2 × SourceError, AgentDisconnected in prod: app.01",
    ),
    "names that differ in a dot": (
        [one_of("SourceError", **APP), one_of("SourceError", **OTHER)],
        "2 × SourceError in prod: app.01, app-01",
    ),
    "a collector": ([one_of("DataStale", account="prod", collector="sources")], "DataStale in prod: sources"),
    "an account": ([one_of("FleetDisconnected", account="prod")], "FleetDisconnected in prod"),
    "nothing at all": ([one_of("ExporterAbsent")], "ExporterAbsent"),
    "one of two is over": (
        [one_of("SourceError", **APP), one_of("SourceError", "resolved", **OTHER)],
        "SourceError in prod: app.01",
    ),
    "2,000 servers": (
        [one_of("SourceError", **{**APP, "source_name": f"app-{n}"}) for n in range(2000)],
        "2000 × SourceError in prod: app-0, app-1, app-2 and 1997 more",
    ),
}
TEXT = f"""\
[1] app.01: It broke.
First: mend it.
Labels: severity=critical stage=cutovering
Since: 2026-11-27 03:04 UTC
Runbook: https://github.com/sms-exporter/sms-exporter/blob/main/alerts/runbooks/HuaweiSmsSourceError.md
Dashboard: https://grafana.example.com/d/huaweicloud-sms-fleet
Silence: {ALERTMANAGER}/#/silences/new?filter=%7Balertname%3D%22HuaweiSmsSourceError%22%2Caccount%3D%22prod%22%2C\
source_id%3D%22a%20b%22%7D

Over: app-01 (TaskFailed, since 03:04 UTC). All of them: {ALERTMANAGER}/#/alerts"""


def templates(engine):
    """What amtool makes of the templates."""
    for name, (alerts, title) in GROUPS.items():
        shown = rendered(engine, '{{ template "huaweicloud_sms.title" . }}', alerts)
        yield f"the title for {name}, {engine}", "" if shown == title else f"{shown!r}, not {title!r}"
    mixed = [
        one_of("SourceError", severity="critical", stage="cutovering", **APP),
        one_of("TaskFailed", "resolved", **OTHER),
    ]
    shown = rendered(engine, '{{ template "huaweicloud_sms.text" . }}', mixed)
    yield f"the whole text, {engine}", "" if shown == TEXT else f"{shown}\nis not\n{TEXT}"
    silence = rendered(
        engine, '{{ template "huaweicloud_sms.group_silence" . }}', mixed, {"account": "prod", "wave": "w 1"}
    )
    wanted = f"{ALERTMANAGER}/#/silences/new?filter=%7Baccount%3D%22prod%22%2Cwave%3D%22w%201%22%7D"
    yield f"a silence for the group, {engine}", "" if silence == wanted else silence
    advised = one_of("Watchdog")
    advised["annotations"]["description"] = "All is well."
    shown = rendered(engine, '{{ template "huaweicloud_sms.text" . }}', [advised])
    yield f"no first step where none is given, {engine}", (
        shown if "First" in shown or "All is well." not in shown else ""
    )
    elsewhere = one_of("SourceError", **APP)
    elsewhere["annotations"] |= {"dashboard_url": "https://grafana/d/x", "runbook_url": "https://wiki/SourceError"}
    links = rendered(
        engine,
        '{{ template "huaweicloud_sms.first_dashboard" . }} {{ template "huaweicloud_sms.first_runbook" . }}',
        [elsewhere],
    )
    yield f"addresses set in the rules stay, {engine}", (
        "" if links == "https://grafana/d/x https://wiki/SourceError" else links
    )


def checks():
    """All checks, on each Alertmanager."""
    for engine in engines.both():
        for file in [*FILES, engines.SHIPPED / "alertmanager.example.yml"]:
            if engine.takes(file):
                status, output = tools.run(engine.amtool, "check-config", file)
                yield f"amtool accepts {file.name}, {engine}", output if status else ""
        yield from templates(engine)
        yield from live(engine)


def main():
    passed = failed = 0
    for name, problem in checks():
        passed, failed = (passed, failed + 1) if problem else (passed + 1, failed)
        print(
            f"FAILED {name}\n       " + problem.replace("\n", "\n       ") if problem else f"ok     {name}", flush=True
        )
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
