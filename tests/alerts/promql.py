"""A PromQL parser for the expressions of our rules: a tree whose nodes know their place in the text.

It reads what the rules use and raises on anything else. promtool judges whether an expression is valid; this one is
for finding the places in it that a mutation changes.
"""

import re
from dataclasses import dataclass, field

DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
NUMBER = re.compile(r"(?:\d+\.?\d*(?:[eE][+-]?\d+)?|Inf|NaN)(?![\w:])")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
SPACE = re.compile(r"(?:\s|#[^\n]*)*")
OPERATORS = (("or",), ("and", "unless"), ("==", "!=", ">=", "<=", ">", "<"), ("+", "-"), ("*", "/", "%"), ("^",))
COMPARISONS = OPERATORS[2]
AGGREGATIONS = frozenset("sum min max avg group count topk bottomk quantile stddev stdvar count_values".split())
LABEL_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*')


@dataclass
class Node:
    """A part of an expression, from `start` to `end` of the text."""

    kind: str  # binary, call, aggregation, selector, number, string, group, unary
    start: int
    end: int
    name: str = ""
    operator: tuple[int, int] | None = None
    children: list["Node"] = field(default_factory=list)
    matchers: list["Matcher"] = field(default_factory=list)
    windows: list[tuple[int, int]] = field(default_factory=list)
    labels: list[tuple[int, int]] = field(default_factory=list)  # of by, without, on, ignoring and group_…

    def walk(self):
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Matcher:
    """One label matcher of a selector and its place, without the comma."""

    start: int
    end: int
    label: str
    op: str
    value: str
    value_start: int


class Parser:
    """Recursive descent, one method for each level of the grammar."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def parse(self):
        """The whole text as one expression."""
        node = self.binary(0)
        self.skip()
        if self.at != len(self.text):
            raise ValueError(f"cannot read {self.text[self.at:self.at + 30]!r}")
        return node

    def skip(self):
        self.at = SPACE.match(self.text, self.at).end()

    def peek(self, token):
        """Whether `token` comes next; a word must end where it ends."""
        self.skip()
        end = self.at + len(token)
        if not self.text.startswith(token, self.at):
            return False
        return not (token[-1].isalnum() and re.match(r"\w", self.text[end:end + 1]))

    def take(self, token):
        if not self.peek(token):
            return False
        self.at += len(token)
        return True

    def expect(self, token):
        if not self.take(token):
            raise ValueError(f"expected {token!r} at {self.text[self.at:self.at + 30]!r}")

    def match(self, pattern):
        self.skip()
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def binary(self, level):
        if level == len(OPERATORS):
            return self.unary()
        left = self.binary(level + 1)
        while True:
            symbol = next((s for s in OPERATORS[level] if self.peek(s)), None)
            if symbol is None:
                return left
            operator = (self.at, self.at + len(symbol))
            self.at = operator[1]
            labels = self.modifiers()
            right = self.binary(level + 1)
            left = Node("binary", left.start, right.end, symbol, operator, [left, right], labels=labels)

    def modifiers(self):
        self.take("bool")
        return [label for word in ("on", "ignoring", "group_left", "group_right") if self.take(word)
                for label in self.names()]

    def names(self):
        """The places of the labels in a list."""
        found = []
        self.expect("(")
        while not self.take(")"):
            label = self.match(NAME)
            if not label:
                raise ValueError("expected a label")
            found.append(label.span())
            self.take(",")
        return found

    def unary(self):
        self.skip()
        start = self.at
        if self.take("-") or self.take("+"):
            operand = self.unary()
            return Node("unary", start, operand.end, children=[operand])
        return self.postfix(self.primary())

    def postfix(self, node):
        while True:
            if self.take("["):
                window = self.match(DURATION)
                node.windows.append(window.span())
                if self.take(":"):
                    self.match(DURATION)
                self.expect("]")
            elif self.take("offset"):
                node.windows.append(self.match(DURATION).span())
            else:
                return node
            node.end = self.at

    def primary(self):
        self.skip()
        start = self.at
        if self.take("("):
            inner = self.binary(0)
            self.expect(")")
            return Node("group", start, self.at, children=[inner])
        if self.peek("{"):
            return self.selector("", start)
        for kind, pattern in (("string", STRING), ("number", NUMBER)):
            if self.match(pattern):
                return Node(kind, start, self.at)
        found = self.match(NAME)
        if not found:
            raise ValueError(f"cannot read {self.text[start:start + 30]!r}")
        name = found.group()
        if name in AGGREGATIONS and (self.peek("(") or self.peek("by") or self.peek("without")):
            return self.call("aggregation", name, start)
        return self.call("call", name, start) if self.peek("(") else self.selector(name, start)

    def call(self, kind, name, start):
        grouped = kind == "aggregation" and (self.take("by") or self.take("without"))
        labels = self.names() if grouped else []
        self.expect("(")
        arguments = []
        while not self.take(")"):
            arguments.append(self.binary(0))
            self.take(",")
        if kind == "aggregation" and not grouped and (self.take("by") or self.take("without")):
            labels = self.names()
        return Node(kind, start, self.at, name, children=arguments, labels=labels)

    def selector(self, name, start):
        node = Node("selector", start, self.at, name)
        if self.take("{"):
            while not self.take("}"):
                found = LABEL_MATCHER.match(self.text, self.at)
                if not found:
                    raise ValueError(f"cannot read {self.text[self.at:self.at + 30]!r}")
                node.matchers.append(Matcher(found.start(1), found.end(3), found[1], found[2], found[3][1:-1],
                                             found.start(3) + 1))
                self.at = found.end()
                self.take(",")
        node.end = self.at
        return node


def parse(text):
    """The tree of an expression."""
    return Parser(text).parse()


def selectors(text):
    """All selectors of an expression."""
    return [node for node in parse(text).walk() if node.kind == "selector"]
