"""The layout of facts in DynamoDB's items, in plain values, and how they are read back.

The decision and the binding of an intent are in its ledger entry; the agent's words are in an item
beside the intent's own. Neither changes, so the steps of an intent do not write them again, and no
reader can see half of one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from clearance.core.approval import ApprovalSource
from clearance.core.budget import Hold
from clearance.core.canonical import Json
from clearance.core.credential import ApiKey, PageSession
from clearance.core.ledger import PARTS, Draft, EntryText
from clearance.core.moment import SECOND_MS
from clearance.core.record import (
    OPEN,
    UNDER_WAY,
    Admission,
    Change,
    Executor,
    IntentRecord,
    IntentStatus,
)
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.stops import Stop
from clearance.stores import codec
from clearance.stores.dynamodb import table
from clearance.stores.dynamodb.client import Item
from clearance.stores.dynamodb.table import Key
from clearance.stores.dynamodb.windows import Windows

BUDGET_DAYS_KEPT = 400  # an intent may wait for 366 days, and give back its hold
SESSION_SECONDS_KEPT = 3600  # behind its end, for clocks that differ
CLOCKS_APART_MS_MAX = 3_600_000  # of the processes that work on one table
SETTINGS_PART_BYTES = 300_000  # of a compressed document or text; most have one part
NAMES_MAX = 16  # intents that a guard names
NAMES_BYTES_MAX = 600  # of them, so that the guard stays below 1 kB and costs 2 units
REASONS = "reasons"
"""The name of the text in which all reasons beside an entry stand: a JSON object by JSON pointer.
"""

_LEASE = ("worker", "lease_until")  # of an attempt: an index has them, so they are the item's own


# Intents


def new_intent(admission: Admission, position: int, transition_id: str) -> Item:
    """The item of an intent that is admitted at a ledger position."""
    intent, hold = admission.intent, admission.decision.hold
    item = {
        "tenant_id": intent.tenant_id,
        "account_id": intent.account_id,
        "action_intent_id": intent.action_intent_id,
        "action_type": intent.action_type,
        "status": admission.status.value,
        "revision": 1,
        "position": position,
        "positions": [position],
        "decision_position": position,
        "approval_source": admission.approval_source.value if admission.approval_source else None,
        "due_at": admission.due_at,
        "proposed_by": intent.proposed_by,
        "trace_id": intent.trace_id,
        "salt": admission.salt,
        "fingerprint": admission.fingerprint,
        "created_at": admission.at,
        "changed_at": admission.at,
        "transition_id": transition_id,
        "hold": codec.hold_values(_without_counters(hold)) if hold else None,
        "approval": codec.approval_values(admission.approval) if admission.approval else None,
        "decision_parts": _decision_parts(admission.entry),
        "likeness": admission.likeness,
        "same_call": admission.same_call,
        "counted_waiting": admission.status is IntentStatus.AWAITING_APPROVAL or None,
    }
    return indexed(item)


def new_content(admission: Admission) -> Item:
    """What never changes of an intent, so that its steps do not pay for it again: what the agent
    wrote, and the claims of its hold.
    """
    hold = admission.decision.hold
    counted = hold is not None and _without_counters(hold) != hold
    claims = codec.hold_values(hold)["claims"] if hold is not None and counted else None
    return {"content": admission.content, "claims": claims}


def _without_counters(hold: Hold) -> Hold:
    """The claims on the account's own counters: those that processes without limits know."""
    return replace(hold, claims=tuple(claim for claim in hold.claims if claim.counter is None))


def next_intent(item: Item, change: Change, position: int, transition_id: str) -> Item:
    """The item after a step whose entry is at a ledger position."""
    after = item | {
        "status": change.status.value,
        "revision": change.revision + 1,
        "position": position,
        "positions": [*item["positions"], position],
        "changed_at": change.at,
        "approval_source": change.approval_source.value if change.approval_source else None,
        "due_at": change.due_at,
        "transition_id": transition_id,
        "counted_waiting": change.status is IntentStatus.AWAITING_APPROVAL or None,
    }
    if change.decision is not None:
        after["decision_position"] = position
        after["decision_parts"] = _decision_parts(change.entry)
    if change.approval is not None:
        after["approval"] = codec.approval_values(change.approval)
    if change.attempt is not None:
        attempt = codec.attempt_values(change.attempt)
        after |= {name: attempt.pop(name) for name in _LEASE}
        after["attempt"] = attempt
    if change.outcome is not None:
        after["outcome"] = _outcome_after(item.get("outcome"), change)
    if change.hold is not None and item.get("hold"):
        after["hold"] = item["hold"] | {"state": change.hold.value}
    return indexed(after)


