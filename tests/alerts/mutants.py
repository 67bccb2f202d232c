"""Rules with one thing wrong each. A rule test that passes with every one of them proves nothing about that thing."""

import copy
import re
from dataclasses import dataclass

import promql

TURNED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
NUDGED = {">": ">=", "<": "<=", ">=": ">", "<=": "<"}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
THRESHOLD = "huaweicloud_sms:threshold:"


@dataclass(frozen=True)
class Mutant:
    """What is wrong, and where: the rule's place and the field that is replaced."""

    group: int
    rule: int
    kind: str
    what: str
    field: str
    value: str

    def of(self, rules):
        """The rules with this mutation, made of the sound ones."""
        mutated = copy.deepcopy(rules)
        mutated["groups"][self.group]["rules"][self.rule][self.field] = self.value
        return mutated


def seconds(duration):
    """A duration as Prometheus writes it, in seconds."""
    return sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdw])", duration))


def spliced(text, start, end, replacement):
    return text[:start] + replacement + text[end:]


def shown(text, start, end):
    """The place of a mutation, for a reader: a little of what follows it."""
    return re.sub(r"\s+", " ", text[start:max(end, start + 70)]).strip()


def comparisons(text, node):
    """Each comparison turned around, and each boundary moved."""
    if node.kind != "binary" or node.name not in promql.COMPARISONS:
        return
    start, end = node.operator
    place = shown(text, node.start, node.end)
    yield "comparison", f"{node.name} to {TURNED[node.name]} in: {place}", spliced(text, start, end, TURNED[node.name])
    if node.name in NUDGED:
        yield "boundary", f"{node.name} to {NUDGED[node.name]} in: {place}", spliced(text, start, end, NUDGED[node.name])


def clauses(text, node):
    """Each `and`, `unless` and `or` clause dropped; of an `or`, the first part as well."""
    if node.kind != "binary" or node.name not in ("and", "unless", "or"):
        return
    left, right = node.children
    yield "clause", f"dropped: {shown(text, node.operator[0], right.end)}", text[:left.end] + text[node.end:]
    if node.name == "or":
        yield "clause", f"dropped before or: {shown(text, left.start, left.end)}", text[:node.start] + text[right.start:]


def matchers(text, node):
    """Each label matcher dropped, and each alternative of a regular expression."""
    for matcher in node.matchers:
        comma = re.compile(r"\s*,?\s*").match(text, matcher.end).end()
        written = text[matcher.start:matcher.end]
        yield "matcher", f"dropped: {node.name} {written}", spliced(text, matcher.start, comma, "")
        alternatives = matcher.value.split("|") if "~" in matcher.op else []
        for one in alternatives if len(alternatives) > 1 else []:
            rest = "|".join(a for a in alternatives if a != one)
            value = spliced(text, matcher.value_start, matcher.value_start + len(matcher.value), rest)
            yield "matcher", f"without {one}: {written}", value


def windows(text, node):
    """Each range and offset halved."""
    for start, end in node.windows:
        half = f"{seconds(text[start:end]) / 2:.0f}s"
        what = f"{text[start:end]} to {half} in: {shown(text, node.start, node.end)}"
        yield "window", what, spliced(text, start, end, half)


def labels(text, node):
    """Each label dropped from what is aggregated by or matched on."""
    for start, end in node.labels:
        comma = re.compile(r"\s*,?\s*").match(text, end).end()
        yield "label", f"without {text[start:end]}: {shown(text, node.start, node.end)}", spliced(text, start, comma, "")


def numbers(text, node):
    """Each number moved a little; what is compared with 0 is turned around already, and what always fires says nothing."""
    if node.kind == "number" and float(text[node.start:node.end]) and not text.startswith("vector("):
        number = text[node.start:node.end]
        moved = f"{float(number) * 1.1:g}"
        yield "number", f"{number} to {moved} in: {shown(text, max(0, node.start - 30), node.end)}", spliced(
            text, node.start, node.end, moved)


def thresholds(rule):
    """The value of a threshold a tenth up and down, or by one where it counts something."""
    if not rule.get("record", "").startswith(THRESHOLD):
        return
    value = re.fullmatch(r"vector\((.*)\)", rule["expr"]).group(1)
    measured = rule["record"].endswith(("_seconds", "_ratio"))
    for change in ("* 1.1", "* 0.9") if measured else ("+ 1", "- 1"):
        yield "threshold", change, f"vector(({value}) {change})"


def times(rule):
    """`for` and `keep_firing_for` halved and doubled."""
    for name in ("for", "keep_firing_for"):
        for change, factor in (("halved", 0.5), ("doubled", 2)) if name in rule else ():
            yield name, f"{name}: {rule[name]} {change}", name, f"{seconds(rule[name]) * factor:.0f}s"


def mutants(rules):
    """All of them, in the order of the file."""
    for g, group in enumerate(rules["groups"]):
        for r, rule in enumerate(group["rules"]):
            text = rule["expr"]
            nodes = [] if rule.get("record", "").startswith(THRESHOLD) else promql.parse(text).walk()
            for node in nodes:
                for made in (comparisons, clauses, matchers, windows, labels, numbers):
                    for kind, what, value in made(text, node):
                        yield Mutant(g, r, kind, what, "expr", value)
            for kind, what, value in thresholds(rule):
                yield Mutant(g, r, kind, what, "expr", value)
            for kind, what, name, value in times(rule):
                yield Mutant(g, r, kind, what, name, value)
