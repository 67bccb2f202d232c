"""The fleet at a glance: is anything wrong, where, and when will it be done."""

from . import codes, fresh
from .dashboard import Grid, dashboard
from .model import (
    GREY,
    SOURCE_LINK,
    coloured,
    coloured_cell,
    gauge_cell,
    known,
    named,
    query,
    rows,
    series,
    stat,
    steps,
    table,
)
from .queries import ACCOUNT, SOURCE, SOURCE_KEY, age, chosen, fleet, in_states, one
from .shared import (
    STATE_CELL,
    against_limits,
    alerts,
    bytes_left,
    data_age,
    gained,
    own_time_left,
    progress,
    service_time_left,
    source_speed,
    speeds,
)

NAMED_SOURCE = "account, source_id, source_name"
PROBLEMS = codes.value_mappings(
    [(0, "Unknown", GREY), (1, "Failed", "red"), (2, "Disconnected", "orange"), (3, "Check failed", "yellow")]
)


def _failed(base=SOURCE):
    task = in_states(codes.FAILED_TASKS, SOURCE_KEY, "task_state", base)
    return f"({in_states(codes.FAILED_STATES, base=base)} or on ({SOURCE_KEY}) {task})"


def _disconnected(key, base=SOURCE):
    connected = one(key, f"huaweicloud_sms_source_connected{{{base}}}")
    return f"({connected} == 0 and on ({SOURCE_KEY}) {in_states(codes.WORKING_STATES, base=base)})"


def _bad_checks(key):
    checks = one(key, chosen("source_check_problem", 'result="ERROR"'))
    return f"({checks} unless on ({SOURCE_KEY}) {in_states(codes.DONE_STATES)})"


def _error_rows(name):
    errors = one(f"{NAMED_SOURCE}, error_code, category", chosen(name))
    return f'label_join({errors}, "reason", ", ", "error_code", "category")'


def _problems():
    """One row per problem: its rank as the value, what is known of the reason as a label."""
    of_source, of_task = _error_rows("source_error_info"), _error_rows("task_error_info")
    coded = one(SOURCE_KEY, chosen("source_error_info"))
    coded_task = one(SOURCE_KEY, chosen("task_error_info"))
    silent = f'label_replace({one(NAMED_SOURCE, chosen("source_state"))}, "reason", "no code given", "", "")'
    failed = (
        f"({of_source} or ({of_task} unless on ({SOURCE_KEY}) {coded})"
        f" or ({silent} unless on ({SOURCE_KEY}) ({coded} or {coded_task}))) and on ({SOURCE_KEY}) {_failed()}"
    )
    gone = f'label_replace({_disconnected(NAMED_SOURCE)}, "reason", "agent gone in mid-work", "", "") + 2'
    check = _bad_checks(f"{NAMED_SOURCE}, check, error_code")
    checks = f'label_join({check}, "reason", ", ", "check", "error_code") * 3'
    return one(f"{NAMED_SOURCE}, reason", f"({failed}) or ({gone}) or ({checks})")


def _having_problems(expression):
    problems = f"{_failed()} or {_disconnected(SOURCE_KEY)} or {_bad_checks(SOURCE_KEY)}"
    return f"{expression} and on ({SOURCE_KEY}) ({problems})"


def _needs_attention():
    gone_for = f"{age(one(SOURCE_KEY, chosen('source_connection_changed_timestamp_seconds')))}"
    return table(
        "Needs attention",
        "Every server that failed, whose agent is gone while it should work, or whose environment check says ERROR, "
        "worst first. Click a name: its dashboard shows when it happened. The code's entry in the runbook says what to "
        "do. Empty while nothing is wrong and series per server are exposed.",
        [
            rows("A", fresh.or_unknown(_problems(), "source_name")),
            rows("B", _having_problems(one(SOURCE_KEY, chosen("source_state_code")))),
            rows("C", _having_problems(age(one(SOURCE_KEY, chosen("source_state_changed_timestamp_seconds"))))),
            rows("D", f"{gone_for} and on ({SOURCE_KEY}) {_disconnected(SOURCE_KEY)}"),
        ],
        {
            "source_name": "Server",
            "Value #A": "Problem",
            "reason": "Reason",
            "Value #B": "State",
            "Value #C": "In state for",
            "Value #D": "Agent gone for",
            "account": "Account",
        },
        hidden=["source_id"],
        sort=[("Problem", False), ("In state for", True)],
        overrides=[
            named("Server", links=SOURCE_LINK, custom__width=170),
            named("Problem", custom__width=125, **coloured_cell(PROBLEMS)),
            named("State", custom__width=110, **STATE_CELL),
            named("In state for", unit="s", custom__width=110, decimals=1),
            named("Agent gone for", unit="s", custom__width=125, decimals=1),
            named("Account", custom__width=110),
        ],
        none="Nothing needs attention",
    )


