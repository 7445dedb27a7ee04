"""The columns of a record in PostgreSQL: those of the view `intent_record`."""

from __future__ import annotations

from clearance.core.record import IntentRecord
from clearance.stores import codec
from clearance.stores.postgres.connections import Row
from clearance.stores.sql import Columns, listed, named, same

COLUMNS: Columns = {
    **same("tenant_id account_id action_intent_id action_type status revision position"),
    **same("executor parts likeness"),
    **same("approval_source proposed_by trace_id salt fingerprint content created_at changed_at"),
    "decided": "body",
    "hold": {"day": "hold_day", "state": "hold_state", **same("claims")},
    "approval": {
        "number": "approval_number",
        "state": "approval_state",
        **same("digest opened_at expires_at differences ruling superseded_by"),
    },
    "attempt": {
        "number": "attempt_number",
        **same("worker lease_until idempotency_key started_at"),
    },
    "outcome": {
        "status": "outcome_status",
        **same("sentence result result_bytes result_truncated error"),
    },
}


def columns_of(record: str) -> str:
    """The columns of a record, as a SELECT lists them: of a row of the view, or of a value of its
    type.
    """
    return listed(COLUMNS, f"{record}.")


def record(row: Row) -> IntentRecord:
    """An intent's record from a row of those columns."""
    return codec.record(named(COLUMNS, row))
