"""Who says how long a tenant's ledger is, without any clock: a look at the store's own table,
through no code of Clearance.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import Protocol

import psycopg

POSITION_BITS = 40  # of an entry's id in SQLite: the lower ones count the tenant's entries


class Witness(Protocol):
    """Says what is durable at this moment."""

    def ledger_size(self, tenant_id: str) -> int | None:
        """The position of the tenant's latest committed entry; None if the store does not say so
        now.
        """


def witness_of(address: str) -> Witness:
    """`sqlite:FILE`, or the address of a PostgreSQL database."""
    scheme, _, path = address.partition(":")
    return SqliteWitness(path) if scheme == "sqlite" else PostgresWitness(address)


class SqliteWitness:
    """Reads the file of a SQLite store, with a connection for each thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()

    def ledger_size(self, tenant_id: str) -> int | None:
        sql = """SELECT coalesce((SELECT max(entry_id) FROM ledger
        WHERE entry_id BETWEEN t.tenant_no << 40
            AND ((t.tenant_no + 1) << 40) - 1), t.tenant_no << 40) - (t.tenant_no << 40)
            FROM tenant t WHERE t.tenant_id = ?"""
        try:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = sqlite3.connect(
                    f"file:{self._path}?mode=ro", uri=True, timeout=1, isolation_level=None
                )
                self._local.connection = connection
            row = connection.execute(sql, (tenant_id,)).fetchone()
        except sqlite3.Error:
            self._local.connection = None
            return None
        return int(row[0]) if row else None


class PostgresWitness:
    """Reads the database of a PostgreSQL store, one look at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def ledger_size(self, tenant_id: str) -> int | None:
        sql = "SELECT ledger_size FROM clearance.tenant WHERE tenant_id = %s"
        with self._lock:
            for _ in range(2):  # a connection that was cut since the last look is made once more
                try:
                    if self._connection is None:
                        self._connection = psycopg.connect(
                            self._address,
                            autocommit=True,
                            connect_timeout=2,
                            options="-c statement_timeout=1000",
                        )
                    row = self._connection.execute(sql, (tenant_id,)).fetchone()
                except psycopg.Error:
                    with suppress(psycopg.Error):
                        if self._connection is not None:
                            self._connection.close()
                    self._connection = None
                else:
                    return int(row[0]) if row else None
        return None
