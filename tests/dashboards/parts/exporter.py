"""The exporter itself: does it poll, what does the API answer, what does it cost."""

from . import codes
from .dashboard import Grid, dashboard
from .model import known, named, query, rows, series, stat, steps, table, timeline
from .queries import age, metric, one, own, process, rate
from .shared import data_age

# A zero is no good news here while nothing is asked at all: it stays grey.
ALARM = known((1, "red"))
# The service says 400 where a task has no speed rules and 404 where it has no consistency result.
FAILED = 'code!~"2..|400|404"'


def _sum(labels, name, matchers=""):
    """A counter's rate per minute, added over exporters: each makes its own requests."""
    return f"sum by ({labels}) ({rate(own(name, matchers))}) * 60"


def _or_none(expression, label):
    """What is there, or a zero called "none": a graph that says "No data" leaves one in doubt."""
    return f'{expression} or on () label_replace(vector(0), "{label}", "none", "", "")'


def _plain(name, matchers=""):
    """A selector for a metric of the exporter that belongs to no account."""
    return metric("sms_exporter_" + name, 'job=~"$job"', matchers)


def _requests(matchers=""):
    return f"sum({rate(own('api_requests_total', matchers))})"


def _numbers():
    expiry = one("account", own("credentials_expiry_timestamp_seconds"))
    failures = one("account, collector", own("poll_consecutive_failures"))
    failing = f"count({failures} > 0) or count({failures}) * 0"
    return [
        data_age(),
        stat(
            "Exporters up",
            "Exporters that Prometheus reaches, of those it should. Fewer than all: see the target's "
            "error on Prometheus' page of targets.",
            [query("A", 'sum(up{job=~"$job"})', "up"), query("B", 'count(up{job=~"$job"})', "of")],
            "none",
            text="value_and_name",
        ),
        stat(
            "Failing collectors",
            "Collectors whose last poll failed. Which and why: the panel of failed polls below.",
            [query("A", failing)],
            "none",
            thresholds=ALARM,
            background=True,
            none="unknown",
        ),
        stat(
            "Failed requests",
            "Share of the API's answers that are failures: not 2xx, nor the 400 and 404 by which it says that a task "
            "has no speed rules or no result. Above a few percent, see the codes below: "
            "401 and 403 are credentials, 429 is throttling, 5xx is the service.",
            [query("A", f"({_requests(FAILED)} or vector(0)) / ({_requests()} > 0)")],
            "percentunit",
            none="no requests",
            thresholds=known((0.05, "yellow"), (0.2, "red")),
            background=True,
            decimals=1,
        ),
        stat(
            "Refused logins",
            "Refused authentications in the chosen time. More than five in a row lock the key for "
            "five minutes: put the credentials right first.",
            [query("A", f"sum(increase({own('auth_failures_total')}[$__range]))", instant=True)],
            "none",
            thresholds=ALARM,
            background=True,
            none="unknown",
            decimals=0,
        ),
        stat(
            "Credentials end in",
            "Until the first temporary credentials end, if they are temporary. Minutes: they are "
            "not renewed, look at the agency or at what writes the file.",
            [query("A", f"clamp_min(min({expiry}) - time(), 0)")],
            "s",
            thresholds=steps("text", (0, "red"), (900, "yellow"), (1800, "green")),
            none="permanent",
            decimals=0,
        ),
        stat(
            "Configuration",
            "Whether the last reload was taken. Refused: the old configuration runs on, the log names " "the line.",
            [query("A", f"min({_plain('config_last_reload_successful')})")],
            mappings=codes.SUCCESS,
            background=True,
            none="never reloaded",
        ),
    ]


