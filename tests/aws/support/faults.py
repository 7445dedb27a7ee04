"""Faults that no emulator makes: DynamoDB is busy, transactions collide, questions and answers are
lost, an index is behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from tests.aws.support.emulators import HOST, dynamodb_client

Call = Callable[[], dict[str, Any]]
Fault = Callable[[Call], dict[str, Any]]
"""Gets the call that was about to be made, and answers or raises in its place."""


class Body(BytesIO):
    """A body as the HTTP client hands it on."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass(frozen=True)
class Reply:
    """An error as DynamoDB says it.

    `reasons`: of a transaction that was cancelled, the code of each of its members.
    """

    code: str
    status: int = 400
    reasons: tuple[str, ...] = ()

    def on_the_wire(self) -> AWSResponse:
        """The HTTP answer."""
        said: dict[str, Any] = {
            "__type": f"com.amazonaws.dynamodb.v20120810#{self.code}",
            "message": f"injected: {self.code}",
        }
        if self.reasons:
            said["CancellationReasons"] = [{"Code": code} for code in self.reasons]
        body = Body(json.dumps(said).encode())
        return AWSResponse(
            "http://injected", self.status, {"Content-Type": "application/x-amz-json-1.0"}, body
        )


def cancelled(*reasons: str) -> Reply:
    """A transaction that was cancelled."""
    return Reply("TransactionCanceledException", reasons=reasons)


def lost_answer(call: Call) -> dict[str, Any]:
    """It happened, and the connection broke before anybody was told."""
    call()
    raise ConnectionClosedError(endpoint_url="injected")


def lost_question(_: Call) -> dict[str, Any]:
    """The connection broke before DynamoDB heard anything."""
    raise ConnectionClosedError(endpoint_url="injected")


@dataclass
class Faulty:
    """A DynamoDB client with faults for its next calls, by the name of the method.

    It remembers what was asked.

    An error's reply is read by botocore itself, by a client that has nobody at its other end: on
    moto, an answer that a hook gives would hide the real one and not prevent it.
    """

    client: Any
    nobody: Any
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(**request: Any) -> dict[str, Any]:
            self.asked.append((name, request))
            if self.replies.get(name):
                return dict(getattr(self.nobody, name)(**request))
            waiting = self.faults.get(name)
            fault = waiting.pop(0) if waiting else None
            if fault is not None:
                return fault(lambda: dict(method(**request)))
            answer: dict[str, Any] = method(**request)
            return answer

        return call

    def close(self) -> None:
        """The client is whose it was."""

    def next(self, name: str, *faults: Fault) -> None:
        """The next calls of a method meet these."""
        self.faults.setdefault(name, []).extend(faults)

    def refuse(self, name: str, *replies: Reply) -> None:
        """The next calls of a method are answered with these, on the wire, in place of DynamoDB."""
        self.replies.setdefault(name, []).extend(replies)

    def count(self, name: str) -> int:
        """How often a method was called."""
        return sum(asked == name for asked, _ in self.asked)

    def written(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every member of every transaction: its kind, and what it says."""
        for name, request in self.asked:
            if name == "transact_write_items":
                for member in request["TransactItems"]:
                    yield from member.items()

    def reply(self, event_name: str, **_: Any) -> AWSResponse:
        """botocore asks this before it would send anything to nobody."""
        return self.replies[xform_name(event_name.rpartition(".")[2])].pop(0).on_the_wire()


@contextlib.contextmanager
def faulty(client: Any) -> Iterator[Faulty]:
    """A client that may meet faults."""
    nobody = dynamodb_client(f"http://{HOST}:9")
    made = Faulty(client, nobody)
    nobody.meta.events.register_first("before-send.dynamodb", made.reply)
    try:
        yield made
    finally:
        nobody.close()


@dataclass
class Cutter:
    """A real connection to an emulator that is really cut: after DynamoDB answered, and before the
    answer arrives.
    """

    far: str
    near: str = ""
    cut_next: bytes | None = None
    cuts: int = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one end of it ends."""
        there, back = await asyncio.open_connection(HOST, urlsplit(self.far).port)
        losing = asyncio.Event()
        ends = {
            asyncio.create_task(self._ask(reader, back, losing)),
            asyncio.create_task(self._answer(there, writer, losing)),
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            for end in (writer, back):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _ask(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while said := await reader.read(65_536):
            if self.cut_next is not None and self.cut_next in said:
                self.cut_next = None
                self.cuts += 1
                losing.set()
            back.write(said)
            await back.drain()

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while said := await there.read(65_536):
            if losing.is_set():
                return
            writer.write(said)
            await writer.drain()


@contextlib.asynccontextmanager
async def cutter(endpoint: str) -> AsyncIterator[Cutter]:
    """A way to an emulator that can be cut; `near` is its own endpoint."""
    made = Cutter(endpoint)
    listening = await asyncio.start_server(made.connected, HOST, 0)
    made.near = f"http://{HOST}:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()
        await listening.wait_closed()
