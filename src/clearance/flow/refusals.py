"""Refusals of proposals: counted by agent and hour, because a refused proposal leaves nothing in
the ledger, and people should see an agent that tries in vain.

Each process counts its own, and forgets them when it ends.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

from clearance.core.errors import Refusal, Unavailable
from clearance.core.moment import HOUR_MS
from clearance.core.principal import Principal
from clearance.flow.requests import RefusedProposals

HOURS_KEPT = 24  # of the counts
COUNTS_MAX = 4_096  # agents and hours that a process remembers


class Refusals:
    """The refused proposals of one process. `heard` is called with the code of each."""

    def __init__(self) -> None:
        self.heard: Callable[[str], None] = lambda _: None
        self._counts: OrderedDict[tuple[str, str, int], Counter[str]] = OrderedDict()

    def add(self, caller: Principal, refusal: Refusal, now: int) -> None:
        """Counts one. What was only not possible at the moment was not refused."""
        if isinstance(refusal, Unavailable):
            return
        place = (caller.tenant_id, caller.actor_id, now - now % HOUR_MS)
        self._counts.setdefault(place, Counter())[refusal.code] += 1
        if len(self._counts) > COUNTS_MAX:
            self._counts.popitem(last=False)
        self.heard(refusal.code)

    def lately(self, tenant_id: str, now: int) -> tuple[RefusedProposals, ...]:
        """Those of a tenant within HOURS_KEPT, the latest hour first, in it the most first."""
        kept = self._kept(tenant_id, now - HOURS_KEPT * HOUR_MS)
        return tuple(sorted(kept, key=lambda each: (-each.hour, -each.count, each.agent_id)))

    def _kept(self, tenant_id: str, since: int) -> Iterator[RefusedProposals]:
        for (tenant, agent_id, hour), codes in self._counts.items():
            if tenant == tenant_id and hour >= since:
                yield RefusedProposals(agent_id, hour, dict(codes))
