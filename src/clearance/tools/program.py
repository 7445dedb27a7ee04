"""A program of ours that runs with pipes, and the end of everything that it started.

One idea: on Linux a keeper stands between us and the program (`keeper.py`), and holds the other end
of a pipe. Whatever ends us, closes that. Elsewhere the program's process group is ended when we end
in order; what left the group, or what we left behind when we were killed, stays.

Refuses to know: what is said on the pipes.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio

from clearance.tools.keeper import SIZE_BYTES, STARTED

KEPT = sys.platform == "linux"
ENDED_SECONDS_STEP = 0.01  # between two looks at whether a process has ended
END_SECONDS_MAX = 2  # for what was killed to be gone

_KEEPER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")))


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    _process: subprocess.Popen[bytes]
    _pipe: socket.socket | None

    @property
    def exit_code(self) -> int | None:
        """The negative number of a signal if that ended it; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """SIGTERM for it and its process group; a keeper passes it on."""
        with suppress(ProcessLookupError):
            if self._pipe is None:
                os.killpg(self._process.pid, signal.SIGTERM)
            else:
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for what is left of it: all its descendants, or its group where none keeps it."""
        _kill(self._process, self._pipe)

    async def ended_within(self, seconds: float) -> bool:
        """Waits for its end, but not for its pipes, which a grandchild may hold open."""
        return await _ended_within(self._process, seconds)


@asynccontextmanager
async def running(
    name: str, command: Sequence[str], environment: Mapping[str, str], *, line_bytes_max: int
) -> AsyncIterator[Program]:
    """A program with exactly this environment, which ends with the block; OSError if it cannot be
    started.

    `name` is for people who look at processes. A line of output that is longer than
    `line_bytes_max` cannot be read as one.
    """
    async with AsyncExitStack() as ends:
        process, pipe = _kept(name) if KEPT else (_popen(command, environment), None)
        ends.push_async_callback(_end, process, pipe)
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        assert stdin and stdout and stderr  # noqa: S101, PT018 - pipes, as was asked for
        for stream in (stdin, stdout, stderr):
            ends.callback(stream.close)  # a transport does that too, unless its making is cancelled
        way_out = await _way_out(stdin, ends)
        out = await _way_in(stdout, line_bytes_max, ends)
        errors = await _way_in(stderr, line_bytes_max, ends)
        if pipe is not None:
            await _tell(pipe, command, environment)
        yield Program(way_out, out, errors, process, pipe)


def _kept(name: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A keeper that waits for its command, and our end of its pipe.

    Our environment is not for it, except for what our own Python may need to start.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    needed = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    with theirs, ExitStack() as failed:
        failed.callback(ours.close)
        command = (*_KEEPER, str(theirs.fileno()), name)
        process = _popen(command, needed, theirs.fileno())
        failed.pop_all()
        return process, ours


async def _tell(
    pipe: socket.socket, command: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Hands the keeper what it is to start; not as arguments, which everybody can see."""
    words = [os.fsencode(word) for word in command]
    variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    message = marshal.dumps((words, variables))
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(pipe, len(message).to_bytes(SIZE_BYTES) + message)
    answer = await loop.sock_recv(pipe, 1)
    if answer and answer[0] != STARTED:
        raise OSError(answer[0], os.strerror(answer[0]))


def _popen(
    command: Sequence[str], environment: Mapping[str, str], *inherited: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - commands are the configuration's
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        pass_fds=inherited,
        start_new_session=True,  # no key pressed in our terminal is for it; its group is its own
    )


def _kill(process: subprocess.Popen[bytes], pipe: socket.socket | None) -> None:
    if pipe is not None:
        pipe.close()
        process.send_signal(signal.SIGCONT)  # the server may have stopped its keeper
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: subprocess.Popen[bytes], pipe: socket.socket | None) -> None:
    _kill(process, pipe)
    with anyio.CancelScope(shield=True):
        await _ended_within(process, END_SECONDS_MAX)


async def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(ENDED_SECONDS_STEP)
    return process.returncode is not None


async def _way_out(pipe: IO[bytes], ends: AsyncExitStack) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)

    def end() -> None:
        if transport.get_write_buffer_size():  # nobody is left to read it
            transport.abort()
        else:
            transport.close()

    ends.callback(end)
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _way_in(
    pipe: IO[bytes], line_bytes_max: int, ends: AsyncExitStack
) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(line_bytes_max)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    ends.callback(transport.close)
    return reader
