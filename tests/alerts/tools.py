"""promtool and amtool."""

import shutil
import subprocess
from pathlib import Path

# The installed one, and the newer one of tests/engines.
PROMTOOLS = {"promtool": "promtool",
             "promtool 3": str(Path(__file__).resolve().parents[2] / "target/engines/prometheus/promtool")}


def missing():
    """The tools that are not there."""
    return [tool for tool in (*PROMTOOLS.values(), "amtool") if shutil.which(tool) is None]


def run(*command):
    """Exit status and everything printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def promtool(*arguments, program="promtool"):
    """What promtool says when it fails, else nothing."""
    status, output = run(program, *arguments)
    return output if status else ""


def amtool(*arguments):
    """What amtool says when it fails, else nothing."""
    status, output = run("amtool", *arguments)
    return output if status else ""
