"""The server under the flood: `clearance serve` on a new data directory, with few files, a real
tool server, and the keys that everyone needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clearance.client import Clearance
from flood.floods import AGENTS, FILES_MAX, Aim

COMPANY = Path(__file__).parent / "company"
STARTS_SECONDS = 30
ENDS_SECONDS = 1  # in good order; a flooded one would take longer, and is killed
NEWCOMERS = 12  # people whose keys the server has not seen before they come in
_LIMITED = f'ulimit -n {FILES_MAX} && exec "$@"'


class NotUp(Exception):
    """The server did not start; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running server. `owner`, `agent` and `probe` are keys that are in use; those of `newcomers`
    were never shown to it.
    """

    port: int
    pid: int
    log: Path
    owner: str
    agent: str
    probe: str
    newcomers: list[str]
    aim: Aim

    def peak_mib(self) -> float | None:
        """The most memory that the server's process had so far; None where the system does not
        say.
        """
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        [line] = [row for row in status.read_text().splitlines() if row.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024

    def log_bytes(self) -> int:
        """The size of its log."""
        return self.log.stat().st_size


@contextlib.contextmanager
def target() -> Iterator[Target]:
    """A server of its own, ended and removed whatever happens. NotUp if it does not start."""
    with tempfile.TemporaryDirectory(prefix="clearance-flood-") as place:
        folder = Path(place)
        shutil.copytree(COMPANY, folder / "company")
        owner = secrets.token_urlsafe(32)
        with _serving(folder, owner) as process:
            port = _port(process, folder)
            yield _with_keys(port, process.pid, folder / "log", owner)


@contextlib.contextmanager
def _serving(folder: Path, owner: str) -> Iterator[subprocess.Popen[bytes]]:
    clearance = Path(sys.executable).parent / "clearance"
    serve = ["serve", "--json", "--config", "clearance.yaml", "--data", str(folder / "data")]
    with (folder / "log").open("wb") as log, (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIMITED, "sh", str(clearance), *serve, "--port", "0"],
            cwd=folder / "company",
            env=_environment() | {"CLEARANCE_BOOTSTRAP_API_KEY": owner},
            stdout=out,
            stderr=log,
            start_new_session=True,  # an interrupt is the parent's to handle
        )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)  # what is left of it, its tool server too
            process.wait()


def _environment() -> dict[str, str]:
    """Ours, without what would make it another server."""
    return {name: text for name, text in os.environ.items() if not name.startswith("CLEARANCE_")}


def _port(process: subprocess.Popen[bytes], folder: Path) -> int:
    """The port that the server announces."""
    ends = time.monotonic() + STARTS_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(json.JSONDecodeError):
            return urlsplit(json.loads((folder / "out").read_text())["url"]).port or 0
        time.sleep(0.05)
    sentence = f"the server did not start: {(folder / 'log').read_text()[-500:]}"
    raise NotUp(sentence)


def _with_keys(port: int, pid: int, log: Path, owner: str) -> Target:
    with Clearance(f"http://127.0.0.1:{port}", owner) as clearance:

        def key(name: str, role: str) -> str:
            return str(clearance.create_api_key(name, role)["key"])

        agent, probe = key("agent", "agent"), key("probe", "agent")
        newcomers = [key(f"newcomer-{number}", "approver") for number in range(NEWCOMERS)]
        hostile = [key(f"hostile-{number}", "agent") for number in range(AGENTS)]
    return Target(port, pid, log, owner, agent, probe, newcomers, Aim(port, hostile, agent))
