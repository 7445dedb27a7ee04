"""The processes of a run: started, watched, hurt and started again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.crash.support.process import write_offset
from tests.crash.support.zygote import Forked, Zygote

MODULE = "tests.crash.support.process"  # behind it come the words of the command line
UP_SECONDS_MAX = 60.0  # until a process that was started answers
END_SECONDS_MAX = 45.0  # until one that was asked to end has ended
WATCH_SECONDS = 0.2
AGAIN_SECONDS = 1.0  # before one that ended by itself is started again


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Process:
    """One process that comes and goes under one name.

    `url` is where it says that it is ready; None: it says nothing.

    With `forks` it is forked, as the command line with the last words of `command` behind its
    module, in place of a new Python.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    url: str | None = None
    forks: Zygote | None = None
    wanted: bool = True
    was_up: bool = False
    popen: subprocess.Popen[bytes] | Forked | None = None
    lives: list[tuple[float, int]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def clock(self) -> Path:
        return self.folder / f"{self.name}.clock"

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self.popen.pid if self.popen and self.popen.poll() is None else None

    def start(self) -> None:
        """Starts it, in a process group of its own, with its clock right."""
        write_offset(self.clock, 0)
        environment = {**self.environment, "TORTURE_CLOCK": str(self.clock)}
        if self.forks is not None:
            words = self.command[self.command.index(MODULE) + 1 :]
            self.popen = self.forks.start(
                [str(self.folder / "armed"), "never", *words], environment, self.log
            )
        else:
            self.popen = self._new(environment)
        self.was_up = False
        self.lives.append((time.monotonic(), self.popen.pid))

    def _new(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**kept, **environment},
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> bool:
        """Sends a signal to its whole group; False if it does not live."""
        if self.pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        return True

    def limit_files(self, size: int) -> bool:
        """No file of this process may grow beyond a size: for it,
        the disk is full. -1: as it was.
        """
        if self.pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard if size < 0 else size, hard))
        return True

    async def up(self, seconds: float = UP_SECONDS_MAX) -> bool:
        """Waits until it answers that it can work; False if it ends before, or takes too long."""
        ends = time.monotonic() + seconds
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
            while time.monotonic() < ends:
                if self.pid is None:
                    return False
                if self.url is None:
                    return True
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(self.url)).status_code < 500:
                        self.was_up = True
                        return True
                await asyncio.sleep(0.1)
        return False

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Asks it to end, and waits; its exit code, or None if it had to be killed."""
        self.wanted = False
        if self.popen is None:
            return 0
        self.send(signal.SIGCONT)
        if self.pid is not None:
            os.kill(self.pid, number)
        try:
            return await asyncio.to_thread(self.popen.wait, END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self.popen.wait, 10)
            return None

    def tail(self, lines: int = 8) -> str:
        """The last lines that it wrote."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


class Supervisor:
    """Starts whatever ended and should not have; notes each process that was up and ended by
    itself.
    """

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.ended_alone: list[str] = []
        self._killed: set[int] = set()

    def add(self, process: Process) -> Process:
        self.processes.append(process)
        return process

    def group(self, prefix: str) -> list[Process]:
        """The processes whose names begin so."""
        return [process for process in self.processes if process.name.startswith(prefix)]

    def kill(self, process: Process) -> bool:
        """`kill -9` of a process and whatever it started."""
        if process.pid is None:
            return False
        self._killed.add(process.pid)
        return process.send(signal.SIGKILL)

    async def watch(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for process in self.processes:
                group.create_task(self._watch(process))

    async def _watch(self, process: Process) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            popen = process.popen
            if not process.wanted or popen is None or popen.poll() is None:
                continue
            if popen.pid not in self._killed:
                if process.was_up:
                    self.ended_alone.append(
                        f"{process.name} ended with {popen.returncode}: {process.tail()}"
                    )
                await asyncio.sleep(AGAIN_SECONDS)
            if process.wanted:
                process.start()
                await process.up()

    async def start(self, processes: Sequence[Process]) -> None:
        """Starts some, and waits until all are up. RuntimeError names the one that is not."""
        for process in processes:
            process.start()
        for process, up in zip(
            processes, await asyncio.gather(*(one.up() for one in processes)), strict=True
        ):
            if not up:
                raise RuntimeError(f"{process.name} did not start: {process.tail()}")

    def kill_all(self) -> None:
        """Ends everything at once, also what is stopped."""
        for process in self.processes:
            process.wanted = False
            process.send(signal.SIGKILL)
        for process in self.processes:
            if process.popen is not None:
                process.popen.wait()


@contextlib.asynccontextmanager
async def supervised() -> AsyncIterator[Supervisor]:
    """A supervisor whose processes end with the block, whatever happens in it."""
    supervisor = Supervisor()
    try:
        yield supervisor
    finally:
        supervisor.kill_all()
