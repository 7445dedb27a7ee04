"""Rates: how many proposals a minute one process takes with a credential and for a tenant.

They are looked at before anything is read or worked out, so that a flood costs next to nothing.
Each process counts for itself: what must hold over all of them is counted by the store. A rate is
keyed by what the door authenticated, never by what a caller writes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeAlias

from clearance.core.credential import key_of
from clearance.core.errors import TooMany
from clearance.core.moment import SECOND_MS
from clearance.core.principal import Principal
from clearance.core.quota import Quotas

MINUTE_MS = 60 * SECOND_MS
BUCKETS_MAX = 8_192  # credentials and tenants of which a process remembers what they used

Bucket: TypeAlias = tuple[str, ...]


class Rates:
    """Token buckets of one minute's size, which fill evenly. A bucket that is forgotten is full:
    the one that was used the longest ago goes first.
    """

    def __init__(self) -> None:
        self._full_at: OrderedDict[Bucket, float] = OrderedDict()

    def take(self, wanted: Mapping[Bucket, int], now: int) -> Bucket | None:
        """Takes one from each bucket, of so many a minute each, or nothing if one is empty; that
        one. `now` is in monotonic milliseconds.
        """
        after = {
            bucket: max(self._full_at.get(bucket, now), now) + MINUTE_MS / per_minute
            for bucket, per_minute in wanted.items()
        }
        empty = next((name for name, full_at in after.items() if full_at > now + MINUTE_MS), None)
        if empty is None:
            for bucket, full_at in after.items():
                self._full_at[bucket] = full_at
                self._full_at.move_to_end(bucket)
            while len(self._full_at) > BUCKETS_MAX:
                self._full_at.popitem(last=False)
        return empty

    def wait_ms(self, bucket: Bucket, per_minute: int, now: int) -> float:
        """How long it takes until a bucket has one again."""
        return self._full_at.get(bucket, now) + MINUTE_MS / per_minute - now - MINUTE_MS


def check_rate(rates: Rates, caller: Principal, quotas: Quotas, now: int) -> None:
    """Counts a proposal of a caller; of one without a credential, who works on the state itself,
    none is counted.

    TooMany (`TOO_MANY_PROPOSALS`) if there were as many as may be.
    """
    if caller.credential is None:
        return
    tenant: Bucket = (caller.tenant_id,)
    own: Bucket = (caller.tenant_id, caller.actor_id, key_of(caller.credential))
    limits = {
        own: quotas.proposals_per_minute_each_credential,
        tenant: quotas.proposals_per_minute,
    }
    empty = rates.take(limits, now)
    if empty is None:
        return
    seconds = max(1, math.ceil(rates.wait_ms(empty, limits[empty], now) / SECOND_MS))
    of = "for this tenant" if empty == tenant else f"with this key of {caller.actor_id}"
    sentence = f"More proposals came {of} than may come in a minute; nothing was read."
    raise TooMany.for_seconds(seconds, sentence, code="TOO_MANY_PROPOSALS")
