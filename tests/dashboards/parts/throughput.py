"""Speeds and limits: who is fast, who is held back, who is about to be stopped, who stalls."""

from . import fresh
from .dashboard import Grid, dashboard
from .model import SOURCE_LINK, coloured, gauge_cell, known, named, query, rows, series, stat, steps, table
from .queries import SOURCE_KEY, chosen, fleet, in_states, one
from .shared import against_limits, bytes_left, data_age, gained, limits, own_time_left, running, source_speed, speeds

KEY = "account, task_id, source_id, source_name"
USE = steps("green", (0.8, "yellow"), (1, "orange"), (1.1, "red"))
BANDS = [
    ("below half", "", "< 0.5", "light-blue"),
    ("half to 80 %", ">= 0.5", "< 0.8", "blue"),
    ("80 % to limit", ">= 0.8", "<= 1", "green"),
    ("above limit", "> 1", "", "red"),
]


def _of_limit():
    return f"{speeds(KEY)} / ({limits(KEY)} > 0)"


def _threshold():
    return one(KEY, chosen("task_overspeed_threshold_ratio"))


def _headroom_used():
    """How much of the room between limit and stop is used: 0 at the limit, 1 where the service stops."""
    return f"clamp_min({_of_limit()} - 1, 0) / ({_threshold()} > 0)"


def _numbers():
    above = f"count({one('account, task_id', chosen('task_overspeed'))} == 1)"
    still = f"count({_stalled()})"
    stops = fleet("overspeed_stops_suspected_total")
    return [
        data_age(),
        stat(
            "Throughput",
            "Sum of the speeds that the service reports for the chosen servers.",
            [query("A", fresh.or_gap(fresh.believed(f"sum({speeds()}) or vector(0)", "tasks")))],
            "Bps",
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Limits",
            "Sum of the limits of running tasks that have one; tasks without a limit are not in it. Close to "
            "the throughput: the limits decide how long it takes.",
            [query("A", fresh.or_gap(fresh.believed(f"sum({limits()}) or vector(0)", "tasks|speed_limits")))],
            "Bps",
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Tasks that move data",
            "Running and syncing tasks of the chosen servers. Few while many servers wait: start " "more of them.",
            [query("A", fresh.or_gap(fresh.believed(f"count({running()}) or vector(0)", "tasks")))],
            "none",
            graph=True,
            none="unknown",
        ),
        stat(
            "Above their limit",
            "Tasks that are faster than their limit allows. Above the limit and its threshold the "
            "service stops a task: see the headroom below.",
            [query("A", fresh.believed(f"{above} or vector(0)", "tasks|speed_limits"))],
            "none",
            thresholds=known((0, "green"), (1, "orange")),
            background=True,
            none="unknown",
        ),
        stat(
            "Stalled",
            "Servers in replicate that gained nothing for half an hour although their agents are there. Read "
            "their rows below, then the agents' logs.",
            [query("A", fresh.believed(f"{still} or vector(0)", "sources"))],
            "none",
            thresholds=known((0, "green"), (1, "red")),
            background=True,
            none="unknown",
        ),
        stat(
            "Stops suspected",
            "Tasks in the chosen time that were above limit and threshold when last seen and were "
            "then stopped. Raise the limit, then start them again.",
            [
                query(
                    "A", fresh.believed(f"sum({one('account', f'increase({stops}[$__range])')})", "tasks"), instant=True
                )
            ],
            "none",
            thresholds=known((0, "green"), (1, "orange")),
            background=True,
            none="unknown",
            decimals=0,
        ),
    ]


def _replicating(key=SOURCE_KEY):
    state = in_states("replicate", key)
    connected = one(SOURCE_KEY, chosen("source_connected"))
    return f"({state} and on ({SOURCE_KEY}) {connected} == 1)"


