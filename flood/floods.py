"""The floods: what each sends, over how many connections, and how fast.

Rates are bounded, and so is what is sent in all: a flood is to show what a *small* effort does to
others. A loop without a pause would only measure who gets the two cores of a machine.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flood.wire import HOST, bearer, form, request, with_json

FILES_MAX = 512  # that the server may have open, soft and hard
BYTES_MAX = 64 * 1024 * 1024  # that one flood sends in all
HEADERS_BYTES_MAX = 32 * 1024 * 1024  # the same, of tiny headers
STRANGE_LISTS = (250, 1_000, 4_000, 20_000)  # wrong items in one list
STRANGE_FILTERS = ((3, 3), (6, 2), (6, 3))  # depth, and branches at each level, with wrong leaves
AGENTS = 5  # with event streams
STREAMS_EACH = 30  # that each of them tries to open

Make: TypeAlias = Callable[[int, int], bytes]
"""The bytes for a connection by its number, and its turn."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The server, and the credentials that a flood has: the keys of agents, and a good key whose
    form wrong ones copy.
    """

    port: int
    agents: Sequence[str]
    pattern: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Connections that stay open. Each sends `first`, and then `more` after every `every` seconds.

    One that was cut comes again after `again` seconds.
    """

    first: Make
    more: bytes = b""
    every: float = 1.0
    again: float = 2.0
    bytes_max: int = BYTES_MAX


@dataclass(frozen=True, slots=True)
class Ask:
    """Requests one after the other on each connection, with a pause of `every` seconds."""

    what: Make
    every: float


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood. `addresses`: the last numbers of those that it comes from. `throttled`: its
    sign-ins come from one address, and only some of them may be looked at.
    """

    name: str
    does: str
    connections: int
    attack: Callable[[Aim], Hold | Ask]
    addresses: Sequence[int] = field(default_factory=lambda: range(16, 32))
    throttled: bool = False


def _silence(_aim: Aim) -> Hold:
    return Hold(lambda *_: b"")


def _half_lines(_aim: Aim) -> Hold:
    return Hold(lambda *_: b"GET /hea")


def _slow_forms(_aim: Aim) -> Hold:
    head = request(
        "POST", "/sign-in", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 900"
    )
    return Hold(lambda *_: head, more=b"k")


def _endless_header(_aim: Aim) -> Hold:
    head = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Long: ".encode()
    return Hold(lambda *_: head, more=b"a" * 32_768, every=0.015, again=0.25)


def _many_headers(_aim: Aim) -> Hold:
    head = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
    tiny = b"a:\r\n" * 8_192
    return Hold(lambda *_: head, tiny, every=0.015, again=0.25, bytes_max=HEADERS_BYTES_MAX)


def _hostile_values(aim: Aim) -> Ask:
    values: list[dict[str, Any]] = [{"words": [0] * count} for count in STRANGE_LISTS]
    values += [{"words": [], "where": _filter(*shape)} for shape in STRANGE_FILTERS]
    requests = [with_json("POST", "/v1/intents", aim.agents[0], _search(one)) for one in values]
    return Ask(lambda number, turn: requests[(number + turn) % len(requests)], every=0.4)


def _filter(depth: int, branches: int) -> dict[str, Any]:
    """A filter whose every word is a number."""
    if depth == 0:
        return {"word": 0}
    return {"all": [_filter(depth - 1, branches) for _ in range(branches)]}


def _search(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "action_intent_id": "hostile",
        "account_id": "acme",
        "action_type": "SEARCH_LETTERS",
        "parameters": parameters,
        "confidence_score": 0.95,
    }


def _streams(aim: Aim) -> Hold:
    return Hold(lambda number, _: request("GET", "/v1/events", bearer(aim.agents[number % AGENTS])))


def _random_keys(aim: Aim) -> Ask:
    def what(number: int, _turn: int) -> bytes:
        match number % 4:
            case 0:
                return form("/sign-in", {"key": _like(aim.pattern)})
            case 1:
                return request("GET", "/v1/whoami", bearer(_like(aim.pattern)))
            case 2:
                return form("/sign-in", {"key": _old_key()})
            case _:
                return request("GET", "/v1/whoami", bearer(_old_key()))

    return Ask(what, every=0.6)


def _old_key() -> str:
    """A wrong key in the form without a checksum."""
    return f"clr_{secrets.token_urlsafe(32)}"


def _like(key: str) -> str:
    """A wrong key in the form of a good one: its letters behind the prefix are others."""
    prefix, _, rest = key.partition("_")
    return f"{prefix}_{secrets.token_urlsafe(len(rest))[: len(rest)]}"


def _forged_addresses(_aim: Aim) -> Ask:
    def what(number: int, turn: int) -> bytes:
        invented = f"10.{number}.{turn // 256 % 256}.{turn % 256}"
        names = ("X-Forwarded-For", "X-Real-IP", "Forwarded")
        values = (invented, invented, f"for={invented}")
        forged = [f"{name}: {value}" for name, value in zip(names, values, strict=True)]
        return form("/sign-in", {"key": _old_key()}, *forged)

    return Ask(what, every=0.4)


def _log_lines(_aim: Aim) -> Ask:
    garbage = json.dumps({"not": "HTTP"}).encode() + b"\r\n\r\n"
    return Ask(lambda *_: garbage, every=0.2)


FLOODS = (
    Flood("idle", "700 connections that send nothing, more than the file limit", 700, _silence),
    Flood("half-lines", "200 connections that send half a request line", 200, _half_lines),
    Flood("slow-forms", "200 forms to sign in, a byte a second", 200, _slow_forms),
    Flood("endless-header", "8 connections with a header that never ends", 8, _endless_header),
    Flood("many-headers", "8 connections with headers of four bytes each", 8, _many_headers),
    Flood("hostile-values", "one agent: wrong lists and filters, 20/s", 8, _hostile_values),
    Flood("streams", "five agents open event streams", AGENTS * STREAMS_EACH, _streams),
    Flood("random-keys", "wrong keys of both forms to /v1 and sign-in, 160/s", 100, _random_keys),
    Flood(
        "forged-addresses",
        "wrong keys to sign-in with other X-Forwarded-For, 50/s",
        20,
        _forged_addresses,
        addresses=(1,),  # which a server might believe
        throttled=True,
    ),
    Flood("log-lines", "what is not HTTP, 100/s, each worth a line in the log", 20, _log_lines),
)
BY_NAME = {flood.name: flood for flood in FLOODS}
