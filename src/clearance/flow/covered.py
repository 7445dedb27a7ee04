"""What stop switches cover of a tenant now: counts of intents by their names, and a look at which
of them a switch is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from clearance.core.moment import DAY_MS
from clearance.core.record import IntentStatus
from clearance.core.settings import Settings
from clearance.core.stop import StopSwitch
from clearance.flow.context import Context
from clearance.flow.ports.stops import Tally


@dataclass(frozen=True, slots=True)
class Held:
    """How many intents wait for a person, are approved and have not started, and are RUNNING."""

    waiting: int
    approved: int
    under_way: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The intents of a tenant that are open, and those that ended within a day, counted; and its
    settings, which say on which server the tool of an action is.
    """

    settings: Settings
    open: tuple[Tally, ...]
    ended: tuple[Tally, ...]

    def held_by(self, switches: Collection[StopSwitch]) -> Held:
        """The open intents that any of these switches covers."""
        counts = _by_status(self._covered(self.open, switches))
        return Held(
            counts[IntentStatus.AWAITING_APPROVAL],
            counts[IntentStatus.APPROVED],
            counts[IntentStatus.RUNNING],
        )

    def done_of(self, switches: Collection[StopSwitch]) -> Counter[IntentStatus]:
        """The intents that ended within a day that any of these switches covers, by status."""
        return _by_status(self._covered(self.ended, switches))

    def starting_without(self, switch: StopSwitch) -> int:
        """The approved intents that start at once when a switch is lifted: it covers them, no other
        does, and this version can call their tool.
        """
        others = [each for each in self.settings.stop_switches if each.place != switch.place]
        return sum(
            tally.count
            for tally in self._covered(self.open, (switch,))
            if tally.status is IntentStatus.APPROVED
            and not any(self.covers(other, tally) for other in others)
            and not self.settings.uncallable(tally.account_id, tally.action_type)
        )

    def covers(self, switch: StopSwitch, tally: Tally) -> bool:
        """True if a switch covers the intents of a tally."""
        names = (tally.account_id, tally.action_type, tally.proposed_by)
        return switch.covers(*names, self.server_of(tally.action_type))

    def server_of(self, action_type: str) -> str | None:
        """The tool server of an action; None if the catalog does not have it."""
        action = self.settings.catalog.get(action_type)
        return action.tool.server if action else None

    def _covered(
        self, tallies: Iterable[Tally], switches: Collection[StopSwitch]
    ) -> Iterable[Tally]:
        return (
            tally for tally in tallies if any(self.covers(switch, tally) for switch in switches)
        )


async def standing_of(context: Context, tenant_id: str) -> Standing:
    """How the intents of a tenant stand now."""
    settings = await context.settings(tenant_id)
    since = context.clock.now_ms() - DAY_MS
    return Standing(
        settings,
        tuple(await context.store.open_tallies(tenant_id)),
        tuple(await context.store.ended_tallies(tenant_id, since)),
    )


def _by_status(tallies: Iterable[Tally]) -> Counter[IntentStatus]:
    counts: Counter[IntentStatus] = Counter()
    for tally in tallies:
        counts[tally.status] += tally.count
    return counts
