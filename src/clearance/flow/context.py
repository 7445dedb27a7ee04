"""What every verb stands on: the parts behind the ports, and the settings in force, read and
compiled once per version.

Reading and compiling are work for a thread: they may take a second, and nobody else waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import count
from typing import TypeVar

import structlog

from clearance.configuration.compiling import catalog_of, settings_of
from clearance.configuration.document import (
    NOTHING_STORED,
    Reading,
    StoredSettings,
    read_document,
)
from clearance.core.accounts import NO_ACCOUNTS, Accounts
from clearance.core.canonical import Json
from clearance.core.catalog import Catalog
from clearance.core.decision import SettingsDigest
from clearance.core.errors import InvalidInput, NotFound, Unavailable
from clearance.core.ledger import Reason
from clearance.core.likeness import likeness_key
from clearance.core.principal import EVERYWHERE
from clearance.core.quota import QUOTAS_DEFAULT, Quotas
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings, document_digest
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import Tools
from clearance.flow.rates import Rates
from clearance.flow.refusals import Refusals
from clearance.flow.requests import Workers
from clearance.flow.workers import Workforce

SALT_BYTES = 16
COMPILERS_MAX = 8  # threads that read and compile settings, each for one tenant
PROPOSERS_MAX = 10_000  # intents of which a process remembers who proposed them
READ_AGAIN_MAX = 5  # how often settings are read that change while they are read
PROGRAMS_NOT_STARTED = "PROGRAMS_NOT_STARTED"
"""The code of what is refused where no tool server can be a program of this machine."""

_log = structlog.get_logger(__name__)
_compilers = ThreadPoolExecutor(COMPILERS_MAX, thread_name_prefix="clearance-compiler")

T = TypeVar("T")


async def aside(work: Callable[..., T], *arguments: object) -> T:
    """Does something that takes long in a thread, so that others go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_compilers, work, *arguments)


@dataclass(frozen=True, slots=True)
class _Known:
    """One version of a document, as this process read it, its digest, and its actions once they
    are compiled.
    """

    version: int
    reading: Reading
    digest: str | None = None
    catalog: Catalog | None = None


_NOTHING = _Known(0, NOTHING_STORED, catalog={})