def _outcome_after(before: Mapping[str, Any] | None, change: Change) -> dict[str, Any]:
    values = codec.outcome_values(change)
    # A sentence may quote a tool, and half of a surrogate pair is no UTF-8.
    values["sentence"] = values["sentence"].encode("utf-8", "replace").decode()
    if before is None:
        return values
    # A person's reconciliation; the answer of the world stays as it was.
    return {**before, "status": values["status"], "sentence": values["sentence"]}


def indexed(item: Item) -> Item:
    """The item with the attributes of the indexes that it belongs in, and with none of the others'.

    What a later version wrote otherwise is in no queue: neither the sweep nor a starter meets it.
    """
    status, tenant_id, first = IntentStatus(item["status"]), item["tenant_id"], item["positions"][0]
    shard = table.queue_shard(tenant_id, item["action_intent_id"])
    item["timeline"] = tenant_id
    is_open = status in OPEN
    item["open"] = tenant_id if is_open else None
    item["open_order"] = open_order(status, first) if is_open else None
    queued = status in UNDER_WAY and ours(item)
    item["queue"] = queue(status, shard) if queued else None
    item["queue_order"] = queue_order(item) if queued else None
    item["due"] = shard if item.get("due_at") is not None and ours(item) else None
    return {name: value for name, value in item.items() if value is not None}


def ours(item: Item) -> bool:
    """True if this version may move the intent; from its item, or from what an index has of it."""
    source, executor = item.get("approval_source"), item.get("executor")
    return (source is None or ApprovalSource(source).known) and (
        executor is None or Executor(executor).known
    )


def open_order(status: IntentStatus, position: int) -> str:
    """Where an intent that was admitted at a position stands
    among its tenant's of the same state.
    """
    return f"{status.value}#{table.position_text(position)}"


def queue(status: IntentStatus, shard: str) -> str:
    """The name of one part of a queue across tenants."""
    return f"{status.value}#{shard}"


def queue_order(item: Item) -> str:
    """Where an intent stands in a queue, always: by its admission, whatever changed since."""
    name = f"{item['tenant_id']}#{item['action_intent_id']}"
    position = table.position_text(item["positions"][0])
    return f"{item['created_at']:0{table.MOMENT_DIGITS}}#{position}#{name}"


def counted_waiting(item: Item) -> bool:
    """True if the intent is counted among those of its agent that wait.

    After a step of a process without limits that may be so though it does not wait any more.
    """
    return "counted_waiting" in item


def record(item: Item, content: Item, decided: bytes, parts: str | None) -> IntentRecord:
    """All that is known of an intent: from its item, what never changes of it, the ledger entry of
    its decision, and the parts that stand beside that.
    """
    attempt = item.get("attempt")
    if attempt is not None:
        attempt = {**attempt, **{name: item[name] for name in _LEASE}}
    read = {"content": content["content"], "decided": decided, "parts": parts, "attempt": attempt}
    return codec.record({**item, **read, "hold": _hold(item, content)})


def due(item: Item) -> Due:
    """An intent that is due, from its item or from what an index has of it."""
    return codec.due(
        item["tenant_id"],
        item["action_intent_id"],
        item["action_type"],
        item.get("approval_source"),
    )


def held(item: Item, content: Item) -> Hold | None:
    """The current claims of the intent's hold; None if it has none, or gave it back."""
    hold = codec.hold(_hold(item, content))
    return hold if hold is not None and hold.state.counts else None


def _hold(item: Item, content: Item) -> Item | None:
    hold: Item | None = item.get("hold")
    return hold and {**hold, "claims": content.get("claims", hold["claims"])}


# Intents of one likeness, and of the same call


def latest(action_intent_id: str, others: Iterable[str]) -> list[str]:
    """The intent and the others that were the latest before it, as many as a guard may name; the
    latest first.
    """
    names = [action_intent_id, *(other for other in others if other != action_intent_id)]
    sizes = accumulate(len(name.encode()) for name in names)
    fit = sum(size <= NAMES_BYTES_MAX for size in sizes)
    return names[: min(fit, NAMES_MAX)]


# The timeline