def _counts():
    failed, lost = _failed(ACCOUNT), _disconnected(SOURCE_KEY, ACCOUNT)
    left = bytes_left(ACCOUNT)
    return [
        data_age(),
        stat(
            "Servers",
            "Source servers that the service knows, in any state. A sudden fall means that registrations "
            "were deleted: look for who did it.",
            [query("A", fresh.or_gap(fresh.believed(f"sum({one('account, state', fleet('sources'))})", "sources")))],
            "none",
            graph=True,
            none="unknown",
        ),
        stat(
            "Failed",
            "Servers in an error state or with a failed task. Anything but zero needs a person: the table "
            "below names them with their error codes.",
            [query("A", fresh.believed(f"count({failed}) or vector(0)"))],
            "none",
            thresholds=known((0, "green"), (1, "red")),
            background=True,
            none="unknown",
        ),
        stat(
            "Disconnected",
            "Servers whose agent is gone while it should be working. One: look at that server. Many "
            "at once: look at the network between the site and the cloud first.",
            [query("A", fresh.believed(f"count({lost}) or vector(0)", "sources"))],
            "none",
            thresholds=known((0, "green"), (1, "orange"), (3, "red")),
            background=True,
            none="unknown",
        ),
        stat(
            "Replicated",
            "Share of all bytes that is copied. If it stands still while servers replicate, see what "
            "stalls on the dashboard of throughput and limits.",
            [
                query(
                    "A",
                    fresh.or_gap(
                        fresh.believed(
                            f"sum({one(SOURCE_KEY, fleet('source_replicated_size_bytes'))})"
                            f" / (sum({one(SOURCE_KEY, fleet('source_total_size_bytes'))}) > 0)",
                            "sources",
                        )
                    ),
                )
            ],
            "percentunit",
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Bytes left",
            "What all servers have still to copy. If it grows, servers were added or their disks fill "
            "faster than they are copied.",
            [query("A", fresh.or_gap(fresh.believed(f"sum({left})", "sources")))],
            "bytes",
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Time left",
            "Until the last running task ends by the service's estimates, and until all bytes are copied "
            "at the present rate; unknown as well while nothing moves. If they differ widely, servers wait to be started, or limits hold the fleet back.",
            [
                query("A", fresh.believed(f"max({service_time_left(ACCOUNT)})"), "estimate"),
                query("B", fresh.believed(f"sum({left}) / (sum({gained(ACCOUNT)}) > 0)"), "at this rate"),
            ],
            "s",
            decimals=1,
            none="unknown",
            text="value_and_name",
        ),
        stat(
            "Throughput",
            "Sum of the speeds that the service reports for running tasks. Zero while servers "
            "replicate: see what stalls on the dashboard of throughput and limits.",
            [query("A", fresh.or_gap(fresh.believed(f"sum({speeds(base=ACCOUNT)}) or vector(0)", "tasks")))],
            "Bps",
            graph=True,
            none="unknown",
            decimals=1,
        ),
    ]


def _states_over_time():
    states = one("account, state", fleet("sources"))
    seen = f"max by (state) (max_over_time({fleet('sources')}[$__range] @ end())) > 0"
    return series(
        "Servers by state",
        "How many servers are in each state; states that did not occur in the chosen time are left "
        "out. Red that grows: see what needs attention. Blue that never turns green: servers replicate but nobody cuts "
        "them over.",
        [query("A", f"sum by (state) ({states}) and on (state) ({seen})", "{{state}}")],
        "none",
        stacked=True,
        legend="table",
        overrides=[coloured(name, colour) for name, colour in codes.SOURCE_STATES],
        decimals=0,
    )


def _throughput():
    return against_limits(
        "At the limits: raise them or wait for the night's rule. Far below: look for slow links or slow disks on the "
        "dashboard of throughput and limits.",
        ACCOUNT,
    )


