"""The PostgreSQL store: any number of processes on one database, with the promises of the embedded
one.

A transition is part of one call of one function of the schema, which locks its tenant, checks, and
writes. Transitions of a tenant that arrive while a call is under way go into the next call. This
file refuses to know: whether a step is legal (the core's).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from clearance.configuration.document import StoredSettings
from clearance.core.accounts import look_digest
from clearance.core.budget import Counter
from clearance.core.canonical import Json
from clearance.core.credential import ApiKey, PageSession, already_ended, name_taken
from clearance.core.decision import SettingsVersion
from clearance.core.errors import IN_DOUBT, Conflict, Unavailable
from clearance.core.ledger import Draft, Entry, EntryText
from clearance.core.principal import EVERYWHERE, PROPOSERS
from clearance.core.record import OPEN, Admission, Change, IntentRecord, IntentStatus, admitted
from clearance.flow.ports.credentials import ReplacedKey
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.totals import Totals
from clearance.flow.ports.transitions import (
    INTENT_AGED_OUT,
    AdmitAnswer,
    Admitted,
    AdvanceAnswer,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    QuotaSpent,
    RecordMoved,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from clearance.stores import codec
from clearance.stores.batches import Batches, SharedReads
from clearance.stores.postgres.connections import CONNECTIONS_MAX, Connections, Row
from clearance.stores.postgres.records import columns_of, record
from clearance.stores.postgres.stops import PostgresStops
from clearance.stores.postgres.totals import totals
from clearance.stores.postgres.units import (
    Unit,
    admission_unit,
    batch,
    change_unit,
    sent_texts,
)
from clearance.stores.sql import OURS, one_of
from clearance.stores.tail import Tail

ENTRIES_POLL_MS = 250  # how soon entries of another process are seen


class PostgresStore(PostgresStops):
    """A `Store` in one PostgreSQL database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._batches: Batches[Unit, Row] = Batches(self._transition)
        self._shared = SharedReads()
        self._tail = Tail(ENTRIES_POLL_MS)

    @classmethod
    async def open(cls, conninfo: str, *, connections_max: int = CONNECTIONS_MAX) -> PostgresStore:
        """Connects.

        Unavailable: no database (`DATABASE_UNREACHABLE`), or not this software's
        (`STORE_NOT_MIGRATED`, ...).
        """
        return cls(await Connections.open(conninfo, connections_max))

    async def close(self) -> None:
        """Commits the waiting units and ends every connection."""
        await self._batches.close()
        await self._connections.close()

    # Transitions

    async def _transition(self, tenant_id: str, units: Sequence[Unit]) -> Sequence[Row]:
        answers = await self._connections.call(_TRANSITION, (tenant_id, *batch(units)))
        self._tail.moved()
        return answers.rows

    async def _submit(self, tenant_id: str, unit: Unit) -> Row:
        try:
            return await self._batches.submit(tenant_id, unit)
        except psycopg.Error as error:
            sentence = "The store could not commit; nothing was stored."
            raise Unavailable(sentence) from error

    async def admit(self, admission: Admission) -> AdmitAnswer:
        row = await self._submit(
            admission.intent.tenant_id, admission_unit(admission, _transition_id())
        )
        return _admitted(admission, row)

    async def advance(self, change: Change) -> AdvanceAnswer:
        row = await self._submit(change.tenant_id, change_unit(change, _transition_id()))
        answer, admitted_at = row[:2]
        if answer == "MOVED":
            return RecordMoved()
        if answer == "APPLIED":
            edited = change.superseded_by
            new = admitted(edited, admitted_at) if edited else None
            return Applied(record(row[3:]), new)
        if change.superseded_by is None:
            return SettingsMoved()
        other = _admitted(change.superseded_by, row)
        if isinstance(other, Admitted):
            sentence = "The store gave an answer that does not fit the question."
            raise Unavailable(sentence, code=IN_DOUBT)
        return other

    async def configure(self, change: SettingsChange) -> int | SettingsMoved:
        version = change.version + 1
        document = json.dumps(change.document, separators=(",", ":"), ensure_ascii=False)
        texts = json.dumps(sent_texts(change.entry))
        values = (change.tenant_id, change.version, document, change.salt, change.at)
        statement = "SELECT clearance.configure(%s, %s, %s, %s, %s, %s, %s::jsonb)"
        stop: tuple[str, ...] = ()
        if change.stop is not None:
            statement = "SELECT clearance.configure_stop(%s, %s, %s, %s, %s, %s, %s::jsonb, %s)"
            stop = (codec.stop_state(change.stop),)
        done = await self._write(
            statement,
            (*values, change.entry.body, texts, *stop),
            """SELECT 1 FROM clearance.settings
            WHERE tenant_id = %s AND version = %s AND at = %s AND document = %s""",
            (change.tenant_id, version, change.at, document),
        )
        return version if done else SettingsMoved()

    async def add_api_key(
        self, key: ApiKey, entry: Draft, replaces: ReplacedKey | None = None
    ) -> None:
        values = (
            key.tenant_id,
            key.key_id,
            key.name,
            key.role.value,
            key.key_hash,
            key.created_at,
            codec.scope_text(key.scope),
            entry.body,
            *((replaces.key_id, replaces.entry.body) if replaces else (None, None)),
        )
        statement = "SELECT clearance.keep_api_key(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        try:
            [[kept]] = (await self._connections.call(statement, values)).rows
        except psycopg.errors.UniqueViolation:
            raise name_taken(key) from None
        if replaces and not kept:
            raise already_ended(replaces.key_id)
        self._tail.moved()

    async def revoke_api_key(self, tenant_id: str, key_id: str, at: int, entry: Draft) -> bool:
        return await self._write(
            "SELECT clearance.end_api_key(%s, %s, %s, %s)",
            (tenant_id, key_id, at, entry.body),
            """SELECT 1 FROM clearance.api_key
            WHERE tenant_id = %s AND key_id = %s AND revoked_at = %s""",
            (tenant_id, key_id, at),
        )

    async def _write(
        self, statement: str, values: tuple[Any, ...], trace: str, named: tuple[Any, ...]
    ) -> bool:
        """Whether a function changed a tenant as a whole. What it refuses after an answer was lost
        may be what it did itself: then the rows of `trace` are there.
        """
        answer = await self._connections.call(statement, values)
        self._tail.moved()
        [[done]] = answer.rows
        if done or not answer.again:
            return bool(done)
        try:
            return bool(await self._connections.rows(EVERYWHERE, trace, named))
        except Unavailable as unavailable:
            raise Unavailable(unavailable.sentence, code=IN_DOUBT) from unavailable

    # Reads

    async def settings(self, tenant_id: str) -> StoredSettings:
        statement = """SELECT t.tenant_id, t.settings_version, s.document, s.salt
        FROM clearance.tenant t
        LEFT JOIN clearance.settings s
            ON s.tenant_id = t.tenant_id AND s.version = t.settings_version
            WHERE t.tenant_id IN (%s, %s)"""
        rows = await self._rows(tenant_id, statement, EVERYWHERE)
        return codec.stored_settings(tenant_id, rows)

    async def keep_tools(self, tenant_id: str, tools: Mapping[str, Json]) -> None:
        statement = """INSERT INTO clearance.tool (tenant_id, digest, description)
            SELECT %s, t.key, t.value FROM json_each_text(%s::json) t
            ON CONFLICT DO NOTHING RETURNING digest"""
        texts = json.dumps({digest: json.dumps(tool) for digest, tool in tools.items()})
        await self._connections.rows(tenant_id, statement, (tenant_id, texts), writes=True)

    async def kept_tools(self, tenant_id: str, digests: Collection[str]) -> Mapping[str, Json]:
        statement = """SELECT digest, description FROM clearance.tool
            WHERE tenant_id = %s AND digest = ANY(%s)"""
        rows = await self._rows(tenant_id, statement, list(digests))
        return {digest: json.loads(text) for digest, text in rows}

    async def settings_version(self, tenant_id: str) -> SettingsVersion:
        statement = (
            "SELECT tenant_id, settings_version FROM clearance.tenant WHERE tenant_id IN (%s, %s)"
        )

        async def read() -> SettingsVersion:
            versions: dict[str, int] = dict(await self._rows(tenant_id, statement, EVERYWHERE))
            return SettingsVersion(versions.get(tenant_id, 0), versions[EVERYWHERE])

        return await self._shared.get(f"settings {tenant_id}", read)

    async def _rows(self, tenant_id: str, statement: str, *values: Json | bytes) -> list[Row]:
        """Rows of a statement whose first value is the tenant."""
        return await self._connections.rows(tenant_id, statement, (tenant_id, *values))

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        rows = await self._rows(
            tenant_id,
            f"{_RECORD_OF} WHERE k.tenant_id = %s AND k.action_intent_id = %s",
            action_intent_id,
        )
        return record(rows[0]) if rows else None

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        conditions, values = _timeline_filter(query)
        statement = (
            f"{_RECORD} WHERE r.tenant_id = %s {conditions} ORDER BY r.position DESC LIMIT %s"
        )
        return [record(row) for row in await self._rows(tenant_id, statement, *values, query.limit)]

    async def alike(self, tenant_id: str, likeness: bytes, limit: int) -> list[IntentRecord]:
        # The sum keeps the planner from reading the timeline until enough of it is alike.
        statement = f"""{_RECORD} JOIN (
                SELECT i.intent_no, i.created_at FROM clearance.intent i
                WHERE i.tenant_id = %s AND i.likeness = %s ORDER BY i.position + 0 DESC LIMIT %s) c
            USING (intent_no, created_at) ORDER BY r.position DESC"""
        return [record(row) for row in await self._rows(tenant_id, statement, likeness, limit)]

    async def waiting(self, tenant_id: str, after: str | None, limit: int) -> list[IntentRecord]:
        statement = f"""{_RECORD} WHERE r.tenant_id = %s AND r.status = 'AWAITING_APPROVAL'
        AND r.intent_no > coalesce((
            SELECT intent_no FROM clearance.intent_key WHERE tenant_id = %s
            AND action_intent_id = %s), 0)
            ORDER BY r.intent_no LIMIT %s"""
        return [
            record(row) for row in await self._rows(tenant_id, statement, tenant_id, after, limit)
        ]

    async def count_by_status(self, tenant_id: str) -> Mapping[IntentStatus, int]:
        statement = f"""SELECT status, count(*) FROM clearance.intent
            WHERE tenant_id = %s AND status IN {one_of(OPEN)} GROUP BY status"""
        return {
            IntentStatus(status): count for status, count in await self._rows(tenant_id, statement)
        }

    async def budget_used(self, tenant_id: str, account_id: str, day: str) -> Mapping[str, int]:
        statement = (
            "SELECT bucket, used FROM clearance.budget_use WHERE tenant_id = %s AND account_id = "
            "%s AND day = %s"
        )
        return dict(await self._rows(tenant_id, statement, account_id, day))

    async def counted(
        self, tenant_id: str, counters: Collection[Counter]
    ) -> Mapping[Counter, Mapping[str, int]]:
        statement = """SELECT c.subject, c."window", c.bucket, c.used FROM clearance.counter c
            JOIN unnest(%s::text[], %s::text[]) AS asked (subject, "window")
            USING (subject, "window") WHERE c.tenant_id = %s"""
        asked = list(dict.fromkeys(counters))
        values = ([each.subject for each in asked], [each.window for each in asked], tenant_id)
        answer: dict[Counter, dict[str, int]] = {}
        for subject, window, bucket, used in await self._connections.rows(
            tenant_id, statement, values
        ):
            answer.setdefault(Counter(subject, window), {})[bucket] = used
        return answer

    async def known_accounts(self, tenant_id: str, account_ids: Collection[str]) -> frozenset[str]:
        statement = """SELECT account_id FROM clearance.known_account
            WHERE tenant_id = %s AND look = ANY(%s)"""
        rows = await self._rows(tenant_id, statement, list(map(look_digest, account_ids)))
        return frozenset(account_id for (account_id,) in rows)

    async def accounts_since(self, tenant_id: str, since: int, limit: int) -> list[str]:
        named = {"tenant_id": tenant_id, "since": since, "limit": limit}
        rows = await self._connections.rows(tenant_id, _ACCOUNTS_SINCE, named)
        return [account_id for (account_id,) in rows]

    async def entries(self, tenant_id: str, after: int, limit: int) -> list[Entry]:
        statement = f"""SELECT l.position, l.body, {_TEXTS} FROM clearance.ledger l
            WHERE l.tenant_id = %s AND l.position > %s ORDER BY l.position LIMIT %s"""
        return [_entry(*row) for row in await self._rows(tenant_id, statement, after, limit)]

    async def entries_about(self, tenant_id: str, action_intent_id: str) -> list[Entry]:
        statement = f"""SELECT l.position, l.body, {_TEXTS}
            FROM clearance.intent_key k JOIN clearance.ledger l USING (intent_no)
            WHERE k.tenant_id = %s AND k.action_intent_id = %s ORDER BY l.position"""
        return [_entry(*row) for row in await self._rows(tenant_id, statement, action_intent_id)]

    async def ledger_size(self, tenant_id: str) -> int:
        statement = "SELECT ledger_size FROM clearance.tenant WHERE tenant_id = %s"

        async def read() -> int:
            rows = await self._rows(tenant_id, statement)
            return int(rows[0][0]) if rows else 0

        return await self._shared.get(f"ledger {tenant_id}", read)

    async def wait_for_entries(self, tenant_id: str, after: int, timeout_ms: int) -> bool:
        return await self._tail.wait(lambda: self.ledger_size(tenant_id), after, timeout_ms)

    async def approved(self, limit: int, after: Due | None = None) -> list[Due]:
        statement = (
            f"{_DUE} WHERE i.status = 'APPROVED' AND {OURS} AND i.intent_no > {_BEHIND} "
            f"ORDER BY i.intent_no LIMIT %(limit)s"
        )
        return await self._due(statement, {"limit": limit, **_behind(after)})

    async def expired(self, now: int, limit: int) -> list[Due]:
        return await self._due(
            f"{_DUE} WHERE i.due_at <= %(now)s AND {OURS} ORDER BY i.due_at LIMIT %(limit)s",
            {"now": now, "limit": limit},
        )

    async def dead_leases(
        self, now: int, limit: int, after: Due | None = None, *, living_worker: str | None = None
    ) -> list[Due]:
        statement = f"""{_DUE} WHERE i.status = 'RUNNING' AND {OURS} AND i.intent_no > {_BEHIND}
            AND ((i.attempt).lease_until <= %(now)s OR (i.attempt).worker <> %(living)s::text)
            ORDER BY i.intent_no LIMIT %(limit)s"""
        return await self._due(
            statement, {"now": now, "limit": limit, "living": living_worker, **_behind(after)}
        )

    async def _due(self, statement: str, named: Mapping[str, Json]) -> list[Due]:
        return [
            codec.due(*row) for row in await self._connections.rows(EVERYWHERE, statement, named)
        ]

    async def tenants(self) -> list[str]:
        statement = """SELECT tenant_id FROM clearance.tenant WHERE settings_version > 0
        AND tenant_id <> %s
            ORDER BY tenant_id"""
        return [row[0] for row in await self._rows(EVERYWHERE, statement)]

    async def totals(self, now: int) -> Totals:
        return await totals(self._connections, now)

    async def api_key(self, key_hash: bytes) -> ApiKey | None:
        return await self._one_api_key(
            f"{_API_KEY} WHERE k.key_hash = %s AND k.revoked_at IS NULL", (key_hash,)
        )

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        statement = f"{_API_KEY} WHERE k.tenant_id = %s ORDER BY k.created_at, k.key_id"
        return [codec.api_key(*row) for row in await self._rows(tenant_id, statement)]

    async def api_key_ended(self, tenant_id: str, name: str) -> bool:
        of_name = """SELECT FROM clearance.api_key
            WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND role = ANY (%(roles)s)"""
        statement = f"SELECT NOT EXISTS ({of_name} AND revoked_at IS NULL) AND EXISTS ({of_name})"
        named = {"tenant_id": tenant_id, "name": name, "roles": sorted(PROPOSERS)}
        [(ended,)] = await self._connections.rows(tenant_id, statement, named)
        return bool(ended)

    async def _one_api_key(self, statement: str, values: tuple[Json, ...]) -> ApiKey | None:
        rows = await self._connections.rows(EVERYWHERE, statement, values)
        return codec.api_key(*rows[0]) if rows else None

    async def installation_salt(self) -> bytes:
        rows = await self._connections.rows(
            EVERYWHERE, "SELECT credential_salt FROM clearance.installation"
        )
        return bytes(rows[0][0])

    # Page sessions

    async def add_session(self, session: PageSession) -> None:
        statement = """WITH over AS (DELETE FROM clearance.page_session
        WHERE expires_at <= %(created_at)s)
            INSERT INTO clearance.page_session (token_hash, key_id, created_at, expires_at)
            VALUES (%(token_hash)s, %(key_id)s, %(created_at)s, %(expires_at)s)
            ON CONFLICT DO NOTHING"""
        named = {
            "token_hash": session.token_hash,
            "key_id": session.key_id,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
        }
        await self._connections.rows(EVERYWHERE, statement, named, writes=True)

    async def session_key(self, token_hash: bytes, now: int) -> ApiKey | None:
        statement = f"""{_API_KEY} JOIN clearance.page_session s USING (key_id)
            WHERE s.token_hash = %s AND s.expires_at > %s AND k.revoked_at IS NULL"""
        return await self._one_api_key(statement, (token_hash, now))

    async def end_session(self, token_hash: bytes) -> None:
        statement = "DELETE FROM clearance.page_session WHERE token_hash = %s"
        await self._connections.rows(EVERYWHERE, statement, (token_hash,), writes=True)


