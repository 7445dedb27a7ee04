"""The statements of SQLite's transitions: each function runs inside its caller's transaction.

They refuse to know: when a transaction begins or ends, and whether what they write may be written.
"""

from __future__ import annotations

import sqlite3

from clearance.configuration.document import StoredSettings
from clearance.core.accounts import look_digest
from clearance.core.approval import Approval
from clearance.core.budget import HoldState
from clearance.core.canonical import Json
from clearance.core.decision import SettingsVersion
from clearance.core.ledger import Draft, Entry, EntryText
from clearance.core.principal import EVERYWHERE
from clearance.core.record import Admission, Change, IntentRecord, admitted
from clearance.stores import codec
from clearance.stores.sqlite import counting, records

POSITION_BITS = 40
_VERSIONS = """SELECT coalesce((SELECT settings_version FROM tenant WHERE tenant_no = ?), 0),
    settings_version FROM tenant WHERE tenant_no = 0"""
NO_DAY = ""  # of quotas: they name their counters


def known_tenant(connection: sqlite3.Connection, tenant_id: str) -> int:
    """The tenant's number; -1, which no row has, if there is none."""
    row = connection.execute(
        "SELECT tenant_no FROM tenant WHERE tenant_id = ?", (tenant_id,)
    ).fetchone()
    return int(row[0]) if row else -1


def settings_version(connection: sqlite3.Connection, tenant_no: int) -> SettingsVersion:
    """The versions in force: the tenant's own, and that of the switches that hold everywhere."""
    row = connection.execute(_VERSIONS, (tenant_no,)).fetchone()
    return SettingsVersion(*row)


def settings(connection: sqlite3.Connection, tenant_id: str) -> StoredSettings:
    """The documents in force."""
    rows = connection.execute(
        """SELECT t.tenant_id, t.settings_version, s.document, s.salt FROM tenant t
        LEFT JOIN settings s ON s.tenant_no = t.tenant_no AND s.version = t.settings_version
        WHERE t.tenant_id IN (?, ?)""",
        (tenant_id, EVERYWHERE),
    ).fetchall()
    return codec.stored_settings(tenant_id, rows)


def record(
    connection: sqlite3.Connection, tenant_no: int, action_intent_id: str
) -> IntentRecord | None:
    """All that is known of an intent, or None."""
    row = connection.execute(
        f"{records.RECORD} WHERE i.tenant_no = ? AND i.action_intent_id = ?",
        (tenant_no, action_intent_id),
    ).fetchone()
    return records.record(row) if row else None


def entry_ids(tenant_no: int) -> tuple[int, int]:
    """What lies before a tenant's first entry id, and its last possible one."""
    return tenant_no << POSITION_BITS, ((tenant_no + 1) << POSITION_BITS) - 1


def ledger_size(connection: sqlite3.Connection, tenant_no: int) -> int:
    """The position of the latest entry; 0 if there is none."""
    first, last = entry_ids(tenant_no)
    rows = connection.execute(
        "SELECT max(entry_id) FROM ledger WHERE entry_id BETWEEN ? AND ?", (first, last)
    )
    latest = rows.fetchone()[0]
    return 0 if latest is None else latest - first


def append(
    connection: sqlite3.Connection, tenant_no: int, intent_no: int | None, entry: Draft
) -> int:
    """Appends an entry to the tenant's ledger; its position."""
    position = ledger_size(connection, tenant_no) + 1
    entry_id = entry_ids(tenant_no)[0] + position
    connection.execute(
        "INSERT INTO ledger (entry_id, intent_no, body) VALUES (?, ?, ?)",
        (entry_id, intent_no, entry.body),
    )
    connection.executemany(
        "INSERT INTO ledger_text (entry_id, name, salt, text) VALUES (?, ?, ?, ?)",
        [(entry_id, text.name, text.salt, text.text) for text in entry.texts],
    )
    return position


def entries(
    connection: sqlite3.Connection, tenant_no: int, condition: str, values: tuple[Json, ...]
) -> list[Entry]:
    """The entries of a tenant that a condition chooses, with the texts beside them."""
    before = entry_ids(tenant_no)[0]
    rows = connection.execute(
        f"SELECT entry_id, body FROM ledger WHERE {condition}", values
    ).fetchall()
    texts: dict[int, list[EntryText]] = {}
    for entry_id, name, text, salt in connection.execute(
        f"""SELECT entry_id, name, text, salt FROM ledger_text WHERE entry_id IN
        (SELECT entry_id FROM ledger WHERE {condition}) ORDER BY entry_id, name""",
        values,
    ):
        texts.setdefault(entry_id, []).append(EntryText(name, text, salt))
    return [Entry(id_ - before, body, tuple(texts.get(id_, ()))) for id_, body in rows]


