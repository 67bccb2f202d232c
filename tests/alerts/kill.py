"""Runs the rule tests against mutated rules: each mutant must make some test fail."""

import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

import mutants
import promql
import tools

# Mutants that no test can kill, because the mutated rule means the same: kind and text as reported, and why.
EQUIVALENT = {}


def name(rule):
    """What a rule makes: the name of its series or of its alert."""
    return rule.get("record") or rule["alert"]


def readers(rules):
    """For each series or alert, the rules that read it: in their expression, by ALERTS, or in an annotation."""
    found = {}
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        read = set()
        for selector in promql.selectors(rule["expr"]):
            read.add(selector.name)
            read.update(m.value for m in selector.matchers if (selector.name, m.label) == ("ALERTS", "alertname"))
        for text in rule.get("annotations", {}).values():
            read.update(re.findall(r"\b\w+:huaweicloud_sms_\w+:\w+|huaweicloud_sms:\w+:\w+", text))
        for one in read:
            found.setdefault(one, []).append(rule)
    return found


def affected(rule, reading):
    """The names of a rule and of all that depend on it, nearest first."""
    names = [name(rule)]
    for one in names:
        names.extend(name(r) for r in reading.get(one, []) if name(r) not in names)
    return list(dict.fromkeys(names))


def test_files(rule, reading, tests):
    """The tests to try, the likeliest first. That a threshold is as shipped kills no mutant: its alerts must."""
    files = [tests / f"{one}.test.yml" for one in affected(rule, reading)]
    files = [file for file in files if file.exists()]
    shipped = rule.get("record", "").startswith(mutants.THRESHOLD)
    return files if shipped or "alert" in rule else [tests / "recordings.test.yml", *files]


def survives(mutant, rules, reading, tests):
    """The mutant's description when every test passes with it, else nothing."""
    rule = rules["groups"][mutant.group]["rules"][mutant.rule]
    with tempfile.TemporaryDirectory() as folder:
        copies = Path(folder) / "tests/alerts"
        copies.mkdir(parents=True)
        mutated = Path(folder) / "alerts/huaweicloud-sms.rules.yml"
        mutated.parent.mkdir()
        mutated.write_text(yaml.dump(mutant.of(rules), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
        for file in test_files(rule, reading, tests):
            copy = copies / file.name
            copy.symlink_to(file)
            output = tools.promtool("test", "rules", copy)
            if "parse error" in output or "unmarshal" in output:
                return f"{name(rule)}: not a valid rule any more: {mutant.what}: {output}"
            if output:
                return ""
    return f"{name(rule)}: {mutant.kind}: {mutant.what}"


def checks(rules, tests):
    """One check for each kind of mutation."""
    reading = readers(rules)
    every = list(mutants.mutants(rules))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda mutant: survives(mutant, rules, reading, tests), every))
    for kind in dict.fromkeys(mutant.kind for mutant in every):
        outcome = [result for mutant, result in zip(every, results) if mutant.kind == kind]
        alive = [result for result in outcome if result and result not in EQUIVALENT]
        yield f"{len(outcome)} mutants of kind {kind} are killed", "\n".join(alive)
    stale = sorted(set(EQUIVALENT) - set(results))
    yield "the mutants called equivalent survive", "\n".join(stale)
