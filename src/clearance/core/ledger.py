"""The ledger: facts as exact canonical bytes.

Each transition of an intent is one entry, and the entry holds all of it.

An entry is RFC 8785 canonical JSON whose numbers are integers. The agent's own words (parameters,
target, reasons) are not in it: a salted digest binds them, so they can be erased without breaking
the record. The reasons that people write are bound in the same way; their texts stand beside the
entry. So does each part of an entry that would make it too long.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from clearance.core.canonical import Json, canonical, digest
from clearance.core.intent import ActionIntent
from clearance.core.moment import as_text
from clearance.core.principal import Principal

FORMAT = 2
ENTRY_BYTES_MAX = 65_535  # of an entry; what would make it longer stands beside it

PARTS = "parts"
"""The name of the text with the parts that stand beside an entry because it would be too long: a
JSON object of values by JSON pointer.
"""

_NEVER_BESIDE = frozenset(
    {
        *("format", "kind", "at", "tenant_id", "actor", "credential", "action_intent_id"),
        *("account_id", "action_type", "trace_id", "revision", "status"),
    }
)
"""The facts by which an entry is found and read: they are short, and stay in it."""

_DIGEST_BYTES = 75  # of a digest in `beside`, with what separates it from the others


class EntryKind(StrEnum):
    """The event that an entry records. `ACTION_APPROVED` starts execution, whether policy or a
    person approved.
    """

    ACTION_BLOCKED = "ACTION_BLOCKED"
    APPROVAL_REQUESTED = "APPROVAL_REQUESTED"
    ACTION_APPROVED = "ACTION_APPROVED"
    ACTION_REJECTED = "ACTION_REJECTED"
    ACTION_EXPIRED = "ACTION_EXPIRED"
    ACTION_CANCELLED = "ACTION_CANCELLED"
    EXECUTION_STARTED = "EXECUTION_STARTED"
    OUTCOME_RECORDED = "OUTCOME_RECORDED"
    OUTCOME_RECONCILED = "OUTCOME_RECONCILED"
    SETTINGS_CHANGED = "SETTINGS_CHANGED"
    STOP_SWITCHES_CHANGED = "STOP_SWITCHES_CHANGED"
    STOP_RECORDED = "STOP_RECORDED"
    STOP_CLOSED = "STOP_CLOSED"
    API_KEY_CREATED = "API_KEY_CREATED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    CONTENT_ERASED = "CONTENT_ERASED"


@dataclass(frozen=True, slots=True)
class EntryText:
    """A text that stands beside an entry, which binds it by a digest.

    `text` is exact canonical JSON. A reason has a salt of 16 bytes and can be erased; its `name` is
    the JSON pointer of its place. The `PARTS` have none, and stay.
    """

    name: str
    text: str
    salt: bytes | None = None

    @property
    def erasable(self) -> bool:
        """True for the words of a person."""
        return self.salt is not None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person did something, in their own words, with 16 random bytes of salt."""

    text: str
    salt: bytes

    @property
    def digest(self) -> str:
        """What binds an entry to it: SHA-256 of the salt and the text as canonical JSON."""
        return content_digest(canonical(self.text), self.salt)

    def beside(self, pointer: str) -> EntryText:
        """The text as it stands beside the entry that has its digest at `<pointer>_digest`."""
        return EntryText(pointer, canonical(self.text).decode(), self.salt)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that is not in the ledger yet: its position is given when it is committed."""

    kind: EntryKind
    body: bytes
    texts: tuple[EntryText, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a tenant's ledger. `position` counts from 1 in commit order, without gaps.

    `texts` stand beside it; a reason that was erased is not among them.
    """

    position: int
    body: bytes
    texts: tuple[EntryText, ...] = ()

    @property
    def fields(self) -> dict[str, Json]:
        """The entry read as JSON."""
        value: dict[str, Json] = json.loads(self.body)
        return value

    @property
    def in_full(self) -> dict[str, Json]:
        """The entry as people read it: its fields with the texts in their places, and `erased`, the
        JSON pointers of reasons that are not there any more.
        """
        parts = next((text.text for text in self.texts if text.name == PARTS), None)
        value = whole(self.body, parts)
        reasons = {text.name: json.loads(text.text) for text in self.texts if text.erasable}
        for pointer, reason in reasons.items():
            _put(value, pointer, reason)
        erased = [pointer for pointer in _reasons_in(value, "") if pointer not in reasons]
        return {**value, "erased": erased} if erased else value

    @property
    def unbound(self) -> list[str]:
        """The names of texts beside it that do not fit their digests, of `PARTS` also if they are
        missing. A reason may be missing: it was erased.
        """
        parts = next((text.text for text in self.texts if text.name == PARTS), None)
        value, moved = whole(self.body, parts), json.loads(parts or "{}")
        bound = {pointer: digest(part) for pointer, part in moved.items()}
        wrong = [] if bound == value.get("beside", {}) else [PARTS]
        for text in self.texts:
            if text.salt is not None:
                own = content_digest(text.text.encode(), text.salt)
                wrong += [] if own == _at(value, f"{text.name}_digest") else [text.name]
            elif text.name != PARTS:
                wrong.append(text.name)
        return wrong

    @property
    def digest(self) -> str:
        """`sha256:` and the SHA-256 of the exact bytes."""
        return "sha256:" + sha256(self.body).hexdigest()


