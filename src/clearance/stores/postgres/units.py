"""Transitions as the functions of PostgreSQL take them: the types `admission` and `change` of the
schema, as JSON.

Ledger entries go beside the JSON, as the bytes that they are: quoting them twice cost more than
storing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from clearance.core.accounts import look_digest
from clearance.core.budget import Claim
from clearance.core.canonical import Json
from clearance.core.ledger import Draft
from clearance.core.record import Admission, Change
from clearance.stores import codec


@dataclass(frozen=True, slots=True)
class Unit:
    """A transition: its values, its ledger entry, what it admits in its own place, and the reasons
    that it erases.
    """

    values: dict[str, Json]
    entry: Draft
    superseded_by: Unit | None = None
    erases: tuple[tuple[int, str], ...] = ()


def admission_unit(admission: Admission, transition_id: str) -> Unit:
    """An admission, with the id by which it is known again if it has to be sent twice."""
    intent, version = admission.intent, admission.decision.settings_version
    hold = admission.decision.hold
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
        "approval": codec.approval_values(admission.approval) if admission.approval else None,
        "hold": codec.hold_values(hold) if hold else None,
        "likeness": _hex(admission.likeness),
        "same_call": _hex(admission.same_call),
        "rejected_since": admission.rejected_since,
        "waiting_max": admission.waiting_max,
        "look": look_digest(intent.account_id).hex() if admission.knows_account else None,
        **_claims(admission.quota, hold.claims if hold else ()),
    }
    return Unit(values, admission.entry)


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
        "approval": codec.approval_values(change.approval) if change.approval else None,
        "attempt": codec.attempt_values(change.attempt) if change.attempt else None,
        "outcome": _outcome(change),
    }
    admitted = admission_unit(edited, transition_id) if edited else None
    return Unit(values, change.entry, admitted, change.erases)


def _claims(quota: Sequence[Claim], held: Sequence[Claim]) -> Mapping[str, Json]:
    claims = (*quota, *held)
    if not claims:
        return {}
    counters = [claim.counter for claim in claims]
    return {
        "buckets": [claim.bucket for claim in claims],
        "amounts": [claim.amount for claim in claims],
        "limits": [claim.limit for claim in claims],
        "subjects": [counter.subject if counter else None for counter in counters],
        "windows": [counter.window if counter else None for counter in counters],
        "quota": len(quota),
    }


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value else None


def _outcome(change: Change) -> Mapping[str, Json] | None:
    if change.outcome is None:
        return None
    values = codec.outcome_values(change)
    # A sentence may quote a tool. PostgreSQL keeps no zero character in a text, and no half of a
    # surrogate pair.
    sentence: str = values["sentence"]
    values["sentence"] = sentence.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return values


def batch(units: Sequence[Unit]) -> tuple[str, bytes, str, str]:
    """The units of one call, as the JSON text of a list, and their entries one behind the other;
    the texts beside those, and the reasons that are erased, as such lists too.
    """
    entries = bytearray()
    placed = [_placed(unit, entries) for unit in units]
    texts: list[dict[str, Json]] = []
    erased: list[dict[str, Json]] = []
    for place, unit in enumerate(units):
        texts += sent_texts(unit.entry, unit=place)
        if unit.superseded_by:
            texts += sent_texts(unit.superseded_by.entry, unit=place, edited=True)
        erased += ({"unit": place, "position": at, "name": name} for at, name in unit.erases)
    return _text(placed), bytes(entries), _text(texts), _text(erased)


def sent_texts(entry: Draft, *, unit: int = 0, edited: bool = False) -> list[dict[str, Json]]:
    """The texts beside an entry, as the functions take them (`sent_text`)."""
    return [
        {
            "unit": unit,
            "edited": edited,
            "name": text.name,
            "salt": text.salt.hex() if text.salt else None,
            "text": text.text,
        }
        for text in entry.texts
    ]


def _text(values: Sequence[Json]) -> str:
    return to_json(values).decode() if values else "[]"


def _placed(unit: Unit, entries: bytearray) -> dict[str, Json]:
    body = unit.entry.body
    # What is not there is not sent: the types of the schema have nulls for it.
    values = {name: value for name, value in unit.values.items() if value is not None}
    values |= {"entry_from": len(entries) + 1, "entry_bytes": len(body)}
    entries += body
    return (
        values | {"superseded_by": _placed(unit.superseded_by, entries)}
        if unit.superseded_by
        else values
    )
