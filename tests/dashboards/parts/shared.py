"""Queries and panels that stand on more than one dashboard."""

from . import codes
from .model import coloured, coloured_cell, dashed, query, series, stat, steps
from .queries import SOURCE, SOURCE_KEY, TASK_KEY, age, in_states, metric, one, own, rate

RUNNING_TASKS = "RUNNING|SYNCING"
# The exporter polls every 30 s; the alert on stale data pages at ten minutes.
FRESH = steps("green", (150, "yellow"), (600, "red"))

SEVERITIES = codes.value_mappings(
    [("critical", "critical", "red"), ("warning", "warning", "orange"), ("info", "info", "blue")]
)


def data_age():
    """How old the oldest part of what is shown is."""
    return stat(
        "Data age",
        "Time since the last good poll of the slowest collector. Yellow means that polls fail: everything else here "
        "is as old as this says. Open the exporter's dashboard and see which collector fails and why.",
        [query("A", f"max({age(one('account, collector', own('poll_last_success_timestamp_seconds')))})")],
        "s",
        thresholds=FRESH,
        background=True,
        decimals=0,
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