def _gained_lately(key=SOURCE_KEY):
    now = one(key, chosen("source_replicated_size_bytes"))
    then = one(key, chosen("source_replicated_size_bytes") + " offset 30m")
    return f"({now} - {then})"


def _stalled():
    return f"({_gained_lately()} == 0 and on ({SOURCE_KEY}) {_replicating()})"


def _over_time():
    speed = f"sum by (account, source_id, source_name) ({speeds(KEY)})"
    last = one("account, source_id", chosen("task_migrate_speed_bytes_per_second") + " @ end()")
    return [
        against_limits(
            "At the limits: they decide how long it takes. Far below: look at the slowest of those that should replicate."
        ),
        series(
            "Bytes gained",
            "By how much what is replicated grows. Far below the reported speed: data is copied again, or the service "
            "counts late. Above it: it travels compressed.",
            [query("A", f"sum({gained()})", "bytes gained")],
            "Bps",
            overrides=[coloured("bytes gained", "green")],
        ),
        series(
            "Top speeds over time",
            "The ten servers that are fastest at the end of the chosen time. Steps come from "
            "limits that change by the hour; saw teeth from agents that drop out.",
            [query("A", f"{speed} and on (account, source_id) topk(10, {last})", "{{source_name}}")],
            "Bps",
            legend="table",
        ),
    ]


def _top():
    fastest = f"topk(15, sum by (account, source_id, source_name) ({speeds(KEY)}))"
    return table(
        "Top speeds",
        "The fastest servers now. One that takes most of the line starves the others: give it a limit.",
        [rows("A", fresh.or_unknown(fastest, "source_name", "tasks"))],
        {"source_name": "Server", "Value": "Speed", "account": "Account"},
        hidden=["source_id"],
        sort=[("Speed", True)],
        overrides=[
            named("Server", links=SOURCE_LINK, custom__width=160),
            named("Speed", unit="Bps", decimals=1, thresholds=steps("blue"), **gauge_cell(None)),
            named("Account", custom__width=100),
        ],
        none="Nothing moves",
    )


def _bands():
    queries = []
    for ref, (name, above, below, _) in zip("ABCD", BANDS, strict=True):
        expression = f"({_of_limit()})"
        for bound in (above, below):
            expression = f"{expression} {bound}".strip()
        queries.append(query(ref, f"count({expression}) or vector(0)", name))
    return series(
        "Tasks by use of their limit",
        "How many limited tasks are where. Most of them close to the limit: the "
        "limits are what slows the fleet. Most below half: links or disks are.",
        queries,
        "none",
        stacked=True,
        overrides=[coloured(name, colour) for name, _, _, colour in BANDS],
        legend="table",
        decimals=0,
    )


def _headroom():
    near = f"topk(20, {_of_limit()})"
    tasks = "account, task_id"
    limit, speed = limits(tasks), speeds(tasks)
    threshold = one(tasks, chosen("task_overspeed_threshold_ratio"))
    return table(
        "Headroom before the stop",
        "The twenty tasks closest to their limit or furthest above it. At 100 % of the "
        "headroom the service stops the task: raise the limit before, or install tc on the server. A task without a "
        "threshold is not stopped, as far as the API tells.",
        [
            rows("A", fresh.or_unknown(near, "source_name", "tasks|speed_limits")),
            rows("B", f"{speed} and on ({tasks}) {near}"),
            rows("C", f"{limit} and on ({tasks}) {near}"),
            rows("D", f"{limit} * (1 + {threshold}) and on ({tasks}) {near}"),
            rows("E", f"{one(tasks, _headroom_used())} and on ({tasks}) {near}"),
        ],
        {
            "source_name": "Server",
            "Value #A": "Of its limit",
            "Value #E": "Headroom used",
            "Value #B": "Speed",
            "Value #C": "Limit",
            "Value #D": "Stops at",
            "account": "Account",
        },
        hidden=["source_id"],
        sort=[("Of its limit", True)],
        overrides=[
            named("Server", links=SOURCE_LINK, custom__width=180),
            named("Of its limit", unit="percentunit", decimals=0, thresholds=USE, **gauge_cell(1.2)),
            named(
                "Headroom used",
                unit="percentunit",
                decimals=0,
                thresholds=steps("green", (0.01, "yellow"), (0.8, "red")),
                **gauge_cell(),
            ),
            named("Speed", unit="Bps", decimals=1, custom__width=100),
            named("Limit", unit="Bps", decimals=1, custom__width=100),
            named("Stops at", unit="Bps", decimals=1, custom__width=100),
            named("Account", custom__width=110),
        ],
        none="No running task has a limit",
    )


