"""What a process is told about its door: the names that it goes by, the proxies in front of it, and
how many connections it takes.

One idea: nothing that a request states about itself is believed unless it was configured here. A
request is served if it is for a host that was named, or for the very address that it came to.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, TypeAlias

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse

from clearance.api import problems
from clearance.api.problems import HostNotServed, UnreadableRequest
from clearance.core.errors import InvalidInput
from clearance.doors.path_prefix import checked_prefix
from clearance.profiles.environment import Environment
from clearance.running.doorkeeper import CONNECTIONS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from clearance.core.errors import Refusal

CONNECTIONS = range(16, 65_537)  # that a process may be given
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{0,5}))?")

NAME_LENGTH_MAX = 253  # characters of a host that is named in a refusal
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Clearance</title>
<h1>{title}</h1>
<p>{sentence}</p>
</html>
"""  # by itself: what a page of ours loads would come from the host that is not served

_log = structlog.get_logger(__name__)

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """The host names that are served beside the process's own addresses, the proxies that are
    believed, the most connections at once, and the path that everything is below.
    """

    hosts: frozenset[str]
    proxies: tuple[Network, ...]
    connections: int
    path_prefix: str = ""

    def at(self, address: str) -> DoorSettings:
        """The same for a process that listens on an address, which may be a name."""
        name = _canonical(address)
        return self if name is None else replace(self, hosts=self.hosts | {name})

    def serves(self, host: str) -> bool:
        """True if a request for this host is served, whatever address it came to."""
        return _canonical(host) in THIS_MACHINE | self.hosts

    def is_proxy(self, address: str) -> bool:
        """True for the address of a proxy that was named."""
        try:
            host = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(host in network for network in self.proxies)


def door_settings(
    environment: Environment,
    hosts: Iterable[str] = (),
    proxies: Iterable[str] = (),
    path_prefix: str | None = None,
) -> DoorSettings:
    """The settings of the environment; what is given replaces the environment's.

    Raises InvalidInput for what is no name (`INVALID_HOST_NAME`), no address (`INVALID_PROXY`), no
    path (`INVALID_PATH_PREFIX`), or no number (`INVALID_ENVIRONMENT`: it has no option).
    """
    return DoorSettings(
        frozenset(map(_served_name, tuple(hosts) or _listed(environment.hosts))),
        tuple(map(_network, tuple(proxies) or _listed(environment.proxies))),
        _connections(environment.connections or str(CONNECTIONS_MAX)),
        checked_prefix(environment.path_prefix if path_prefix is None else path_prefix),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _served_name(text: str) -> str:
    name = _canonical(text.strip())
    if name is None:
        sentence = f"{text!r} is no host name: write it without a scheme, a port or a path."
        raise InvalidInput(sentence, code="INVALID_HOST_NAME")
    return name


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        sentence = f"{text!r} is no address of a proxy: write one like 10.0.0.7 or 10.0.0.0/24."
        raise InvalidInput(sentence, code="INVALID_PROXY") from None


def _connections(text: str) -> int:
    if text.isdecimal() and int(text) in CONNECTIONS:
        return int(text)
    sentence = f"CLEARANCE_CONNECTIONS must be a number from {CONNECTIONS[0]} to {CONNECTIONS[-1]}."
    raise InvalidInput(sentence, code="INVALID_ENVIRONMENT")


def _canonical(host: str) -> str | None:
    """One spelling for each host: an address without brackets, or a name in small ASCII letters
    without a dot at its end; None if it is neither.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        name = (
            host.removesuffix(".").lower()
            if host.isascii()
            else host.encode("idna").decode().lower()
        )
    except UnicodeError:
        return None
    return name if _NAME.fullmatch(name) else None


class ServedHosts:
    """ASGI: answers requests for the hosts that are served, and refuses the others before anything
    else reads them.

    `X-Forwarded-Host` and `Forwarded` are not read.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = THIS_MACHINE.union(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app within."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        answer = problems.of_refusal(request, refusal)
        if "text/html" in request.headers.get("accept", ""):
            status, title = problems.KINDS[type(refusal)]
            page = _PAGE.format(title=title, sentence=escape(refusal.sentence))
            answer = HTMLResponse(page, status)
        answer.headers.update(problems.HEADERS)
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if not named and scope["http_version"] == "1.0":
            return None  # It is for the address that it came to
        match = _HOST.fullmatch(named[0].decode("latin-1")) if len(named) == 1 else None
        if match is None:
            sentence = "A request names its host in one header Host."
            return UnreadableRequest(sentence, code="INVALID_HOST")
        host = _canonical(match["host"])
        if host is not None and (host in self._hosts or host == _came_to(scope)):
            return None
        name = host or match["host"][:NAME_LENGTH_MAX]
        _log.warning("a request for a host that is not served was refused", host=name)
        sentence = (
            f"This server does not serve the host {name}. If it is to, start it with --host-name "
            f"{name}, or name the host in CLEARANCE_HOSTS."
        )
        return HostNotServed(sentence)


def _came_to(scope: Scope) -> str | None:
    """The address of ours that the connection was made to."""
    server = scope.get("server")
    return _canonical(server[0]) if server else None
