"""Whether the rules are rules to newer engines: `python3 tests/alerts/check_engines.py`, after tests/engines."""

import sys

import engines
import tools

RULES = engines.SHIPPED / "huaweicloud-sms.rules.yml"
COMMANDS = {
    "Prometheus 3 accepts the rules": ("prometheus/promtool", "check", "rules", RULES),
    "vmalert accepts the rules": ("victoria-metrics/vmalert", f"-rule={RULES}", "-dryRun"),
}
# A name that the engines must not take: that they say no is what makes their yes worth something.
WRONG = "groups: [{name: wrong, rules: [{record: a, expr: 'sum('}]}]"


def outcome(command, rules=RULES):
    """Exit status and output of an engine's command, with other rules in the place of the shipped ones."""
    program, *arguments = command
    return tools.run(engines.NEWER / program, *[str(part).replace(str(RULES), str(rules)) for part in arguments])


def main():
    wrong = engines.NEWER / "wrong.yml"
    wrong.write_text(WRONG)
    failed = 0
    for name, command in COMMANDS.items():
        status, output = outcome(command)
        refused, _ = outcome(command, wrong)
        failed += bool(status) or not refused
        print(
            f"FAILED {name}\n{output}"
            if status
            else f"ok     {name}" if refused else f"FAILED {name}: it accepts anything"
        )
    wrong.unlink()
    print(f"{len(COMMANDS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
