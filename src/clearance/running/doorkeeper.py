"""The doorkeeper: which connections of a process stay when there is no room for another.

One idea: a newcomer always gets in. The connection that goes is the one that has been silent
longest of those that have shown no valid credential. Credentials of people count most, and an
address that has its share makes room among its own connections.
"""

from __future__ import annotations

import contextlib
import ipaddress
import resource
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

import structlog

CONNECTIONS_MAX = 1_024  # of the process, unless the environment says otherwise
SHARE = 2  # of the connections, the part that one address may have
NEWCOMERS = 4  # of the connections, the part that credentials never take
FILES_KEPT = 384  # for the store, tool servers, and connections that were accepted and wait
IPV6_PREFIX = 64  # bits of an IPv6 address that name its network; the rest its owner chooses

_log = structlog.get_logger(__name__)


class Rank(IntEnum):
    """What a connection has shown: the least goes first."""

    NOTHING = 0
    AGENT = 1
    PERSON = 2


class Caller(Protocol):
    """A connection, as the doorkeeper sees it. It keeps `address` and `rank` for as long as it
    is in the keeper's books; the keeper alone changes `rank`.
    """

    address: str
    rank: Rank

    def turn_out(self) -> None:
        """Closes it at once."""


class _Line:
    """Connections in the order of their silence, apart for each rank."""

    def __init__(self) -> None:
        self._by_rank = tuple(OrderedDict[Caller, None]() for _ in Rank)

    def __len__(self) -> int:
        return sum(map(len, self._by_rank))

    def __contains__(self, caller: Caller) -> bool:
        return caller in self._by_rank[caller.rank]

    def join(self, caller: Caller) -> None:
        self._by_rank[caller.rank][caller] = None

    def leave(self, caller: Caller) -> None:
        self._by_rank[caller.rank].pop(caller, None)

    def heard(self, caller: Caller) -> None:
        self._by_rank[caller.rank].move_to_end(caller)

    def next_out(self, newcomers: int) -> Caller:
        """Who goes. Of those that have shown nothing, so many stay as long as others can go."""
        nothing, *others = self._by_rank
        lines = [*others, nothing] if len(nothing) < newcomers else [nothing, *others]
        return next(iter(next(filter(None, lines))))


class Doorkeeper:
    """The connections of one process, at most `most`. `is_proxy`: whose addresses have no share."""

    def __init__(self, most: int, is_proxy: Callable[[str], bool]) -> None:
        self._most = most
        self._is_proxy = is_proxy
        self._everyone = _Line()
        self._by_address: defaultdict[str, _Line] = defaultdict(_Line)

    def __len__(self) -> int:
        return len(self._everyone)

    def came(self, caller: Caller) -> None:
        """Lets a connection in; another one goes for it if there is no room."""
        home = self._by_address[caller.address]
        share = max(self._most // SHARE, 1)
        if len(home) >= share and not self._is_proxy(caller.address):
            self._turn_out(home, share)
        elif len(self._everyone) >= self._most:
            self._turn_out(self._everyone, self._most)
        for line in (self._everyone, self._by_address[caller.address]):
            line.join(caller)

    def heard(self, caller: Caller) -> None:
        """Something came on a connection: it is the last to go of its rank."""
        for line in (self._everyone, self._by_address[caller.address]):
            line.heard(caller)

    def known(self, caller: Caller, rank: Rank) -> None:
        """A request on it came with a valid credential; what it has shown before stays shown."""
        if rank <= caller.rank or caller not in self._everyone:
            return
        lines = (self._everyone, self._by_address[caller.address])
        for line in lines:
            line.leave(caller)
        caller.rank = rank
        for line in lines:
            line.join(caller)

    def left(self, caller: Caller) -> None:
        """A connection is over. Nothing happens if it was turned out."""
        home = self._by_address[caller.address]
        for line in (self._everyone, home):
            line.leave(caller)
        if not home:
            del self._by_address[caller.address]

    def _turn_out(self, line: _Line, most: int) -> None:
        caller = line.next_out(most // NEWCOMERS)
        self.left(caller)
        caller.turn_out()
        _log.warning("a connection was closed to make room", had=caller.rank.name)


def network_of(host: str) -> str:
    """The address that a share of the connections counts under: of IPv6, its network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))


def room(wanted: int) -> int:
    """How many connections the process takes, of those that are wanted: the rest of its open files
    is for everything else. The soft limit of open files is raised to the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS takes less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(soft - FILES_KEPT, soft // 2))
