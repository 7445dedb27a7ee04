"""The port of those who watch an installation: what its store has now, over all tenants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from clearance.core.record import IntentStatus

COUNTED_MAX = 10_000  # intents of one state that are counted; a larger backlog shows as this


@dataclass(frozen=True, slots=True)
class Backlog:
    """The intents that are in one state now: how many, up to COUNTED_MAX, and since when
    (milliseconds since 1970) the one that has not moved for longest has been in it.
    """

    count: int
    since: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What a store has, over all tenants.

    `open` has the states that are not terminal and that some intent is in. What a sweep should have
    dealt with, in milliseconds since 1970: `expired_since` is the time of the first intent that is
    past it, `lease_over_since` the end of the first lease that is over; None if there is none.
    `ledger_entries` counts all ledgers. `settings_versions`: the tenant's own version in force, by
    tenant, `*` too.
    """

    open: Mapping[IntentStatus, Backlog]
    expired_since: int | None
    lease_over_since: int | None
    ledger_entries: int
    settings_versions: Mapping[str, int]


class TotalsReads(Protocol):
    """Adds up the content of a store, at a cost that does not grow with closed intents."""

    async def totals(self, now: int) -> Totals:
        """The totals at a moment."""
