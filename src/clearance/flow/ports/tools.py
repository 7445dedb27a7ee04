"""The port of tools: how a tool is described and called, and what a call answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from clearance.core.canonical import Json
from clearance.core.catalog import ToolServer
from clearance.core.outcome import CallError


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """What a tool server says of one of its tools.

    `schema_digest` covers the input schema and nothing else.
    """

    name: str
    description: str
    input_schema: Mapping[str, Json]
    schema_digest: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    `schema_digest` is the pin: a tool whose schema has another digest now is not called.
    """

    server: ToolServer
    tool: str
    arguments: Mapping[str, Json]
    idempotency_key: str
    deadline_ms: int
    schema_digest: str | None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the tool answered when it succeeded: its structured content if it has one, else its
    text.

    `truncated`: the runner cut it already; a string is then its beginning. `result_bytes` is the
    size of its JSON before that, where the runner knows it.
    """

    result: Json
    result_bytes: int | None = None
    truncated: bool = False


class ToolCallFailed(Exception):
    """A tool call did not succeed; `error` says of which class, and what is known about its having
    been sent.
    """

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

        `cleared` is awaited as the last thing before the call is sent, after every wait for a place
        or a connection.
        """

    async def close(self) -> None:
        """Ends every connection and every server process that this runner started."""