_TRANSITION = f"""SELECT a.answer, a.admitted, a.used, {columns_of("(a.record)")}
    FROM clearance.transition(%s, %s::jsonb, %b, %s::jsonb, %s::jsonb) a ORDER BY a.unit"""
_RECORD = f"SELECT {columns_of('r')} FROM clearance.intent_record r"
_RECORD_OF = f"""SELECT {columns_of("r")} FROM clearance.intent_key k
    JOIN clearance.intent_record r ON r.intent_no = k.intent_no AND r.created_at = k.created_at"""

_TEXTS = """(SELECT json_agg(json_build_array(b.name, b.text, encode(b.salt, 'hex'))
    ORDER BY b.name)
    FROM clearance.ledger_text b WHERE b.tenant_id = l.tenant_id AND b.position = l.position)"""

_DUE = (
    "SELECT i.tenant_id, i.action_intent_id, i.action_type, i.approval_source FROM "
    "clearance.intent i"
)
_BEHIND = """coalesce((SELECT b.intent_no FROM clearance.intent_key b
    WHERE b.tenant_id = %(after_tenant_id)s AND b.action_intent_id = %(after)s), 0)"""

_API_KEY = """SELECT k.key_id, k.tenant_id, k.name, k.role, k.key_hash, k.created_at, k.revoked_at,
    k.scope FROM clearance.api_key k"""

