"""The looks of an admission in SQLite, inside its caller's transaction, in the order of the port.

None of them writes.
"""

from __future__ import annotations

import sqlite3

from clearance.core.budget import Hold, spent_claim
from clearance.core.record import Admission
from clearance.flow.ports.transitions import (
    AdmitRefusal,
    AlreadyAdmitted,
    BudgetSpent,
    QuotaSpent,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from clearance.stores.sqlite import counting, statements

_KNOWN = "SELECT 1 FROM intent WHERE tenant_no = ? AND action_intent_id = ?"
# The conditions on the status are those of the partial indexes.
_SAME_CALL = """SELECT action_intent_id FROM intent
    WHERE tenant_no = ? AND same_call = ? AND status = 'AWAITING_APPROVAL'
    ORDER BY intent_no LIMIT 1"""
# Erasing a reason later changes the intent, and not the moment of the no.
_REJECTED = """SELECT action_intent_id, said_no_at FROM (
    SELECT i.action_intent_id, i.position,
        coalesce(json_extract(a.ruling, '$.ruled_at'), i.changed_at) AS said_no_at
    FROM intent i LEFT JOIN approval a
        ON a.intent_no = i.intent_no AND a.number = i.approval_number
    WHERE i.tenant_no = ?1 AND i.likeness = ?2 AND i.changed_at >= ?3 AND i.status = 'REJECTED')
    WHERE said_no_at >= ?3 ORDER BY said_no_at DESC, position DESC LIMIT 1"""
_WAITING = """SELECT count(*) FROM intent
    WHERE tenant_no = ? AND proposed_by = ? AND status = 'AWAITING_APPROVAL'"""


def refusal(
    connection: sqlite3.Connection, tenant_no: int, admission: Admission
) -> AdmitRefusal | None:
    """Why an intent cannot be stored; None if it can."""
    if known := _known(connection, tenant_no, admission.intent.action_intent_id):
        return known
    if statements.settings_version(connection, tenant_no) != admission.decision.settings_version:
        return SettingsMoved()
    return (
        _same_call(connection, tenant_no, admission)
        or _rejected(connection, tenant_no, admission)
        or _too_many(connection, tenant_no, admission)
        or _spent(connection, tenant_no, admission)
    )


def _known(
    connection: sqlite3.Connection, tenant_no: int, action_intent_id: str
) -> AlreadyAdmitted | None:
    # Most ids are new, and to say so needs no more than the index.
    if not connection.execute(_KNOWN, (tenant_no, action_intent_id)).fetchone():
        return None
    record = statements.record(connection, tenant_no, action_intent_id)
    return AlreadyAdmitted(record) if record else None


def _same_call(
    connection: sqlite3.Connection, tenant_no: int, admission: Admission
) -> SameCallWaits | None:
    if admission.same_call is None:
        return None
    row = connection.execute(_SAME_CALL, (tenant_no, admission.same_call)).fetchone()
    record = statements.record(connection, tenant_no, row[0]) if row else None
    return SameCallWaits(record) if record else None


def _rejected(
    connection: sqlite3.Connection, tenant_no: int, admission: Admission
) -> RejectedBefore | None:
    if admission.likeness is None or admission.rejected_since is None:
        return None
    named = (tenant_no, admission.likeness, admission.rejected_since)
    row = connection.execute(_REJECTED, named).fetchone()
    return RejectedBefore(*row) if row else None


def _too_many(
    connection: sqlite3.Connection, tenant_no: int, admission: Admission
) -> TooManyWaiting | None:
    if admission.waiting_max is None:
        return None
    named = (tenant_no, admission.intent.proposed_by)
    [waiting] = connection.execute(_WAITING, named).fetchone()
    return TooManyWaiting(waiting) if waiting >= admission.waiting_max else None


def _spent(
    connection: sqlite3.Connection, tenant_no: int, admission: Admission
) -> QuotaSpent | BudgetSpent | None:
    account_id, hold = admission.intent.account_id, admission.decision.hold
    if admission.quota:
        quota = Hold(statements.NO_DAY, admission.quota)
        used = counting.used_by(connection, tenant_no, account_id, quota.day, quota.claims)
        full = spent_claim(quota, used)
        if full is not None:
            return QuotaSpent(full.place)
    if hold is None:
        return None
    limited = tuple(claim for claim in hold.claims if claim.limit is not None)
    used = counting.used_by(connection, tenant_no, account_id, hold.day, limited)
    if spent_claim(hold, used) is None:
        return None
    return BudgetSpent(counting.used_by(connection, tenant_no, account_id, hold.day, hold.claims))
