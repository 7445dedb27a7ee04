"""A company whose state is in one place.

It runs commands there, each in a process of its own, and says what its tool server did.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from clearance.client import Clearance
from tests.kept import crm

HERE = Path(__file__).parent
ON_THE_DAY, IDLE = HERE / "on_the_day.py", HERE / "idle.py"
SECONDS_MAX = 40.0


@dataclass
class Process:
    """A process of the command line, its first words, and who speaks to it."""

    popen: subprocess.Popen[str]
    words: dict[str, Any]
    clients: dict[str, Clearance] = field(default_factory=dict)

    def client(self, key: str) -> Clearance:
        if key not in self.clients:
            self.clients[key] = Clearance(str(self.words["url"]), key)
        return self.clients[key]

    def get(self, path: str, key: str) -> httpx2.Response:
        """What no verb of the client asks for."""
        return self.client(key)._http.get(path)

    def usage(self, account: str, key: str) -> Any:
        """What an account has used of its budget on the day that it is."""
        return self.get(f"/v1/budgets/usage?account_id={account}", key).raise_for_status().json()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(SECONDS_MAX)

    def end(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(SECONDS_MAX)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        if self.popen.poll() is None:
            self.kill()
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@dataclass
class Company:
    """One place of state. `moved_ms`: its clock against the machine's; `day`: as the tool server takes it."""

    folder: Path
    place: dict[str, str]
    moved_ms: int
    day: str = "later"
    begun: list[Process] = field(default_factory=list)

    @property
    def effects(self) -> list[dict[str, Any]]:
        return crm.effects(self.folder / "crm.sqlite3")

    def environment(self, software: Path | None, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLEARANCE_", "PYTHONPATH"))}
        tools = {"KEPT_PYTHON": sys.executable, "KEPT_CRM": str(HERE / "crm.py"), "KEPT_DAY": self.day}
        there = {**tools, "KEPT_DB": str(self.folder / "crm.sqlite3"), **self.place, **more}
        return {**kept, **there} | ({"PYTHONPATH": str(software)} if software else {})

    def run(self, *words: str, software: Path | None = None, **environment: str) -> Any:
        """A command that ends: its answer."""
        done = subprocess.run(
            self._line(ON_THE_DAY, words),
            env=self.environment(software, **environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def begin(
        self, *words: str, software: Path | None = None, script: Path = ON_THE_DAY, **environment: str
    ) -> Process:
        """A command that goes on until it is asked to end, and has no words yet."""
        popen = subprocess.Popen(
            self._line(script, words),
            env=self.environment(software, **environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.begun.append(process := Process(popen, {}))
        return process

    def start(self, *words: str, **how: Any) -> Process:
        return up(self.begin(*words, **how))

    def close(self) -> None:
        for process in self.begun:
            process.close()

    def _line(self, script: Path, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-P", str(script), str(self.moved_ms), *words, "--json"]


def up(process: Process) -> Process:
    """The process, once it has spoken its first words."""
    assert process.popen.stdout is not None
    words = ""
    for line in process.popen.stdout:
        words += line
        if line == "}\n":
            break
    assert words, process.popen.wait(SECONDS_MAX)
    process.words = json.loads(words)
    return process


def now_ms(moved_ms: int = 0) -> int:
    """The time by a clock that is moved against the machine's."""
    return time.time_ns() // 1_000_000 + moved_ms  # noqa: TID251 - a test has no clock of ours


def until(condition: Callable[[], object]) -> None:
    """Waits for something to be so."""
    ends = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)