# One look along the index for each account, however many intents it has.
_ACCOUNTS_SINCE = """WITH RECURSIVE a (account_id) AS (
        (SELECT i.account_id FROM clearance.intent i WHERE i.tenant_id = %(tenant_id)s
            AND i.created_at >= %(since)s ORDER BY i.account_id LIMIT 1)
        UNION ALL
        SELECT (SELECT i.account_id FROM clearance.intent i WHERE i.tenant_id = %(tenant_id)s
            AND i.created_at >= %(since)s AND i.account_id > a.account_id
            ORDER BY i.account_id LIMIT 1)
        FROM a WHERE a.account_id IS NOT NULL)
    SELECT account_id FROM a WHERE account_id IS NOT NULL LIMIT %(limit)s"""


def _entry(position: int, body: bytes, texts: list[list[str | None]] | None) -> Entry:
    """An entry from a row, with its texts as `_TEXTS` has them."""
    beside = (
        EntryText(str(name), str(text), bytes.fromhex(salt) if salt else None)
        for name, text, salt in texts or ()
    )
    return Entry(position, body, tuple(beside))


def _transition_id() -> str:
    return secrets.token_hex(16)


def _admitted(admission: Admission, row: Row) -> AdmitAnswer:
    answer, admitted_at, used = row[:3]
    match answer:
        case "ADMITTED":
            return Admitted(admitted(admission, admitted_at))
        case "KNOWN":
            return AlreadyAdmitted(record(row[3:]))
        case "SAME_CALL_WAITS":
            return SameCallWaits(record(row[3:]))
        case "REJECTED_BEFORE":
            return RejectedBefore(*json.loads(used))
        case "TOO_MANY_WAITING":
            return TooManyWaiting(int(used))
        case "QUOTA_SPENT":
            return QuotaSpent(admission.quota[int(used)].place)
        case "BUDGET_SPENT":
            return BudgetSpent(_use_by_place(admission, json.loads(used)))
        case "AGED_OUT":
            sentence = (
                f"An action intent {admission.intent.action_intent_id} was there, and its details "
                f"aged out."
            )
            raise Conflict(sentence, code=INTENT_AGED_OUT)
        case _:
            return SettingsMoved()


