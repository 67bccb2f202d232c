"""PromQL in the pieces that the panels share.

Two exporters may watch the same account, so whatever describes the fleet is brought down to one
series per subject (`max by`) before it is added up.
"""

ACCOUNT = 'job=~"$job",account=~"$account"'
SOURCE = ACCOUNT + ',source_id=~"$source_id"'
SOURCE_KEY = "account, source_id"
TASK_KEY = "account, task_id, source_id"


def metric(name, base, matchers=""):
    """A selector for one of our metrics."""
    return f"{name}{{{base}{',' + matchers if matchers else ''}}}"


def fleet(name, matchers=""):
    """A selector for a metric of the whole account."""
    return metric("huaweicloud_sms_" + name, ACCOUNT, matchers)


def chosen(name, matchers=""):
    """A selector for a metric of the chosen sources or of their tasks."""
    return metric("huaweicloud_sms_" + name, SOURCE, matchers)


def own(name, matchers=""):
    """A selector for a metric that the exporter keeps about itself, for each account."""
    return metric("sms_exporter_" + name, ACCOUNT, matchers)


def process(name, matchers=""):
    """A selector for a metric of the process, which belongs to no account."""
    return metric(name, 'job=~"$job"', matchers)


def one(labels, expression):
    """One series per combination of `labels`, however many exporters serve it."""
    return f"max by ({labels}) ({expression})"


def total(expression, labels="account"):
    """The sum over accounts of what is first brought down to one series per account."""
    return f"sum({one(labels, expression)})"


def rate(selector):
    """Increase per second over Grafana's own window."""
    return f"rate({selector}[$__rate_interval])"


def in_states(states, key=SOURCE_KEY, name="source_state", base=SOURCE):
    """The subjects that are in one of `states`."""
    selector = metric("huaweicloud_sms_" + name, base, f'state=~"{states}"')
    return one(key, selector)


def age(timestamp):
    """Seconds since a timestamp; none are negative, whatever the clocks of the service and of Prometheus say."""
    return f"clamp_min(time() - {timestamp}, 0)"
