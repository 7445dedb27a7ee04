"""A SQLite store as an archive reads or fills it, in one transaction of its own connection."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from clearance.core.accounts import look_digest
from clearance.core.canonical import Json
from clearance.core.errors import Unavailable
from clearance.core.principal import EVERYWHERE
from clearance.stores.archive.file import (
    NotTaken,
    not_empty,
    stray_entry,
    stray_intent,
)
from clearance.stores.archive.lines import FIELDS, Kind, Row
from clearance.stores.codec import Kept
from clearance.stores.sql import named
from clearance.stores.sqlite.file import open_for_writing
from clearance.stores.sqlite.records import COLUMNS, RECORD
from clearance.stores.sqlite.statements import entry_ids

_ROWS: Mapping[Kind, str] = {
    Kind.INSTALLATION: "SELECT lower(hex(credential_salt)) FROM installation",
    Kind.TENANT: """SELECT tenant_id, settings_version, coalesce((SELECT max(l.entry_id)
    FROM ledger l
        WHERE l.entry_id BETWEEN t.tenant_no << 40
        AND ((t.tenant_no + 1) << 40) - 1) - (t.tenant_no << 40), 0)
        FROM tenant t ORDER BY tenant_id""",
    Kind.SETTINGS: """SELECT t.tenant_id, s.version, s.document, s.at,
    CASE WHEN s.salt IS NOT NULL THEN lower(hex(s.salt)) END FROM tenant t JOIN settings s
    USING (tenant_no)
        ORDER BY t.tenant_id, s.version""",
    Kind.TOOL: """SELECT t.tenant_id, o.digest, o.description FROM tenant t JOIN tool o
    USING (tenant_no) ORDER BY t.tenant_id, o.digest""",
    Kind.ENTRY: """SELECT t.tenant_id, l.entry_id - (t.tenant_no << 40), l.intent_no, l.body
        FROM tenant t CROSS JOIN ledger l
        WHERE l.entry_id BETWEEN t.tenant_no << 40 AND ((t.tenant_no + 1) << 40) - 1
        ORDER BY t.tenant_id, l.entry_id""",
    Kind.TEXT: """SELECT t.tenant_id, l.entry_id - (t.tenant_no << 40), l.name,
    CASE WHEN l.salt IS NOT NULL THEN lower(hex(l.salt)) END, l.text
        FROM tenant t CROSS JOIN ledger_text l
        WHERE l.entry_id BETWEEN t.tenant_no << 40 AND ((t.tenant_no + 1) << 40) - 1
        ORDER BY t.tenant_id, l.entry_id, l.name""",
    Kind.INTENT: """SELECT i.intent_no, t.tenant_id, a.account_id, i.action_intent_id,
    i.action_type, i.status, i.revision,
        (SELECT min(l.entry_id) FROM ledger l
        WHERE l.intent_no = i.intent_no) - (i.tenant_no << 40),
        i.decision_position, i.position, i.approval_source, i.due_at, i.proposed_by, i.trace_id,
        lower(hex(i.salt)),
        lower(hex(i.fingerprint)), i.content, i.created_at, i.changed_at, i.executor,
        nullif(lower(hex(i.likeness)), ''), nullif(lower(hex(i.same_call)), ''),
        h.day, h.state, h.claims,
        p.number, p.state, p.digest, p.opened_at, p.expires_at, p.differences, p.ruling,
        p.superseded_by,
        x.number, x.worker, x.lease_until, x.idempotency_key, x.started_at,
        o.status, o.sentence, o.result, o.result_bytes, o.result_truncated, o.error,
        o.approval_source, o.auto_executed
        FROM intent i JOIN tenant t ON t.tenant_no = i.tenant_no
        JOIN account a ON a.account_no = i.account_no
        LEFT JOIN hold h ON h.intent_no = i.intent_no
        LEFT JOIN approval p ON p.intent_no = i.intent_no AND p.number = i.approval_number
        LEFT JOIN attempt x ON x.intent_no = i.intent_no AND x.number = i.attempt_number
        LEFT JOIN outcome o ON o.intent_no = i.intent_no
        ORDER BY i.intent_no""",
    Kind.BUDGET_USE: """SELECT t.tenant_id, a.account_id, b.day, b.bucket, b.used
        FROM budget_use b JOIN account a USING (account_no) JOIN tenant t USING (tenant_no)
        ORDER BY t.tenant_id, a.account_id, b.day, b.bucket""",
    Kind.COUNTER: """SELECT t.tenant_id, c.subject, c."window", c.bucket, c.used
        FROM counter c JOIN tenant t USING (tenant_no)
        ORDER BY t.tenant_id, c.subject, c."window", c.bucket""",
    Kind.KNOWN_ACCOUNT: """SELECT t.tenant_id, a.account_id
        FROM known_account JOIN account a USING (tenant_no, account_no)
        JOIN tenant t USING (tenant_no)
        ORDER BY t.tenant_id, a.account_id""",
    Kind.STOP: """SELECT t.tenant_id, s.position, s.at, s.state, s.recorded, s.closed
        FROM stop s JOIN tenant t USING (tenant_no) ORDER BY t.tenant_id, s.position""",
    Kind.API_KEY: """SELECT k.key_id, t.tenant_id, k.name, k.role, lower(hex(k.key_hash)),
    k.created_at, k.revoked_at, k.scope
        FROM api_key k JOIN tenant t USING (tenant_no) ORDER BY k.key_id""",
}

_EMPTY = f"""SELECT NOT EXISTS (SELECT 1 FROM tenant WHERE tenant_id <> '{EVERYWHERE}'
    OR settings_version > 0)
    AND NOT EXISTS (SELECT 1 FROM ledger) AND NOT EXISTS (SELECT 1 FROM intent)
    AND NOT EXISTS (SELECT 1 FROM api_key)"""

_STRAY_ENTRY = """SELECT l.entry_id & ((1 << 40) - 1), t.tenant_id FROM ledger l
    JOIN tenant t ON t.tenant_no = l.entry_id >> 40
    LEFT JOIN intent i ON i.intent_no = l.intent_no
    WHERE l.intent_no IS NOT NULL AND i.tenant_no IS NOT t.tenant_no LIMIT 1"""
_STRAY_INTENT = """SELECT i.action_intent_id, t.tenant_id FROM intent i JOIN tenant t
    USING (tenant_no)
    LEFT JOIN ledger d ON d.entry_id = (i.tenant_no << 40) + i.decision_position
    LEFT JOIN (SELECT intent_no, count(*) AS entries, max(entry_id) AS latest FROM ledger
        WHERE intent_no IS NOT NULL GROUP BY intent_no) l ON l.intent_no = i.intent_no
    WHERE l.entries IS NOT i.revision OR l.latest IS NOT (i.tenant_no << 40) + i.position
        OR d.intent_no IS NOT i.intent_no LIMIT 1"""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[SqliteArchive]:
    """A store's file as it is at one moment. Unavailable if it cannot be opened or read."""
    with _connection(path) as connection:
        connection.execute("BEGIN")
        yield SqliteArchive(connection)
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def filling(path: Path) -> Iterator[SqliteArchive]:
    """A store's file that is empty, or made; committed if the block ends well.

    Conflict (`STORE_NOT_EMPTY`).
    """
    made = not path.exists()
    try:
        with _connection(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _must_be_empty(connection)
            yield SqliteArchive(connection)
            connection.execute("COMMIT")
    except BaseException:
        if made:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        raise


def _must_be_empty(connection: sqlite3.Connection) -> None:
    if connection.execute(_EMPTY).fetchone() != (1,):
        raise not_empty()


@contextlib.contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection; uncommitted work is gone when it is closed."""
    try:
        with contextlib.closing(open_for_writing(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        sentence = f"The store {path} cannot be read or written: {error}."
        raise Unavailable(sentence) from error


class SqliteArchive:
    """A SQLite store in a transaction: the source of an archive, and a target."""

    store = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tenants: dict[str, int] = {}

    def rows(self, kind: Kind) -> Iterator[Row]:
        """Intents that aged out are unknown to SQLite."""
        rows = self._connection.execute(_ROWS[kind]) if kind in _ROWS else ()
        for values in rows:
            row = named(FIELDS[kind], values)
            if kind is Kind.ENTRY:
                row["body"] = row["body"].decode()
            elif kind is Kind.INTENT and row["outcome"]:
                row["outcome"] |= _portable(row["outcome"])
            yield row

    def put(self, kind: Kind, batch: Sequence[Row]) -> None:
        put = self._puts()[kind]
        for index, row in enumerate(batch):
            try:
                put(row)
            except sqlite3.IntegrityError:
                raise NotTaken(
                    index, "has an id, a name or a secret that was there before."
                ) from None

    def _puts(self) -> Mapping[Kind, Callable[[Row], object]]:
        return {
            Kind.INSTALLATION: self._put_installation,
            Kind.TENANT: self._put_tenant,
            Kind.SETTINGS: self._put_settings,
            Kind.TOOL: self._put_tool,
            Kind.ENTRY: self._put_entry,
            Kind.TEXT: self._put_text,
            Kind.INTENT: self._put_intent,
            Kind.AGED_OUT: _refuse_aged_out,
            Kind.BUDGET_USE: self._put_budget_use,
            Kind.COUNTER: self._put_counter,
            Kind.KNOWN_ACCOUNT: self._put_known_account,
            Kind.STOP: self._put_stop,
            Kind.API_KEY: self._put_api_key,
        }

    def _run(self, statement: str, *values: Json) -> None:
        self._connection.execute(statement, values)

    def _put_installation(self, row: Row) -> None:
        self._run(
            "UPDATE installation SET credential_salt = ?", bytes.fromhex(row["credential_salt"])
        )

    def _put_tenant(self, row: Row) -> None:
        name = row["tenant_id"]
        self._run(
            "INSERT INTO tenant (tenant_id) VALUES (?) ON CONFLICT DO NOTHING", name
        )  # '*' is there
        self._run(
            "UPDATE tenant SET settings_version = ? WHERE tenant_id = ?",
            row["settings_version"],
            name,
        )
        numbers = self._connection.execute(
            "SELECT tenant_no FROM tenant WHERE tenant_id = ?", (name,)
        ).fetchone()
        self._tenants[name] = numbers[0]

    def _put_settings(self, row: Row) -> None:
        self._insert("settings", self._numbered(row))

    def _put_tool(self, row: Row) -> None:
        self._insert("tool", self._numbered(row))

    def _put_entry(self, row: Row) -> None:
        entry_id = entry_ids(self._tenants[row["tenant_id"]])[0] + row["position"]
        self._insert(
            "ledger",
            {"entry_id": entry_id, "intent_no": row["intent_no"], "body": row["body"].encode()},
        )

    def _put_text(self, row: Row) -> None:
        own = self._numbered(row)
        entry_id = entry_ids(own.pop("tenant_no"))[0] + own.pop("position")
        self._insert("ledger_text", {"entry_id": entry_id, **own})

    def _put_intent(self, row: Row) -> None:
        own = self._numbered(row)
        del own["admitted_position"]  # it is that of its first entry
        parts = {name: own.pop(name) for name in ("hold", "approval", "attempt", "outcome")}
        for name in ("approval", "attempt"):
            own[f"{name}_number"] = parts[name]["number"] if parts[name] else None
        self._insert("intent", own)
        for name, part in parts.items():
            if part:
                self._insert(name, {"intent_no": row["intent_no"], **part})

    def _put_budget_use(self, row: Row) -> None:
        own = self._numbered(row)
        del own["tenant_no"]
        self._insert("budget_use", own)

    def _put_counter(self, row: Row) -> None:
        self._insert("counter", self._numbered(row))

    def _put_known_account(self, row: Row) -> None:
        own = self._numbered(row)
        self._insert("known_account", {**own, "look": look_digest(row["account_id"])})

    def _put_stop(self, row: Row) -> None:
        self._insert("stop", self._numbered(row))

    def _put_api_key(self, row: Row) -> None:
        self._insert("api_key", self._numbered(row))

    def _insert(self, table: str, named: Row) -> None:
        places = ", ".join("?" * len(named))
        names = ", ".join(f'"{name}"' for name in named)
        self._run(f"INSERT INTO {table} ({names}) VALUES ({places})", *named.values())

    def _numbered(self, row: Row) -> Row:
        """The row with numbers for tenant and account, and bytes for hexadecimal text, as SQLite
        keeps them.
        """
        own: Row = {}
        for name, value in row.items():
            if name == "tenant_id":
                own["tenant_no"] = self._tenants[value]
            elif name == "account_id":
                own["account_no"] = self._account_no(own["tenant_no"], value)
            elif name in _BYTES and value is not None:
                own[name] = bytes.fromhex(value)
            else:
                own[name] = value
        return own

    def _account_no(self, tenant_no: int, account_id: str) -> int:
        named = (tenant_no, account_id)
        self._run(
            "INSERT INTO account (tenant_no, account_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            *named,
        )
        row = self._connection.execute(
            "SELECT account_no FROM account WHERE tenant_no = ? AND account_id = ?", named
        ).fetchone()
        return int(row[0])

    def check(self) -> None:
        if row := self._connection.execute(_STRAY_ENTRY).fetchone():
            raise stray_entry(*row)
        if row := self._connection.execute(_STRAY_INTENT).fetchone():
            raise stray_intent(*row)

    def records(self) -> Iterator[Kept]:
        for values in self._connection.execute(RECORD):
            yield named(COLUMNS, values)


_BYTES = frozenset({"salt", "fingerprint", "key_hash", "likeness", "same_call"})


def _portable(outcome: Row) -> Row:
    """An outcome as every store can keep it: flags that are none in SQLite, and a tool's sentence
    without zero characters.
    """
    flags = {name: bool(outcome[name]) for name in ("result_truncated", "auto_executed")}
    return {"sentence": outcome["sentence"].replace("\0", "\ufffd"), **flags}


def _refuse_aged_out(_: Row) -> None:
    raise NotTaken(
        0, "is of an intent that aged out, and a data directory cannot keep its id alone."
    )
