"""Quotas: how much agents may propose, leave waiting for people, and leave behind.

They bound what a caller costs others, not what may run: budgets and limits do that.
"""

from __future__ import annotations

from dataclasses import dataclass

from clearance.core.budget import Claim, Counter
from clearance.core.canonical import canonical
from clearance.core.moment import day_in_zone

PROPOSALS_PER_MINUTE_DEFAULT = 6_000  # of a tenant, in one process
PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT = 600  # in one process
WAITING_EACH_AGENT_DEFAULT = 200  # intents of one agent that wait for a person
BLOCKED_BYTES_PER_DAY_DEFAULT = 64 * 1024 * 1024  # of the content of one agent's blocked intents

BLOCKED_BYTES = "blocked_bytes"


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of a tenant.

    The rates of proposals are counted by each process for itself. How many intents of an agent
    wait, and the bytes that its blocked ones leave on a UTC day, are counted by the store.
    """

    proposals_per_minute: int = PROPOSALS_PER_MINUTE_DEFAULT
    proposals_per_minute_each_credential: int = PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT
    waiting_each_agent: int = WAITING_EACH_AGENT_DEFAULT
    blocked_bytes_per_day: int = BLOCKED_BYTES_PER_DAY_DEFAULT

    def blocked(self, agent: str, size: int, now: int) -> Claim:
        """What the content of an agent's blocked intent takes of the day, in bytes."""
        day = Counter(canonical({"agent": agent}).decode(), day_in_zone(now, "UTC"))
        return Claim(BLOCKED_BYTES, size, self.blocked_bytes_per_day, day)


QUOTAS_DEFAULT = Quotas()