def _use_by_place(admission: Admission, used: Sequence[int]) -> dict[str, int]:
    """The use of what a hold claims; `used` is in the order of the claims."""
    hold = admission.decision.hold
    places = [claim.place for claim in hold.claims] if hold else []
    return dict(zip(places, used, strict=True))


def _behind(after: Due | None) -> dict[str, Json]:
    return {
        "after_tenant_id": after.tenant_id if after else None,
        "after": after.action_intent_id if after else None,
    }


def _timeline_filter(query: TimelineQuery) -> tuple[str, list[Json]]:
    """The conditions, and the values that they stand for.

    Positions lie inside the tenant's own ledger.
    """
    conditions: list[tuple[str, Json]] = [
        ("r.account_id = %s", query.account_id),
        ("r.proposed_by = %s", query.proposed_by),
        ("r.action_type = %s", query.action_type),
        ("r.changed_at >= %s", query.since),
        ("r.changed_at < %s", query.until),
        ("r.position < %s", query.before),
        ("coalesce(r.approval_source = 'POLICY', false) = %s", query.auto_executed),
        ("r.status = ANY(%s)", [status.value for status in query.statuses] or None),
    ]
    chosen = [pair for pair in conditions if pair[1] is not None]
    return "".join(f" AND {condition}" for condition, _ in chosen), [value for _, value in chosen]