def is_before(item: Item, since: int | None) -> bool:
    """True if nothing further back in the timeline can be as late as `since`: positions follow
    time, but for clocks that differ.
    """
    return since is not None and bool(item["changed_at"] < since - CLOCKS_APART_MS_MAX)


def timeline_filter(query: TimelineQuery) -> Callable[[Item], bool]:
    """Whether an intent belongs in the timeline that was asked for, from its item or from what the
    index has of it.
    """
    statuses = {status.value for status in query.statuses}

    def fits(item: Item) -> bool:
        source = item.get("approval_source")
        return (
            query.account_id in {None, item["account_id"]}
            # The index does not have it: the intent itself decides.
            and query.proposed_by in {None, item.get("proposed_by", query.proposed_by)}
            and query.action_type in {None, item["action_type"]}
            and query.auto_executed in {None, source == ApprovalSource.POLICY.value}
            and (not statuses or item["status"] in statuses)
            and (query.since is None or item["changed_at"] >= query.since)
            and (query.until is None or item["changed_at"] < query.until)
            and (query.before is None or item["position"] < query.before)
        )

    return fits


# Budgets


def used(item: Item | None) -> dict[str, int]:
    """The held and settled use, by bucket."""
    return {
        name.removeprefix("used:"): value
        for name, value in (item or {}).items()
        if name.startswith("used:")
    }


def counted(item: Item | None) -> Windows:
    """The counters that stand in an item."""
    windows: Windows = (item or {}).get("counted", {})
    return windows


def used_attribute(bucket: str) -> str:
    """The attribute that counts a bucket."""
    return f"used:{bucket}"


def budget_ttl(day: str) -> int:
    """When the counters of a day may go, in seconds since 1970."""
    ends = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=BUDGET_DAYS_KEPT)
    return int(ends.timestamp())


def is_long_past(day: str, now: int) -> bool:
    """True if the counters of the day may be gone by `now` (milliseconds since 1970), or will be
    within a day.
    """
    return now // SECOND_MS >= budget_ttl(day) - 24 * 3600


def net(holds: Iterable[tuple[Hold, int]]) -> dict[str, tuple[int, int | None]]:
    """The sum that several holds take (sign 1) or give back (-1) of one account's own counters of
    one day: by bucket, with the room needed.

    The room is the most that may be used before: the bucket's limit less what is taken, or None if
    there is no limit.
    """
    taken: dict[str, tuple[int, int | None]] = {}
    for hold, sign in holds:
        for claim in _without_counters(hold).claims:
            amount, room = taken.get(claim.bucket, (0, None))
            if sign > 0 and claim.limit is not None:
                room = claim.limit - claim.amount
            taken[claim.bucket] = (amount + sign * claim.amount, room)
    return taken


# The ledger and the settings


def entry(draft: Draft, about: str | None, transition_id: str) -> Item:
    """A ledger entry, with the transition that wrote it: by this a transition knows itself again
    after a lost answer. `texts` has the names of the texts beside it, with how many parts each has.
    """
    own = {"body": draft.body, "action_intent_id": about, "transition_id": transition_id}
    counts = {name: len(parts) for name, parts in _beside(draft).items()}
    return {**own, "texts": counts} if counts else own


def texts(tenant_id: str, position: int, draft: Draft) -> dict[Key, Item]:
    """The texts beside an entry, in parts that each fit in an item."""
    return {
        table.ledger_text(tenant_id, position, name, number): {"text": part}
        for name, parts in _beside(draft).items()
        for number, part in enumerate(parts)
    }


def _beside(draft: Draft) -> dict[str, list[bytes]]:
    """The parts of what stands beside an entry, by name.

    All its reasons are one text: a transaction has 100 members at most, and a change of stop
    switches may have 400 reasons.
    """
    reasons = {text.name: [text.text, text.salt.hex()] for text in draft.texts if text.salt}
    whole = {text.name: text.text for text in draft.texts if not text.salt}
    if reasons:
        whole[REASONS] = json.dumps(reasons, separators=(",", ":"), ensure_ascii=False)
    return {name: packed(text) for name, text in whole.items()}


def text_keys(tenant_id: str, position: int, counts: Mapping[str, int]) -> dict[str, list[Key]]:
    """Where the texts of an entry are, by name."""
    return {
        name: [table.ledger_text(tenant_id, position, name, part) for part in range(count)]
        for name, count in counts.items()
    }


def decision_parts(item: Item) -> list[Key]:
    """Where the parts are that stand beside the entry of an intent's decision."""
    counts = {PARTS: item.get("decision_parts", 0)}
    return text_keys(item["tenant_id"], item["decision_position"], counts)[PARTS]


