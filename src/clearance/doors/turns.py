"""Turns: slow hashes of texts that a process has not seen before, a few at a time.

Any text of the old form may be a key, and only its slow hash tells. Callers without a key therefore
cost work, and this file bounds it: so many at once, so many that wait, in turn between the
addresses that ask. When every place is taken, the address that has most of them gives one up, and
of those that have as many the one that was served last: so neither one address nor many keep a new
one out.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import anyio

from clearance.core.errors import Unavailable

HASHES_AT_ONCE_MAX = 2  # scrypt takes 16 MiB and some 50 ms of one core each
HASHES_WAITING_MAX = (
    64  # texts whose hash is under way or waits; past it, an address is asked to come again
)
SERVED_REMEMBERED_MAX = 4_096  # sources of which it is known when they were served
NETWORK_BITS = 64  # of an IPv6 address: one client has all addresses of such a network


def source_of(host: str | None) -> str:
    """The name under which a client is counted: its IPv4 address, or the network of its IPv6 one;
    a text that is neither stands for itself.
    """
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, NETWORK_BITS), strict=False))


@dataclass(slots=True, eq=False)
class _Turn:
    """Someone who waits: called to work, or refused."""

    over: anyio.Event = field(default_factory=anyio.Event)
    called: bool = False


class Turns:
    """The places of slow hashes, shared between the sources that ask for them."""

    def __init__(self) -> None:
        self._working = 0
        self._lines: OrderedDict[str, deque[_Turn]] = OrderedDict()
        self._served: OrderedDict[str, None] = OrderedDict()  # the latest last

    @contextlib.asynccontextmanager
    async def turn(self, source: str) -> AsyncIterator[None]:
        """One place, when it is this source's turn.

        Unavailable if all places are taken and no other source has more of them.
        """
        if self._working < HASHES_AT_ONCE_MAX:
            self._working += 1
        else:
            await self._wait(source)
        self._serve(source)
        try:
            yield
        finally:
            self._next()

    async def _wait(self, source: str) -> None:
        turn = _Turn()
        self._lines.setdefault(source, deque()).append(turn)
        if self._working + sum(map(len, self._lines.values())) > HASHES_WAITING_MAX:
            self._give_up()
        try:
            await turn.over.wait()
        except BaseException:
            if turn.called:
                self._next()
            else:
                self._leave(source, turn)
            raise
        if not turn.called:
            sentence = "Too many new credentials are being checked; send the request again."
            raise Unavailable(sentence)

    def _give_up(self) -> None:
        """The latest turn of the source that has most goes; of several, that of the one that was
        served last. So many addresses keep no new one out, once they were served.
        """
        served = {source: number for number, source in enumerate(self._served)}
        source = max(
            reversed(self._lines), key=lambda each: (len(self._lines[each]), served.get(each, -1))
        )
        turn = self._lines[source][-1]
        self._leave(source, turn)
        turn.over.set()

    def _serve(self, source: str) -> None:
        self._served[source] = None
        self._served.move_to_end(source)
        if len(self._served) > SERVED_REMEMBERED_MAX:
            self._served.popitem(last=False)

    def _next(self) -> None:
        """Calls the next turn of the source that has waited longest for one."""
        if not self._lines:
            self._working -= 1
            return
        source = next(iter(self._lines))
        turn = self._lines[source].popleft()
        self._lines.move_to_end(source)
        if not self._lines[source]:
            del self._lines[source]
        turn.called = True
        turn.over.set()

    def _leave(self, source: str, turn: _Turn) -> None:
        line = self._lines.get(source, deque())
        if turn in line:
            line.remove(turn)
        if not line:
            self._lines.pop(source, None)
