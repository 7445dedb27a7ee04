"""Guards: small items beside the intents that say what an admission has to know of others: their
counters, the same call, what was rejected, how many wait.

A transition reads guards, changes them in memory, and commits each one under the condition that it
is as it was seen. So a look that was not one moment commits nothing that the facts forbid.
"""

from __future__ import annotations

from collections.abc import Mapping

from clearance.core.budget import Claim, Counter
from clearance.core.record import IntentStatus
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import Item, Write, check, put
from clearance.stores.dynamodb.table import Key
from clearance.stores.dynamodb.transactions import NEW, Seen
from clearance.stores.dynamodb.windows import Windows, is_past, parted, ttl

# Windows that move in one transaction: those of 32 counters, and one more of each of 8 subjects.
# More may be past after a pause, and a transaction has 100 members at most
MOVED_MAX = 40
_OF_EVERY_GUARD = frozenset({"pk", "sk", "version"})


class Guards:
    """The guards of one transition of a tenant: as they were seen, and as it leaves them.

    `missing`: keys that the look did not have. What was worked out without them counts for nothing.
    """

    def __init__(self, tenant_id: str, seen: Seen) -> None:
        self.missing: set[Key] = set()
        self._tenant_id = tenant_id
        self._seen = seen
        self._head = table.head(tenant_id)
        self._read: set[Key] = set()
        self._after: dict[Key, Item] = {}
        self._anyway: set[Key] = set()

    def read(self, key: Key) -> Item:
        """A guard as the transition leaves it so far; empty if it is not there."""
        if key in self._after:
            return self._after[key]
        self._read.add(key)
        item = self._looked_at(key)
        return {name: item[name] for name in item.keys() - _OF_EVERY_GUARD}

    def write(self, key: Key, attributes: Item) -> None:
        """Changes a guard that was read."""
        self._after[key] = attributes

    def put(self, key: Key, attributes: Item) -> None:
        """Writes a guard, whatever is there."""
        self._anyway.add(key)
        self._after[key] = attributes

    def waits(self, action_intent_id: str) -> bool:
        """True if an intent waits for a person.

        One that begins to wait writes the guard of its call, so that needs no further condition.
        """
        item = self._looked_at(table.intent(self._tenant_id, action_intent_id))
        return bool(item.get("status") == IntentStatus.AWAITING_APPROVAL.value)

    def _looked_at(self, key: Key) -> Item:
        if key not in self._seen.looked:
            self.missing.add(key)
        return self._seen.items.get(key, {})

    # Counters

    def used(self, counter: Counter) -> Mapping[str, int]:
        """What is held and settled in a counter, by bucket."""
        return self._counted(self._place(counter)).get(counter.window, {})

    def take(self, claim: Claim) -> None:
        """Adds a claim to its counter."""
        if claim.counter is not None:
            self._add(claim.counter, claim.bucket, claim.amount)

    def give_back(self, claim: Claim) -> None:
        """Takes a claim from its counter again, if the counter is still there."""
        if claim.counter is not None and claim.bucket in self.used(claim.counter):
            self._add(claim.counter, claim.bucket, -claim.amount)

    def _add(self, counter: Counter, bucket: str, amount: int) -> None:
        key = self._place(counter)
        windows = self._counted(key)
        buckets = windows.get(counter.window, {})
        added = {**buckets, bucket: buckets.get(bucket, 0) + amount}
        room = MOVED_MAX - len(self._anyway)
        current, past = parted({**windows, counter.window: added}, room)
        self.write(key, _counters(current))
        for window in past:
            # It was beside the others until now, so it is in no other place.
            alone = table.past_window(self._tenant_id, counter.subject, window)
            self.put(alone, _counters({window: past[window]}))

    def _place(self, counter: Counter) -> Key:
        """Where a counter is, or would be: beside its subject's others, or by itself."""
        beside = table.counters(self._tenant_id, counter.subject)
        windows = self._counted(beside)
        if counter.window in windows or not is_past(counter.window, windows):
            return beside
        return table.past_window(self._tenant_id, counter.subject, counter.window)

    def _counted(self, key: Key) -> Windows:
        return items.counted(self.read(key))

    # The commit

    @property
    def counted_in_head(self) -> Windows | None:
        """The counters that HEAD has after the transition; None if they are as they were."""
        return self._after[self._head]["counted"] if self._head in self._after else None

    def actions(self) -> list[Write]:
        """Every guard that was changed, and a condition for each one that was only read.

        HEAD is not among them: every transition writes it, under the condition that it is as it was
        seen.
        """
        after = {key: guard for key, guard in self._after.items() if key != self._head}
        read = sorted(self._read - self._after.keys() - {self._head})
        return [
            *(self._written(key, guard) for key, guard in after.items()),
            *(
                check(key, condition, **values)
                for key in read
                for condition, values in [self._unchanged(key)]
            ),
        ]

    def _written(self, key: Key, attributes: Item) -> Write:
        version = self._seen.items.get(key, {}).get("version", 0) + 1
        condition, values = (None, {}) if key in self._anyway else self._unchanged(key)
        return put(key, {**attributes, "version": version}, condition, **values)

    def _unchanged(self, key: Key) -> tuple[str, dict[str, int]]:
        item = self._seen.items.get(key)
        return (NEW, {}) if item is None else ("version = :seen", {"seen": item["version"]})


def _counters(windows: Windows) -> Item:
    return {"counted": windows, table.TTL_ATTRIBUTE: ttl(windows)}
