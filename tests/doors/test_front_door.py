"""The front door of a real server, over real sockets: who is cut, who gets in, and how much memory
is used.

No clock: limits of time are a few milliseconds here, and what is waited for is the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from clearance.configuration.document import parse_document
from clearance.core.errors import InvalidInput
from clearance.core.principal import Role
from clearance.doors import arriving, places
from clearance.flow.ports.intents import TimelineQuery
from clearance.profiles.environment import Environment
from clearance.profiles.parts import operator
from clearance.running import doorkeeper, front_door, logs
from clearance.running.door_settings import DoorSettings, door_settings
from clearance.running.server import Serving, serving
from clearance.web import sign_in
from tests.doors.conftest import INTENT, quick_hashes  # noqa: F401 - a fixture
from tests.support import sample

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_hashes")]
PATIENCE_SECONDS = 20
SOON = 0.05
MIB = 1024**2
TENANT = "northwind"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return str(problem["code"])


class Line:
    """One connection of a client that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self._reader.readexactly(int(fields.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), fields, body)

    async def ask(self, *parts: bytes) -> Answer:
        await self.send(*parts)
        return await self.answer()

    async def over(self) -> bytes:
        """What still comes until the server ends the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def is_open(self) -> bool:
        return not self._reader.at_eof()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@dataclass
class House:
    """A server, and the lines to it."""

    up: Serving
    lines: contextlib.AsyncExitStack

    @property
    def port(self) -> int:
        return int(urlsplit(self.up.url).port or 0)

    async def line(self, address: str = "127.0.0.1") -> Line:
        line = Line(
            *await asyncio.open_connection(
                urlsplit(self.up.url).hostname, self.port, local_addr=(address, 0)
            )
        )
        self.lines.push_async_callback(line.close)
        return line

    async def ask(self, *parts: bytes, address: str = "127.0.0.1") -> Answer:
        return await (await self.line(address)).ask(*parts)

    async def key(self, name: str, role: Role) -> bytes:
        _, text = await self.up.control.create_api_key(operator(TENANT), name, role)
        return f"Authorization: Bearer {text}\r\n".encode()


LOCAL = DoorSettings(frozenset(), (), 64)


@contextlib.asynccontextmanager
async def house(
    folder: Path, door: DoorSettings = LOCAL, host: str = "127.0.0.1"
) -> AsyncIterator[House]:
    async with (
        serving(None, folder, host, 0, tools=sample.RecordingTools(), door=door) as up,
        contextlib.AsyncExitStack() as lines,
    ):
        await up.control.apply(operator(TENANT), parse_document(sample.DOCUMENT))
        yield House(up, lines)


def get(path: str = "/healthz", *headers: bytes, host: bytes = b"localhost") -> bytes:
    return (
        b"GET "
        + path.encode()
        + b" HTTP/1.1\r\nHost: "
        + host
        + b"\r\n"
        + b"".join(headers)
        + b"\r\n"
    )


# Bytes


HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = (
    b"POST /v1/intents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n"
)
PIECES = [b"a" * 1_000] * 100

TOO_MUCH: dict[str, tuple[list[bytes], int, str]] = {
    "a large header at once": (
        [HEAD + b"x: " + b"a" * 40_000 + b"\r\n\r\n"],
        431,
        "HEADERS_TOO_LARGE",
    ),
    "an endless header in pieces": ([HEAD + b"x: ", *PIECES], 431, "HEADERS_TOO_LARGE"),
    "an endless name of a header": ([HEAD, *PIECES], 431, "HEADERS_TOO_LARGE"),
    "many headers": ([HEAD + b"a: b\r\n" * 100 + b"\r\n"], 431, "HEADERS_TOO_LARGE"),
    "headers that are large together": (
        [HEAD + (b"x: " + b"a" * 1_000 + b"\r\n") * 40 + b"\r\n"],
        431,
        "HEADERS_TOO_LARGE",
    ),
    "a long target at once": (
        [b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        414,
        "TARGET_TOO_LONG",
    ),
    "an endless target in pieces": ([b"GET /", *PIECES], 414, "TARGET_TOO_LONG"),
    "an endless query": ([b"GET /?", *PIECES], 414, "TARGET_TOO_LONG"),
    "empty lines without end": ([b"\r\n" * 1_000] * 40, 431, "HEADERS_TOO_LARGE"),
    "no HTTP": ([b"hello\r\n\r\n"], 400, "MALFORMED_REQUEST"),
    "another protocol": ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 400, "MALFORMED_REQUEST"),
    "a target of another host": (
        [b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        400,
        "MALFORMED_REQUEST",
    ),
    "a tunnel": (
        [b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        400,
        "MALFORMED_REQUEST",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_is_too_much_is_cut_with_a_problem(tmp_path: Path, name: str) -> None:
    parts, status, code = TOO_MUCH[name]
    async with house(tmp_path) as server:
        line = await server.line()
        with contextlib.suppress(ConnectionError):
            await line.send(*parts)
        answer = await line.answer()
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["connection"] == "close"
        assert answer.headers["cache-control"] == "no-store"
        assert await line.over() == b""
        assert (await server.ask(get())).status == 200


async def test_just_below_the_limits_is_served(tmp_path: Path) -> None:
    headers = [b"x-%d: %b\r\n" % (number, b"a" * 300) for number in range(99)]
    async with house(tmp_path) as server:
        line = await server.line()
        assert (await line.ask(get("/healthz?" + "a" * 8_000, *headers))).status == 200
        assert (await line.ask(*(bytes([byte]) for byte in get()))).status == 200


@pytest.mark.parametrize("what", ["trailers", "one long trailer", "extensions of chunks"])
async def test_what_is_around_a_body_is_bounded_too(tmp_path: Path, what: str) -> None:
    async with house(tmp_path) as server:
        key = await server.key("ada", Role.AGENT)
        body = json.dumps(INTENT).encode()
        line = await server.line()
        await line.send(CHUNKED + key + b"\r\n")
        if what == "extensions of chunks":
            parts = [b"5;a=", *PIECES]
        else:
            parts = [b"%x\r\n%b\r\n0\r\n" % (len(body), body)]
            parts += [b"a: b\r\n" * 1_000] * 10 if what == "trailers" else [b"a: ", *PIECES]
        with contextlib.suppress(ConnectionError):
            await line.send(*parts)
        answer = await line.answer()
        assert (answer.status, answer.code) == (431, "HEADERS_TOO_LARGE")
        assert await server.up.control.timeline(operator(TENANT), TimelineQuery()) == []


async def peak_of(work: Callable[[], Awaitable[object]]) -> int:
    """Bytes that this process took at most for some work, the clients' own among them."""
    tracemalloc.start()
    try:
        await work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_thirty_mebibytes_of_tiny_headers_take_no_memory(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        piece = b"a:\r\n" * (MIB // 4)

        async def flood() -> None:
            line = await server.line()
            with contextlib.suppress(ConnectionError):
                await line.send(HEAD, *[piece] * 30)
            await line.over()

        await server.ask(get())
        assert await peak_of(flood) < 4 * MIB


async def test_many_pipelined_requests_take_no_memory(tmp_path: Path) -> None:
    async with house(tmp_path) as server:

        async def flood() -> None:
            line = await server.line()
            with contextlib.suppress(ConnectionError):
                await line.send(*[get() * 5_000] * 4)
            answered = (await line.over()).count(b"HTTP/1.1 200 OK")
            assert 0 < answered <= front_door.PIPELINED_MAX + 1

        await server.ask(get())
        assert await peak_of(flood) < 4 * MIB


async def test_so_many_unfinished_heads_take_so_much_memory(tmp_path: Path) -> None:
    async with house(tmp_path) as server:

        async def flood() -> None:
            for number in range(60):
                line = await server.line(f"127.0.0.{number + 2}")
                await line.send(HEAD + b"x: " + b"a" * 30_000)
            assert (await server.ask(get())).status == 200

        await server.ask(get())
        # each may leave what a head has at most: in the server, in the client, and on its way
        assert await peak_of(flood) < 60 * 4 * front_door.HEADER_BYTES_MAX


async def test_so_many_bodies_that_nobody_reads_take_so_much_memory(tmp_path: Path) -> None:
    head = b"POST /v1/intents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000\r\n\r\n"
    body = b"a" * 250_000
    async with house(tmp_path) as server:

        async def flood() -> None:
            for number in range(60):
                line = await server.line(f"127.0.0.{number + 2}")
                assert (await line.ask(head + body)).status == 401

        await server.ask(get())
        assert await peak_of(flood) < 60 * 2 * front_door.READ_BYTES_MAX


# Time


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "FIRST_BYTE_SECONDS_MAX",
        "HEAD_SECONDS_MAX",
        "REST_SECONDS_MAX",
        "KEEP_ALIVE_SECONDS",
        "STALLED_SECONDS_MAX",
    ):
        monkeypatch.setattr(front_door, name, SOON)
    monkeypatch.setattr(arriving, "BODY_SECONDS_MAX", SOON)


@pytest.mark.usefixtures("quick")
async def test_silence_is_ended_without_a_word(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        silent = await server.line()
        assert await silent.over() == b""
        between = await server.line()
        assert (await between.ask(get())).status == 200
        assert await between.over() == b""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begun", [b"GET", HEAD, b"\r\n", get() + HEAD])
async def test_half_a_head_is_ended(tmp_path: Path, begun: bytes) -> None:
    async with house(tmp_path) as server:
        line = await server.line()
        answer = await line.ask(begun)
        if begun.startswith(get()):
            assert answer.status == 200
            answer = await line.answer()
        assert (answer.status, answer.code) == (408, "REQUEST_TOO_SLOW")
        assert await line.over() == b""


@pytest.mark.usefixtures("quick")
async def test_a_head_that_drips_is_ended_too(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        line = await server.line()

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await line.send(b"a")
                    await asyncio.sleep(SOON / 10)

        await line.send(HEAD)
        dripping = asyncio.create_task(drip())
        answer = await line.answer()
        dripping.cancel()
        assert (answer.status, answer.code) == (408, "REQUEST_TOO_SLOW")


@pytest.mark.usefixtures("quick")
async def test_half_a_form_is_ended(tmp_path: Path) -> None:
    form = (
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nkey=abc"
    )
    async with house(tmp_path) as server:
        line = await server.line()
        answer = await line.ask(form)
        assert answer.status == 400
        assert b"did not arrive within" in answer.body
        assert await line.over() == b""  # the rest did not come either


@pytest.mark.usefixtures("quick")
async def test_the_rest_of_what_was_answered_has_an_end(tmp_path: Path) -> None:
    body = b"POST /v1/intents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"
    async with house(tmp_path) as server:
        line = await server.line()
        assert (await line.ask(body)).code == "UNAUTHENTICATED"
        assert await line.over() == b""
        late = await server.line()
        assert (await late.ask(body)).code == "UNAUTHENTICATED"
        await late.send(b"d" * 97)
        assert await late.over() == b""  # as between any two requests


@pytest.mark.usefixtures("quick")
async def test_a_client_that_takes_nothing_is_ended(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        with socket.socket() as reads_nothing:
            reads_nothing.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reads_nothing.connect(("127.0.0.1", server.port))
            reads_nothing.setblocking(False)
            async with asyncio.timeout(PATIENCE_SECONDS):
                with contextlib.suppress(ConnectionError):
                    while True:  # one by one, until neither side has room for an answer
                        with contextlib.suppress(BlockingIOError):
                            reads_nothing.send(get("/openapi.json"))
                        await asyncio.sleep(SOON / 50)
                while open_connections() > 0:
                    await asyncio.sleep(SOON)


def open_connections() -> int:
    return sum(len(each) for each in gc.get_objects() if isinstance(each, doorkeeper.Doorkeeper))


# What goes on


async def test_requests_follow_each_other_on_one_connection(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        line = await server.line()
        await line.send(get() + get("/nothing-here", b"hx-request: true\r\n") + get("/v1/whoami"))
        assert [(await line.answer()).status for _ in range(3)] == [200, 401, 401]
        assert (await line.ask(get())).status == 200


async def test_what_was_asked_before_a_fault_is_answered_and_nothing_after_it(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as server:
        line = await server.line()
        await line.send(get() + get("/readyz") + b"nonsense\r\n\r\n" + get())
        assert [(await line.answer()).status for _ in range(2)] == [200, 200]
        assert await line.over() == b""


async def test_a_body_is_asked_for_and_may_come_in_chunks(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        key = await server.key("ada", Role.AGENT)
        line = await server.line()
        go_on = await line.ask(CHUNKED + key + b"Expect: 100-continue\r\n\r\n")
        assert go_on.status == 100
        body = json.dumps(INTENT).encode()
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        answer = await line.ask(chunks, b"0\r\nhost: evil.example\r\n\r\n")
        assert answer.status == 201, answer.body
        assert (await line.ask(get())).status == 200


async def test_another_protocol_is_not_spoken(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        line = await server.line()
        upgrades = (
            (b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n"),
            (b"Connection: Upgrade, HTTP2-Settings\r\n", b"Upgrade: h2c\r\n"),
        )
        for headers in upgrades:
            assert (await line.ask(get("/healthz", *headers))).status == 200


HIDDEN = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
}


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "nothing"])
@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_a_request_with_an_upgrade_has_its_body_and_hides_no_other_one(
    tmp_path: Path, upgrade: str, framing: str, pieces: int
) -> None:
    """Clients that offer another protocol send their bodies all the same, and go on."""
    async with house(tmp_path) as server:
        line, key = await server.line(), await server.key("ada", Role.AGENT)
        content = json.dumps({**INTENT, "why": [HIDDEN.decode()]}).encode()
        body = {
            "length": b"Content-Length: %d\r\n\r\n%s" % (len(content), content),
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (content[:9], content[9:]))
            + b"0\r\n\r\n",
            "nothing": b"Content-Length: 0\r\n\r\n",
        }[framing]
        head = (
            b"POST /v1/intents HTTP/1.1\r\nHost: localhost\r\n"
            + key
            + b"Content-Type: application/json\r\n"
            + UPGRADES[upgrade]
        )
        sent = head + body + get("/healthz")
        size = -(-len(sent) // pieces)
        await line.send(*(sent[start : start + size] for start in range(0, len(sent), size)))
        first, second = await line.answer(), await line.answer()
        assert first.status == (400 if framing == "nothing" else 201), first.body
        assert (second.status, json.loads(second.body)) == (200, {"status": "ok"})
        assert (await line.ask(get("/healthz"))).status == 200


async def test_no_tunnel_is_made(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        for target in (b"/", b"example.com:443"):
            line = await server.line()
            connect = b"CONNECT %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target
            answer = await line.ask(connect + HIDDEN)
            assert (answer.status, answer.code) == (400, "MALFORMED_REQUEST")
            assert await line.over() == b""


async def test_a_stream_stays_open(tmp_path: Path, quick: None) -> None:
    async with house(tmp_path) as server:
        line = await server.line()
        await line.send(get("/v1/events", await server.key("olga", Role.AUDITOR)))
        head = await line._reader.readuntil(b"\r\n\r\n")
        assert b"text/event-stream" in head
        await asyncio.sleep(4 * SOON)
        await server.key("ada", Role.AGENT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await line._reader.readuntil(b"event: ")


# Connections


class Someone:
    """A connection, for the doorkeeper alone."""

    def __init__(self, address: str, rank: doorkeeper.Rank) -> None:
        self.address = address
        self.rank = doorkeeper.Rank.NOTHING
        self.wanted = rank
        self.inside = True

    def turn_out(self) -> None:
        self.inside = False


def inside(most: int, *whom: tuple[str, doorkeeper.Rank], proxy: str = "") -> list[int]:
    """Who is inside, by number, after all of them came one after the other."""
    keeper = doorkeeper.Doorkeeper(most, lambda address: address == proxy)
    everyone = [Someone(*each) for each in whom]
    for each in everyone:
        keeper.came(each)
        keeper.known(each, each.wanted)
    assert len(keeper) == sum(each.inside for each in everyone)
    return [number for number, each in enumerate(everyone) if each.inside]


NOTHING, AGENT, PERSON = doorkeeper.Rank


def test_who_is_silent_longest_goes_and_credentials_stay() -> None:
    here = [f"10.0.0.{number}" for number in range(20)]
    nobody = [(address, NOTHING) for address in here]
    assert inside(4, *nobody[:6]) == [2, 3, 4, 5]
    assert inside(4, (here[9], AGENT), *nobody[:5]) == [0, 3, 4, 5]
    assert inside(4, (here[9], PERSON), (here[8], AGENT), *nobody[:5]) == [0, 1, 5, 6]
    # credentials never take the last place of newcomers, and an agent goes before a person
    assert inside(4, *[(address, AGENT) for address in here[:6]]) == [2, 3, 4, 5]
    agents = [(address, AGENT) for address in here[:7]]
    assert inside(8, *agents, (here[8], NOTHING), (here[9], NOTHING)) == list(range(1, 9))
    many = [(here[1], PERSON), *[(address, AGENT) for address in here[2:5]], (here[6], NOTHING)]
    assert inside(4, *many) == [0, 2, 3, 4]


def test_an_address_makes_room_among_its_own() -> None:
    one, many = "10.0.0.1", [(f"10.0.1.{number}", NOTHING) for number in range(3)]
    flood = [(one, NOTHING)] * 10
    assert inside(8, *many, *flood) == [0, 1, 2, 9, 10, 11, 12]
    assert inside(8, (one, AGENT), *flood) == [0, 8, 9, 10]
    assert inside(8, *many, *flood, proxy=one) == [5, 6, 7, 8, 9, 10, 11, 12]


def test_who_was_heard_is_the_last_to_go() -> None:
    keeper = doorkeeper.Doorkeeper(3, lambda _: True)
    first, second, third, fourth = (Someone("10.0.0.1", NOTHING) for _ in range(4))
    for each in (first, second, third):
        keeper.came(each)
    keeper.heard(first)
    keeper.came(fourth)
    assert [each.inside for each in (first, second, third, fourth)] == [True, False, True, True]
    keeper.left(second)
    keeper.known(second, PERSON)  # its last request turned out to be somebody's too late
    assert len(keeper) == 3
    for each in (first, third, fourth):
        keeper.left(each)
    assert (len(keeper), len(keeper._by_address)) == (0, 0)


def test_addresses_of_one_network_have_one_share() -> None:
    assert doorkeeper.network_of("10.0.0.1") == "10.0.0.1"
    assert doorkeeper.network_of("2001:db8::1") == doorkeeper.network_of("2001:db8::ffff:2")
    assert doorkeeper.network_of("2001:db8::1") != doorkeeper.network_of("2001:db8:0:1::1")


async def test_idle_connections_keep_nobody_out(tmp_path: Path) -> None:
    async with house(tmp_path, replace(LOCAL, connections=16)) as server:
        key = await server.key("olga", Role.APPROVER)
        person = await server.line()
        assert (await person.ask(get("/v1/whoami", key))).status == 200
        idle = [await server.line(f"127.0.0.{number % 9 + 2}") for number in range(60)]
        assert (await server.ask(get())).status == 200
        assert (await person.ask(get("/v1/whoami", key))).status == 200
        assert (await idle[0].over(), await idle[1].over()) == (b"", b"")
        assert (await idle[-1].ask(get())).status == 200


async def test_one_address_turns_out_nobody_elses(tmp_path: Path) -> None:
    async with house(tmp_path, replace(LOCAL, connections=16)) as server:
        waiting = [await server.line("127.0.0.7") for _ in range(4)]
        flood = [await server.line("127.0.0.8") for _ in range(40)]
        assert (await server.ask(get())).status == 200
        for line in waiting:
            assert (await line.ask(get())).status == 200
        assert await flood[0].over() == b""


# Hosts


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"Host: localhost\r\n", None),
        (b"Host: LOCALHOST.:%d\r\n", None),
        (b"Host: 127.0.0.1:%d\r\n", None),
        (b"Host: [::1]:1\r\n", None),
        (b"Host: Clearance.Example:443\r\n", None),
        (b"Host: xn--mller-kva.example\r\n", None),
        (b"Host: evil.example\r\nX-Forwarded-Host: localhost\r\n", "HOST_NOT_SERVED"),
        (b"Host: clearance.example.evil.example\r\n", "HOST_NOT_SERVED"),
        (b"Host: 127.0.0.2\r\n", "HOST_NOT_SERVED"),
        (b"Host: localhost\r\nHost: localhost\r\n", "INVALID_HOST"),
        (b"Host: localhost, evil.example\r\n", "INVALID_HOST"),
        (b"Host: evil.example@localhost\r\n", "INVALID_HOST"),
        (b"Host: \r\n", "INVALID_HOST"),
        (b"", "INVALID_HOST"),
    ],
)
async def test_only_hosts_that_were_named_are_served(
    tmp_path: Path, sent: bytes, code: str | None
) -> None:
    door = door_settings(Environment(), ["clearance.example", "müller.example", "[fd00::7]"])
    async with house(tmp_path, door) as server:
        sent = sent.replace(b"%d", b"%d" % server.port)
        for path in (b"/healthz", b"/sign-in", b"/v1/whoami"):
            answer = await server.ask(b"GET " + path + b" HTTP/1.1\r\n" + sent + b"\r\n")
            if code is None:
                assert answer.status in {200, 401}
            else:
                status = 421 if code == "HOST_NOT_SERVED" else 400
                assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("listens", ["0.0.0.0", "::"])
async def test_a_server_of_all_addresses_serves_the_one_that_was_called(
    tmp_path: Path, listens: str
) -> None:
    async with house(tmp_path, host=listens) as server:
        for called, status in ((b"127.0.0.9", 200), (b"127.0.0.8", 421)):
            with socket.create_connection(("127.0.0.9", server.port)) as client:
                client.sendall(get(host=called))
                client.settimeout(PATIENCE_SECONDS)
                first = await asyncio.to_thread(client.recv, 64)
                assert first.startswith(b"HTTP/1.1 %d " % status)


async def test_a_check_of_http_1_0_needs_no_host(tmp_path: Path) -> None:
    async with house(tmp_path) as server:
        assert (await server.ask(b"GET /readyz HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    ("hosts", "proxies", "code"),
    [
        (["https://clearance.example"], [], "INVALID_HOST_NAME"),
        (["clearance.example:8443"], [], "INVALID_HOST_NAME"),
        (["*.example"], [], "INVALID_HOST_NAME"),
        (["a b"], [], "INVALID_HOST_NAME"),
        ([], ["nginx"], "INVALID_PROXY"),
        ([], ["10.0.0.1/8"], "INVALID_PROXY"),
    ],
)
def test_what_is_no_name_and_no_address_is_refused(
    hosts: list[str], proxies: list[str], code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        door_settings(Environment(), hosts, proxies)
    assert refused.value.code == code


@pytest.fixture
def fresh_log() -> None:
    """Lines that other tests wrote in the same minute are not counted with these."""
    logs._repeats.end()


@pytest.mark.usefixtures("fresh_log")
@pytest.mark.parametrize("name", ["clearance.example", "192.0.2.7", "a..b"])
async def test_a_browser_reads_which_host_is_not_served_and_what_would_serve_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    async with house(tmp_path) as server:
        for accept in (b"Accept: text/html,*/*;q=0.8\r\n", b"Accept: */*\r\n"):
            answer = await server.ask(get("/stop", accept, host=name.encode()))
            assert answer.status == 421
            text = answer.body.decode()
            assert f"--host-name {name}" in text
            assert "CLEARANCE_HOSTS" in text
            browser = answer.headers["content-type"].startswith("text/html")
            assert (browser, "<h1>" in text) == (b"text/html" in accept,) * 2
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line).get("host") for line in lines if "not served" in line] == [name]


@pytest.mark.usefixtures("fresh_log")
async def test_refused_keys_are_one_counted_line_without_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [f"clr2_{number:051}" for number in range(sign_in.ATTEMPTS_MAX + 3)]
    async with house(tmp_path) as server:
        for key in wrong[:3]:
            bearer = f"Authorization: Bearer {key}\r\n".encode()
            assert (await server.ask(get("/v1/whoami", bearer))).status == 401
        assert (await server.ask(get("/v1/whoami"))).status == 401
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            answers = [await http.post("/sign-in", data={"key": key}) for key in wrong]
    assert [answer.status_code for answer in answers[-4:]] == [403, 429, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= sign_in.WINDOW_MS // 1_000
    said = capsys.readouterr().err
    assert not [key for key in wrong if key in said]
    events = Counter(json.loads(line)["event"] for line in said.splitlines())
    assert events["an API key was refused"] == 1
    assert events["an attempt to sign in was refused"] == 1


def test_the_environment_names_hosts_and_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARANCE_HOSTS", "Clearance.example, 10.0.0.7")
    monkeypatch.setenv("CLEARANCE_PROXIES", "10.0.0.0/24,::1")
    monkeypatch.setenv("CLEARANCE_CONNECTIONS", "16")
    door = door_settings(Environment())
    assert (door.hosts, door.connections) == ({"clearance.example", "10.0.0.7"}, 16)
    believed = ("10.0.0.9", "10.0.1.9", "::1", "nonsense")
    assert [door.is_proxy(address) for address in believed] == [True, False, True, False]
    monkeypatch.setenv("CLEARANCE_CONNECTIONS", "15")
    with pytest.raises(InvalidInput):
        door_settings(Environment())


# Proxies


async def _tries(server: House, *forwarded: str) -> list[int]:
    """The statuses of wrong keys, each with an address that a header states."""
    statuses = []
    for address in forwarded:
        form = b"key=clr_wrong-key-of-some-length"
        head = (
            f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n"
            f"Content-Length: {len(form)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        statuses.append((await server.ask(head.encode() + form)).status)
    return statuses


async def test_an_address_that_a_header_states_is_believed_from_a_proxy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "ATTEMPTS_MAX", 2)
    forged = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
    async with house(tmp_path / "alone") as server:
        assert await _tries(server, *forged) == [403, 403, 429, 429]
    behind = door_settings(Environment(), (), ["127.0.0.1"])
    async with house(tmp_path / "behind", behind) as server:
        assert await _tries(server, *forged) == [403, 403, 403, 403]
        # what a client states stands before what the proxy adds
        chain = [f"10.0.0.{number}, 192.0.2.1" for number in range(4)]
        assert await _tries(server, *chain) == [403, 403, 429, 429]


@pytest.mark.parametrize(("proxies", "secure"), [((), False), (("127.0.0.0/8",), True)])
async def test_a_proxy_says_that_it_is_tls_and_nobody_else(
    tmp_path: Path, proxies: tuple[str, ...], secure: bool
) -> None:
    async with house(tmp_path, door_settings(Environment(), (), proxies)) as server:
        key = await server.key("olga", Role.APPROVER)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            answer = await http.post(
                "/sign-in",
                data={"key": key.decode().split()[-1]},
                headers={"X-Forwarded-Proto": "https"},
            )
        assert answer.status_code == 303
        assert ("secure" in answer.headers["set-cookie"].lower()) is secure


# Places


async def test_agents_together_leave_places_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "REQUESTS_MAX", 4)
    slow = (
        b"POST /v1/intents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9\r\nExpect: 100-continue\r\n"
    )
    async with house(tmp_path) as server:
        agents = [await server.key(f"agent-{number}", Role.AGENT) for number in range(4)]
        person = get("/v1/whoami", await server.key("olga", Role.APPROVER))
        held = [await server.line() for _ in agents]
        for line, key in zip(held[:3], agents, strict=False):
            assert (await line.ask(slow + key + b"\r\n")).status == 100  # it is being read
        late = await held[3].ask(slow + agents[3] + b"\r\n")
        assert (late.status, late.code) == (503, "TOO_MANY_REQUESTS")
        assert (await server.ask(person)).status == 200
        assert (await held[0].ask(b"nonsense!")).status == 400
        again = await (await server.line()).ask(slow + agents[3] + b"\r\n")
        assert again.status == 100