def _polls():
    key = "account, collector"
    polls = f"sum by (account, collector, reason) ({rate(own('poll_failures_total'))})"
    return [
        timeline(
            "Polls",
            "Whether each collector's last poll was good. One red lane: that operation is refused or its "
            "answers changed. All red: credentials, network or the service.",
            [query("A", one(key, own("poll_success")), "{{account}} {{collector}}")],
            mappings=codes.SUCCESS,
        ),
        series(
            "Data age by collector",
            "Time since each collector's last good poll. A saw tooth as high as the poll interval is "
            "right; a slope that does not fall means that polls fail. Beyond three intervals and a minute the fleet's numbers are shown as unknown.",
            [query("A", age(one(key, own("poll_last_success_timestamp_seconds"))), "{{account}} {{collector}}")],
            "s",
        ),
        series(
            "Poll duration",
            "How long each collector's last poll took. Near the poll interval: polls run into one "
            "another; make the interval longer or switch collectors off.",
            [query("A", one(key, own("poll_duration_seconds")), "{{account}} {{collector}}")],
            "s",
        ),
        series(
            "Failed polls",
            "Failed polls per hour, by reason. The exporter's log has one line for each with the " "whole error.",
            [query("A", _or_none(f"{polls} * 3600 > 0", "reason"), "{{account}} {{collector}} {{reason}}")],
            "none",
            bars=True,
        ),
    ]


def _api():
    buckets = f"sum by (le, operation) ({rate(own('api_request_duration_seconds_bucket'))})"
    return [
        series(
            "Requests",
            "Requests to the API by operation. More than expected: fewer sources per page than there "
            "should be, or many retries.",
            [query("A", _sum("operation", "api_requests_total"), "{{operation}}")],
            "reqpm",
        ),
        series(
            "Failed answers",
            "By operation and code, without the 400 and 404 that mean that a task has no speed rules or no result. "
            "401 and 403: credentials or a missing permission; 429: throttled; 5xx: the service; error: no answer came.",
            [
                query(
                    "A",
                    _or_none(_sum("operation, code", "api_requests_total", FAILED) + " > 0", "code"),
                    "{{operation}} {{code}}",
                )
            ],
            "reqpm",
            bars=True,
        ),
        series(
            "Latency",
            "The time within which 95 % of the answers come. Slow answers make polls slow: try a "
            "nearer exporter, then ask the service.",
            [query("A", f"histogram_quantile(0.95, {buckets})", "{{operation}}")],
            "s",
        ),
        series(
            "Retries",
            "Requests made again, by reason. Some are normal; a constant rate means that something refuses "
            "or times out: see the answers beside this.",
            [
                query(
                    "A",
                    _or_none(_sum("operation, reason", "api_retries_total") + " > 0", "reason"),
                    "{{operation}} {{reason}}",
                )
            ],
            "reqpm",
            bars=True,
        ),
    ]


def _budget():
    return [
        series(
            "Throttling",
            "Answers 429 by operation. If they keep coming, set a longer poll interval or ask the "
            "service for a higher quota.",
            [query("A", _or_none(_sum("operation", "api_throttled_total") + " > 0", "operation"), "{{operation}}")],
            "reqpm",
            bars=True,
        ),
        series(
            "Request budget",
            "The rate that the exporter allows itself, and what it uses. The allowed rate falls after "
            "429s and comes back by itself.",
            [
                query(
                    "A",
                    one("account, instance", own("api_rate_limit_requests_per_second")) + " * 60",
                    "allowed {{account}}",
                ),
                query("B", _sum("account, instance", "api_requests_total"), "used {{account}}"),
            ],
            "reqpm",
        ),
        series(
            "Waiting for the budget",
            "Share of the time that requests wait for their turn. Above one, more than one "
            "waits at a time: lengthen the interval or raise the budget.",
            [query("A", f"sum by (account) ({rate(own('api_budget_wait_seconds_total'))})", "{{account}}")],
            "percentunit",
        ),
    ]


