"""The ledger: facts as exact canonical bytes.

Each transition of an intent is one entry, and the entry holds all of it.

An entry is RFC 8785 canonical JSON whose numbers are integers. The agent's own words (parameters,
target, reasons) are not in it: a salted digest binds them, so they can be erased without breaking
the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from clearance.core.canonical import Json, canonical
from clearance.core.intent import ActionIntent
from clearance.core.moment import as_text
from clearance.core.principal import Principal

FORMAT = 1


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
    API_KEY_CREATED = "API_KEY_CREATED"
    API_KEY_REVOKED = "API_KEY_REVOKED"


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that is not in the ledger yet: its position is given when it is committed."""

    kind: EntryKind
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a tenant's ledger. `position` counts from 1 in commit order, without gaps."""

    position: int
    body: bytes

    @property
    def fields(self) -> dict[str, Json]:
        """The entry read as JSON."""
        value: dict[str, Json] = json.loads(self.body)
        return value

    @property
    def digest(self) -> str:
        """`sha256:` and the SHA-256 of the exact bytes."""
        return "sha256:" + sha256(self.body).hexdigest()


def draft(kind: EntryKind, at: int, actor: Principal, **facts: Json) -> Draft:
    """An entry about the tenant as a whole, or (through `draft_about`) about an intent.

    Facts that are None are left out.
    """
    body = {
        "format": FORMAT,
        "kind": kind.value,
        "at": as_text(at),
        "tenant_id": actor.tenant_id,
        "actor": {"id": actor.actor_id, "kind": actor.kind.value},
        **{name: value for name, value in facts.items() if value is not None},
    }
    return Draft(kind, canonical(body))


def draft_about(
    intent: ActionIntent, kind: EntryKind, at: int, actor: Principal, **facts: Json
) -> Draft:
    """An entry about one intent."""
    named: Mapping[str, Json] = {
        "action_intent_id": intent.action_intent_id,
        "account_id": intent.account_id,
        "action_type": intent.action_type,
        "trace_id": intent.trace_id,
    }
    return draft(kind, at, actor, **named, **facts)


def content_digest(canonical_content: bytes, salt: bytes) -> str:
    """What binds an entry to what the agent wrote: SHA-256 of 16 random bytes of salt and the
    canonical content.
    """
    return "sha256:" + sha256(salt + canonical_content).hexdigest()