def draft(
    kind: EntryKind, at: int, actor: Principal, texts: Sequence[EntryText] = (), **facts: Json
) -> Draft:
    """An entry about the tenant as a whole, or (through `draft_about`) about an intent.

    Facts that are None are left out. A fact that is a `Reason` stands beside the entry, which has
    its digest.
    """
    body: dict[str, Json] = {
        "format": FORMAT,
        "kind": kind.value,
        "at": as_text(at),
        "tenant_id": actor.tenant_id,
        "actor": {"id": actor.actor_id, "kind": actor.kind.value},
    }
    beside = list(texts)
    for name, value in (("credential", actor.credential), *facts.items()):
        if isinstance(value, Reason):
            body[f"{name}_digest"] = value.digest
            beside.append(value.beside(f"/{name}"))
        elif value is not None:
            body[name] = value
    written = canonical(body)
    if len(written) > ENTRY_BYTES_MAX:
        written, parts = _shortened(body)
        beside.append(EntryText(PARTS, parts))
    return Draft(kind, written, tuple(beside))


def draft_about(
    intent: ActionIntent,
    kind: EntryKind,
    at: int,
    actor: Principal,
    *,
    revision: int,
    **facts: Json,
) -> Draft:
    """An entry about one intent. `revision` is the intent's after the step."""
    named: Mapping[str, Json] = {
        "action_intent_id": intent.action_intent_id,
        "account_id": intent.account_id,
        "action_type": intent.action_type,
        "trace_id": intent.trace_id,
        "revision": revision,
    }
    return draft(kind, at, actor, **named, **facts)


def content_digest(canonical_content: bytes, salt: bytes) -> str:
    """What binds an entry to what the agent wrote: SHA-256 of 16 random bytes of salt and the
    canonical content.
    """
    return "sha256:" + sha256(salt + canonical_content).hexdigest()


# What is longer than an entry may be


def whole(body: bytes | str, parts: str | None) -> dict[str, Json]:
    """The fields of an entry, with the parts in their places that stand beside it."""
    fields: dict[str, Json] = json.loads(body)
    if parts is not None:
        # A shorter pointer first: what holds a part may be a part itself.
        for pointer, value in sorted(json.loads(parts).items(), key=lambda part: len(part[0])):
            _put(fields, pointer, value)
    return fields


def _shortened(body: Mapping[str, Json]) -> tuple[bytes, str]:
    """The entry with the largest parts outside of it, each bound by its digest, and those parts.

    Where parts of facts are not enough, whole facts move.
    """
    facts = {
        f"/{_escaped(name)}": value for name, value in body.items() if name not in _NEVER_BESIDE
    }
    within = [part for name, value in facts.items() for part in _movable_within(name, value)]
    excess = len(canonical({**body, "beside": {}})) - ENTRY_BYTES_MAX
    parts = _enough(within, excess) or _enough(facts.items(), excess) or facts
    beside = {pointer: digest(value) for pointer, value in parts.items()}
    short = {**_remaining(body, "", parts), "beside": beside}
    return canonical(short), canonical(parts).decode()


def _enough(parts: Iterable[tuple[str, Json]], excess: int) -> dict[str, Json] | None:
    """The largest of these parts, so that the entry is shorter by `excess` bytes; None if all are
    not enough.
    """
    gains = [
        (len(canonical(value)) - len(canonical(pointer)) - _DIGEST_BYTES, pointer, value)
        for pointer, value in parts
    ]
    chosen: dict[str, Json] = {}
    for gain, pointer, value in sorted(gains, key=lambda part: -part[0]):
        if excess <= 0 or gain <= 0:
            break
        chosen[pointer] = value
        excess -= gain
    return chosen if excess <= 0 else None


def _movable_within(pointer: str, value: Json) -> Iterator[tuple[str, Json]]:
    """The parts of a fact that can stand beside an entry, by pointer: lists, texts, and objects
    that hold no further object or list.
    """
    inner = isinstance(value, Mapping) and any(
        isinstance(part, dict | list) for part in value.values()
    )
    if not inner:
        yield pointer, value
        return
    for name, part in value.items():
        yield from _movable_within(f"{pointer}/{_escaped(name)}", part)


def _remaining(value: Mapping[str, Json], pointer: str, parts: Collection[str]) -> dict[str, Json]:
    """An object without the parts that stand beside the entry."""
    inner = {f"{pointer}/{_escaped(name)}": (name, part) for name, part in value.items()}
    return {
        name: _remaining(part, place, parts) if isinstance(part, Mapping) else part
        for place, (name, part) in inner.items()
        if place not in parts
    }


def _put(value: Json, pointer: str, part: Json) -> None:
    *path, last = map(_unescaped, pointer.split("/")[1:])
    for name in path:
        value = value[int(name)] if isinstance(value, list) else value.setdefault(name, {})
    value[last] = part


def _at(value: Json, pointer: str) -> Json:
    for name in map(_unescaped, pointer.split("/")[1:]):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def _reasons_in(value: Json, pointer: str) -> Iterator[str]:
    """The pointers of the reasons that an entry binds."""
    if isinstance(value, list):
        for place, part in enumerate(value):
            yield from _reasons_in(part, f"{pointer}/{place}")
    elif isinstance(value, dict):
        if "reason_digest" in value:
            yield f"{pointer}/reason"
        for name, part in value.items():
            yield from _reasons_in(part, f"{pointer}/{_escaped(name)}")
