"""The sockets that the flow needs, owned by the flow: what a store, an engine, a tool runner and a clock must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from clearance.core.catalog import ToolServer
from clearance.core.intent import Json
from clearance.core.outcome import CallError


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
    """What the tool answered when it succeeded: its structured content if it has one, else its text."""

    result: Json


class ToolCallFailed(Exception):
    """A tool call did not succeed; `error` says of which class, and what is known about its having been sent."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.sentence)
        self.error = error


class Tools(Protocol):
    """Calls tools. Retries nothing: what may be repeated is for the flow to say."""

    async def describe(self, tenant_id: str, server: ToolServer) -> Mapping[str, ToolDescription]:
        """The tools of a server by name; raises ToolCallFailed if it cannot be reached."""

    async def call(self, tenant_id: str, call: ToolCall) -> ToolAnswer:
        """Calls once, within the deadline; raises ToolCallFailed."""

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