def _decision_parts(draft: Draft) -> int | None:
    return next((len(packed(text.text)) for text in draft.texts if text.name == PARTS), None)


def text_of(keys: Iterable[Key], seen: Mapping[Key, Item]) -> str | None:
    """The text of its parts; None if one of them is not there: it was erased, or there are none."""
    parts = [seen[key]["text"] for key in keys if key in seen]
    return zlib.decompress(b"".join(parts)).decode() if parts else None


def entry_texts(
    keys: Mapping[str, Sequence[Key]], seen: Mapping[Key, Item]
) -> tuple[EntryText, ...]:
    """The texts of an entry that are there, by name."""
    there = {name: text for name, parts in keys.items() if (text := text_of(parts, seen))}
    reasons: dict[str, list[str]] = json.loads(there.pop(REASONS, "{}"))
    own = [EntryText(name, text) for name, text in there.items()]
    own += [EntryText(name, text, bytes.fromhex(salt)) for name, (text, salt) in reasons.items()]
    return tuple(sorted(own, key=lambda text: text.name))


def packed(text: str) -> list[bytes]:
    """A text, compressed, in parts that each fit in an item."""
    whole = zlib.compress(text.encode())
    return [
        whole[start : start + SETTINGS_PART_BYTES]
        for start in range(0, len(whole), SETTINGS_PART_BYTES)
    ]


def settings_parts(document: Mapping[str, Json]) -> list[bytes]:
    """A settings document, compressed, in parts that each fit in an item."""
    return packed(json.dumps(document, separators=(",", ":"), ensure_ascii=False))


def settings_part(change: SettingsChange, parts: Sequence[bytes], number: int) -> Item:
    """One part of a settings document; it says how many there are."""
    salt = {"salt": change.salt} if change.salt else {}
    return {"document": parts[number], "parts": len(parts), "at": change.at, **salt}


def settings_document(parts: Iterable[Item]) -> dict[str, Json]:
    """The document of its parts, in their order."""
    document: dict[str, Json] = json.loads(
        zlib.decompress(b"".join(part["document"] for part in parts))
    )
    return document


# Stops


def stop_item(stop: Stop) -> tuple[Item, dict[Key, bytes]]:
    """A stop's item and the parts of its state, which have keys of their own at each entry: who
    reads them while they change reads those of before whole.
    """
    entry = stop.closed or stop.recorded or stop.position
    parts = packed(codec.stop_state(stop.state))
    own = {
        "tenant_id": stop.tenant_id,
        "position": stop.position,
        "at": stop.at,
        "recorded": stop.recorded,
        "closed": stop.closed,
        "parts": len(parts),
        "open": table.OPEN_STOPS if stop.closed is None else None,
        "open_order": stop_order(stop.tenant_id, stop.position) if stop.closed is None else None,
    }
    there = {name: value for name, value in own.items() if value is not None}
    keys = (table.stop_text(stop.tenant_id, entry, number) for number in range(len(parts)))
    return there, dict(zip(keys, parts, strict=True))


def stop_parts(item: Item) -> list[Key]:
    """Where the parts of a stop's state are."""
    entry = item.get("closed") or item.get("recorded") or item["position"]
    return [table.stop_text(item["tenant_id"], entry, part) for part in range(item["parts"])]


def stop_order(tenant_id: str, position: int) -> str:
    """Where a stop stands among those that are open."""
    return f"{tenant_id}#{table.position_text(position)}"


# Credentials and sessions


def api_key_item(key: ApiKey) -> Item:
    """A credential.

    It lies under its id, its hash and its tenant, so that each question is one read.
    """
    return {**asdict(key), "role": key.role.value, "scope": codec.scope_text(key.scope)}


def api_key(item: Item) -> ApiKey:
    """The credential of an item."""
    return codec.api_key(
        key_id=item["key_id"],
        tenant_id=item["tenant_id"],
        name=item["name"],
        role=item["role"],
        key_hash=item["key_hash"],
        created_at=item["created_at"],
        revoked_at=item.get("revoked_at"),
        scope=item.get("scope"),
    )


def session_item(session: PageSession) -> Item:
    """A signed-in browser; DynamoDB may forget it a while after it is over."""
    return {
        "key_id": session.key_id,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        table.TTL_ATTRIBUTE: session.expires_at // SECOND_MS + SESSION_SECONDS_KEPT,
    }
