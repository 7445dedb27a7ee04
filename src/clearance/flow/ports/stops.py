"""The port of stops: what a switch covers, and the stops whose receipts are not closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from clearance.core.canonical import Json
from clearance.core.ledger import Draft
from clearance.core.record import IntentRecord, IntentStatus

ENDED_LOOKED_AT_MAX = 10_000  # intents of a tenant, the latest, among which those that ended count


@dataclass(frozen=True, slots=True)
class Tally:
    """How many intents of an account, action type and agent are in a state."""

    account_id: str
    action_type: str
    proposed_by: str
    status: IntentStatus
    count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A change that turned stop switches on or made them stricter, and how far its receipt is.

    `position` is that of its ledger entry, and `at` its moment in milliseconds since 1970. `state`
    is the flow's. `recorded` and `closed` are the positions of the receipt's two entries; None if
    they are not there yet.
    """

    tenant_id: str
    position: int
    at: int
    state: Mapping[str, Json]
    recorded: int | None = None
    closed: int | None = None

    def moved(self, state: Mapping[str, Json], position: int) -> Stop:
        """The stop after the next of its entries, which is at a position."""
        if self.recorded is None:
            return replace(self, state=state, recorded=position)
        return replace(self, state=state, closed=position)


class Stops(Protocol):
    """Reads what switches cover, and keeps stops. `configure` opens one with its switches."""

    async def open_tallies(self, tenant_id: str) -> list[Tally]:
        """Every intent of a tenant whose state is not terminal."""

    async def ended_tallies(self, tenant_id: str, since: int) -> list[Tally]:
        """The intents whose call ended, or that were closed before one, and whose latest fact is
        not before a moment; of the latest ENDED_LOOKED_AT_MAX of the tenant.
        """

    async def running(self, tenant_id: str) -> list[IntentRecord]:
        """Every intent that is RUNNING: none that was so before the call, and is still, is
        missing.
        """

    async def ledger_sizes(self) -> Mapping[str, int]:
        """The position of the latest entry of each tenant that has settings."""

    async def open_stops(self, limit: int, after: Stop | None = None) -> list[Stop]:
        """Stops whose receipt is not closed, of all tenants, by tenant and position."""

    async def stops_at(self, tenant_id: str, moments: Collection[int]) -> list[Stop]:
        """The stops of a tenant that were made at these moments, by position."""

    async def move_stop(self, seen: Stop, state: Mapping[str, Json], entry: Draft) -> Stop | None:
        """Writes the next entry of a stop's receipt, and its state from then on, in one
        transaction. None if that entry is there already: nothing was stored.
        """
