"""A tool server that runs as our own process, over stdio.

One idea: nothing that the process does may harm us, and nothing of it stays behind. Its output is
bounded, read to its end and logged without secrets, and its descendants end with it. The SDK's own
transport reads lines of any length, shows the server's stderr on ours, and leaves grandchildren
behind.

Refuses to know: sessions, and what the messages say.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from clearance.core.catalog import ToolServer
from clearance.tools.exchange import WIRE_BYTES_MAX, Outbox
from clearance.tools.program import Program, running
from clearance.tools.untrusted import readable
from clearance.tools.variables import Secrets

if TYPE_CHECKING:
    from clearance.tools.exchange import Streams

EXIT_SECONDS = 2  # for a server to end after its input was closed, and again after SIGTERM
READ_BYTES = 64 * 1024  # at a time, of output that is only passed on or thrown away
STDERR_LINES_MAX = 200  # lines of one server process that are logged
STDERR_LINES_SHOWN = 3  # last lines that are shown with a failed start
STDERR_LINE_BYTES_MAX = 16 * 1024  # of one line; the rest of it is thrown away

INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
)
"""What a server process gets of our environment, besides PATH and what its definition declares."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ending:
    """What a server process left: its exit code (the negative number of a signal), if it ended by
    itself, and the last lines of its standard error, without secrets.
    """

    exit_code: int | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=STDERR_LINES_SHOWN))

    @property
    def how(self) -> str:
        """How it ended, to be added to a sentence."""
        if self.exit_code is None:
            return ""
        by_signal = self.exit_code < 0
        return f" by signal {-self.exit_code}" if by_signal else f" with exit code {self.exit_code}"


@asynccontextmanager
async def stdio(
    server: ToolServer, secrets: Secrets, lost: Callable[[], None], ending: Ending
) -> AsyncIterator[Streams]:
    """A server process of ours; `lost` is called when it stops talking."""
    command, environment = secrets.command(), _inherited() | secrets.environment()
    async with running(server.name, command, environment, line_bytes_max=WIRE_BYTES_MAX) as program:
        reading = asyncio.create_task(_read_stderr(server.name, program.stderr, secrets, ending))
        try:
            async with _streams(server.name, program, lost) as streams:
                try:
                    yield streams
                finally:
                    with anyio.CancelScope(shield=True):
                        if await _stop(program):
                            ending.exit_code = program.exit_code
                        await asyncio.wait({reading}, timeout=EXIT_SECONDS)
        finally:
            if program.exit_code:
                _log.info(
                    "tool_server_ended",
                    server=server.name,
                    exit_code=program.exit_code,
                    last_lines=list(ending.last_lines),
                )
            reading.cancel()


@asynccontextmanager
async def _streams(
    server: str, program: Program, lost: Callable[[], None]
) -> AsyncIterator[Streams]:
    """The messages of both directions, until the block ends."""
    to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks, incoming, outgoing, to_session, from_session:
        tasks.start_soon(_read_messages, server, program.stdout, to_session, lost)
        tasks.start_soon(_write_messages, program.stdin, from_session, lost)
        try:
            yield incoming, Outbox(outgoing)
        finally:
            tasks.cancel_scope.cancel()


def _inherited() -> dict[str, str]:
    """A minimal environment.

    The directory of our own Python comes first on the path, so that `python` means ours.
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PATH"] = os.pathsep.join(
        (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    )
    return environment


async def _read_messages(
    server: str,
    stdout: asyncio.StreamReader,
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
    lost: Callable[[], None],
) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async with to_session:
            try:
                while line := await stdout.readline():
                    message = _message(line)
                    if message is not None:
                        await to_session.send(SessionMessage(message))
            except (
                ValueError
            ):  # a line beyond the limit, or one that claims to be a message and is not
                _log.warning("tool_server_unreadable", server=server)
            finally:
                lost()
    with suppress(OSError):
        while await stdout.read(READ_BYTES):
            pass  # the session is gone, but a server that cannot write does not end


def _message(line: bytes) -> types.JSONRPCMessage | None:
    """The message in a line, None if it is something else that was printed; ValueError for a broken
    message.

    A broken message cannot be ignored: its receiver would wait until the deadline.
    """
    try:
        return types.jsonrpc_message_adapter.validate_json(readable(line), by_name=False)
    except ValidationError:
        if line.lstrip().startswith(b"{") and b'"jsonrpc"' in line:
            raise
        return None


async def _write_messages(
    stdin: asyncio.StreamWriter,
    from_session: MemoryObjectReceiveStream[SessionMessage],
    lost: Callable[[], None],
) -> None:
    async with from_session:
        try:
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except OSError:
            lost()


async def _read_stderr(
    server: str, stderr: asyncio.StreamReader, secrets: Secrets, ending: Ending
) -> None:
    """Reads to the end, since a full pipe would stop the server; logs the first lines and keeps the
    last.
    """
    ending.last_lines.clear()
    lines = 0
    async for line, cut in _lines(stderr):
        if not (text := secrets.sentence(line, cut=cut)):
            continue
        lines += 1
        ending.last_lines.append(text)
        if lines <= STDERR_LINES_MAX:
            _log.debug("tool_server_stderr", server=server, line=text)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[tuple[str, bool]]:
    """Whole lines, as far as one is not too long, and whether it was cut: a secret on two of them
    would not be masked.
    """
    line, size = b"", 0
    while chunk := await stream.read(READ_BYTES):
        first, *others = chunk.split(b"\n")
        line, size = line + first[: STDERR_LINE_BYTES_MAX - len(line)], size + len(first)
        for other in others:
            yield line.decode(errors="replace"), size > len(line)
            line, size = other[:STDERR_LINE_BYTES_MAX], len(other)
    yield line.decode(errors="replace"), size > len(line)


async def _stop(program: Program) -> bool:
    """Closes the server's input and lets it end, then SIGTERM, then SIGKILL for what is left of it
    and its descendants. True if it ended without our signals.
    """
    program.stdin.close()
    by_itself = await program.ended_within(EXIT_SECONDS)
    if not by_itself:
        program.terminate()
        await program.ended_within(EXIT_SECONDS)
    program.kill()
    await program.ended_within(EXIT_SECONDS)
    return by_itself
