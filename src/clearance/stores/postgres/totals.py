"""The totals of a PostgreSQL store now, over all tenants.

Three looks along its indexes: they take no longer when more intents are closed, or more entries are
in the ledgers.
"""

from __future__ import annotations

from clearance.core.principal import EVERYWHERE
from clearance.core.record import OPEN, UNDER_WAY, IntentStatus
from clearance.flow.ports.totals import COUNTED_MAX, Backlog, Totals
from clearance.stores.postgres.connections import Connections
from clearance.stores.sql import OURS, one_of

# The second condition is the partial index's own.
_BACKLOGS = f"""SELECT s.status, b.count, b.since FROM unnest(%(statuses)s::text[]) AS s (status),
    LATERAL (SELECT count(*) AS count, min(changed_at) AS since FROM (
        SELECT i.changed_at FROM clearance.intent i WHERE i.status = s.status
            AND i.status IN {one_of(OPEN)}
            LIMIT %(counted_max)s) c) b
    WHERE b.count > 0"""
_DUE = f"""SELECT
    (SELECT i.due_at FROM clearance.intent i WHERE i.due_at IS NOT NULL AND {OURS}
        ORDER BY i.due_at LIMIT 1),
    (SELECT min(lease_until) FROM (SELECT (i.attempt).lease_until FROM clearance.intent i
        WHERE i.status = 'RUNNING' AND i.status IN {one_of(UNDER_WAY)} AND {OURS}
        LIMIT %(counted_max)s) r)"""
_TENANTS = "SELECT tenant_id, settings_version, ledger_size FROM clearance.tenant"


async def totals(connections: Connections, now: int) -> Totals:
    """The totals at a moment."""
    named = {"statuses": [status.value for status in OPEN], "counted_max": COUNTED_MAX}
    backlogs = await connections.rows(EVERYWHERE, _BACKLOGS, named)
    [(expiry, lease)] = await connections.rows(EVERYWHERE, _DUE, named)
    tenants = await connections.rows(EVERYWHERE, _TENANTS)
    return Totals(
        open={IntentStatus(status): Backlog(count, since) for status, count, since in backlogs},
        expired_since=expiry if expiry is not None and expiry <= now else None,
        lease_over_since=lease if lease is not None and lease <= now else None,
        ledger_entries=sum(size for _, _, size in tenants),
        settings_versions={tenant_id: version for tenant_id, version, _ in tenants},
    )
