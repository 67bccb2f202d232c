"""promtool and amtool."""

import shutil
import subprocess


def missing():
    """The tools that are not installed."""
    return [tool for tool in ("promtool", "amtool") if shutil.which(tool) is None]


def run(*command):
    """Exit status and everything printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def promtool(*arguments):
    """What promtool says when it fails, else nothing."""
    status, output = run("promtool", *arguments)
    return output if status else ""


def amtool(*arguments):
    """What amtool says when it fails, else nothing."""
    status, output = run("amtool", *arguments)
    return output if status else ""
