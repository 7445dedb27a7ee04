"""The port of tools: how a tool is described and called, and what a call answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from clearance.configuration.compiling import tool_servers_of
from clearance.configuration.document import Reading
from clearance.configuration.values import as_sentence
from clearance.core.canonical import Json
from clearance.core.catalog import ToolServer
from clearance.core.manners import AS_IT_SAYS, Manners
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.suggestion import suggestion
from clearance.core.tool_pin import agrees, description_digest

NOT_ACCEPTED = "This version does not accept what is stored of it."


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """A tool server's description of one of its tools.

    `schema_digest` covers what the input schema means, without its texts. `others` is all that the
    server says beside the description and the input schema: title, output schema, annotations.
    """

    name: str
    description: str
    input_schema: Mapping[str, Json]
    schema_digest: str
    others: Mapping[str, Json] = field(default_factory=dict)

    @property
    def annotations(self) -> Mapping[str, Json]:
        """MCP's hints at what the tool does, such as `read_only_hint`; empty if it gives none."""
        return self.others.get("annotations") or {}

    @property
    def as_json(self) -> dict[str, Json]:
        """All that the server says about the tool."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": dict(self.input_schema),
            **self.others,
        }

    @property
    def description_digest(self) -> str:
        """The digest of all that the server says about the tool, each text included."""
        return description_digest(self.as_json)

    def is_pinned_by(self, pin: str) -> bool:
        """True if the tool takes what it took when it was pinned."""
        return pin == self.schema_digest or agrees(pin, self.input_schema)


@dataclass(frozen=True, slots=True)
class ToolList:
    """The tools of a server that can be called, by name.

    `unusable` says of each further tool why it cannot be. `cut_short` is a sentence about the list
    itself, if it was not read to its end: then it may lack tools.
    """

    server: str
    tools: Mapping[str, ToolDescription]
    unusable: Mapping[str, str] = field(default_factory=dict)
    cut_short: str | None = None

    def why_missing(self, tool: str) -> str:
        """A sentence about a tool that the catalog names and that cannot be called."""
        named = f"{self.server}.{tool}"
        if tool in self.unusable:
            return f"The tool {named} cannot be called: {self.unusable[tool]}."
        meant = suggestion(named, [f"{self.server}.{name}" for name in self.tools])
        sentence = as_sentence(
            f"The catalog names {named}, which the tool server {self.server} does not offer{meant}"
        )
        return f"{sentence} {self.cut_short}" if self.cut_short else sentence


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    `schema_digest` is the pin: a tool that takes something else now is not called. `manners` say
    what an answer means that does not say so itself. `check` raises ToolCallFailed if the tool, as
    it is now, may not be called so.
    """

    server: ToolServer
    tool: str
    arguments: Mapping[str, Json]
    idempotency_key: str
    deadline_ms: int
    schema_digest: str | None
    manners: Manners = AS_IT_SAYS
    check: Callable[[ToolDescription], None] = lambda _: None

    def check_offered(self, offered: ToolDescription) -> None:
        """Raises ToolCallFailed if the tool is not what was decided on."""
        tool = f"{self.server.name}.{self.tool}"
        if self.schema_digest is not None and not offered.is_pinned_by(self.schema_digest):
            sentence = (
                f"The input schema of the tool {tool} is not the one that was agreed on: look at "
                f"it with clearance apply --dry-run, then apply with --repin {tool}."
            )
            raise ToolCallFailed(
                CallError(
                    ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SCHEMA_CHANGED"
                )
            )
        self.check(offered)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Parts of one kind that an answer had and that are not kept: how many, and their bytes."""

    kind: str
    count: int
    size: int

    def __str__(self) -> str:
        return f"{self.count} {self.kind}{'s' * (self.count > 1)} ({self.size} bytes)"


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the tool answered: its structured content if it has one, else its text.

    `truncated`: the runner cut it already; a string is then its beginning. `result_bytes` is the
    size of its JSON before that, where the runner knows it. `left_out` is what it had beside.
    """

    result: Json
    result_bytes: int | None = None
    truncated: bool = False
    left_out: tuple[LeftOut, ...] = ()


class ToolCallFailed(Exception):
    """A tool call did not succeed; `error` says of which class, and what is known about its having
    been sent. `answer` is the answer that means failed, if that was no error.
    """

    def __init__(self, error: CallError, answer: ToolAnswer | None = None) -> None:
        super().__init__(error.sentence)
        self.error = error
        self.answer = answer


Cleared: TypeAlias = Callable[[], Awaitable[None]]
"""The last look before a call is sent; raises ToolCallFailed if it may not be sent any more."""


class Tools(Protocol):
    """Calls tools. Retries nothing: the flow decides what may be repeated."""

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        """The tools of a server; raises ToolCallFailed if it cannot be reached."""

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """Calls once, within the deadline; raises ToolCallFailed.

        `cleared` is awaited as the last thing before the call is sent, after every wait for a place
        or a connection.
        """

    async def close(self) -> None:
        """Ends every connection and every server process that this runner started."""


async def ask_servers(
    tools: Tools, tenant_id: str, reading: Reading, needed: Collection[str]
) -> tuple[dict[str, ToolList], dict[str, str]]:
    """What the servers of tools (`server.tool`) that a document needs offer, by the server's name,
    and why some do not answer.
    """
    servers = tool_servers_of(reading)
    names = {tool.partition(".")[0] for tool in needed}
    lists: dict[str, ToolList] = {}
    unreachable = dict.fromkeys(sorted(names - servers.keys()), NOT_ACCEPTED)

    async def ask(server: ToolServer) -> None:
        try:
            lists[server.name] = await tools.describe(tenant_id, server)
        except ToolCallFailed as failure:
            unreachable[server.name] = failure.error.sentence

    await asyncio.gather(*(ask(servers[name]) for name in sorted(names & servers.keys())))
    return lists, unreachable


def offered_of(lists: Mapping[str, ToolList]) -> dict[str, ToolDescription]:
    """The tools that can be called, by `server.tool`."""
    return {
        f"{server}.{name}": description
        for server, offered in lists.items()
        for name, description in offered.tools.items()
    }
