#!/usr/bin/env python3
"""Writes the dashboards, or with --check says which file is not what this would write."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from parts import exporter, fleet, source, throughput  # noqa: E402  (the path comes first)

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "dashboards"
DASHBOARDS = {"fleet": fleet, "source": source, "throughput": throughput, "exporter": exporter}


def written():
    """What each file should hold."""
    for name, module in DASHBOARDS.items():
        text = json.dumps(module.build(), indent=2, sort_keys=False, ensure_ascii=True)
        yield SHIPPED / f"{name}.json", text + "\n"


def main():
    """0 when the files are as they should be."""
    check, stale = sys.argv[1:] == ["--check"], 0
    if sys.argv[1:] not in ([], ["--check"]):
        print("usage: build.py [--check]", file=sys.stderr)
        return 2
    for path, text in written():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"dashboards/{path.name} is not what tests/dashboards/build.py writes: run it")
            stale += 1
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
