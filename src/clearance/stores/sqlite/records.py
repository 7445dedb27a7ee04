"""The one SELECT that reads a record from the tables of SQLite."""

from __future__ import annotations

from typing import Any

from clearance.core.ledger import PARTS
from clearance.core.record import IntentRecord
from clearance.stores import codec
from clearance.stores.sql import Columns, listed, named, same

COLUMNS: Columns = {
    **same("tenant_id", "t."),
    **same("account_id", "a."),
    **same("action_intent_id action_type status revision position approval_source executor", "i."),
    **same("proposed_by trace_id salt fingerprint content created_at changed_at", "i."),
    **same("likeness", "i."),
    "decided": "d.body",
    "parts": "b.text",
    "hold": same("day state claims", "h."),
    "approval": same(
        "number state digest opened_at expires_at differences ruling superseded_by", "p."
    ),
    "attempt": same("number worker lease_until idempotency_key started_at", "x."),
    "outcome": same("status sentence result result_bytes result_truncated error", "o."),
}

RECORD = f"""SELECT {listed(COLUMNS)}
    FROM intent i JOIN tenant t ON t.tenant_no = i.tenant_no
    JOIN account a ON a.account_no = i.account_no
    JOIN ledger d ON d.entry_id = (i.tenant_no << 40) + i.decision_position
    LEFT JOIN ledger_text b ON b.entry_id = d.entry_id AND b.name = '{PARTS}'
    LEFT JOIN hold h ON h.intent_no = i.intent_no
    LEFT JOIN approval p ON p.intent_no = i.intent_no AND p.number = i.approval_number
    LEFT JOIN attempt x ON x.intent_no = i.intent_no AND x.number = i.attempt_number
    LEFT JOIN outcome o ON o.intent_no = i.intent_no"""


def record(row: tuple[Any, ...]) -> IntentRecord:
    """An intent's record from a row of `RECORD`."""
    return codec.record(named(COLUMNS, row))
