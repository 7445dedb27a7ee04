"""One flood, from a quiet server to the tally: a new server, bystanders while it is quiet, and the
same bystanders while the flood goes on in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flood.bystanders import Phase, watch
from flood.floods import Flood
from flood.target import Target, target

ROOT = Path(__file__).parents[1]
QUIET_SHARE = 0.5  # of the seconds of a flood
TALLY_SECONDS = 10  # that an attacker has to end


@dataclass(frozen=True, slots=True)
class Result:
    """What one flood did. Memory is the server's peak in MiB, None where it cannot be read; `tally`
    is the attacker's.
    """

    flood: Flood
    quiet: Phase
    under: Phase
    memory_quiet: float | None
    memory_peak: float | None
    log_bytes_per_second: float
    tally: Mapping[str, Any]

    @property
    def memory_growth(self) -> float | None:
        """MiB that the flood made the server take."""
        if self.memory_peak is None or self.memory_quiet is None:
            return None
        return self.memory_peak - self.memory_quiet

    @property
    def looked_at(self) -> int:
        """Sign-ins of the flood whose key was looked at: each was refused as wrong."""
        return int(self.tally["statuses"].get("403", 0))


def measure(flood: Flood, seconds: float) -> Result:
    """Measures one flood. NotUp if the server does not start."""
    with target() as server:
        asyncio.run(watch(server, 0))  # the first call of each kind is slower
        quiet = asyncio.run(watch(server, seconds * QUIET_SHARE))
        memory = server.peak_mib()
        with _attacking(flood, server) as attacker:
            log, begin = server.log_bytes(), time.monotonic()
            under = asyncio.run(watch(server, seconds))
            grown = (server.log_bytes() - log) / (time.monotonic() - begin)
            tally = _ended(attacker)
        return Result(flood, quiet, under, memory, server.peak_mib(), grown, tally)


@contextlib.contextmanager
def _attacking(flood: Flood, server: Target) -> Iterator[subprocess.Popen[str]]:
    """The flood, begun."""
    job = {"flood": flood.name, "aim": asdict(server.aim)}
    with subprocess.Popen(
        [sys.executable, "-m", "flood.attacker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as attacker:
        try:
            if attacker.stdin and attacker.stdout:
                attacker.stdin.write(f"{json.dumps(job)}\n")
                attacker.stdin.flush()
                attacker.stdout.readline()
            yield attacker
        finally:
            attacker.kill()


def _ended(attacker: subprocess.Popen[str]) -> Mapping[str, Any]:
    """Ends a flood, and reads its tally."""
    answer, _ = attacker.communicate(timeout=TALLY_SECONDS)
    return dict(json.loads(answer))
