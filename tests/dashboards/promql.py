"""As much of PromQL as the house rules need: names, labels, ranges and what encloses them.

Prometheus itself says whether a query is valid (live.py); this only reads it.
"""

import dataclasses
import re

TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<range>\[[^\]]*\])
  | (?P<variable>\$\{?\w+\}?)
  | (?P<number>\d[\w.]*)
  | (?P<name>[A-Za-z_:][\w:]*)
  | (?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^=<>(){},@])
  | (?P<space>\s+)
  | (?P<other>.)
""",
    re.VERBOSE,
)
AGGREGATIONS = {"sum", "max", "min", "avg", "count", "topk", "bottomk", "group", "stddev", "quantile"}
LABEL_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "NaN"}


@dataclasses.dataclass
class Selector:
    """One metric as a query names it."""

    name: str
    labels: list
    matchers: dict
    within: list
    range: str = ""


@dataclasses.dataclass
class Query:
    """What a query names."""

    selectors: list
    grouped: set
    made: set


def tokens(text):
    """The tokens of a query; ValueError where it holds something that is no PromQL."""
    found = [(match.lastgroup, match.group()) for match in TOKEN.finditer(text)]
    odd = [value for kind, value in found if kind == "other"]
    if odd:
        raise ValueError(f"odd characters {odd} in {text}")
    return [(kind, value) for kind, value in found if kind != "space"]


def _until(found, start, closing):
    """The index of the token that closes what begins at `start`."""
    return next(i for i in range(start, len(found)) if found[i][1] == closing)


def _matchers(found, start):
    """The matchers of a selector, and where they end."""
    if start >= len(found) or found[start][1] != "{":
        return {}, start
    end = _until(found, start, "}")
    inside = found[start + 1 : end]
    labels = [i for i, (kind, _) in enumerate(inside) if kind == "name"]
    return {inside[i][1]: inside[i + 2][1].strip('"') for i in labels}, end + 1


def read(text):
    """The selectors of a query, each with the functions around it, and the labels it groups by and makes."""
    found = tokens(text)
    query, within, index = Query([], set(), set()), [], 0
    called = None
    while index < len(found):
        kind, value = found[index]
        following = found[index + 1][1] if index + 1 < len(found) else ""
        if value in LABEL_LISTS and following == "(":
            end = _until(found, index, ")")
            query.grouped |= {label for sort, label in found[index + 2 : end] if sort == "name"}
            index = end
        elif kind == "name" and (following == "(" or following == "by"):
            called = value
        elif value == "(":
            within.append(called)
            called = None
        elif value == ")":
            within.pop()
        elif kind == "name" and value not in WORDS:
            matchers, end = _matchers(found, index + 1)
            ranged = found[end][1] if end < len(found) and found[end][0] == "range" else ""
            query.selectors.append(Selector(value, list(matchers), matchers, [w for w in within if w], ranged))
            index = end - 1
        elif kind == "string" and within and within[-1] in ("label_replace", "label_join"):
            query.made.add(value.strip('"'))
        index += 1
    return query


def nearest_aggregation(selector):
    """The aggregation that a selector's series go into first."""
    return next((name for name in reversed(selector.within) if name in AGGREGATIONS), None)
