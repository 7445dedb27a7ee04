"""A wire to PostgreSQL that breaks at the moment that a test names: before a statement arrives, or
before its answer does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

HEAD_BYTES = (
    5  # of a message of the server: its type, and its length, which counts itself and not the type
)
# The message that ends an answer; outside of a transaction, what it answers is committed by then
READY = b"Z"

Hook = Callable[[], Awaitable[None]]


@dataclass
class Wire:
    """Everything that a store says goes through here.

    A cut is for the next statement that has `marker` in it.
    """

    server: Path
    conninfo: str = ""
    cuts: list[tuple[bytes, bool, Hook | None]] = field(default_factory=list)
    broken: int = 0
    _connections: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(
        default_factory=list
    )
    _open: int = 0

    def lose_question(self, marker: str) -> None:
        """The connection breaks before the statement arrives."""
        self.cuts.append((marker.encode(), False, None))

    def lose_answer(self, marker: str, then: Hook | None = None) -> None:
        """The connection breaks when the statement is answered, and the answer is lost; `then` runs
        before anybody knows.
        """
        self.cuts.append((marker.encode(), True, then))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one end of it ends."""
        there, back = await asyncio.open_unix_connection(self.server)
        losing: list[Hook | None] = []
        both = {
            asyncio.create_task(self._ask(reader, back, losing)),
            asyncio.create_task(self._answer(there, writer, losing)),
        }
        self._connections.append((writer, back))
        self._open += 1
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (writer, back):
                end.transport.abort()
            await asyncio.gather(*both, return_exceptions=True)
            self._open -= 1

    async def _ask(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, losing: list[Hook | None]
    ) -> None:
        while said := await reader.read(65_536):
            for cut in list(self.cuts):
                marker, answered, then = cut
                if marker in said:
                    self.cuts.remove(cut)
                    self.broken += 1
                    if not answered:
                        return
                    losing.append(then)
            back.write(said)
            await back.drain()

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: list[Hook | None]
    ) -> None:
        while True:
            head = await there.readexactly(HEAD_BYTES)
            body = await there.readexactly(int.from_bytes(head[1:], "big") - 4)
            if not losing:
                writer.write(head + body)
                await writer.drain()
            elif head[:1] == READY:
                then = losing[0]
                if then is not None:
                    await then()
                return

    async def close(self) -> None:
        """Breaks every connection."""
        for ends in self._connections:
            for end in ends:
                end.transport.abort()
        while self._open:
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def wire(conninfo: str, folder: Path) -> AsyncIterator[Wire]:
    """A wire to the database of an address; `conninfo` of what it yields is the address of its near
    end.
    """
    far = conninfo_to_dict(conninfo)
    made = Wire(Path(str(far["host"])) / f".s.PGSQL.{far.get('port') or 5432}")
    made.conninfo = make_conninfo(conninfo, host=str(folder), port=5432)
    listening = await asyncio.start_unix_server(made.connected, folder / ".s.PGSQL.5432")
    try:
        yield made
    finally:
        listening.close()
        await made.close()
        await listening.wait_closed()
