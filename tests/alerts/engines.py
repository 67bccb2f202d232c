"""The Alertmanagers that the shipped files are tried on: the installed one, and the newer one of tests/engines."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEWER = ROOT / "target/engines"
SHIPPED = ROOT / "alerts"
START = 60


@dataclass
class Alertmanagers:
    """The programs of one version."""

    server: str
    amtool: str
    version: tuple[int, int]

    def __str__(self):
        return "Alertmanager {}.{}".format(*self.version)

    def takes(self, file):
        """Whether an example is for this version: the file's name says what it needs."""
        needed = re.search(r"-(\d+)\.(\d+)\.", file.name)
        return not needed or (int(needed[1]), int(needed[2])) <= self.version


def both():
    """The installed Alertmanager and the newer one; FileNotFoundError says which is missing."""
    newer = NEWER / "alertmanager"
    for server, amtool in (
        ("prometheus-alertmanager", "amtool"),
        (newer / "prometheus-alertmanager", newer / "amtool"),
    ):
        if not shutil.which(server) or not shutil.which(amtool):
            raise FileNotFoundError(f"{server} and {amtool} are needed: run tests/run, or tests/engines")
        told = subprocess.run([str(amtool), "--version"], capture_output=True, text=True, check=True)
        version = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
        yield Alertmanagers(str(server), str(amtool), (int(version[1]), int(version[2])))


class Running:
    """An Alertmanager with a configuration, on a free port, with nothing kept."""

    def __init__(self, engine, config, external_url):
        self.home = tempfile.TemporaryDirectory()
        file = Path(self.home.name, "alertmanager.yml")
        file.write_text(config)
        self.process = subprocess.Popen(
            [
                engine.server,
                f"--config.file={file}",
                f"--storage.path={self.home.name}/data",
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
                f"--web.external-url={external_url}",
                "--web.route-prefix=/",
            ],
            stderr=open(Path(self.home.name, "log"), "w"),
        )  # noqa: SIM115  (the process has it for its life)

    def log(self):
        """What it said so far."""
        return Path(self.home.name, "log").read_text()

    def address(self):
        """Where it listens, once it says so."""
        found = re.search(r'Listening on"? address=(\S+)', self.log())
        return f"http://{found[1]}" if found else None

    def close(self):
        self.process.kill()
        self.process.wait()
        self.home.cleanup()
