"""Queries and panels that stand on more than one dashboard."""

from . import codes, fresh
from .model import (
    FLEET_LINK,
    GREY,
    RUNBOOK_LINK,
    SOURCE_LINK,
    coloured,
    coloured_cell,
    dashed,
    named,
    query,
    rows,
    series,
    stat,
    steps,
    table,
)
from .queries import SOURCE, SOURCE_KEY, TASK_KEY, age, in_states, metric, one, rate

RUNNING_TASKS = "RUNNING|SYNCING"

SEVERITIES = codes.value_mappings(
    [("critical", "critical", "red"), ("warning", "warning", "orange"), ("info", "info", "blue")]
)


def data_age():
    """How old the oldest part of what is shown is, and whether that is fresh enough to be believed."""
    share = f"max({fresh.ages()} / on (account) group_left () {fresh.limit()})"
    return stat(
        "Data age",
        "Time since the last good poll of the slowest collector, and that age as a share of what is believed (three poll "
        "intervals and a minute). Above 100 % polls fail: numbers of the fleet are shown as unknown, and graphs and tables "
        "are as old as this says. Open the exporter's dashboard and see which collector fails and why.",
        [query("A", f"max({fresh.ages()})", "age"), query("B", share, "of what is believed")],
        "s",
        thresholds=steps("red"),
        background=True,
        decimals=0,
        none="never read",
        text="value_and_name",
        overrides=[
            coloured("age", GREY),
            named(
                "of what is believed",
                unit="percentunit",
                thresholds=steps("red", (0, "green"), (0.7, "yellow"), (1, "red")),
            ),
        ],
    )


def alerts(title, description, *, of_server=False):
    """The shipped alerts that fire, with links to the runbook and to the server; on the server's own, to its fleet."""
    ours = 'alertname=~"HuaweiSms.*",alertname!="HuaweiSmsWatchdog",account=~"$account|"'
    ours += ',source_id=~"$source_id"' if of_server else ""
    key = "alertname, severity, account, source_name, source_id"
    firing = one(key, f'ALERTS{{alertstate="firing",{ours}}}')
    active = f"{age(one(key, f'ALERTS_FOR_STATE{{{ours}}}'))} and on ({key}) {firing}"
    # All names begin alike; what tells them apart should not be what is cut off.
    short = f'label_replace({active}, "alert", "$1", "alertname", "HuaweiSms(.*)")'
    links = [named("Alert", links=RUNBOOK_LINK)]
    links.append(
        named("Account", links=FLEET_LINK) if of_server else named("Server", links=SOURCE_LINK, custom__width=140)
    )
    return table(
        title,
        description,
        [rows("A", short)],
        {"severity": "Severity", "alert": "Alert", "source_name": "Server", "account": "Account", "Value": "For"},
        hidden=["source_id", "alertname"],
        sort=[("Severity", False), ("For", True)],
        overrides=[
            named("Severity", custom__width=80, **coloured_cell(SEVERITIES)),
            *links,
            named("Account", custom__width=95),
            named("For", unit="s", custom__width=85, decimals=0),
        ],
        none="No alert fires",
    )


def speeds(key=TASK_KEY, base=SOURCE):
    """The speed of each running task."""
    speed = one(key, metric("huaweicloud_sms_task_migrate_speed_bytes_per_second", base))
    return f"({speed} and on (account, task_id) {running(base)})"


def limits(key=TASK_KEY, base=SOURCE):
    """The limit of each running task that has one."""
    limit = one(key, metric("huaweicloud_sms_task_speed_limit_bytes_per_second", base))
    return f"({limit} and on (account, task_id) {running(base)})"


def running(base=SOURCE):
    """The tasks that move data."""
    return in_states(RUNNING_TASKS, "account, task_id", "task_state", base)


def against_limits(advice, base=SOURCE):
    """Speeds and limits over time; a task without a limit is not measured by the limits of others."""
    limited = f"on (account, task_id) {limits(base=base)}"
    return series(
        "Throughput against limits",
        f"Reported speed of the running tasks that have a limit, beside the sum of those limits, and of those that "
        f"have none. {advice}",
        [
            query("A", f"sum({speeds(base=base)} and {limited}) or vector(0)", "with a limit"),
            query("B", f"sum({speeds(base=base)} unless {limited}) or vector(0)", "without a limit"),
            query("C", f"sum({limits(base=base)})", "sum of limits"),
        ],
        "Bps",
        overrides=[
            coloured("with a limit", "blue"),
            coloured("without a limit", "purple"),
            dashed("sum of limits", "orange"),
        ],
    )


def source_speed(base=SOURCE):
    """The speed of each source: the sum over its tasks."""
    return f"sum by ({SOURCE_KEY}) ({speeds(base=base)})"


def bytes_left(base=SOURCE, key=SOURCE_KEY):
    """What each source has still to replicate."""
    total = one(key, metric("huaweicloud_sms_source_total_size_bytes", base))
    done = one(key, metric("huaweicloud_sms_source_replicated_size_bytes", base))
    return f"clamp_min({total} - {done}, 0)"


def progress(base=SOURCE, key=SOURCE_KEY):
    """The share of each source that is replicated."""
    total = one(key, metric("huaweicloud_sms_source_total_size_bytes", base))
    done = one(key, metric("huaweicloud_sms_source_replicated_size_bytes", base))
    return f"{done} / ({total} > 0)"


def gained(base=SOURCE, key=SOURCE_KEY):
    """Bytes per second that each source gains, from the counter."""
    return one(key, rate(metric("huaweicloud_sms_source_replicated_bytes_total", base)))


def service_time_left(base=SOURCE, key=SOURCE_KEY):
    """Time left by the service's own estimate, of tasks that run."""
    estimate = metric("huaweicloud_sms_task_estimated_completion_timestamp_seconds", base)
    tasks = f"({one(TASK_KEY, estimate)} and on (account, task_id) {running(base)})"
    return f"(max by ({key}) ({tasks}) - time() > 0)"


def own_time_left(base=SOURCE, key=SOURCE_KEY):
    """Time left at the present rate."""
    return f"({bytes_left(base, key)} / ({gained(base, key)} > 0))"


STATE_CELL = coloured_cell(codes.state_mappings(codes.SOURCE_STATES))
