"""One server: what it is, what it did and what it does now."""

from . import codes, fresh
from .dashboard import Grid, dashboard
from .model import (
    coloured,
    coloured_cell,
    dashed,
    gauge_cell,
    known,
    named,
    override,
    query,
    rows,
    series,
    stat,
    steps,
    table,
    timeline,
)
from .queries import SOURCE_KEY, TASK_KEY, age, chosen, one
from .shared import alerts, bytes_left, data_age, gained, own_time_left, progress, service_time_left

RESULTS = codes.value_mappings([("OK", "OK", "green"), ("WARN", "WARN", "yellow"), ("ERROR", "ERROR", "red")])


def _short(expression):
    """Names a task by the beginning of its id, short enough for a legend."""
    return f'label_replace({expression}, "task", "$1", "task_id", "(.{{0,8}}).*")'


def _task(name):
    return one(TASK_KEY, chosen(name))


def _now():
    states = codes.state_mappings(codes.SOURCE_STATES)
    tasks = codes.state_mappings(codes.TASK_STATES)
    return [
        data_age(),
        stat(
            "State",
            "What the service says of the server. Error: the table of errors below names the code. Stopped: "
            "somebody, or the speed limit's protection, has paused it.",
            [query("A", fresh.of_account(one(SOURCE_KEY, chosen("source_state_code")), "sources"), "state")],
            mappings=states,
            thresholds=known(),
            background=True,
            none="unknown",
        ),
        stat(
            "Task",
            "What the service says of the server's task. None known: no task was made yet, it was deleted, or the data is not fresh.",
            [query("A", _short(fresh.of_account(_task("task_state_code"), "tasks")), "task {{task}}")],
            mappings=tasks,
            thresholds=known(),
            background=True,
            none="none known",
        ),
        stat(
            "Agent",
            "Whether the agent on the server talks to the service. Disconnected while it should work: see "
            "that the server is up, the agent runs and it reaches the service on port 443.",
            [query("A", fresh.of_account(one(SOURCE_KEY, chosen("source_connected")), "sources"), "agent")],
            mappings=codes.CONNECTED,
            thresholds=known(),
            background=True,
            none="unknown",
        ),
        stat(
            "Replicated",
            "The share of the server's bytes that is copied. Standing still while the state is "
            "replicate: compare speed with limit below.",
            [query("A", fresh.or_gap(f"max({fresh.of_account(progress(), 'sources')})"), "replicated")],
            "percentunit",
            thresholds=known((0, "blue"), (0.999, "green")),
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Bytes left",
            "What has still to be copied. If it grows, the disks fill faster than they are copied.",
            [query("A", fresh.or_gap(f"max({fresh.of_account(bytes_left(), 'sources')})"), "left")],
            "bytes",
            graph=True,
            none="unknown",
            decimals=1,
        ),
        stat(
            "Time left",
            "The service's estimate for the running task. Compare it with ours below; plan the cutover by "
            "the later of the two.",
            [query("A", fresh.of_account(service_time_left(), "tasks"), "estimate")],
            "s",
            decimals=1,
            none="no estimate",
        ),
        stat(
            "In this state for",
            "Time since the state last changed. Hours in stopping, cutovering, cloning or clearing "
            "mean that it hangs: the runbook of stuck transitions says what to do.",
            [
                query(
                    "A",
                    fresh.of_account(age(one(SOURCE_KEY, chosen("source_state_changed_timestamp_seconds"))), "sources"),
                    "since",
                )
            ],
            "s",
            decimals=1,
            none="unknown",
        ),
    ]


def _states():
    return timeline(
        "What happened",
        "State of the server, connection of its agent and state of its task. Read errors from right to "
        "left; a gap is a time in which nothing was known. The agent's loss before a failure points to the network, a failure with the agent there to the server "
        "or the service.",
        [
            query("A", fresh.of_account(one(SOURCE_KEY, chosen("source_state_code")), "sources"), "Server"),
            query("B", fresh.of_account(one(SOURCE_KEY, chosen("source_connected")), "sources"), "Agent"),
            query("C", _short(fresh.of_account(_task("task_state_code"), "tasks")), "Task {{task}}"),
        ],
        mappings=codes.state_mappings(codes.SOURCE_STATES),
        overrides=[
            override("byFrameRefID", "B", mappings=codes.CONNECTED),
            override("byFrameRefID", "C", mappings=codes.state_mappings(codes.TASK_STATES)),
        ],
    )


