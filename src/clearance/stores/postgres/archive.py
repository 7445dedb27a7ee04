"""A PostgreSQL store as an archive reads and fills it: one transaction, under a lock that lets no
process move an intent meanwhile.

The login must own the schema, because a serving process may neither hold that lock nor see every
tenant at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg import Connection, IsolationLevel, sql

from clearance.core.accounts import look_digest
from clearance.core.canonical import Json
from clearance.core.errors import Conflict, Forbidden, InvalidInput, Unavailable
from clearance.core.moment import as_text
from clearance.core.principal import EVERYWHERE
from clearance.stores.archive.file import (
    NotTaken,
    Values,
    not_empty,
    stray_entry,
    stray_intent,
)
from clearance.stores.archive.lines import FIELDS, Kind, Row
from clearance.stores.codec import Kept
from clearance.stores.postgres.connections import LOCK_MS_MAX
from clearance.stores.postgres.records import COLUMNS, columns_of
from clearance.stores.postgres.schema import APP_ROLE, CONNECT_SECONDS_MAX, unreachable
from clearance.stores.postgres.server import check_schema
from clearance.stores.sql import named

# Of an archive that get partitions of their own; intents of more months lie in the default
# partition
MONTHS_MAX = 240
FETCH_ROWS = 2_000  # that are asked for at once
OTHERS_SECONDS_MAX = 3.0  # that connections which are just ending may take
OTHERS_PAUSE_SECONDS = 0.05

# The transition of an intent that was moved: no request has this id
_NOBODYS = "00000000-0000-0000-0000-000000000000"
_LINE = re.compile(r"COPY \w+, line (\d+)")

_ROWS: Mapping[Kind, str] = {
    Kind.INSTALLATION: "SELECT encode(credential_salt, 'hex') FROM installation",
    Kind.TENANT: "SELECT tenant_id, settings_version, ledger_size FROM tenant ORDER BY tenant_id",
    Kind.SETTINGS: """SELECT tenant_id, version, document, at, encode(salt, 'hex') FROM settings
        ORDER BY tenant_id, version""",
    Kind.TOOL: "SELECT tenant_id, digest, description FROM tool ORDER BY tenant_id, digest",
    Kind.ENTRY: """SELECT tenant_id, "position", intent_no, convert_from(body, 'UTF8') FROM ledger
        ORDER BY tenant_id, "position" """,
    Kind.TEXT: """SELECT tenant_id, "position", name, encode(salt, 'hex'), text FROM ledger_text
        ORDER BY tenant_id, "position", name""",
    Kind.INTENT: """SELECT i.intent_no, i.tenant_id, i.account_id, i.action_intent_id,
    i.action_type, i.status, i.revision,
        k."position", i.decision_position, i."position", i.approval_source, i.due_at,
        i.proposed_by, i.trace_id,
        encode(i.salt, 'hex'), encode(i.fingerprint, 'hex'), i.content, i.created_at, i.changed_at,
        i.executor, encode(i.likeness, 'hex'), encode(i.same_call, 'hex'),
        (i.hold).day, (i.hold).state, (i.hold).claims,
        (i.approval).number, (i.approval).state, (i.approval).digest, (i.approval).opened_at,
        (i.approval).expires_at,
        (i.approval).differences, (i.approval).ruling, (i.approval).superseded_by,
        (i.attempt).number, (i.attempt).worker, (i.attempt).lease_until,
        (i.attempt).idempotency_key, (i.attempt).started_at,
        (i.outcome).status, (i.outcome).sentence, (i.outcome).result, (i.outcome).result_bytes,
        (i.outcome).result_truncated, (i.outcome).error, (i.outcome).approval_source,
        (i.outcome).auto_executed
        FROM intent i JOIN intent_key k ON k.tenant_id = i.tenant_id
        AND k.action_intent_id = i.action_intent_id
        ORDER BY i.intent_no""",
    Kind.AGED_OUT: """SELECT k.intent_no, k.tenant_id, k.action_intent_id, k."position",
    k.created_at FROM intent_key k
        WHERE NOT EXISTS (SELECT FROM intent i WHERE i.intent_no = k.intent_no
        AND i.created_at = k.created_at)
        ORDER BY k.intent_no""",
    Kind.BUDGET_USE: """SELECT tenant_id, account_id, day, bucket, used FROM budget_use
        ORDER BY tenant_id, account_id, day, bucket""",
    Kind.COUNTER: """SELECT tenant_id, subject, "window", bucket, used FROM counter
        ORDER BY tenant_id, subject, "window", bucket""",
    Kind.KNOWN_ACCOUNT: """SELECT tenant_id, account_id FROM known_account
        ORDER BY tenant_id, account_id""",
    Kind.STOP: """SELECT tenant_id, "position", at, state, recorded, closed FROM stop
        ORDER BY tenant_id, "position" """,
    Kind.API_KEY: """SELECT key_id, tenant_id, name, role, encode(key_hash, 'hex'), created_at,
    revoked_at, scope FROM api_key
        ORDER BY key_id""",
}

_BEGIN = f"""SELECT set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('lock_timeout', '{LOCK_MS_MAX}', true), set_config('search_path', 'clearance,
    pg_temp', true),
    set_config('clearance.tenant', '{EVERYWHERE}', true),
    set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'),
    true)"""
# A superuser who is not our own login may be the one who looks after the server, and always there.
_OTHERS = f"""SELECT string_agg(DISTINCT r.rolname::text, ', ') FROM pg_stat_activity a
    JOIN pg_roles r ON r.oid = a.usesysid
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.leader_pid IS NULL
    AND (r.rolname = session_user OR NOT r.rolsuper
    AND pg_has_role(r.oid, '{APP_ROLE}', 'MEMBER'))"""
_OWNER = "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'clearance'"
_EMPTY = f"""SELECT NOT EXISTS (SELECT FROM tenant WHERE tenant_id <> '{EVERYWHERE}'
    OR settings_version > 0 OR ledger_size > 0)
    AND NOT EXISTS (SELECT FROM ledger) AND NOT EXISTS (SELECT FROM intent_key)
    AND NOT EXISTS (SELECT FROM intent)
    AND NOT EXISTS (SELECT FROM budget_use) AND NOT EXISTS (SELECT FROM counter)
    AND NOT EXISTS (SELECT FROM known_account) AND NOT EXISTS (SELECT FROM api_key)"""

_STRAY_ENTRY = """SELECT l."position", l.tenant_id FROM ledger l LEFT
    JOIN intent_key k ON k.intent_no = l.intent_no
    WHERE l.intent_no IS NOT NULL AND k.tenant_id IS DISTINCT FROM l.tenant_id LIMIT 1"""
_SHARED_NUMBER = """SELECT min(tenant_id), min(action_intent_id) FROM intent_key GROUP BY intent_no
HAVING count(*) > 1 LIMIT 1"""
_STRAY_INTENT = """SELECT i.action_intent_id, i.tenant_id FROM intent i
    JOIN intent_key k ON k.tenant_id = i.tenant_id AND k.action_intent_id = i.action_intent_id
    LEFT JOIN ledger d ON d.tenant_id = i.tenant_id AND d."position" = i.decision_position
    LEFT JOIN (SELECT intent_no, count(*) AS entries, min("position") AS earliest,
    max("position") AS latest FROM ledger
        WHERE intent_no IS NOT NULL GROUP BY intent_no) l ON l.intent_no = i.intent_no
    WHERE (l.entries, l.earliest, l.latest, d.intent_no)
        IS DISTINCT FROM (i.revision::bigint, k."position", i."position", i.intent_no) LIMIT 1"""


@contextlib.contextmanager
def reading(conninfo: str) -> Iterator[PostgresArchive]:
    """A database as it is at one moment.

    Unavailable, Forbidden, or Conflict (`ALREADY_SERVED`) while a process works on it.
    """
    with _transaction(conninfo) as connection:
        yield PostgresArchive(connection)


@contextlib.contextmanager
def filling(conninfo: str) -> Iterator[PostgresArchive]:
    """A migrated database that is empty; committed if the block ends well.

    Conflict (`STORE_NOT_EMPTY`), and as `reading`.
    """
    with _transaction(conninfo) as connection:
        if connection.execute(_EMPTY).fetchone() != (True,):
            raise not_empty()
        yield PostgresArchive(connection)


@contextlib.contextmanager
def _transaction(conninfo: str) -> Iterator[Connection]:
    """One snapshot.

    A process that would move an intent waits for the lock; no waiting process is there when it
    begins.
    """
    asyncio.run(check_schema(conninfo))
    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS_MAX,
            application_name="clearance-archive",
        )
    except psycopg.Error as error:
        raise unreachable(error) from error
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with contextlib.closing(connection):
            _must_own(connection)
            with connection.transaction():
                _hold_alone(connection)
                yield connection
    except psycopg.Error as error:
        sentence = (
            f"The database could not go on: {error.diag.message_primary or type(error).__name__}."
        )
        raise Unavailable(sentence) from error


def _must_own(connection: Connection) -> None:
    if connection.execute(_OWNER).fetchone() != (True,):
        sentence = (
            "Only the owner of the schema clearance can export or import all of it: use the login "
            "that migrates."
        )
        raise Forbidden(sentence)


def _hold_alone(connection: Connection) -> None:
    """Locks what every transition locks, before the snapshot is taken, and looks who else could
    work here.
    """
    try:
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS_MAX}")
        connection.execute("LOCK TABLE clearance.tenant IN EXCLUSIVE MODE")
    except psycopg.errors.LockNotAvailable:
        sentence = "A process of Clearance works on this database: stop servers and workers first."
        raise Conflict(sentence, code="ALREADY_SERVED") from None
    connection.execute(_BEGIN)
    ends = time.monotonic() + OTHERS_SECONDS_MAX
    while others := _others(connection):
        if time.monotonic() > ends:
            sentence = (
                f"Others who may act as {APP_ROLE} are connected ({others}): stop servers and "
                f"workers first."
            )
            raise Conflict(sentence, code="ALREADY_SERVED")
        time.sleep(OTHERS_PAUSE_SECONDS)


def _others(connection: Connection) -> str | None:
    """The logins of other connections that could move an intent."""
    connection.execute("SELECT pg_stat_clear_snapshot()")
    [(logins,)] = connection.execute(_OTHERS).fetchall()
    return None if logins is None else str(logins)


class PostgresArchive:
    """A database in a transaction: the source of an archive, and a target."""

    store = "postgres"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._months: set[str] = set()

    def rows(self, kind: Kind) -> Iterator[Row]:
        for values in self._fetched(kind.value, _ROWS[kind]):
            yield named(FIELDS[kind], values)

    def _fetched(self, name: str, statement: str) -> Iterator[Values]:
        """Rows as they are asked for, not all at once."""
        with self._connection.cursor(name=f"archive_{name}") as cursor:
            cursor.itersize = FETCH_ROWS
            cursor.execute(statement)
            yield from cursor

    def put(self, kind: Kind, batch: Sequence[Row]) -> None:
        try:
            self._put(kind, batch)
        except psycopg.IntegrityError as error:
            line = _LINE.search(error.diag.context or "")
            sentence = "has an id, a name or a secret that was there before."
            raise NotTaken(int(line[1]) - 1 if line else 0, sentence) from None

    def _put(self, kind: Kind, batch: Sequence[Row]) -> None:
        match kind:
            case Kind.INSTALLATION:
                salt = bytes.fromhex(batch[0]["credential_salt"])
                self._connection.execute("UPDATE installation SET credential_salt = %s", (salt,))
            case Kind.TENANT:
                self._put_tenants(batch)
            case Kind.INTENT:
                self._make_months(batch)
                self._copy("intent_key", _KEY, [_key(row) for row in batch])
                self._copy("intent", _INTENT, [_intent(row) for row in batch])
            case Kind.AGED_OUT:
                self._copy("intent_key", _KEY, [_key(row) for row in batch])
            case Kind.KNOWN_ACCOUNT:
                looks = [(*_values(row), look_digest(row["account_id"])) for row in batch]
                self._copy("known_account", (*FIELDS[kind], "look"), looks)
            case _:
                self._copy(_TABLES[kind], tuple(FIELDS[kind]), [_values(row) for row in batch])

    def _put_tenants(self, batch: Sequence[Row]) -> None:
        statement = "UPDATE tenant SET settings_version = %s, ledger_size = %s WHERE tenant_id = %s"
        for row in batch:
            if row["tenant_id"] == EVERYWHERE:  # it is there
                values = (row["settings_version"], row["ledger_size"], EVERYWHERE)
                self._connection.execute(statement, values)
        others = [_values(row) for row in batch if row["tenant_id"] != EVERYWHERE]
        self._copy("tenant", tuple(FIELDS[Kind.TENANT]), others)

    def _copy(self, table: str, columns: Sequence[str], values: Sequence[Values]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier("clearance", table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in values:
                copy.write_row(row)

    def _make_months(self, batch: Sequence[Row]) -> None:
        """Partitions for the months of these intents, so that they can age out."""
        for created_at in sorted({row["created_at"] for row in batch}):
            month = as_text(created_at)[:7]
            if month not in self._months and len(self._months) < MONTHS_MAX:
                self._months.add(month)
                self._connection.execute("SELECT make_months(%s)", (created_at,))

    def check(self) -> None:
        """Also sees to it that the next intent gets a number of its own."""
        self._connection.execute("ANALYZE tenant, ledger, intent_key, intent")
        if row := self._connection.execute(_SHARED_NUMBER).fetchone():
            sentence = f"The number of the intent {row[1]} of {row[0]} is another one's too."
            raise InvalidInput(sentence, code="INVALID_ARCHIVE")
        if row := self._connection.execute(_STRAY_ENTRY).fetchone():
            raise stray_entry(*row)
        if row := self._connection.execute(_STRAY_INTENT).fetchone():
            raise stray_intent(*row)
        [(last,)] = self._connection.execute(
            "SELECT coalesce(max(intent_no), 0) FROM intent_key"
        ).fetchall()
        self._connection.execute(
            sql.SQL("ALTER SEQUENCE intent_number RESTART WITH {}").format(sql.Literal(last + 1))
        )

    def records(self) -> Iterator[Kept]:
        statement = f"SELECT {columns_of('r')} FROM intent_record r"
        for values in self._fetched("records", statement):
            yield named(COLUMNS, values)


_TABLES = {
    Kind.SETTINGS: "settings",
    Kind.TOOL: "tool",
    Kind.ENTRY: "ledger",
    Kind.TEXT: "ledger_text",
    Kind.BUDGET_USE: "budget_use",
    Kind.COUNTER: "counter",
    Kind.STOP: "stop",
    Kind.API_KEY: "api_key",
}
_KEY = ("tenant_id", "action_intent_id", "intent_no", "created_at", "position", "transition_id")
_INTENT = (*(name for name in FIELDS[Kind.INTENT] if name != "admitted_position"), "transition_id")


def _key(row: Row) -> Values:
    return (*(row[name] for name in _KEY[:4]), row["admitted_position"], _NOBODYS)


def _intent(row: Row) -> Values:
    return (
        *_values({name: value for name, value in row.items() if name != "admitted_position"}),
        _NOBODYS,
    )


def _values(row: Row) -> Values:
    """The values of a row's columns: bytes for what is hexadecimal or a ledger entry, composites
    for groups.
    """
    return tuple(_value(name, value) for name, value in row.items())


def _value(name: str, value: Json) -> Json:
    if isinstance(value, dict):
        return tuple(value.values())
    if name == "body":
        return value.encode()
    return bytes.fromhex(value) if name in _BYTES and value is not None else value


_BYTES = frozenset({"salt", "fingerprint", "key_hash", "likeness", "same_call"})
