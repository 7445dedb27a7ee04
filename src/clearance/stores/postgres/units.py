"""Transitions as the functions of PostgreSQL take them: the types `admission` and `change` of the
schema, as JSON.

Ledger entries go beside the JSON, as the bytes that they are: quoting them twice cost more than
storing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from clearance.core.approval import Approval
from clearance.core.budget import Hold
from clearance.core.canonical import Json
from clearance.core.record import Admission, Attempt, Change
from clearance.stores import codec

_APPROVAL = (
    "number",
    "state",
    "digest",
    "opened_at",
    "expires_at",
    "differences",
    "ruling",
    "superseded_by",
)
_OUTCOME = (
    "status",
    "sentence",
    "result",
    "result_bytes",
    "result_truncated",
    "error",
    "approval_source",
    "auto_executed",
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A transition: its values, its ledger entry, and what it admits in its own place."""

    values: dict[str, Json]
    entry: bytes
    superseded_by: Unit | None = None


def admission_unit(admission: Admission, transition_id: str) -> Unit:
    """An admission, with the id by which it is known again if it has to be sent twice."""
    intent, version = admission.intent, admission.decision.settings_version
    values = {
        "action_intent_id": intent.action_intent_id,
        "account_id": intent.account_id,
        "action_type": intent.action_type,
        "status": admission.status.value,
        "approval_source": admission.approval_source.value if admission.approval_source else None,
        "due_at": admission.due_at,
        "settings_version": version.tenant,
        "everywhere_version": version.everywhere,
        "proposed_by": intent.proposed_by,
        "trace_id": intent.trace_id,
        "salt": admission.salt.hex(),
        "fingerprint": admission.fingerprint.hex(),
        "content": admission.content.decode(),
        "at": admission.at,
        "transition_id": transition_id,
        "approval": _approval(admission.approval),
        **_hold(admission.decision.hold),
    }
    return Unit(values, admission.entry.body)


def change_unit(change: Change, transition_id: str) -> Unit:
    """A step, with the id by which it is known again if it has to be sent twice."""
    version, edited = change.settings_version, change.superseded_by
    values: dict[str, Json] = {
        "action_intent_id": change.action_intent_id,
        "revision": change.revision,
        "status": change.status.value,
        "at": change.at,
        "transition_id": transition_id,
        "approval_source": change.approval_source.value if change.approval_source else None,
        "due_at": change.due_at,
        "settings_version": version.tenant if version else None,
        "everywhere_version": version.everywhere if version else None,
        "hold_state": change.hold.value if change.hold else None,
        "decided": change.decision is not None,
        "approval": _approval(change.approval),
        "attempt": _attempt(change.attempt),
        "outcome": _outcome(change),
    }
    return Unit(
        values, change.entry.body, admission_unit(edited, transition_id) if edited else None
    )


def _hold(hold: Hold | None) -> Mapping[str, Json]:
    if hold is None:
        return {}
    return {
        "hold": {"day": hold.day, "state": hold.state.value, "claims": codec.claims_value(hold)},
        "buckets": [claim.bucket for claim in hold.claims],
        "amounts": [claim.amount for claim in hold.claims],
        "limits": [claim.limit for claim in hold.claims],
    }


def _approval(approval: Approval | None) -> Mapping[str, Json] | None:
    return dict(zip(_APPROVAL, codec.approval_values(approval), strict=True)) if approval else None


def _attempt(attempt: Attempt | None) -> Mapping[str, Json] | None:
    if attempt is None:
        return None
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "lease_until": attempt.lease_until,
        "idempotency_key": attempt.idempotency_key,
        "started_at": attempt.started_at,
    }


def _outcome(change: Change) -> Mapping[str, Json] | None:
    if change.outcome is None:
        return None
    named = dict(zip(_OUTCOME, codec.outcome_values(change), strict=True))
    # A sentence may quote a tool. PostgreSQL keeps no zero character in a text, and no half of a
    # surrogate pair.
    named["sentence"] = (
        named["sentence"].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    )
    return named


def batch(units: Sequence[Unit]) -> tuple[str, bytes]:
    """The units of one call, as the JSON text of a list, and their entries one behind the other."""
    entries = bytearray()
    placed = [_placed(unit, entries) for unit in units]
    return to_json(placed).decode(), bytes(entries)


def _placed(unit: Unit, entries: bytearray) -> dict[str, Json]:
    values = {**unit.values, "entry_from": len(entries) + 1, "entry_bytes": len(unit.entry)}
    entries += unit.entry
    return (
        values | {"superseded_by": _placed(unit.superseded_by, entries)}
        if unit.superseded_by
        else values
    )
