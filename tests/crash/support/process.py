"""The command line of Clearance in a process that the harness can torture: with a clock that it can
set, and short waits.

`python -m tests.crash.support.process CLEARANCE-COMMAND...`. From the environment: `TORTURE_CLOCK`:
a file with 8 bytes, the milliseconds by which this process's wall clock is wrong, read at each look
at the clock. `TORTURE_RETRY_WINDOW_MS`: what a lease allows for the later tries of an attempt, so
that short runs see leases end. `TORTURE_NAMES`: a file that gets a line `PID NAME` when a worker of
this process starts its first execution. The process dies with the one that started it."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearance.flow.context import Context

PR_SET_PDEATHSIG = 1
CLOCK_BYTES = 8


_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Nothing that the harness starts outlives it, whatever ends it."""
    _LIBC.prctl(PR_SET_PDEATHSIG, number)


def write_offset(path: Path, offset_ms: int) -> None:
    """Sets the wall clock of whoever reads this file."""
    if not path.exists():
        path.write_bytes(bytes(CLOCK_BYTES))
    with path.open("r+b") as file:
        file.write(struct.pack("<q", offset_ms))


def wrong_clock(path: Path) -> None:
    """Adds the file's offset to every reading of the wall clock."""
    from clearance.clock import SystemClock  # noqa: PLC0415

    with path.open("r+b") as file:
        offset = mmap.mmap(file.fileno(), CLOCK_BYTES)
    right: Callable[[SystemClock], int] = SystemClock.now_ms

    def now_ms(clock: SystemClock) -> int:
        return right(clock) + int(struct.unpack("<q", offset[:CLOCK_BYTES])[0])

    SystemClock.now_ms = now_ms  # type: ignore[method-assign]


def tell_names(path: Path) -> None:
    """Writes down under which name this process carries things out: the ledger knows workers by
    their names alone.
    """
    from clearance.flow import execute  # noqa: PLC0415

    start, told = execute.start, set[str]()

    async def telling(
        context: Context, tenant_id: str, action_intent_id: str, worker: str
    ) -> execute.Started | None:
        if worker not in told:
            told.add(worker)
            with path.open("a") as file:
                file.write(f"{os.getpid()} {worker}\n")
        return await start(context, tenant_id, action_intent_id, worker)

    execute.start = telling


def torture() -> None:
    """Puts in place what the environment asks for."""
    die_with_parent()
    from clearance.core import call  # noqa: PLC0415

    if clock := os.environ.get("TORTURE_CLOCK"):
        wrong_clock(Path(clock))
    if window := os.environ.get("TORTURE_RETRY_WINDOW_MS"):
        call.RETRY_WINDOW_MS = int(window)
    if names := os.environ.get("TORTURE_NAMES"):
        tell_names(Path(names))


if __name__ == "__main__":
    torture()
    from clearance.cli.main import main

    main()
