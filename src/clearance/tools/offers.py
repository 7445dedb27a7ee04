"""The tools that a server offers, and whether one of them may be called.

One idea: what was decided on is pinned by the digest of a tool's input schema; a tool that cannot
be pinned, or is another one by now, is not called, and hurts no other.

Refuses to know: sessions, and how often the tools are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mcp import Client, types

from clearance.core.canonical import digest
from clearance.core.errors import InvalidInput
from clearance.core.outcome import ErrorClass, Sent
from clearance.flow.ports.tools import ToolCall, ToolDescription
from clearance.tools.untrusted import failed, one_line

LISTING_PAGES_MAX = 100
TOOLS_MAX = 1_000  # of one server
SCHEMA_BYTES_MAX = 256 * 1024  # of one tool
DESCRIPTION_LENGTH_MAX = 2_000  # characters of a tool's description


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a server offers it; `problem` says why it cannot be called."""

    description: ToolDescription
    problem: str | None = None


async def read_offers(client: Client) -> Mapping[str, Offer]:
    """All tools of a server by name; OverflowError if there is no end to them."""
    offers: dict[str, Offer] = {}
    for tool in await _all_tools(client):
        offer = _offer(tool)
        offers[tool.name] = (
            replace(offer, problem="is listed twice") if tool.name in offers else offer
        )
    return offers


def check_offered(call: ToolCall, offer: Offer | None) -> None:
    """Raises ToolCallFailed if the tool is not what was decided on."""
    tool = f"{call.server.name}.{call.tool}"
    if offer is None:
        raise failed(
            ErrorClass.VALIDATION,
            f"The tool {tool} is not offered.",
            Sent.NOT_SENT,
            code="TOOL_NOT_OFFERED",
        )
    if offer.problem is not None:
        sentence = f"The tool {tool} cannot be called: {offer.problem}."
        raise failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_UNUSABLE")
    if call.schema_digest is not None and offer.description.schema_digest != call.schema_digest:
        sentence = f"The input schema of the tool {tool} is not the one that was agreed on."
        raise failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SCHEMA_CHANGED")


def _offer(tool: types.Tool) -> Offer:
    problem, schema_digest = None, ""
    try:
        if len(json.dumps(tool.input_schema)) > SCHEMA_BYTES_MAX:
            problem = f"its input schema has more than {SCHEMA_BYTES_MAX} bytes"
        else:
            schema_digest = digest(tool.input_schema)
    except InvalidInput as error:
        problem = one_line(f"its input schema cannot be pinned: {error}")
    description = one_line(tool.description or "", DESCRIPTION_LENGTH_MAX)
    return Offer(ToolDescription(tool.name, description, tool.input_schema, schema_digest), problem)


async def _all_tools(client: Client) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(LISTING_PAGES_MAX):
        page = await client.session.list_tools(
            params=types.PaginatedRequestParams(cursor=cursor) if cursor else None
        )
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            return tools
        if len(tools) > TOOLS_MAX:
            break
    message = f"more than {TOOLS_MAX} tools or {LISTING_PAGES_MAX} pages"
    raise OverflowError(message)
