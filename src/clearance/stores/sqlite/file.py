"""The file of a SQLite store: how it is opened, with which guarantees, and how its schema is
brought up to date.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from clearance.core.errors import Unavailable
from clearance.core.principal import EVERYWHERE

BUSY_TIMEOUT_MS = 5_000  # how long a statement waits for another process's write
CHECKPOINT_PAGES = 2_000  # of the write-ahead log, before they are moved into the database
STATEMENTS_CACHED = 256


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without transactions of its own: each begins and ends by its name."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    if read_only:
        _see_as_now(connection)
    return connection


_LATER: Mapping[int, Mapping[str, str]] = {
    2: {
        "settings": "NULL AS salt",
        "intent": "'server' AS executor",
        "ledger_text": "(entry_id INTEGER, name TEXT, salt BLOB, text TEXT)",
    },
    3: {"tool": "(tenant_no INTEGER, digest TEXT, description TEXT)"},
    4: {
        "intent": "NULL AS likeness, NULL AS same_call",
        "api_key": "NULL AS scope",
        "counter": '(tenant_no INTEGER, subject TEXT, "window" TEXT, bucket TEXT, used INTEGER)',
        "known_account": "(tenant_no INTEGER, look BLOB, account_no INTEGER)",
    },
    5: {
        "stop": "(tenant_no INTEGER, position INTEGER, at INTEGER, state TEXT, recorded INTEGER, "
        "closed INTEGER)",
    },
}
"""What each migration adds for readers: columns of a table with what their absence means, or in
parentheses those of a new table.
"""


def _see_as_now(connection: sqlite3.Connection) -> None:
    """Makes a file without the latest migrations look as if it had them and nothing in them.

    Names of the connection's own come before those of the file.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    lacking: dict[str, list[str]] = {}
    for number, added in _LATER.items():
        for table, columns in added.items() if 0 < version < number else ():
            lacking.setdefault(table, []).append(columns)
    for table, columns_added in lacking.items():
        columns = ", ".join(columns_added)
        connection.execute(
            f"CREATE TEMP TABLE {table} {columns}"
            if columns.startswith("(")
            else f"CREATE TEMP VIEW {table} AS SELECT *, {columns} FROM main.{table}"
        )


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Opens or makes the file, for its owner alone, with everything on that the store promises."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    connection = connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, not just free
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    migrate(connection)
    return connection


def empty_log(path: Path) -> None:
    """Copies the write-ahead log into the file and empties it, so that what was erased is in
    neither; while a long read needs it, the log stays until a later time.
    """
    with contextlib.closing(connect(path)) as connection, contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Opens the file as it is. Its schema may be older: what it lacks is seen as empty."""
    connection = connect(path, read_only=True)
    _schema_of(connection, len(_migrations()))
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Applies the migrations that the file does not have yet, each in one transaction."""
    scripts = _migrations()
    for number, script in enumerate(scripts, start=1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _schema_of(connection, len(scripts))
        except Unavailable:
            connection.execute("ROLLBACK")
            raise
        if version < number:
            _run_script(connection, script.read_text(encoding="utf-8"))
            connection.execute(f"PRAGMA user_version = {number}")
        if version == 0:
            connection.execute("INSERT INTO installation VALUES (1, ?)", (secrets.token_bytes(16),))
            connection.execute(
                "INSERT INTO tenant (tenant_no, tenant_id) VALUES (0, ?)", (EVERYWHERE,)
            )
        connection.execute("COMMIT")


def _migrations() -> list[Traversable]:
    folder = resources.files("clearance.stores.sqlite") / "migrations"
    return sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )


def _schema_of(connection: sqlite3.Connection, newest: int) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        sentence = (
            f"The store has schema {version}; this Clearance knows {newest}. Use a newer Clearance."
        )
        raise Unavailable(sentence, code="STORE_TOO_NEW")
    return version


def _run_script(connection: sqlite3.Connection, script: str) -> None:
    """Runs each statement in the open transaction (`executescript` would commit it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
