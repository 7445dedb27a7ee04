"""The front door: one connection of a server, and what a request may cost before anything of it is
known.

One idea: every state of a connection has an end, in bytes and in time. It waits for a first byte,
for the end of a head, for the rest of what was answered, or for the next request, and each wait is
short. While a request is under way, its own route bounds it. What breaks a limit gets a problem if
an answer is due, and is closed. This file knows nothing of the app behind it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import httptools
import structlog
from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clearance.api import problems
from clearance.api.problems import (
    HeadersTooLarge,
    RequestTooSlow,
    TargetTooLong,
    UnreadableRequest,
)
from clearance.core.principal import ActorKind
from clearance.doors.places import KNOWN
from clearance.running.doorkeeper import Rank, network_of

if TYPE_CHECKING:
    from clearance.core.errors import Refusal
    from clearance.core.principal import Principal
    from clearance.running.doorkeeper import Doorkeeper

TARGET_BYTES_MAX = 8 * 1024  # of the path and the query
HEADERS_MAX = 100  # of one request, its trailers too
HEADER_BYTES_MAX = 32 * 1024  # of one request, names and values, its trailers too
PIPELINED_MAX = 32  # requests that wait on one connection behind the one that is under way
READ_BYTES_MAX = 64 * 1024  # that are taken from a connection at once
FIRST_BYTE_SECONDS_MAX = 10
HEAD_SECONDS_MAX = 10  # from the first byte of a head to its last
REST_SECONDS_MAX = 10  # for the rest of a request that was answered before it had arrived
KEEP_ALIVE_SECONDS = 5  # between two requests
STALLED_SECONDS_MAX = 30  # while a client takes nothing of its answer
LINGER_SECONDS = 1  # that a refused client is still listened to, so that it can read why
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
FIELD_BYTES = 4  # of the colon, the space and the end of the line

_log = structlog.get_logger(__name__)


class _Wait(Enum):
    """What a connection waits for."""

    FIRST_BYTE = "first byte"
    HEAD = "head"
    ANSWER = "answer"  # the route's own limits hold
    REST = "rest"
    NEXT = "next request"
    END = "end"


class FrontDoor(HttpToolsProtocol):
    """One connection, which its keeper may close at any time."""

    def __init__(self, keeper: Doorkeeper, **given: Any) -> None:
        super().__init__(**given)
        self._keeper = keeper
        self.address = ""
        self.rank = Rank.NOTHING
        self._waits: _Wait | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_head = False
        self._receiving = False
        self._reading_on = False  # the head that another parser knows already
        self._refused: Refusal | None = None
        self._headers = self._header_bytes = 0
        self._unparsed = 0  # bytes of whole reads that the parser only took in

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Gets its place."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES_MAX
        if self.client:
            self.client = _plain(self.client[0]), self.client[1]
            self.address = network_of(self.client[0])
        if self.server:
            self.server = _plain(self.server[0]), self.server[1]
        self._keeper.came(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives its place back."""
        self._keeper.left(self)
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def turn_out(self) -> None:
        """Closes it at once."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """The client takes nothing more: it has some time to."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """The client took what was written."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    # Bytes

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the connection was refused."""
        if self._waits is _Wait.END:
            return
        self._keeper.heard(self)
        self._unset_keepalive_if_required()
        self._unparsed += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            sentence = "The request is not HTTP."
            self._refuse(self._refused or UnreadableRequest(sentence))
        if self._unparsed > HEADER_BYTES_MAX:
            self._refuse(_headers_too_large())
        self._watch()

    def _parse(self, data: bytes) -> None:
        """Feeds the parser, which leaves off behind a head with an `Upgrade`."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._read_on()
            else:
                return

    def _read_on(self) -> None:
        """The parser takes what follows an `Upgrade` for another protocol. None is spoken here, and
        the request is one like any other: so another parser, which knows of its head only how the
        body is framed, reads the body and the requests behind it.
        """
        framing = self._framing()
        version, method = self.scope["http_version"], self.scope["method"]
        self.parser = httptools.HttpRequestParser(self)
        if framing:
            head = [f"{method} / HTTP/{version}".encode(), *map(b": ".join, framing), b"", b""]
            self._reading_on = True
            self.parser.feed_data(b"\r\n".join(head))
            self._reading_on = False

    def _framing(self) -> list[tuple[bytes, bytes]]:
        return [header for header in self.headers if header[0] in FRAMING]

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._reading_on:
            return
        super().on_message_begin()
        cast("dict[str, object]", self.scope)[KNOWN] = self._known
        self._in_head = self._receiving = True
        self._unparsed = self._headers = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._reading_on:
            return
        self._unparsed = 0
        super().on_url(url)
        if len(self.url) > TARGET_BYTES_MAX:
            sentence = f"The path and the query of a request have at most {TARGET_BYTES_MAX} bytes."
            raise self._because(TargetTooLong(sentence))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is counted and left out."""
        if self._reading_on:
            return
        self._unparsed = 0
        self._headers += 1
        self._header_bytes += len(name) + len(value) + FIELD_BYTES
        if self._headers > HEADERS_MAX or self._header_bytes > HEADER_BYTES_MAX:
            raise self._because(_headers_too_large())
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request begins, unless too many wait on this connection."""
        if self._reading_on:
            return
        self._unparsed = 0
        if self.parser.get_method() == b"CONNECT":
            sentence = "This is no proxy, and makes no tunnel."
            raise self._because(UnreadableRequest(sentence))
        if not self.url.startswith(b"/"):
            sentence = "The target of a request is a path."
            raise self._because(UnreadableRequest(sentence))
        if len(self.pipeline) >= PIPELINED_MAX:
            sentence = f"At most {PIPELINED_MAX} requests may wait on one connection."
            raise self._because(UnreadableRequest(sentence))
        self._in_head = False
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """The size of a chunk."""
        self._unparsed = 0

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is here."""
        if self.parser.should_upgrade() and self._framing():
            return  # its body comes yet
        self._unparsed = 0
        self._receiving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self._watch()

    # Time

    def _watch(self) -> None:
        """Begins the time of a new wait; while the wait is the same, its time goes on."""
        waits = self._next_wait()
        if waits is self._waits:
            return
        self._waits = waits
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        seconds = {
            _Wait.FIRST_BYTE: FIRST_BYTE_SECONDS_MAX,
            _Wait.HEAD: HEAD_SECONDS_MAX,
            _Wait.REST: REST_SECONDS_MAX,
            _Wait.NEXT: KEEP_ALIVE_SECONDS,
        }.get(waits)
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self._overdue)

    def _next_wait(self) -> _Wait:
        if self._waits is _Wait.END:
            return _Wait.END
        if self._in_head:
            return _Wait.HEAD
        if self.cycle is not None and not self.cycle.response_complete:
            return _Wait.ANSWER
        if self._receiving:
            return _Wait.REST
        if self._unparsed:
            return _Wait.HEAD  # empty lines before one
        return _Wait.FIRST_BYTE if self.cycle is None else _Wait.NEXT

    def _overdue(self) -> None:
        if self._waits is not _Wait.HEAD:
            self.transport.close()  # nobody waits for an answer
            return
        sentence = f"The head of the request did not arrive within {HEAD_SECONDS_MAX} s."
        self._refuse(RequestTooSlow(sentence))

    # Refusing

    def _because(self, refusal: Refusal) -> Refusal:
        self._refused = refusal
        return refusal

    def _refuse(self, refusal: Refusal) -> None:
        """Reads no more. What was asked before is answered; then the refusal is, if an answer is
        still due; then the connection ends.
        """
        if self._waits is _Wait.END:
            return
        self._waits = _Wait.END
        if self._deadline is not None:
            self._deadline.cancel()
        _log.warning("a request was refused at the door", code=refusal.code)
        last = self.cycle
        if last is None or last.response_complete:
            self._answer(refusal)
        elif not last.more_body:
            last.keep_alive = False
        elif self.pipeline or last.response_started:
            self.transport.abort()
        else:
            last.disconnected = True
            last.message_event.set()
            self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        """Writes a problem, and closes once the client has read it."""
        target = self.url if hasattr(self, "url") else b""
        request = Request({"type": "http", "headers": [], "raw_path": target.partition(b"?")[0]})
        answer = problems.of_refusal(request, refusal)
        answer.headers.update({**problems.HEADERS, "Connection": "close"})
        status, _ = problems.KINDS[type(refusal)]
        fields = [*self.server_state.default_headers, *answer.raw_headers]
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            *(b": ".join(f) for f in fields),
        ]
        self.transport.write(b"\r\n".join([*head, b"", bytes(answer.body)]))
        # Closed while there is something unread, the answer would be lost on its way.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _known(self, caller: Principal) -> None:
        """A request on this connection came with a valid credential."""
        person = caller.kind is ActorKind.PERSON
        self._keeper.known(self, Rank.PERSON if person else Rank.AGENT)


def _headers_too_large() -> HeadersTooLarge:
    sentence = (
        f"A request has at most {HEADERS_MAX} headers, and {HEADER_BYTES_MAX} bytes in all of them."
    )
    return HeadersTooLarge(sentence)


def _plain(host: str) -> str:
    """An address as it is without IPv6 around it: a socket for both families shows it within."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