def _page():
    missing = (
        f"{one('account, collector', own('objects_expected'))} - {one('account, collector', own('objects_exported'))}"
    )
    # No series of it while nothing is dropped.
    dropped = f"sum by (instance) ({_plain('series_dropped')}) or sum by (instance) ({_plain('series')}) * 0"

    def odd(word, label, name):
        events = f"sum by ({label}) ({rate(own(name))}) * 3600 > 0"
        return f'label_replace({events}, "what", "{word} $1", "{label}", "(.*)")'

    strange = " or ".join(
        [
            odd("malformed", "field", "malformed_values_total"),
            odd("unknown", "field", "unknown_values_total"),
            odd("twice there:", "collector", "duplicates_dropped_total"),
        ]
    )
    return [
        series(
            "Objects that are missing",
            "Objects that the API announced and that did not come. Shortly above zero "
            "while the list changes; constantly above zero: incomplete data, see the exporter's log.",
            [query("A", missing, "{{account}} {{collector}}")],
            "none",
        ),
        series(
            "Odd values",
            "Values per hour that are outside the documents: malformed, unknown, or twice there. Unknown "
            "ones are a new version of the API: look for a new version of the exporter.",
            [query("A", _or_none(f"({strange})", "what"), "{{what}}")],
            "none",
            bars=True,
        ),
        series(
            "Series",
            "Samples on the page and samples that the configured caps dropped. Anything dropped is not in "
            "any panel or alert: raise the cap, or switch the family off on purpose.",
            [
                query("A", f"sum by (instance) ({_plain('series')})", "on the page {{instance}}"),
                query("B", dropped, "dropped {{instance}}"),
            ],
            "none",
        ),
        series(
            "Size of the page",
            "Bytes of the last page by encoding. Many megabytes: let Prometheus ask for gzip, or "
            "narrow the scrape with collect[] and exclude[].",
            [query("A", one("instance, encoding", _plain("page_bytes")), "{{encoding}}")],
            "bytes",
        ),
        series(
            "Page requests",
            "Requests to the exporter by path and code. Other codes than 2xx: a password or a "
            "certificate is wrong, or somebody tries paths.",
            [query("A", f"sum by (path, code) ({rate(_plain('http_requests_total'))}) * 60", "{{path}} {{code}}")],
            "reqpm",
        ),
        series(
            "Scrape duration",
            "How long Prometheus takes to get a page. Near the scrape timeout (10 s by default): "
            "narrow the scrape or raise the timeout.",
            [query("A", 'max by (instance) (scrape_duration_seconds{job=~"$job"})', "{{instance}}")],
            "s",
        ),
    ]


def _process():
    return [
        series(
            "Processor",
            "Share of one processor. Constantly near 100 %: the page is rendered too often; lengthen the "
            "poll interval.",
            [query("A", f"max by (instance) ({rate(process('process_cpu_seconds_total'))})", "{{instance}}")],
            "percentunit",
        ),
        series(
            "Memory",
            "Resident memory. It follows the number of servers; growth with a constant fleet is a leak: "
            "please report it.",
            [query("A", f"max by (instance) ({process('process_resident_memory_bytes')})", "{{instance}}")],
            "bytes",
        ),
        series(
            "Open files",
            "Share of the allowed file descriptors that is in use. Near 100 %: too many clients keep "
            "connections open; raise the limit of the unit.",
            [
                query(
                    "A",
                    f"max by (instance) ({process('process_open_fds')} / {process('process_max_fds')})",
                    "{{instance}}",
                )
            ],
            "percentunit",
            thresholds=steps("transparent", (0.8, "red")),
        ),
        table(
            "Versions",
            "What runs where, and since when. Two exporters side by side should be of one version. A start "
            "that nobody made is a crash: see the log before it.",
            [
                rows("A", f"max by (instance, version, revision, rustc) ({_plain('build_info')})"),
                rows("B", f"max by (instance) ({process('process_start_time_seconds')}) * 1000"),
            ],
            {
                "instance": "Exporter",
                "version": "Version",
                "revision": "Revision",
                "rustc": "Built with",
                "Value #B": "Started",
            },
            overrides=[named("Started", unit="dateTimeAsIso")],
            none="No exporter",
        ),
    ]


def build():
    """The dashboard of the exporter."""
    grid = Grid()
    grid.numbers(4, *_numbers())
    grid.numbers(8, *_polls())
    grid.row("The service's API")
    grid.numbers(8, *_api())
    grid.numbers(7, *_budget())
    grid.row("What is exposed")
    page = _page()
    grid.numbers(7, *page[:3])
    grid.numbers(7, *page[3:])
    grid.row("The process")
    processor, memory, files, versions = _process()
    grid.numbers(7, processor, memory, files)
    grid.line(4, (24, versions))
    return dashboard(
        "exporter",
        "Huawei Cloud SMS / Exporter",
        "The exporter itself: whether it polls, what the API answers, what it exposes and what it needs. "
        "The choice of a server changes nothing here and is only carried to the other dashboards.",
        grid,
        since="3h",
        hide_source=True,
    )
