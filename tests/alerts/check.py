"""Checks everything under alerts/: `python3 tests/alerts/check.py`.

Needs promtool and amtool (Debian's prometheus and prometheus-alertmanager), promtool 3 (tests/engines) and the packages of tests/requirements.txt,
which it takes from .venv in the repository's root where it stands.

    --write       makes alerts/prometheusrule.yaml and the tables of alerts/README.md anew from the rules
    --mutants     mutates the rules as well, and says which mutants no test notices: a quarter of an hour
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
try:
    import yaml
except ImportError:
    VENV = ROOT / ".venv/bin/python"
    if VENV.exists() and Path(sys.executable) != VENV:
        os.execv(VENV, [str(VENV), *sys.argv])
    sys.exit("PyYAML is missing: pip install -r tests/requirements.txt, or put it into .venv")

import cases
import coverage
import kill
import labelled
import manifest
import pages
import routes
import tools

RULES = ROOT / "alerts/huaweicloud-sms.rules.yml"
TESTS = ROOT / "tests/alerts"


def checks(rules, arguments):
    """Pairs of a check's name and what is wrong, nothing when it passes."""
    for engine, program in tools.PROMTOOLS.items():
        yield f"{engine} accepts the rules", tools.promtool("check", "rules", RULES, program=program)
        for test, problem in kill.reduced(rules, TESTS, program):
            yield f"{engine} passes {test.name}", problem
    yield from cases.checks(rules, TESTS)
    yield from labelled.checks(RULES, TESTS)
    yield from pages.checks(rules, ROOT)
    yield from manifest.checks(rules, RULES)
    yield from routes.checks(rules, ROOT)
    yield from coverage.checks(rules, ROOT)
    if "--mutants" in arguments:
        yield from kill.checks(rules, TESTS)


def main(arguments):
    missing = tools.missing()
    if missing:
        sys.exit(f"{' and '.join(missing)} not found: apt-get install prometheus prometheus-alertmanager, and tests/engines")
    rules = yaml.safe_load(RULES.read_text())
    if "--write" in arguments:
        manifest.write(RULES)
        coverage.write(rules, ROOT)
        return 0
    passed = failed = 0
    for name, problem in checks(rules, arguments):
        if problem:
            failed += 1
            print(f"FAILED {name}\n       " + problem.strip().replace("\n", "\n       "), flush=True)
        else:
            passed += 1
            print(f"ok     {name}", flush=True)
    if "--mutants" not in arguments:
        print("mutants of the rules are not tried here; --mutants does that")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