def _facts():
    def info(name, labels):
        return one(f"{SOURCE_KEY}, {labels}", chosen(name))

    server = table(
        "About the server",
        "What the server is, by its agent. An old agent is the first thing to renew when checks or "
        "replication fail for no clear reason.",
        [
            rows("A", info("source_info", "source_name, hostname, ip, os_type, os_version, firmware, agent_version")),
            rows("B", one(SOURCE_KEY, chosen("source_cpu_cores"))),
            rows("C", one(SOURCE_KEY, chosen("source_memory_bytes"))),
            rows("D", f"{one(SOURCE_KEY, chosen('source_registered_timestamp_seconds'))} * 1000"),
        ],
        {
            "source_name": "Server",
            "hostname": "Host name",
            "ip": "Address",
            "os_type": "System",
            "os_version": "Version",
            "firmware": "Firmware",
            "agent_version": "Agent",
            "Value #B": "Cores",
            "Value #C": "Memory",
            "Value #D": "Registered",
        },
        overrides=[
            named("Memory", unit="bytes", decimals=1),
            named("Registered", unit="dateTimeAsIso"),
            named("Cores", unit="none", custom__width=70),
        ],
        none="No such server is known",
    )
    labels = "task_id, task_name, type, priority, region_id, project_name, target_server_name, target_ip"
    task = table(
        "About the task",
        "Where the server is migrated to, and how. Compare the target's name and address with the plan before "
        "a cutover.",
        [
            rows("A", info("task_info", labels)),
            rows("B", f"{_task('task_started_timestamp_seconds')} * 1000"),
            rows("C", _task("task_active_seconds")),
            rows("D", _task("task_compression_rate")),
        ],
        {
            "task_name": "Task",
            "type": "Type",
            "region_id": "Region",
            "project_name": "Project",
            "target_server_name": "Target",
            "target_ip": "Target's address",
            "Value #B": "Started",
            "Value #C": "Active for",
            "Value #D": "Compression",
        },
        overrides=[
            named("Started", unit="dateTimeAsIso"),
            named("Active for", unit="s", decimals=1),
            named("Compression", unit="none", decimals=2),
        ],
        none="No task is known",
    )
    return server, task


def _movement():
    total = one(SOURCE_KEY, chosen("source_total_size_bytes"))
    done = one(SOURCE_KEY, chosen("source_replicated_size_bytes"))
    speed, limit = _task("task_migrate_speed_bytes_per_second"), _task("task_speed_limit_bytes_per_second")
    threshold = _task("task_overspeed_threshold_ratio")
    return [
        series(
            "Replicated against total",
            "A step down in what is replicated means that a task began anew. A total "
            "that grows means new data on the server.",
            [query("A", done, "replicated"), query("B", total, "total")],
            "bytes",
            overrides=[coloured("replicated", "blue"), dashed("total", "text")],
        ),
        series(
            "Speed against limit",
            "Above the red line the service stops the task. Close to it: raise the limit, or "
            "see that traffic control (tc) is installed on the server, because without it a limit is not kept. "
            "No line for a limit: there is none now.",
            [
                query("A", speed, "speed"),
                query("B", limit, "limit"),
                query("C", f"{limit} * (1 + {threshold})", "stops at"),
            ],
            "Bps",
            overrides=[
                coloured("speed", "blue"),
                dashed("limit", "orange"),
                named("stops at", color={"fixedColor": "red", "mode": "fixed"}, custom__fillOpacity=0),
            ],
        ),
        series(
            "Bytes gained",
            "By how much what is replicated grows. Nothing while a speed is reported: the data is copied again, or "
            "the service counts late. More than the speed: it travels compressed.",
            [query("A", gained(), "bytes gained")],
            "Bps",
            overrides=[coloured("bytes gained", "green")],
        ),
        series(
            "Time left over time",
            "The service's estimate, its remaining time, and bytes left over the present rate. If ours "
            "stays far above the service's, expect the later end.",
            [
                query("A", service_time_left(), "service's estimate"),
                query("B", _task("task_remaining_seconds"), "service's remaining time"),
                query("C", own_time_left(), "at the present rate"),
            ],
            "s",
        ),
    ]