def _stalls():
    named_source = "account, source_id, source_name"
    slowest = f"bottomk(20, {gained(key=named_source)} and on ({SOURCE_KEY}) {_replicating()})"
    return table(
        "What stalls",
        "The twenty slowest of the servers that should replicate. Nothing gained in half an hour is a "
        "stall: look for a limit of zero, a full disk or a dead subtask on the server's dashboard, then in the agent's "
        "log.",
        [
            rows("A", fresh.or_unknown(slowest, "source_name", "sources")),
            rows("B", f"{_gained_lately()} and on ({SOURCE_KEY}) {slowest}"),
            rows("C", f"{source_speed()} and on ({SOURCE_KEY}) {slowest}"),
            rows("D", f"{bytes_left()} and on ({SOURCE_KEY}) {slowest}"),
            rows("E", f"{own_time_left()} and on ({SOURCE_KEY}) {slowest}"),
        ],
        {
            "source_name": "Server",
            "Value #A": "Gains",
            "Value #B": "Gained in 30 min",
            "Value #C": "Reported speed",
            "Value #D": "Bytes left",
            "Value #E": "Time left",
            "account": "Account",
        },
        hidden=["source_id"],
        sort=[("Gains", False)],
        overrides=[
            named("Server", links=SOURCE_LINK, custom__width=180),
            named(
                "Gains",
                unit="Bps",
                decimals=1,
                thresholds=steps("text", (0, "red"), (1, "text")),
                custom__cellOptions={"type": "color-text"},
            ),
            named(
                "Gained in 30 min",
                unit="bytes",
                decimals=1,
                thresholds=steps("text", (0, "red"), (1, "text")),
                custom__cellOptions={"type": "color-text"},
            ),
            named("Reported speed", unit="Bps", decimals=1),
            named("Bytes left", unit="bytes", decimals=1),
            named("Time left", unit="s", decimals=1),
            named("Account", custom__width=110),
        ],
        none="No server replicates",
    )


def _events():
    def changes(name):
        return f"sum({one('account', f'increase({fleet(name)}[$__rate_interval])')}) or vector(0)"

    return series(
        "Overspeed",
        "How often a task went above its limit, and how often one was then stopped, in the minutes before each point, of "
        "whole accounts. If stops follow: raise limits, or the threshold, or install tc.",
        [
            query("A", changes("overspeed_events_total"), "went above the limit"),
            query("B", changes("overspeed_stops_suspected_total"), "stop suspected"),
        ],
        "none",
        bars=True,
        overrides=[coloured("went above the limit", "orange"), coloured("stop suspected", "red")],
    )


def build():
    """The dashboard of speeds and limits."""
    grid = Grid()
    grid.numbers(4, *_numbers())
    grid.line(9, *zip((7, 6, 11), _over_time(), strict=True))
    grid.line(10, (9, _top()), (15, _headroom()))
    grid.line(10, (24, _stalls()))
    grid.numbers(8, _bands(), _events())
    return dashboard(
        "throughput",
        "Huawei Cloud SMS / Throughput and limits",
        "How fast servers are copied, what their limits do to that, who is about to be stopped for "
        "speeding and who stalls.",
        grid,
        since="6h",
    )
