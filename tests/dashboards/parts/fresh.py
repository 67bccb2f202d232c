"""What may be believed: numbers freeze when polls fail, and a frozen number is shown as unknown.

An account is fresh while every collector that a panel reads has succeeded within three poll intervals and a minute. The
interval is the account's own; an exporter that does not tell it is taken to poll every 30 s. A collector that never
succeeded is not fresh, nor is an account whose exporter is gone. A collector that asks about tasks one by one succeeds when
there is nothing to ask: what it read is as fresh as the tasks are.
"""

from .queries import age, one, own

FLEET = "sources|tasks"
KEY = "account, collector"


def _of(collectors):
    return f'collector=~"{collectors}"'


def limit(collectors=".+"):
    """The age up to which an account's data is believed."""
    interval = one("account", own("poll_interval_seconds"))
    attempts = one("account", own("poll_last_attempt_timestamp_seconds", _of(collectors)))
    return f"(3 * ({interval} or on (account) {attempts} * 0 + 30) + 60)"


def ages(collectors=".+"):
    """The age of what each collector read last; a collector that never succeeded has none."""
    return age(one(KEY, own("poll_last_success_timestamp_seconds", _of(collectors))))


def fresh_accounts(collectors=FLEET):
    """The accounts of which everything that these collectors read is fresh."""
    fresh = f"count by (account) ({ages(collectors)} <= on (account) group_left () {limit(collectors)})"
    polled = f"count by (account) ({one(KEY, own('poll_last_attempt_timestamp_seconds', _of(collectors)))})"
    return f"({fresh} == {polled})"


def all_fresh(collectors=FLEET):
    """Something while every chosen account is fresh, else nothing."""
    polled = f"count by (account) ({one(KEY, own('poll_last_attempt_timestamp_seconds', _of(collectors)))})"
    return f"(count({fresh_accounts(collectors)}) == count({polled}))"


def believed(expression, collectors=FLEET):
    """A number of whole accounts: nothing unless all of them are fresh."""
    return f"({expression}) and on () {all_fresh(collectors)}"


def of_account(expression, collectors=FLEET):
    """Series with the label account: only those of accounts that are fresh."""
    return f"({expression}) and on (account) {fresh_accounts(collectors)}"


def or_gap(expression):
    """A gap where there is nothing, so that the last value of a line is not taken for the present one."""
    return f"{expression} or on () vector(NaN)"


def or_unknown(expression, label, collectors=FLEET):
    """Rows, and one that says so while not everything behind them is fresh: an empty table would say that all is well."""
    blind = f"(vector(0) unless on () {all_fresh(collectors)})"
    return f'({expression}) or label_replace({blind}, "{label}", "unknown: no fresh data", "", "")'