def _subtasks():
    key = "account, task_id, source_id, subtask"

    def part(name):
        return one(key, chosen("task_subtask_" + name))

    began, ended = part("started_timestamp_seconds"), part("finished_timestamp_seconds")
    return table(
        "Subtasks",
        "The steps of the task, the newest first. The one that began and does not end is where it hangs: search the "
        "agent's log for its name.",
        [
            rows("A", part("progress_ratio")),
            rows("B", f"{began} * 1000"),
            rows("C", f"{ended} * 1000"),
            rows("D", f"({ended} - {began} >= 0) or {age(began)}"),
        ],
        {
            "subtask": "Subtask",
            "Value #A": "Progress",
            "Value #B": "Started",
            "Value #C": "Finished",
            "Value #D": "Took",
        },
        sort=[("Started", True)],
        overrides=[
            named("Subtask", custom__width=230),
            named("Progress", unit="percentunit", thresholds=steps("blue", (1, "green")), **gauge_cell()),
            named("Started", unit="dateTimeAsIso", custom__width=165),
            named("Finished", unit="dateTimeAsIso", custom__width=165),
            named("Took", unit="s", decimals=1, custom__width=100),
        ],
        none="No subtasks are known",
    )


def _checks():
    problems = one(f"{SOURCE_KEY}, check, result, error_code", chosen("source_check_problem"))
    named_results, unknown = (
        one(f"{SOURCE_KEY}, result", chosen("source_checks", f'result{sign}"unknown"')) for sign in ("!=", "=")
    )
    errors = " or ".join(
        one(f"{SOURCE_KEY}, error_code, category", chosen(name)) for name in ("source_error_info", "task_error_info")
    )
    return [
        stat(
            "Checks",
            "Results of the environment checks, counted. ERROR keeps the migration from starting; WARN may "
            "fail it later.",
            [query("A", fresh.of_account(f"{named_results} or {unknown} > 0", "sources"), "{{result}}")],
            "none",
            none="unknown",
            overrides=[coloured("OK", "green"), coloured("WARN", "yellow"), coloured("ERROR", "red")],
            text="value_and_name",
        ),
        table(
            "Checks that are not OK",
            "Put right what stands here on the server, then have its agent check again.",
            [rows("A", fresh.or_unknown(problems, "check", "sources"))],
            {"check": "Check", "result": "Result", "error_code": "Code"},
            overrides=[named("Result", custom__width=80, **coloured_cell(RESULTS)), named("Code", custom__width=110)],
            sort=[("Result", False)],
            none="All checks are OK",
        ),
        table(
            "Errors",
            "Error codes of the server and of its task. The runbook's table of codes says what each means "
            "and who can put it right.",
            [rows("A", fresh.or_unknown(errors, "category", "errors|tasks"))],
            {"error_code": "Code", "category": "Category"},
            none="No errors",
        ),
        table(
            "Consistency check",
            "Files of the newest comparison of server and target. Different or missing ones: copy again before the "
            "cutover, or find out who writes on the target.",
            [
                rows(
                    "A",
                    fresh.or_unknown(
                        one(f"{TASK_KEY}, kind", chosen("task_consistency_files")), "kind", "tasks|consistency"
                    ),
                )
            ],
            {"kind": "Files", "Value": "Number"},
            overrides=[named("Number", decimals=0)],
            none="Never compared",
        ),
    ]


