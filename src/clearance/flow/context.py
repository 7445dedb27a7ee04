"""What every verb stands on: the parts behind the ports, and the settings in force, compiled once
per version.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

from clearance.configuration.document import compile_settings
from clearance.core.errors import NotFound
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import Tools

SALT_BYTES = 16
PROGRAMS_NOT_STARTED = "PROGRAMS_NOT_STARTED"
"""The code of what is refused where no tool server can be a program of this machine."""


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
    _compiled: dict[str, Settings] = field(default_factory=dict)
    _salt_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _salts: Iterator[int] = field(default_factory=count)
    _turns: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    async def settings(self, tenant_id: str) -> Settings:
        """The settings in force, compiled.

        Another process may change them, so their version is read each time.
        """
        known = await self._in_force(tenant_id)
        if known is not None:
            return known
        turn = self._turns[tenant_id]  # many ask at once when settings change: one of them compiles
        waits = turn.locked()
        async with turn:
            known = await self._in_force(tenant_id) if waits else None
            return known or await self.fresh_settings(tenant_id)

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
        known = self._compiled.get(tenant_id)
        if known is not None:
            return known
        async with self._turns[tenant_id]:
            return self._compiled.get(tenant_id) or await self.fresh_settings(tenant_id)

    async def fresh_settings(self, tenant_id: str) -> Settings:
        """The settings read again."""
        compiled = compile_settings(tenant_id, await self.store.settings(tenant_id))
        self._compiled[tenant_id] = compiled
        return compiled

    async def record(self, tenant_id: str, action_intent_id: str) -> IntentRecord:
        """One intent of a tenant. NotFound if it has none of this id."""
        record = await self.store.intent(tenant_id, action_intent_id)
        if record is None:
            sentence = f"There is no action intent {action_intent_id}."
            raise NotFound(sentence)
        return record

    def new_salt(self) -> bytes:
        """16 bytes that nobody can guess, which bind an entry to content without revealing it."""
        return blake2b(
            next(self._salts).to_bytes(8, "big"), key=self._salt_key, digest_size=SALT_BYTES
        ).digest()