def _progress():
    def unfinished(expression):
        return f"{expression} unless on ({SOURCE_KEY}) {in_states(codes.DONE_STATES)}"

    left = f"({service_time_left()} or on ({SOURCE_KEY}) {own_time_left()})"
    return table(
        "Progress per server",
        "Servers that are not finished, the one that takes longest first. A time left that grows: open that server and "
        "see what holds it back. Those at 100 % that sync wait for their cutover; those without a time left wait, or "
        "failed. Sort by any column, filter by name and state in the headings.",
        [
            rows("A", fresh.or_unknown(unfinished(one(NAMED_SOURCE, chosen("source_state_code"))), "source_name")),
            rows("B", unfinished(progress())),
            rows("C", unfinished(one(SOURCE_KEY, chosen("source_replicated_size_bytes")))),
            rows("D", unfinished(one(SOURCE_KEY, chosen("source_total_size_bytes")))),
            rows("E", unfinished(source_speed())),
            rows("F", unfinished(left)),
        ],
        {
            "source_name": "Server",
            "Value #A": "State",
            "Value #B": "Progress",
            "Value #C": "Replicated",
            "Value #D": "Total",
            "Value #E": "Speed",
            "Value #F": "Time left",
            "account": "Account",
        },
        hidden=["source_id"],
        sort=[("Time left", True)],
        overrides=[
            named("Server", links=SOURCE_LINK, custom__width=220, custom__filterable=True),
            named("State", custom__width=120, custom__filterable=True, **STATE_CELL),
            named(
                "Progress", unit="percentunit", decimals=1, thresholds=steps("blue", (0.999, "green")), **gauge_cell()
            ),
            named("Replicated", unit="bytes", decimals=1, custom__width=110),
            named("Total", unit="bytes", decimals=1, custom__width=110),
            named("Speed", unit="Bps", decimals=1, custom__width=110),
            named("Time left", unit="s", decimals=1, custom__width=110),
            named("Account", custom__width=130),
        ],
        none="No server is on its way",
    )


def _events():
    errors = one("account, error_code, category", fleet("migration_errors"))

    def changes(labels, name):
        events = one(f"account{labels}", f"increase({fleet(name)}[$__rate_interval])")
        return f"sum({events}) or vector(0)"

    return [
        table(
            "Errors by code",
            "The error codes that stand now, and at how many servers. One code at many servers has "
            "one cause: deal with it once, by the table of codes in the runbook.",
            [
                rows(
                    "A",
                    fresh.or_unknown(f"topk(20, sum by (error_code, category) ({errors}) > 0)", "category", "errors"),
                )
            ],
            {"error_code": "Code", "category": "Category", "Value": "Servers"},
            sort=[("Servers", True)],
            overrides=[
                named("Code", custom__width=95),
                named("Category", custom__width=150),
                named("Servers", unit="none", thresholds=steps("red"), **gauge_cell(None)),
            ],
            none="No errors",
        ),
        series(
            "Agents that drop out and come back",
            "Agents lost and found in the minutes before each point. Losses that are not followed by "
            "as many returns are in the table above. Both high: the link is unstable, have the network looked at.",
            [
                query("A", changes("", "agent_disconnects_total"), "lost"),
                query("B", changes("", "agent_reconnects_total"), "came back"),
            ],
            "none",
            bars=True,
            overrides=[coloured("lost", "orange"), coloured("came back", "green")],
        ),
        series(
            "Failures",
            "Tasks that failed and checks that began to say ERROR, in the minutes before each point. A "
            "burst has one cause: look at the codes beside this, then at what changed at that time.",
            [
                query("A", changes(", error_code, category", "task_failures_total"), "tasks"),
                query("B", changes(", check, error_code", "check_failures_total"), "checks"),
            ],
            "none",
            bars=True,
            overrides=[coloured("tasks", "red"), coloured("checks", "yellow")],
        ),
    ]


def build():
    """The dashboard of the fleet."""
    grid = Grid()
    grid.line(4, *zip((3, 2, 3, 3, 3, 3, 4, 3), _counts(), strict=True))
    grid.line(
        9,
        (15, _needs_attention()),
        (
            9,
            alerts(
                "Alerts that fire",
                "What the shipped rules say now, pages first. Click an alert for its runbook, a server for its dashboard; "
                "silence it in Alertmanager when somebody works on it. Empty as well while Prometheus has not loaded the "
                "rules.",
            ),
        ),
    )
    grid.line(9, (12, _states_over_time()), (12, _throughput()))
    grid.line(14, (24, _progress()))
    grid.numbers(8, *_events())
    return dashboard(
        "fleet",
        "Huawei Cloud SMS / Fleet",
        "Every server migration of an account: what is wrong, how far it is, when it will be done. "
        "The choice of servers narrows the tables; the numbers and graphs are of whole accounts.",
        grid,
        since="6h",
    )
