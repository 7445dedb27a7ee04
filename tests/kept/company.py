"""A company whose state is in one place.

It runs commands there, each in a process of its own, and says what its tool server did.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from clearance.client import Clearance
from tests.crash.support.zygote import Forked, Zygote, zygote
from tests.kept import crm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS_MAX = 40.0
WORDS = re.compile(r"^\{\n.*?^\}\n", re.DOTALL | re.MULTILINE)

_numbers = count()


def software(
    moved_ms: int, folder: Path | None = None, *, idle: bool = False
) -> AbstractContextManager[Zygote]:
    """Runs commands with a moved clock: those of this software, or of the one in a folder."""
    script = HERE / ("idle.py" if idle else "on_the_day.py")
    path = os.pathsep.join(map(str, [folder, ROOT] if folder else [ROOT]))
    return zygote("-P", str(script), str(moved_ms), str(folder or ""), PYTHONPATH=path)


@dataclass
class Process:
    """A process of the command line, what it writes, its first words, and who speaks to it."""

    forked: Forked
    log: Path
    words: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Clearance] = field(default_factory=dict)

    def client(self, key: str) -> Clearance:
        if key not in self.clients:
            # Version 0.1.0 answers 40 ms late on a connection that was used before.
            transport = httpx2.HTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0))
            self.clients[key] = Clearance(str(self.words["url"]), key, transport=transport)
        return self.clients[key]

    def get(self, path: str, key: str) -> httpx2.Response:
        """What no verb of the client asks for."""
        return self.client(key)._http.get(path)

    def usage(self, account: str, key: str) -> Any:
        """What an account has used of its budget on the day that it is."""
        return self.get(f"/v1/budgets/usage?account_id={account}", key).raise_for_status().json()

    def spoke(self) -> bool:
        """True once it has spoken its first words."""
        text = self.log.read_text(encoding="utf-8")
        assert self.forked.poll() is None, text
        if words := WORDS.search(text):
            self.words = json.loads(words[0])
        return bool(words)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        if self.forked.poll() is None:
            os.kill(self.forked.pid, number)
        return self.forked.wait(SECONDS_MAX)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        self.end(signal.SIGKILL)


@dataclass
class Company:
    """One place of state, and the software that works there. `day`: as the tool server takes it."""

    folder: Path
    place: dict[str, str]
    software: Zygote
    day: str = "later"
    begun: list[Process] = field(default_factory=list)

    @property
    def effects(self) -> list[dict[str, Any]]:
        return crm.effects(self.folder / "crm.sqlite3")

    def run(self, *words: str, **environment: str) -> None:
        """A command that ends well."""
        process = self._begin(self.software, words, environment)
        assert process.forked.wait(SECONDS_MAX) == 0, process.log.read_text(encoding="utf-8")

    def start(self, *words: str, software: Zygote | None = None, **environment: str) -> Process:
        """A command that goes on until it is asked to end."""
        process = self._begin(software or self.software, words, environment)
        self.begun.append(process)
        until(process.spoke)
        return process

    def refused(self, *words: str, software: Zygote) -> str:
        """What a command writes that fails at once."""
        process = self._begin(software, words, {})
        assert process.forked.wait(SECONDS_MAX) not in {0, None}
        return process.log.read_text(encoding="utf-8")

    def close(self) -> None:
        for process in self.begun:
            process.close()

    def _begin(self, software: Zygote, words: tuple[str, ...], more: dict[str, str]) -> Process:
        tools = {
            "KEPT_PYTHON": sys.executable,
            "KEPT_CRM": str(HERE / "crm.py"),
            "KEPT_DAY": self.day,
        }
        environment = {**tools, "KEPT_DB": str(self.folder / "crm.sqlite3"), **self.place, **more}
        log = self.folder / f"{next(_numbers)}.log"
        log.touch()
        return Process(software.start([*words, "--json"], environment, log), log)


def now_ms(moved_ms: int = 0) -> int:
    """The time by a clock that is moved against the machine's."""
    return time.time_ns() // 1_000_000 + moved_ms  # noqa: TID251 - a test has no clock of ours


def until(condition: Callable[[], object]) -> None:
    """Waits for something to be so."""
    ends = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)
