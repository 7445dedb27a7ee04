"""The SQLite store: one file, one writer thread with group commit, reads beside it.

WAL with `synchronous=FULL`: an acknowledged commit survives a power cut. Positions of ledger
entries follow commit order, because there is one writer at a time. This file refuses to know:
whether a step is legal (the core's), and who asked (the doors').
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from clearance.configuration.document import StoredSettings
from clearance.core.accounts import look_digest
from clearance.core.budget import Counter
from clearance.core.canonical import Json
from clearance.core.credential import ApiKey, PageSession, already_ended, name_taken
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Unavailable
from clearance.core.ledger import Draft, Entry
from clearance.core.principal import EVERYWHERE, PROPOSERS
from clearance.core.record import OPEN, Admission, Change, IntentRecord, IntentStatus
from clearance.flow.ports.credentials import ReplacedKey
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.totals import Totals
from clearance.flow.ports.transitions import (
    AdmitAnswer,
    Admitted,
    AdvanceAnswer,
    Applied,
    RecordMoved,
    SettingsMoved,
)
from clearance.stores import codec
from clearance.stores.sql import OURS, one_of
from clearance.stores.sqlite import admitting, counting, lists, records, statements
from clearance.stores.sqlite.file import connect, empty_log, open_for_reading, open_for_writing
from clearance.stores.sqlite.group_commit import GroupCommit
from clearance.stores.sqlite.stops import SqliteStops, open_stop
from clearance.stores.sqlite.totals import totals
from clearance.stores.tail import Tail

READERS = 2  # threads that read beside the writer
ENTRIES_POLL_MS = 500  # how soon entries of another process are seen

Answer = TypeVar("Answer")


class SqliteStore(SqliteStops):
    """A `Store` in one SQLite file.

    One process may decide on it; others may configure it and read.
    """

    def __init__(
        self, path: Path, writer_connection: sqlite3.Connection, *, read_only: bool = False
    ) -> None:
        self._path, self._read_only = path, read_only
        self._numbers: dict[tuple[int | None, str], int] = {}
        self._tail = Tail(ENTRIES_POLL_MS)
        self._connections: list[sqlite3.Connection] = []
        self._local = threading.local()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="clearance-reader")
        self._writer_connection = writer_connection
        self._writer = GroupCommit(writer_connection, self._tail.moved, self._numbers.clear)

    @classmethod
    async def open(cls, path: Path, *, read_only: bool = False) -> SqliteStore:
        """Opens the file, makes it if it is missing, and brings its schema up to date.

        Unavailable if that fails. `read_only`: the file is read as it is, and no transition is
        made.
        """
        opened = open_for_reading if read_only else open_for_writing
        try:
            connection = await asyncio.to_thread(opened, path)
        except sqlite3.Error as error:
            sentence = f"The store {path} cannot be opened: {error}."
            raise Unavailable(sentence) from error
        return cls(path, connection, read_only=read_only)

    async def close(self) -> None:
        """Commits what is queued and closes every connection."""
        await self._writer.close()
        self._readers.shutdown()
        for connection in [*self._connections, self._writer_connection]:
            connection.close()

    async def _read(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        def run() -> Answer:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = connect(self._path, read_only=self._read_only)
                self._local.connection = connection
                connection.execute("PRAGMA query_only = ON")
                self._connections.append(connection)
            return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, run)
        except (sqlite3.Error, RuntimeError) as error:
            sentence = "The store cannot be read now."
            raise Unavailable(sentence) from error

    # Transitions

    async def admit(self, admission: Admission) -> AdmitAnswer:
        return await self._writer.submit(lambda connection: self._admit(connection, admission))

    def _admit(self, connection: sqlite3.Connection, admission: Admission) -> AdmitAnswer:
        intent = admission.intent
        tenant_no = self._tenant_no(connection, intent.tenant_id)
        refused = admitting.refusal(connection, tenant_no, admission)
        if refused is not None:
            return refused
        account_no = self._account_no(connection, tenant_no, intent.account_id)
        return Admitted(statements.insert_intent(connection, tenant_no, account_no, admission))

    async def advance(self, change: Change) -> AdvanceAnswer:
        answer = await self._writer.submit(lambda connection: self._advance(connection, change))
        if change.erases:  # the log still has the pages of before
            await asyncio.get_running_loop().run_in_executor(self._readers, empty_log, self._path)
        return answer

    def _advance(self, connection: sqlite3.Connection, change: Change) -> AdvanceAnswer:
        tenant_no = self._tenant_no(connection, change.tenant_id)
        numbers = connection.execute(
            "SELECT intent_no, account_no FROM intent WHERE tenant_no = ? AND action_intent_id = "
            "? AND revision = ?",
            (tenant_no, change.action_intent_id, change.revision),
        ).fetchone()
        if numbers is None:
            return RecordMoved()
        if (
            change.settings_version is not None
            and statements.settings_version(connection, tenant_no) != change.settings_version
        ):
            return SettingsMoved()
        admitted = None
        if change.superseded_by is not None:
            answer = self._admit(connection, change.superseded_by)
            if not isinstance(answer, Admitted):
                return answer
            admitted = answer.record
        intent_no, account_no = numbers
        statements.apply(connection, tenant_no, intent_no, account_no, change)
        record = statements.record(connection, tenant_no, change.action_intent_id)
        if record is None:
            raise sqlite3.IntegrityError(change.action_intent_id)
        return Applied(record, admitted)

    async def configure(self, change: SettingsChange) -> int | SettingsMoved:
        def work(connection: sqlite3.Connection) -> int | SettingsMoved:
            tenant_no = self._tenant_no(connection, change.tenant_id)
            changed = connection.execute(
                "UPDATE tenant SET settings_version = ?2 + 1 WHERE tenant_no = ?1 AND "
                "settings_version = ?2",
                (tenant_no, change.version),
            )
            if changed.rowcount != 1:
                return SettingsMoved()
            document = json.dumps(change.document, separators=(",", ":"), ensure_ascii=False)
            connection.execute(
                "INSERT INTO settings (tenant_no, version, document, salt, at) "
                "VALUES (?, ?, ?, ?, ?)",
                (tenant_no, change.version + 1, document, change.salt, change.at),
            )
            position = statements.append(connection, tenant_no, None, change.entry)
            open_stop(connection, tenant_no, position, change)
            return change.version + 1

        return await self._writer.submit(work)

    async def keep_tools(self, tenant_id: str, tools: Mapping[str, Json]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            tenant_no = self._tenant_no(connection, tenant_id)
            connection.executemany(
                "INSERT INTO tool VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(tenant_no, digest, json.dumps(tool)) for digest, tool in tools.items()],
            )

        await self._writer.submit(work)

    async def add_api_key(
        self, key: ApiKey, entry: Draft, replaces: ReplacedKey | None = None
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            tenant_no = self._tenant_no(connection, key.tenant_id)
            rows = connection.execute(
                "SELECT key_id FROM api_key WHERE revoked_at IS NULL AND (key_hash = ? OR "
                "(tenant_no = ? AND name = ?))",
                (key.key_hash, tenant_no, key.name),
            )
            valid = {key_id for (key_id,) in rows}
            if replaces and replaces.key_id not in valid:
                raise already_ended(replaces.key_id)
            if valid - ({replaces.key_id} if replaces else set()):
                raise name_taken(key)
            if replaces:
                _end_key(connection, tenant_no, replaces.key_id, key.created_at, replaces.entry)
            connection.execute(
                "INSERT INTO api_key (key_id, tenant_no, name, role, key_hash, created_at, scope) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key.key_id, tenant_no, key.name, key.role.value, key.key_hash),
                    *(key.created_at, codec.scope_text(key.scope)),
                ),
            )
            statements.append(connection, tenant_no, None, entry)

        await self._writer.submit(work)

    async def revoke_api_key(self, tenant_id: str, key_id: str, at: int, entry: Draft) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            tenant_no = self._tenant_no(connection, tenant_id)
            return _end_key(connection, tenant_no, key_id, at, entry)

        return await self._writer.submit(work)

    # Reads

    async def settings(self, tenant_id: str) -> StoredSettings:
        return await self._read(lambda connection: statements.settings(connection, tenant_id))

    async def kept_tools(self, tenant_id: str, digests: Collection[str]) -> Mapping[str, Json]:
        def work(connection: sqlite3.Connection) -> dict[str, Json]:
            rows = connection.execute(
                "SELECT digest, description FROM tool WHERE tenant_no = ? "
                "AND digest IN (SELECT value FROM json_each(?))",
                (statements.known_tenant(connection, tenant_id), json.dumps(list(digests))),
            )
            return {digest: json.loads(text) for digest, text in rows}

        return await self._read(work)

    async def settings_version(self, tenant_id: str) -> SettingsVersion:
        return await self._read(
            lambda connection: statements.settings_version(
                connection, statements.known_tenant(connection, tenant_id)
            )
        )

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        return await self._read(
            lambda connection: statements.record(
                connection, statements.known_tenant(connection, tenant_id), action_intent_id
            )
        )

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        return await self._read(lambda connection: lists.timeline(connection, tenant_id, query))

    async def alike(self, tenant_id: str, likeness: bytes, limit: int) -> list[IntentRecord]:
        return await self._read(
            lambda connection: lists.alike(
                connection, statements.known_tenant(connection, tenant_id), likeness, limit
            )
        )

    async def waiting(self, tenant_id: str, after: str | None, limit: int) -> list[IntentRecord]:
        sql = f"""{records.RECORD} WHERE {_OPEN} AND i.status = 'AWAITING_APPROVAL'
        AND t.tenant_id = :tenant_id
            AND i.intent_no > coalesce((
                SELECT intent_no FROM intent WHERE tenant_no = t.tenant_no
                AND action_intent_id = :after), 0)
            ORDER BY i.intent_no LIMIT :limit"""
        named = {"tenant_id": tenant_id, "after": after, "limit": limit}
        return await self._read(
            lambda connection: [records.record(row) for row in connection.execute(sql, named)]
        )

    async def count_by_status(self, tenant_id: str) -> Mapping[IntentStatus, int]:
        sql = f"""SELECT i.status, count(*) FROM intent i
            WHERE {_OPEN} AND i.tenant_no = ? GROUP BY i.status"""

        def work(connection: sqlite3.Connection) -> Mapping[IntentStatus, int]:
            rows = connection.execute(sql, (statements.known_tenant(connection, tenant_id),))
            return {IntentStatus(status): count for status, count in rows}

        return await self._read(work)

    async def budget_used(self, tenant_id: str, account_id: str, day: str) -> Mapping[str, int]:
        return await self._read(
            lambda connection: counting.own(
                connection, statements.known_tenant(connection, tenant_id), account_id, day
            )
        )

    async def counted(
        self, tenant_id: str, counters: Collection[Counter]
    ) -> Mapping[Counter, Mapping[str, int]]:
        return await self._read(
            lambda connection: counting.counted(
                connection, statements.known_tenant(connection, tenant_id), counters
            )
        )

    async def known_accounts(self, tenant_id: str, account_ids: Collection[str]) -> frozenset[str]:
        looks = {look_digest(account_id) for account_id in account_ids}
        sql = f"""SELECT account_id FROM known_account JOIN account USING (tenant_no, account_no)
            WHERE tenant_no = ? AND look IN ({", ".join("?" * len(looks))})"""

        def work(connection: sqlite3.Connection) -> frozenset[str]:
            values = (statements.known_tenant(connection, tenant_id), *looks)
            return frozenset(account_id for (account_id,) in connection.execute(sql, values))

        return await self._read(work)

    async def accounts_since(self, tenant_id: str, since: int, limit: int) -> list[str]:
        sql = """SELECT a.account_id FROM account a WHERE a.tenant_no = ? AND EXISTS (
                SELECT 1 FROM intent i WHERE i.account_no = a.account_no AND i.created_at >= ?)
            LIMIT ?"""

        def work(connection: sqlite3.Connection) -> list[str]:
            values = (statements.known_tenant(connection, tenant_id), since, limit)
            return [account_id for (account_id,) in connection.execute(sql, values)]

        return await self._read(work)

    async def entries(self, tenant_id: str, after: int, limit: int) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            tenant_no = statements.known_tenant(connection, tenant_id)
            first, last = statements.entry_ids(tenant_no)
            chosen = "entry_id > ? AND entry_id <= ? ORDER BY entry_id LIMIT ?"
            values = (first + after, last, limit)
            return statements.entries(connection, tenant_no, chosen, values)

        return await self._read(work)

    async def entries_about(self, tenant_id: str, action_intent_id: str) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            tenant_no = statements.known_tenant(connection, tenant_id)
            chosen = """intent_no = (SELECT intent_no FROM intent
                WHERE tenant_no = ? AND action_intent_id = ?) ORDER BY entry_id"""
            values = (tenant_no, action_intent_id)
            return statements.entries(connection, tenant_no, chosen, values)

        return await self._read(work)

    async def ledger_size(self, tenant_id: str) -> int:
        return await self._read(
            lambda connection: statements.ledger_size(
                connection, statements.known_tenant(connection, tenant_id)
            )
        )

    async def wait_for_entries(self, tenant_id: str, after: int, timeout_ms: int) -> bool:
        return await self._tail.wait(lambda: self.ledger_size(tenant_id), after, timeout_ms)

    async def approved(self, limit: int, after: Due | None = None) -> list[Due]:
        sql = (
            f"{_DUE} WHERE {_OPEN} AND i.status = 'APPROVED' AND {OURS} "
            f"AND i.intent_no > {_BEHIND} ORDER BY i.intent_no LIMIT :limit"
        )
        return await self._due(sql, {"limit": limit, **_behind(after)})

    async def expired(self, now: int, limit: int) -> list[Due]:
        sql = f"{_DUE} WHERE i.due_at <= :now AND {OURS} ORDER BY i.due_at LIMIT :limit"
        return await self._due(sql, {"now": now, "limit": limit})

    async def dead_leases(
        self, now: int, limit: int, after: Due | None = None, *, living_worker: str | None = None
    ) -> list[Due]:
        sql = f"""{_DUE} JOIN attempt x ON x.intent_no = i.intent_no AND x.number = i.attempt_number
            WHERE {_OPEN} AND i.status = 'RUNNING' AND (x.lease_until <= :now
            OR (:living IS NOT NULL AND x.worker <> :living))
            AND {OURS} AND i.intent_no > {_BEHIND} ORDER BY i.intent_no LIMIT :limit"""
        return await self._due(
            sql, {"now": now, "limit": limit, "living": living_worker, **_behind(after)}
        )

    async def _due(self, sql: str, named: Mapping[str, Json]) -> list[Due]:
        return await self._read(
            lambda connection: [codec.due(*row) for row in connection.execute(sql, named)]
        )

    async def tenants(self) -> list[str]:
        sql = (
            "SELECT tenant_id FROM tenant WHERE settings_version > 0 AND tenant_id <> ? ORDER BY "
            "tenant_id"
        )
        return await self._read(
            lambda connection: [row[0] for row in connection.execute(sql, (EVERYWHERE,))]
        )

    async def totals(self, now: int) -> Totals:
        return await self._read(lambda connection: totals(connection, now))

    async def api_key(self, key_hash: bytes) -> ApiKey | None:
        sql = f"{_API_KEY} WHERE k.key_hash = ? AND k.revoked_at IS NULL"
        return await self._one_api_key(sql, (key_hash,))

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        sql = f"{_API_KEY} WHERE t.tenant_id = ? ORDER BY k.created_at, k.key_id"
        return await self._read(
            lambda connection: [
                codec.api_key(*row) for row in connection.execute(sql, (tenant_id,))
            ]
        )

    async def api_key_ended(self, tenant_id: str, name: str) -> bool:
        of_name = """SELECT 1 FROM api_key WHERE tenant_no = ?1 AND name = ?2
            AND role IN (SELECT value FROM json_each(?3))"""
        sql = f"SELECT NOT EXISTS ({of_name} AND revoked_at IS NULL) AND EXISTS ({of_name})"
        roles = json.dumps(sorted(PROPOSERS))

        def work(connection: sqlite3.Connection) -> bool:
            values = (statements.known_tenant(connection, tenant_id), name, roles)
            return bool(connection.execute(sql, values).fetchone()[0])

        return await self._read(work)

    async def _one_api_key(self, sql: str, values: tuple[Json, ...]) -> ApiKey | None:
        row = await self._read(lambda connection: connection.execute(sql, values).fetchone())
        return codec.api_key(*row) if row else None

    async def installation_salt(self) -> bytes:
        sql = "SELECT credential_salt FROM installation"
        row = await self._read(lambda connection: connection.execute(sql).fetchone())
        return bytes(row[0])

    # Page sessions

    async def add_session(self, session: PageSession) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM page_session WHERE expires_at <= ?", (session.created_at,)
            )
            connection.execute(
                "INSERT INTO page_session (token_hash, key_id, created_at, expires_at) VALUES "
                "(?, ?, ?, ?)",
                (session.token_hash, session.key_id, session.created_at, session.expires_at),
            )

        await self._writer.submit(work)

    async def session_key(self, token_hash: bytes, now: int) -> ApiKey | None:
        sql = f"""{_API_KEY} JOIN page_session s USING (key_id)
            WHERE s.token_hash = ? AND s.expires_at > ? AND k.revoked_at IS NULL"""
        return await self._one_api_key(sql, (token_hash, now))

    async def end_session(self, token_hash: bytes) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM page_session WHERE token_hash = ?", (token_hash,))

        await self._writer.submit(work)

    # Numbers of tenants and accounts, remembered while no rollback takes them away

    def _tenant_no(self, connection: sqlite3.Connection, tenant_id: str) -> int:
        return self._number(
            connection,
            (None, tenant_id),
            "SELECT tenant_no FROM tenant WHERE ? IS NULL AND tenant_id = ?",
            "INSERT INTO tenant (tenant_no, tenant_id) VALUES (?, ?)",
        )

    def _account_no(self, connection: sqlite3.Connection, tenant_no: int, account_id: str) -> int:
        return self._number(
            connection,
            (tenant_no, account_id),
            "SELECT account_no FROM account WHERE tenant_no = ? AND account_id = ?",
            "INSERT INTO account (tenant_no, account_id) VALUES (?, ?)",
        )

    def _number(
        self, connection: sqlite3.Connection, key: tuple[int | None, str], select: str, insert: str
    ) -> int:
        number = self._numbers.get(key)
        if number is None:
            row = connection.execute(select, key).fetchone()
            number = row[0] if row else connection.execute(insert, key).lastrowid
            if number is None:
                raise sqlite3.IntegrityError(key)
            if len(self._numbers) >= NUMBERS_MAX:
                self._numbers.clear()
            self._numbers[key] = number
        return number


NUMBERS_MAX = 100_000  # tenants and accounts whose numbers are remembered

_DUE = """SELECT t.tenant_id, i.action_intent_id, i.action_type, i.approval_source
    FROM intent i JOIN tenant t USING (tenant_no)"""
# In the words and the order of the index `intent_under_way`, or SQLite does not see that the index
# will do, and reads every intent.
_OPEN = f"i.status IN {one_of(OPEN)}"
_BEHIND = """coalesce((SELECT b.intent_no FROM intent b JOIN tenant USING (tenant_no)
    WHERE tenant_id = :after_tenant_id AND b.action_intent_id = :after), 0)"""

_API_KEY = """SELECT k.key_id, t.tenant_id, k.name, k.role, k.key_hash, k.created_at, k.revoked_at,
    k.scope FROM api_key k JOIN tenant t USING (tenant_no)"""


def _end_key(
    connection: sqlite3.Connection, tenant_no: int, key_id: str, at: int, entry: Draft
) -> bool:
    """Ends a credential with its page sessions; False if there is none that is valid."""
    revoked = connection.execute(
        "UPDATE api_key SET revoked_at = ? WHERE tenant_no = ? AND key_id = ? AND "
        "revoked_at IS NULL",
        (at, tenant_no, key_id),
    )
    if revoked.rowcount == 0:
        return False
    connection.execute("DELETE FROM page_session WHERE key_id = ?", (key_id,))
    statements.append(connection, tenant_no, None, entry)
    return True


def _behind(after: Due | None) -> dict[str, Json]:
    return {
        "after_tenant_id": after.tenant_id if after else None,
        "after": after.action_intent_id if after else None,
    }
