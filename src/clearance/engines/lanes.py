"""Lanes: where an intent queues before it is claimed. Each tool server of each tenant has one, with
as many places as the server takes calls at once.

An intent that waits for a place is APPROVED: it can expire, be withdrawn or be forbidden meanwhile.
An intent that was claimed first would wait as RUNNING, and be sent though it has expired.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from clearance.core.catalog import CONCURRENCY_DEFAULT
from clearance.core.settings import Settings
from clearance.flow.ports.due import Due


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane of a tool server of a tenant, and how many of its intents may be carried out at
    once.
    """

    name: str
    places: int


def lane_of(settings: Settings, due: Due) -> Lane:
    """The lane of an intent.

    An action that left the catalog has a lane too: its intent must be looked at, to be closed.
    """
    action = settings.catalog.get(due.action_type)
    server = settings.tool_servers.get(action.tool.server) if action else None
    lane = f"{due.tenant_id}\0{server.name if server else ''}".encode()
    # Short, because it is part of the name of a notification channel, which PostgreSQL limits to 63
    # bytes.
    name = blake2b(lane, digest_size=16).hexdigest()
    return Lane(name, server.concurrency_max if server else CONCURRENCY_DEFAULT)


class Lines:
    """The intents of one process that wait for a place: a line for each lane, first come, first
    served.
    """

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Due, None]] = {}
        self._taken: Counter[str] = Counter()

    def waiting(self, lane: Lane) -> int:
        """How many wait in a line."""
        return len(self._lines.get(lane.name, ()))

    def join(self, lane: Lane, due: Due) -> list[Due]:
        """Puts an intent at the end of its line; those that have a place from now on."""
        self._lines.setdefault(lane.name, OrderedDict()).setdefault(due)
        return self._served(lane)

    def leave(self, lane: Lane) -> list[Due]:
        """Gives a place back; those that have one from now on."""
        self._taken[lane.name] -= 1
        return self._served(lane)

    def _served(self, lane: Lane) -> list[Due]:
        line, taken = self._lines.get(lane.name, OrderedDict()), self._taken[lane.name]
        served = [line.popitem(last=False)[0] for _ in range(min(lane.places - taken, len(line)))]
        self._taken[lane.name] += len(served)
        if not line:
            self._lines.pop(lane.name, None)
        if not self._taken[lane.name]:
            del self._taken[lane.name]
        return served
