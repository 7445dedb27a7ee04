"""The sockets that the flow needs, owned by the flow: what a store, an engine, a tool runner and a clock must do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from clearance.core.approval import ApprovalSource
from clearance.core.catalog import ToolServer
from clearance.core.decision import SettingsVersion
from clearance.core.intent import Json
from clearance.core.ledger import Draft, Entry
from clearance.core.outcome import CallError, Sent
from clearance.core.principal import Role
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """What a tool server says of one of its tools. `schema_digest` covers the input schema and nothing else."""

    name: str
    description: str
    input_schema: Mapping[str, Json]
    schema_digest: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool. `schema_digest` is the pin: a tool whose schema has another digest now is not called."""

    server: ToolServer
    tool: str
    arguments: Mapping[str, Json]
    idempotency_key: str
    deadline_ms: int
    schema_digest: str | None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the tool answered when it succeeded: its structured content if it has one, else its text.

    `truncated`: the runner cut it already; a string is then its beginning. `result_bytes` is the size of its JSON before that,
    where the runner knows it.
    """

    result: Json
    result_bytes: int | None = None
    truncated: bool = False


class ToolCallFailed(Exception):
    """A tool call did not succeed; `error` says of which class, and what is known about its having been sent."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.sentence)
        self.error = error


Cleared: TypeAlias = Callable[[], Awaitable[None]]
"""The last look before a call is sent; raises ToolCallFailed if it may not be sent any more."""


class Tools(Protocol):
    """Calls tools. Retries nothing: what may be repeated is for the flow to say."""

    async def describe(self, tenant_id: str, server: ToolServer) -> Mapping[str, ToolDescription]:
        """The tools of a server by name; raises ToolCallFailed if it cannot be reached."""

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """Calls once, within the deadline; raises ToolCallFailed.

        `cleared` is awaited as the last thing before the call is sent, after every wait for a place or a connection.
        """

    async def close(self) -> None:
        """Ends every connection and every server process that this runner started."""


class Clock(Protocol):
    """The only source of time and of new ids."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back; only differences mean anything."""

    def new_id(self) -> str:
        """A new UUIDv7 as 32 hexadecimal characters: sorts by its time of making."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The intent is stored, its budget held, its entry in the ledger."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class Known:
    """An intent of this id was admitted before; nothing was stored or consumed. Whether its content is the same: look."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class SettingsMoved:
    """The settings are no longer the ones that the decision was made under; nothing was stored."""


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """A bucket has no room for the hold; nothing was stored or taken. `used` is what the hold's buckets have now."""

    used: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Moved:
    """The record moved on since it was read; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The change is in; the record as it is now, and the new one if an edit admitted one."""

    record: IntentRecord
    admitted: IntentRecord | None = None


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """New settings for a tenant: a whole document, made from `version`; applied only if that is in force."""

    tenant_id: str
    version: int
    document: Mapping[str, Json]
    entry: Draft
    at: int


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """A tenant's settings document and its version (0 and empty if nobody has configured anything)."""

    version: SettingsVersion
    document: Mapping[str, Json]
    everywhere: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """Which intents, newest fact first. `before` is the cursor: the ledger position of the last one seen."""

    account_id: str | None = None
    action_type: str | None = None
    auto_executed: bool | None = None
    statuses: tuple[IntentStatus, ...] = ()
    since: int | None = None
    until: int | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Due:
    """An intent that somebody should look at now, with what an engine needs to say where it queues.

    `account_id` is there when it was just approved, and not when it was found again: a queue does not keep it.
    """

    tenant_id: str
    action_intent_id: str
    action_type: str
    approval_source: ApprovalSource | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential, without its secret. `key_hash` is the scrypt hash of the whole key under the installation's salt."""

    key_id: str
    tenant_id: str
    name: str
    role: Role
    key_hash: bytes
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class PageSession:
    """A signed-in browser. `token_hash` is SHA-256 of the cookie's random token; it ends with its key, or in time."""

    token_hash: bytes
    key_id: str
    created_at: int
    expires_at: int