def insert_intent(
    connection: sqlite3.Connection, tenant_no: int, account_no: int, admission: Admission
) -> IntentRecord:
    """Stores a new intent with its entry, its approval, its hold, and all else that it takes."""
    intent, approval = admission.intent, admission.approval
    intent_no = connection.execute("SELECT coalesce(max(intent_no), 0) + 1 FROM intent").fetchone()[
        0
    ]
    position = append(connection, tenant_no, intent_no, admission.entry)
    record = admitted(admission, position)
    connection.execute(
        """INSERT INTO intent (intent_no, tenant_no, account_no, action_intent_id, action_type,
        status, revision, position,
        decision_position, approval_source, approval_number, due_at, proposed_by, trace_id, salt,
        fingerprint, content, created_at, changed_at, likeness, same_call)
        VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            intent_no,
            tenant_no,
            account_no,
            intent.action_intent_id,
            intent.action_type,
            admission.status.value,
            position,
            position,
            admission.approval_source.value if admission.approval_source else None,
            approval.number if approval else None,
            admission.due_at,
            intent.proposed_by,
            intent.trace_id,
            admission.salt,
            admission.fingerprint,
            admission.content.decode(),
            admission.at,
            admission.at,
            admission.likeness,
            admission.same_call,
        ),
    )
    if approval is not None:
        _put_approval(connection, intent_no, approval)
    if record.hold is not None:
        connection.execute(
            """INSERT INTO hold (intent_no, day, state, claims)
            VALUES (:intent_no, :day, :state, :claims)""",
            {"intent_no": intent_no, **codec.hold_values(record.hold)},
        )
        counting.take(connection, tenant_no, account_no, record.hold.day, record.hold.claims)
    counting.take(connection, tenant_no, account_no, NO_DAY, admission.quota)
    if admission.knows_account:
        connection.execute(
            "INSERT INTO known_account VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (tenant_no, look_digest(admission.intent.account_id), account_no),
        )
    return record


def apply(
    connection: sqlite3.Connection, tenant_no: int, intent_no: int, account_no: int, change: Change
) -> None:
    """Takes one step of an intent, with its entry and everything that goes with it."""
    position = append(connection, tenant_no, intent_no, change.entry)
    connection.execute(
        """UPDATE intent SET status = :status, revision = revision + 1, position = :position,
        changed_at = :at,
        approval_source = :source,
        decision_position = CASE WHEN :decided THEN :position ELSE decision_position END,
        approval_number = coalesce(:approval, approval_number), attempt_number = coalesce(:attempt,
        attempt_number),
        due_at = :due_at WHERE intent_no = :intent_no""",
        {
            "intent_no": intent_no,
            "status": change.status.value,
            "position": position,
            "at": change.at,
            "source": change.approval_source.value if change.approval_source else None,
            "decided": change.decision is not None,
            "approval": change.approval.number if change.approval else None,
            "attempt": change.attempt.number if change.attempt else None,
            "due_at": change.due_at,
        },
    )
    if change.approval is not None:
        _put_approval(connection, intent_no, change.approval)
    if change.attempt is not None:
        connection.execute(
            """INSERT INTO attempt (intent_no, number, worker, lease_until, idempotency_key,
            started_at) VALUES (:intent_no, :number, :worker, :lease_until, :idempotency_key,
            :started_at)""",
            {"intent_no": intent_no, **codec.attempt_values(change.attempt)},
        )
    if change.outcome is not None:
        _put_outcome(connection, intent_no, change)
    if change.hold is not None:
        _move_hold(connection, tenant_no, intent_no, account_no, change.hold)
    if change.erases:
        _erase(connection, tenant_no, intent_no, change)


def _erase(connection: sqlite3.Connection, tenant_no: int, intent_no: int, change: Change) -> None:
    """Deletes reasons, and their copies in the rulings of all approvals of the intent."""
    before = entry_ids(tenant_no)[0]
    connection.executemany(
        "DELETE FROM ledger_text WHERE entry_id = ? AND name = ?",
        [(before + position, name) for position, name in change.erases],
    )
    rulings = connection.execute(
        "SELECT number, ruling FROM approval WHERE intent_no = ? AND ruling IS NOT NULL",
        (intent_no,),
    ).fetchall()
    connection.executemany(
        "UPDATE approval SET ruling = ? WHERE intent_no = ? AND number = ?",
        [(codec.ruling_without_reason(ruling), intent_no, number) for number, ruling in rulings],
    )


def _put_outcome(connection: sqlite3.Connection, intent_no: int, change: Change) -> None:
    connection.execute(
        """INSERT INTO outcome (intent_no, status, sentence, result, result_bytes,
        result_truncated, error, approval_source, auto_executed) VALUES (:intent_no, :status,
        :sentence, :result, :result_bytes, :result_truncated, :error, :approval_source,
        :auto_executed)
        ON CONFLICT DO UPDATE SET status = excluded.status, sentence = excluded.sentence
        WHERE status = 'UNKNOWN' OR :erases""",
        {
            "intent_no": intent_no,
            "erases": bool(change.erases),
            **codec.outcome_values(change),
        },
    )


def _move_hold(
    connection: sqlite3.Connection,
    tenant_no: int,
    intent_no: int,
    account_no: int,
    state: HoldState,
) -> None:
    row = connection.execute(
        "SELECT day, state, claims FROM hold WHERE intent_no = ?", (intent_no,)
    ).fetchone()
    hold = codec.hold(dict(zip(("day", "state", "claims"), row, strict=True)))
    connection.execute("UPDATE hold SET state = ? WHERE intent_no = ?", (state.value, intent_no))
    if state is HoldState.RELEASED and hold and hold.state.counts:
        counting.give_back(connection, tenant_no, account_no, hold)


def _put_approval(connection: sqlite3.Connection, intent_no: int, approval: Approval) -> None:
    connection.execute(
        """INSERT INTO approval (intent_no, number, state, digest, opened_at, expires_at,
        differences, ruling, superseded_by) VALUES (:intent_no, :number, :state, :digest,
        :opened_at, :expires_at, :differences, :ruling, :superseded_by)
        ON CONFLICT DO UPDATE
        SET state = excluded.state, ruling = excluded.ruling,
        superseded_by = excluded.superseded_by""",
        {"intent_no": intent_no, **codec.approval_values(approval)},
    )