@dataclass(slots=True)
class Context:
    """The parts that one process works with.

    `programs`: whether tool servers may be programs that it starts. `swept_at`: when the latest
    step of a sweep here was over, in monotonic milliseconds; None if this process does not sweep.
    """

    store: Store
    tools: Tools
    engine: Engine
    clock: Clock
    programs: bool = field(default=True, kw_only=True)
    swept_at: int | None = field(default=None, kw_only=True)
    rates: Rates = field(default_factory=Rates, kw_only=True)
    refusals: Refusals = field(default_factory=Refusals, kw_only=True)
    _compiled: dict[str, Settings] = field(default_factory=dict)
    _salt_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _salts: Iterator[int] = field(default_factory=count)
    _turns: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    _readings: dict[str, _Known] = field(default_factory=dict)
    _proposers: dict[tuple[str, str], str] = field(default_factory=dict)
    _likeness_key: bytes | None = None
    _accounts: dict[str, Accounts] = field(default_factory=dict)
    _workforce: Workforce | None = None

    def watch_workers(self, look: Callable[[], Awaitable[Workers]]) -> None:
        """From now on, `look` says who carries out what is approved. It raises Unavailable."""
        self._workforce = Workforce(look, self.clock)

    async def workers(self) -> Workers | None:
        """The workers; None if it is not known, or if that is not the work of workers."""
        return await self._workforce.now() if self._workforce else None

    async def settings(self, tenant_id: str) -> Settings:
        """The settings in force, compiled.

        Another process may change them, so their version is read each time.
        """
        return await self._in_force(tenant_id) or await self.fresh_settings(tenant_id)

    async def _in_force(self, tenant_id: str) -> Settings | None:
        """What is compiled already, if it is in force."""
        known = self._compiled.get(tenant_id)
        return (
            known
            if known is not None and known.version == await self.store.settings_version(tenant_id)
            else None
        )

    async def last_settings(self, tenant_id: str) -> Settings:
        """The settings as last seen: enough where the store checks
        their version when it commits.
        """
        return self._compiled.get(tenant_id) or await self.fresh_settings(tenant_id)

    def last_quotas(self, tenant_id: str) -> Quotas:
        """The quotas as last seen, the usual ones before that: a rate is looked at before anything
        is read.
        """
        known = self._compiled.get(tenant_id)
        return known.quotas if known else QUOTAS_DEFAULT

    async def fresh_settings(self, tenant_id: str) -> Settings:
        """The settings read again.

        Many ask at once when settings change: one of them reads and compiles.
        """
        turn = self._turns[tenant_id]
        waits = turn.locked()
        async with turn:
            known = await self._in_force(tenant_id) if waits else None
            return known or await self._read_again(tenant_id)

    async def _read_again(self, tenant_id: str) -> Settings:
        """What is read here is in force when it is returned: while something was compiled, a stop
        switch may have been thrown, so the settings are read once more.
        """
        for _ in range(READ_AGAIN_MAX):
            stored = await self.store.settings(tenant_id)
            settings = self._composed(tenant_id, stored)
            if settings is not None:
                self._compiled[tenant_id] = settings
                return settings
            await aside(self._prepare, tenant_id, stored)
        sentence = "The settings kept changing while they were read."
        raise Unavailable(sentence)

    def _composed(self, tenant_id: str, stored: StoredSettings) -> Settings | None:
        """The settings that a stored document means; None if something has to be read or compiled
        for that.
        """
        settings = self._meant(tenant_id, stored)
        compiled = self._accounts.get(tenant_id, NO_ACCOUNTS)
        if settings is None or settings.accounts != compiled:
            return None
        return replace(settings, accounts=compiled)

    def _meant(self, tenant_id: str, stored: StoredSettings) -> Settings | None:
        """The same, whose accounts may have to be compiled."""
        own = self._known(tenant_id, stored.version.tenant)
        everywhere = self._known(EVERYWHERE, stored.version.everywhere)
        if own is None or everywhere is None or not own.reading.compiled or own.catalog is None:
            return None
        settings = settings_of(
            tenant_id, stored.version, own.reading, everywhere.reading, own.catalog
        )
        return replace(settings, digest=SettingsDigest(own.digest, everywhere.digest))

    def _prepare(self, tenant_id: str, stored: StoredSettings) -> None:
        own = self._read(tenant_id, stored.version.tenant, stored.document, stored.salt)
        self._compile(tenant_id, stored.version.tenant)
        salt = stored.everywhere_salt
        self._read(EVERYWHERE, stored.version.everywhere, stored.everywhere, salt)
        if problems := own.all_problems:
            _log.warning(
                "stored settings refused in part",
                tenant_id=tenant_id,
                version=stored.version.tenant,
                problems=len(problems),
                first=str(problems[0]),
            )
        settings = self._meant(tenant_id, stored)
        if settings is not None and settings.accounts != self._accounts.get(tenant_id):
            settings.accounts.compile()
            self._accounts[tenant_id] = settings.accounts

    def _compile(self, tenant_id: str, version: int) -> None:
        """Compiles the actions of a document; those that are as they were are compiled already."""
        known, last = self._known(tenant_id, version), self._compiled.get(tenant_id)
        if known is None or known.catalog is not None:
            return
        before = last.catalog if last else {}
        catalog = {
            name: before[name] if before.get(name) == action else action
            for name, action in catalog_of(known.reading.document).items()
        }
        for action in catalog.values():
            # Settings always load: an action that cannot be compiled says so when it is proposed.
            with contextlib.suppress(Exception):
                action.compile()
        self._readings[tenant_id] = replace(known, catalog=catalog)

    def _known(self, tenant_id: str, version: int) -> _Known | None:
        known = _NOTHING if version == 0 else self._readings.get(tenant_id)
        return known if known is not None and known.version == version else None

    def _read(
        self, tenant_id: str, version: int, document: Mapping[str, Json], salt: bytes | None
    ) -> Reading:
        known = self._known(tenant_id, version)
        if known is None:
            known = _Known(version, read_document(document), _digest(document, salt))
            self._readings[tenant_id] = known
        return known.reading

    async def stored(self, tenant_id: str) -> tuple[StoredSettings, Reading]:
        """The settings as they are stored, and as this version reads them: each version of them
        once.
        """
        stored = await self.store.settings(tenant_id)
        return stored, await self.reading(tenant_id, stored)

    async def reading(self, tenant_id: str, stored: StoredSettings) -> Reading:
        """Stored settings as this version reads them."""
        version = stored.version.tenant
        known = self._known(tenant_id, version)
        if known is not None:
            return known.reading
        return await aside(self._read, tenant_id, version, stored.document, stored.salt)

    def committed(self, tenant_id: str, version: int, reading: Reading, digest: str) -> None:
        """Remembers settings that this process stored, as it knows them already."""
        self._readings[tenant_id] = _Known(version, reading, digest)

    async def record(self, tenant_id: str, action_intent_id: str) -> IntentRecord:
        """One intent of a tenant. NotFound if it has none of this id."""
        record = await self.store.intent(tenant_id, action_intent_id)
        if record is None:
            raise no_intent(action_intent_id)
        return record

    async def proposer(
        self, tenant_id: str, action_intent_id: str, known: str | None = None
    ) -> str | None:
        """Who proposed an intent; `known`, if the caller knows it already. It never changes, so
        that it is read once. None if the store has no such intent any more.
        """
        name = (tenant_id, action_intent_id)
        if known is None and (known := self._proposers.get(name)) is None:
            record = await self.store.intent(tenant_id, action_intent_id)
            known = record.intent.proposed_by if record else None
        if known is not None:
            self._proposers[name] = known
            if len(self._proposers) > PROPOSERS_MAX:
                del self._proposers[next(iter(self._proposers))]
        return known

    async def likeness_key(self) -> bytes:
        """The key of the installation's likenesses; read once."""
        if self._likeness_key is None:
            self._likeness_key = likeness_key(await self.store.installation_salt())
        return self._likeness_key

    def new_salt(self) -> bytes:
        """16 bytes that nobody can guess, which bind an entry to content without revealing it."""
        return blake2b(
            next(self._salts).to_bytes(8, "big"), key=self._salt_key, digest_size=SALT_BYTES
        ).digest()

    def reason(self, text: str) -> Reason:
        """A person's words, with a salt of their own."""
        return Reason(text, self.new_salt())


def no_intent(action_intent_id: str) -> NotFound:
    """The refusal for an id that the tenant, or the reader, has no intent of."""
    return NotFound(f"There is no action intent {action_intent_id}.")


def _digest(document: Mapping[str, Json], salt: bytes | None) -> str | None:
    """What binds decisions to a stored document. None for what has no canonical form: other
    settings than ours stored it.
    """
    try:
        return document_digest(document, salt)
    except InvalidInput:
        return None
