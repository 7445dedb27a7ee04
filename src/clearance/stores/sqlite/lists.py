"""Lists of intents in SQLite: the timeline, and what is alike."""

from __future__ import annotations

import sqlite3

from clearance.core.canonical import Json
from clearance.core.record import IntentRecord
from clearance.flow.ports.intents import TimelineQuery
from clearance.stores.sqlite import records

_OF_ACCOUNT = """i.account_no = (SELECT b.account_no FROM account b
    WHERE b.tenant_no = t.tenant_no AND b.account_id = :account_id)"""

# The index has them in runs: one look into each, the plus keeps SQLite from reading the timeline.
_ALIKE = f"""WITH RECURSIVE run (number) AS (
        SELECT max(intent_no) >> 12 FROM intent
        UNION ALL SELECT number - 1 FROM run WHERE number > 0),
    chosen AS (SELECT n.intent_no FROM run CROSS JOIN intent n
        WHERE n.tenant_no = ?1 AND n.intent_no >> 12 = run.number AND n.likeness = ?2
        ORDER BY n.position DESC LIMIT ?3)
    {records.RECORD} WHERE i.intent_no IN (SELECT intent_no FROM chosen)
    ORDER BY +i.position DESC"""


def timeline(
    connection: sqlite3.Connection, tenant_id: str, query: TimelineQuery
) -> list[IntentRecord]:
    """The records that a query chooses, the latest fact first."""
    conditions, values = _timeline_filter(query)
    sql = f"""{records.RECORD} WHERE t.tenant_id = :tenant_id {conditions}
        ORDER BY i.position DESC LIMIT :limit"""
    named = {**values, "tenant_id": tenant_id, "limit": query.limit}
    return [records.record(row) for row in connection.execute(sql, named)]


def alike(
    connection: sqlite3.Connection, tenant_no: int, likeness: bytes, limit: int
) -> list[IntentRecord]:
    """The records of one likeness, the latest fact first."""
    rows = connection.execute(_ALIKE, (tenant_no, likeness, limit))
    return [records.record(row) for row in rows]


def _timeline_filter(query: TimelineQuery) -> tuple[str, dict[str, Json]]:
    """The conditions, and the values that they name.

    Positions lie inside the tenant's own ledger.
    """
    conditions: dict[str, tuple[str, Json]] = {
        "account_id": (_OF_ACCOUNT, query.account_id),
        "proposed_by": ("i.proposed_by = :proposed_by", query.proposed_by),
        "action_type": ("i.action_type = :action_type", query.action_type),
        "since": ("i.changed_at >= :since", query.since),
        "until": ("i.changed_at < :until", query.until),
        "before": ("i.position < :before", query.before),
    }
    chosen = {name: pair for name, pair in conditions.items() if pair[1] is not None}
    parts = [condition for condition, _ in chosen.values()]
    values = {name: value for name, (_, value) in chosen.items()}
    if query.auto_executed is not None:
        parts.append("coalesce(i.approval_source = 'POLICY', 0) = :auto_executed")
        values["auto_executed"] = query.auto_executed
    if query.statuses:
        names = {f"status_{number}": status.value for number, status in enumerate(query.statuses)}
        parts.append(f"i.status IN ({', '.join(':' + name for name in names)})")
        values |= names
    return "".join(f" AND {condition}" for condition in parts), values