class Store(Protocol):
    """Keeps every fact. A transition and its ledger entry are one transaction; what is acknowledged is durable.

    What no store checks: whether a step is legal and its guard holds. That is the core's, and the revision proves it.
    Every method may raise Unavailable; then nothing happened, or nobody knows whether it did: asking again is safe.
    """

    # Transitions

    async def admit(self, admission: Admission) -> Admitted | Known | SettingsMoved | BudgetSpent:
        """Stores a new intent, its hold, its approval and its entry; in this order: id new, settings in force, budget fits."""

    async def advance(self, change: Change) -> Applied | Moved | Known | SettingsMoved | BudgetSpent:
        """Applies one step: revision equal, settings in force if it names them, and an edit's admission as in `admit`."""

    async def configure(self, change: SettingsChange) -> StoredSettings | Moved:
        """Replaces a tenant's settings (tenant `*`: the switches that hold everywhere); version + 1."""

    async def add_api_key(self, key: ApiKey, entry: Draft) -> None:
        """Stores a credential."""

    async def revoke_api_key(self, tenant_id: str, key_id: str, at: int, entry: Draft) -> bool:
        """Ends a credential and every page session made with it; False if there is none that is valid."""

    # Reads

    async def settings(self, tenant_id: str) -> StoredSettings:
        """The settings in force."""

    async def settings_version(self, tenant_id: str) -> SettingsVersion:
        """The version of the settings in force: a cheap read."""

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        """All that is known of one intent."""

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        """Intents by their latest fact, newest first."""

    async def waiting(self, tenant_id: str, after: str | None, limit: int) -> list[IntentRecord]:
        """Intents that await an approval, oldest request first; `after` is the id of the last one seen."""

    async def count_by_status(self, tenant_id: str) -> Mapping[IntentStatus, int]:
        """How many intents are in each state that is not terminal."""

    async def budget_used(self, tenant_id: str, account_id: str, day: str) -> Mapping[str, int]:
        """What is held and settled, by bucket."""

    async def entries(self, tenant_id: str, after: int, limit: int) -> list[Entry]:
        """Ledger entries in order, from the position behind `after`."""

    async def entries_about(self, tenant_id: str, action_intent_id: str) -> list[Entry]:
        """The ledger entries of one intent, in order."""

    async def ledger_size(self, tenant_id: str) -> int:
        """The position of the latest entry; 0 if there is none."""

    async def wait_for_entries(self, tenant_id: str, after: int, timeout_ms: int) -> bool:
        """Returns as soon as there is an entry behind `after` (True), or when the time is over (False)."""

    async def approved(self, limit: int, after: Due | None = None) -> list[Due]:
        """Intents that are APPROVED and have no attempt, oldest first: the truth of the work queue."""

    async def expired(self, now: int, limit: int) -> list[Due]:
        """Intents that wait or are approved, and whose time has passed."""

    async def dead_leases(
        self, now: int, limit: int, after: Due | None = None, *, living_worker: str | None = None
    ) -> list[Due]:
        """RUNNING intents whose lease is over, oldest first; with `living_worker`, also those of every other worker."""

    async def tenants(self) -> list[str]:
        """Every tenant that has settings."""

    async def api_key(self, key_hash: bytes) -> ApiKey | None:
        """The valid credential with this hash."""

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        """Every credential of a tenant, revoked ones too."""

    async def installation_salt(self) -> bytes:
        """16 random bytes made with the store: the salt of the credentials' hashes."""

    # Page sessions: who is signed in is no fact of the ledger

    async def add_session(self, session: PageSession) -> None:
        """Stores a signed-in browser, and forgets the ones that are over."""

    async def session_key(self, token_hash: bytes, now: int) -> ApiKey | None:
        """The valid credential behind a session that is not over."""

    async def end_session(self, token_hash: bytes) -> None:
        """Signs a browser out."""

    async def close(self) -> None:
        """Commits what was acknowledged, and lets go of the files."""


class Engine(Protocol):
    """Decides who calls the execution's steps, and when. A hint may be lost or repeated; the store is the truth."""

    def hint(self, due: Due) -> None:
        """An intent became APPROVED: start it soon."""


class Phase(StrEnum):
    """Where the latest try of an attempt is."""

    BEGUN = "BEGUN"  # it may have been sent, and nobody has said more
    OVER = "OVER"  # it is known what it sent, and it may be repeated
    CLOSED = "CLOSED"  # nothing is sent any more


@dataclass(frozen=True, slots=True)
class Mark:
    """The tries of one attempt so far, as in `Tried`. `by` differs between any two marks."""

    tries: int
    sent: Sent
    wait_ms: int
    phase: Phase
    by: str


class Marks(Protocol):
    """Where the marks of attempts are kept, for ever. Every method raises Unavailable if it cannot be done now."""

    async def mark(self, tenant_id: str, action_intent_id: str, attempt: int) -> Mark | None:
        """The mark of an attempt, as it is now."""

    async def swap(self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark) -> bool:
        """Writes a mark if the one before it is still `seen`, durably; False if it is another one."""
