"""Runs the rule tests against mutated rules: each mutant must make some test fail."""

import os
import re
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import yaml

import mutants
import promql
import tools
from mutants import seconds

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
AS_SHIPPED = "thresholds: as shipped"
RECORDED = re.compile(r"\b\w+:huaweicloud_sms_\w+:\w+|huaweicloud_sms:\w+:\w+")


def name(rule):
    """What a rule makes: the name of its series or of its alert."""
    return rule.get("record") or rule["alert"]


def every(rules):
    """All rules, whatever their group."""
    return [rule for group in rules["groups"] for rule in group["rules"]]


def readers(rules):
    """For each series or alert, the names of the rules that read it: in expressions, by ALERTS, in annotations."""
    found = {}
    for rule in every(rules):
        read = set()
        for selector in promql.selectors(rule["expr"]):
            read.add(selector.name)
            read.update(m.value for m in selector.matchers if (selector.name, m.label) == ("ALERTS", "alertname"))
        for text in rule.get("annotations", {}).values():
            read.update(RECORDED.findall(text))
        for one in read:
            found.setdefault(one, []).append(name(rule))
    return found


def affected(rule, reading):
    """The names of a rule and of all that depend on it, nearest first."""
    names = [name(rule)]
    for one in names:
        names.extend(reader for reader in reading.get(one, []) if reader not in names)
    return list(dict.fromkeys(names))


def needed(test, rules, reading):
    """The rules that a test depends on. promtool evaluates nothing else then, which makes it ten times faster."""
    subject = test.name.removesuffix(".test.yml")
    names = {r["record"] for r in every(rules) if "record" in r} if subject == "recordings" else {subject}
    size = 0
    while size != len(names):
        size = len(names)
        names.update(one for one, by in reading.items() if names.intersection(by))
    groups = [group | {"rules": [rule for rule in group["rules"] if name(rule) in names]} for group in rules["groups"]]
    return {"groups": groups}


def test_files(rule, reading, tests):
    """The tests to try, the likeliest first."""
    files = [tests / f"{one}.test.yml" for one in affected(rule, reading)]
    files = [file for file in files if file.exists()]
    return files if "alert" in rule else [tests / "recordings.test.yml", *files]


@cache
def groups(test):
    """The groups of a test, each as a test of its own, the cheapest first."""
    whole = yaml.load(test.read_text(), Loader=LOADER)
    # That a threshold is as shipped kills no mutant: what is made of it must.
    alone = [whole | {"tests": [group]} for group in whole["tests"] if group["name"] != AS_SHIPPED]
    return sorted((cost(one["tests"][0]), yaml.dump(one, Dumper=DUMPER)) for one in alone)


def cost(group):
    """About how much promtool has to do for a group: series times samples."""
    cases = group.get("alert_rule_test", []) + group.get("promql_expr_test", [])
    return (len(group["input_series"]) + 20) * max(seconds(case["eval_time"]) for case in cases)


def outcome(test, text, rules, program="promtool"):
    """What promtool says of one test, whose text may be a part of it, with these rules; nothing when it passes."""
    with tempfile.TemporaryDirectory() as folder:
        # As deep as the original, because the test names its rules relative to itself.
        copy = Path(folder) / "tests/alerts" / test.name
        copy.parent.mkdir(parents=True)
        copy.write_text(text)
        file = Path(folder) / "alerts/huaweicloud-sms.rules.yml"
        file.parent.mkdir()
        file.write_text(rules)
        return tools.promtool("test", "rules", copy, program=program)


class Hunt:
    """Tries mutants, and remembers which groups of tests killed their like."""

    def __init__(self, rules, tests):
        self.rules, self.tests = rules, tests
        self.reading = readers(rules)
        self.kills = Counter()

    def survivor(self, mutant):
        """The mutant's description when every test passes with it or it is no valid rule, else nothing."""
        rule = self.rules["groups"][mutant.group]["rules"][mutant.rule]
        mutated = mutant.of(self.rules)
        for test in test_files(rule, self.reading, self.tests):
            text = yaml.dump(needed(test, mutated, self.reading), Dumper=DUMPER)
            likely = sorted(groups(test), key=lambda group: (-self.kills[mutant.rule, mutant.kind, group[1]], group[0]))
            for _, group in likely:
                output = outcome(test, group, text)
                if "parse error" in output or "unmarshal" in output:
                    return f"{name(rule)}: {mutant.what}: no valid rule any more: {output}"
                if output:
                    self.kills[mutant.rule, mutant.kind, group] += 1
                    return ""
        return f"{name(rule)}: {mutant.kind}: {mutant.what}"


def reduced(rules, tests, program="promtool", change=lambda text: text):
    """What promtool says of every test, changed or not, with nothing but the rules that it needs."""
    reading = readers(rules)

    def one(test):
        return outcome(test, change(test.read_text()), yaml.dump(needed(test, rules, reading), Dumper=DUMPER), program)

    files = sorted(tests.glob("*.test.yml"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(files, pool.map(one, files))


def checks(rules, tests):
    """One check for each kind of mutation."""
    hunt = Hunt(rules, tests)
    all_mutants = list(mutants.mutants(rules))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        alive = list(pool.map(hunt.survivor, all_mutants))
    for kind in dict.fromkeys(mutant.kind for mutant in all_mutants):
        survivors = [found for mutant, found in zip(all_mutants, alive) if mutant.kind == kind]
        yield f"{len(survivors)} mutants of kind {kind} are killed", "\n".join(filter(None, survivors))