def _disks():
    key = f"{SOURCE_KEY}, disk, use"
    size, used = one(key, chosen("source_disk_size_bytes")), one(key, chosen("source_disk_used_bytes"))
    return table(
        "Disks",
        "The server's disks. A full disk fails the snapshot that replication needs: free some space "
        "before the start.",
        [rows("A", size), rows("B", used), rows("C", f"{used} / ({size} > 0)")],
        {"disk": "Disk", "use": "Use", "Value #A": "Size", "Value #B": "Used", "Value #C": "Share"},
        overrides=[
            named("Size", unit="bytes", decimals=1, custom__width=90),
            named("Used", unit="bytes", decimals=1, custom__width=90),
            named("Use", custom__width=90),
            named(
                "Share",
                unit="percentunit",
                decimals=0,
                thresholds=steps("blue", (0.8, "yellow"), (0.95, "red")),
                **gauge_cell(),
            ),
        ],
        none="Disks are not known yet",
    )


def _load():
    def both(what):
        return [
            query("A", _task(f"task_host_{what}"), "whole server"),
            query("B", _task(f"task_agent_{what}"), "agent"),
        ]

    colours = [coloured("whole server", "orange"), coloured("agent", "blue")]
    return [
        series(
            "Processor",
            "Use of the server's processors. Full because of the agent: lower its share or wait for a "
            "quiet hour. Full without it: the server itself is the bottleneck.",
            both("cpu_usage_ratio"),
            "percentunit",
            overrides=colours,
            max=1,
        ),
        series(
            "Memory",
            "Memory in use on the server. Near the server's size, the agent is in danger of being killed: "
            "free some.",
            both("memory_used_bytes"),
            "bytes",
            overrides=colours,
        ),
        series(
            "Disk traffic",
            "Reading and writing on the server's disks. High without the agent: the server's own load "
            "slows the copy. The API's unit is uncertain here: trust the shape more than the number.",
            both("disk_io_bytes_per_second"),
            "Bps",
            overrides=colours,
        ),
    ]


def _network():
    return [
        series(
            "Delay",
            "Delay and jitter between server and target, from the agent's check. Above 100 ms throughput "
            "suffers: choose a nearer region or a dedicated line.",
            [
                query("A", _task("task_network_latency_seconds"), "delay"),
                query("B", _task("task_network_jitter_seconds"), "jitter"),
            ],
            "s",
        ),
        series(
            "Loss",
            "Packets lost between server and target. Above one percent, have the link looked at.",
            [query("A", _task("task_network_loss_ratio"), "loss")],
            "percentunit",
            thresholds=steps("transparent", (0.01, "red")),
        ),
        series(
            "Bandwidth",
            "Bandwidth that the agent measured. If the speed above stays at it, the link is the "
            "bottleneck and a higher limit does not help.",
            [query("A", _task("task_network_bandwidth_bytes_per_second"), "bandwidth")],
            "Bps",
        ),
        timeline(
            "Reachability",
            "Whether the server reaches the service's domain and the target. Unreachable: open the "
            "ports that the service's manual names, in the firewall and in the security group.",
            [
                query("A", fresh.of_account(_task("task_network_domain_reachable"), "tasks"), "Domain"),
                query("B", fresh.of_account(_task("task_network_target_reachable"), "tasks"), "Target"),
            ],
            mappings=codes.REACHABLE,
        ),
    ]


def build():
    """The dashboard of one server."""
    server, task = _facts()
    grid = Grid()
    grid.numbers(4, *_now())
    grid.line(6, (24, _states()))
    grid.numbers(8, *_movement())
    grid.line(
        5,
        (
            24,
            alerts(
                "Alerts of this server",
                "What the shipped rules say of this server now. Click an alert for its runbook, the account for its fleet. "
                "Empty as well while Prometheus has not loaded the rules.",
                of_server=True,
            ),
        ),
    )
    grid.line(4, (24, server))
    grid.line(4, (24, task))
    grid.line(10, (14, _subtasks()), (10, _disks()))
    counts, checks, errors, consistency = _checks()
    grid.line(7, (5, counts), (8, checks), (6, errors), (5, consistency))
    grid.row("Load of the server and of the agent on it")
    grid.numbers(7, *_load())
    grid.row("Network between server and target")
    grid.numbers(7, *_network())
    return dashboard(
        "source",
        "Huawei Cloud SMS / Server",
        "One source server: its state over time, its progress, speed and limit, its task's steps, its "
        "checks and errors, the load on it and its network.",
        grid,
        since="24h",
        one_source=True,
    )
