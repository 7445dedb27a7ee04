"""The totals of a SQLite store now, over all tenants.

A few looks along its indexes: they take no longer when more intents are closed, or more entries are
in the ledgers.
"""

from __future__ import annotations

import sqlite3

from clearance.core.record import OPEN, IntentStatus
from clearance.flow.ports.totals import COUNTED_MAX, Backlog, Totals
from clearance.stores.sql import OURS, one_of
from clearance.stores.sqlite.statements import POSITION_BITS

# The second condition is the partial index's own: without it SQLite reads every intent.
_IN_STATE = f"""FROM intent i WHERE i.status = :status
    AND i.status IN {one_of(OPEN)} LIMIT :counted_max"""
_BACKLOG = f"SELECT count(*), min(changed_at) FROM (SELECT i.changed_at {_IN_STATE})"
_EXPIRY = f"""SELECT (SELECT i.due_at FROM intent i WHERE i.due_at IS NOT NULL AND {OURS}
    ORDER BY i.due_at LIMIT 1)"""
_LEASES = f"""SELECT min(x.lease_until) FROM (
    SELECT i.intent_no, i.attempt_number, i.executor, i.approval_source {_IN_STATE}) i
    JOIN attempt x ON x.intent_no = i.intent_no AND x.number = i.attempt_number
    WHERE {OURS}"""
_TENANTS = f"""SELECT tenant_id, settings_version, coalesce((SELECT max(entry_id) FROM ledger
    WHERE entry_id BETWEEN tenant_no << {POSITION_BITS} AND (tenant_no + 1 << {POSITION_BITS}) - 1)
    - (tenant_no << {POSITION_BITS}), 0) FROM tenant"""


def totals(connection: sqlite3.Connection, now: int) -> Totals:
    """The totals at a moment."""
    backlogs = {status: _backlog(connection, status) for status in OPEN}
    (expiry,) = connection.execute(_EXPIRY).fetchone()
    (lease,) = connection.execute(_LEASES, _named(IntentStatus.RUNNING)).fetchone()
    tenants = connection.execute(_TENANTS).fetchall()
    return Totals(
        open={status: backlog for status, backlog in backlogs.items() if backlog},
        expired_since=expiry if expiry is not None and expiry <= now else None,
        lease_over_since=lease if lease is not None and lease <= now else None,
        ledger_entries=sum(size for _, _, size in tenants),
        settings_versions={tenant_id: version for tenant_id, version, _ in tenants},
    )


def _backlog(connection: sqlite3.Connection, status: IntentStatus) -> Backlog | None:
    count, since = connection.execute(_BACKLOG, _named(status)).fetchone()
    return Backlog(count, since) if count else None


def _named(status: IntentStatus) -> dict[str, str | int]:
    return {"status": status.value, "counted_max": COUNTED_MAX}
