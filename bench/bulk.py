"""Fills a store with intents that were carried out, quickly: copies of one real intent's rows, with
ids and positions of their own.

The copies' ledger bodies still speak of the first one; nothing that is timed reads the ids in them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import psycopg

from bench.drive import ACCOUNTS_SPREAD
from clearance.flow.ports.store import Store
from clearance.stores.sqlite.store import SqliteStore

ENTRIES = 3  # of an intent that was carried out: approved, started, succeeded

_ID = "'f' || substr('000000000000000' || i, -15)"
_SQLITE = f"""
CREATE TEMP TABLE one AS SELECT * FROM intent WHERE action_intent_id = 'first';
CREATE TEMP TABLE base AS SELECT max(intent_no) AS intents, (SELECT max(entry_id) FROM ledger
WHERE intent_no IS NOT NULL)
  AS entries, (SELECT max(account_no) FROM account) AS accounts FROM intent;
CREATE TEMP TABLE number AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
WHERE i < :count) SELECT i FROM n;
INSERT INTO account SELECT accounts + i, tenant_no, 'a' || (i - 1) FROM number, base, one
WHERE i <= {ACCOUNTS_SPREAD};
INSERT INTO ledger SELECT entries + {ENTRIES} * (i - 1) + k, intents + i, body
  FROM number CROSS JOIN base CROSS JOIN (SELECT row_number() OVER (ORDER BY entry_id) AS k, body
  FROM ledger
  WHERE intent_no = (SELECT intent_no FROM one)) ORDER BY 1;
INSERT INTO intent SELECT intents + i, tenant_no, accounts + 1 + i % {ACCOUNTS_SPREAD}, {_ID},
action_type, status, revision,
  (entries & 1099511627775) + {ENTRIES} * i, (entries & 1099511627775) + {ENTRIES} * (i - 1) + 1,
  approval_source,
  approval_number, attempt_number, due_at, proposed_by, trace_id, salt, fingerprint, content,
  created_at, changed_at
  FROM number, base, one ORDER BY i;
INSERT INTO hold SELECT intents + i, h.day, h.state, h.claims
  FROM number, base, hold h, one WHERE h.intent_no = one.intent_no ORDER BY i;
INSERT INTO attempt SELECT intents + i, x.number, x.worker, x.lease_until, x.idempotency_key || i,
x.started_at
  FROM number, base, attempt x, one WHERE x.intent_no = one.intent_no ORDER BY i;
INSERT INTO outcome SELECT intents + i, o.status, o.sentence, o.result, o.result_bytes,
o.result_truncated, o.error,
  o.approval_source, o.auto_executed FROM number, base, outcome o, one
  WHERE o.intent_no = one.intent_no ORDER BY i;
"""
_POSTGRES = f"""
SET search_path = clearance;
CREATE TEMP TABLE one AS SELECT * FROM intent WHERE action_intent_id = 'first';
CREATE TEMP TABLE base AS SELECT max(intent_no) AS intents,
  (SELECT ledger_size FROM tenant WHERE tenant_id = (SELECT tenant_id FROM one)) AS entries
  FROM intent;
INSERT INTO ledger SELECT one.tenant_id, entries + {ENTRIES} * (i - 1) + k, intents + i, body
  FROM generate_series(1, %(count)s) i, base, one,
  (SELECT row_number() OVER (ORDER BY "position") AS k, body FROM ledger
  WHERE intent_no = (SELECT intent_no FROM one)) AS e ORDER BY 2;
INSERT INTO intent_key SELECT tenant_id, 'f' || lpad(i::text, 15, '0'), intents + i, created_at,
  entries + {ENTRIES} * (i - 1) + 1, transition_id FROM generate_series(1, %(count)s) i, base, one
  ORDER BY i;
INSERT INTO intent SELECT intents + i, created_at, tenant_id, 'a' || i %% {ACCOUNTS_SPREAD},
'f' || lpad(i::text, 15, '0'),
  action_type, status, revision, entries + {ENTRIES} * i, entries + {ENTRIES} * (i - 1) + 1,
  approval_source, due_at,
  proposed_by, trace_id, salt, fingerprint, content, changed_at, transition_id, hold, approval,
  attempt, outcome
  FROM generate_series(1, %(count)s) i, base, one ORDER BY i;
SELECT setval('intent_number', (SELECT max(intent_no) FROM intent));
UPDATE tenant SET ledger_size = ledger_size + {ENTRIES} * %(count)s
WHERE tenant_id = (SELECT tenant_id FROM one);
"""


def intent_id(number: int) -> str:
    """The id of a copy, from 1."""
    return f"f{number:015}"


async def fill(store: Store, where: str, count: int) -> None:
    """Adds `count` copies of the intent `first`.

    `where`: the file of a SQLite store, or the URL of a PostgreSQL.
    """
    if isinstance(store, SqliteStore):
        await asyncio.to_thread(_fill_sqlite, Path(where), count)
    else:
        await asyncio.to_thread(_fill_postgres, where, count)


def _fill_sqlite(path: Path, count: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # of this connection alone
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SQLITE.split(";\n"):
        if statement.strip():
            connection.execute(statement, {"count": count} if ":count" in statement else {})
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill_postgres(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _POSTGRES.split(";\n"):
            if statement.strip():
                connection.execute(statement, {"count": count})
    settle(url)


def settle(url: str) -> None:
    """Does what autovacuum does within a minute: PostgreSQL plans badly for a table of which it has
    not seen anything yet.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
