"""The tools that a server offers, and whether one of them may be called.

One idea: a pin of a tool's input schema holds the tool that was decided on. A tool that cannot
be pinned, or has changed since, is not called, and harms no other. A list that never ends is cut
here: the tools that were read so far count, and a sentence says why there may be more.

Refuses to know: sessions, and how often the tools are read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from mcp import Client, types

from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput
from clearance.core.outcome import ErrorClass, Sent
from clearance.core.tool_pin import TEXTS, description_digest, pin_of
from clearance.flow.ports.tools import ToolCall, ToolDescription, ToolList
from clearance.tools.masking import MASK, Mask
from clearance.tools.untrusted import failed, one_line

LISTING_PAGES_MAX = 100
TOOLS_MAX = 1_000  # of one server
SCHEMA_BYTES_MAX = 256 * 1024  # of one tool
SCHEMAS_BYTES_MAX = 16 * 1024 * 1024  # of all tools of one server
TEXTS_LENGTH_MAX = (
    128 * 1024
)  # characters of what a server says about a tool beside its input schema
DESCRIPTION_LENGTH_MAX = 2_000  # characters of a tool's description, where there is more than that


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a server offers it; `problem` says why it cannot be called."""

    description: ToolDescription
    problem: str | None = None


@dataclass(slots=True)
class Offers:
    """The tools of a server by name, filled page by page: whatever ends the reading, those that
    were read stay.
    """

    server: str
    mask: Mask
    by_name: dict[str, Offer] = field(default_factory=dict)
    cut_short: str | None = None
    _schema_bytes: int = 0

    async def read(self, client: Client) -> None:
        """Reads page by page, as far as the limits allow."""
        cursor: str | None = None
        cursors, before = set[int](), list[types.Tool]()
        for _ in range(LISTING_PAGES_MAX):
            page = await client.session.list_tools(
                params=types.PaginatedRequestParams(cursor=cursor) if cursor else None
            )
            cursor = page.next_cursor
            # The hash will do: a hostile cursor may have megabytes.
            repeated = hash(cursor) in cursors or page.tools == before != []
            self._add(page.tools, new_only=repeated)
            if repeated and cursor:
                self.cut("its server gives the same page again")
            if self.cut_short or not cursor:
                return
            cursors.add(hash(cursor))
            before = page.tools
        self.cut(f"it has more than {LISTING_PAGES_MAX} pages")

    def cut(self, why: str) -> None:
        """Ends the list here."""
        count = "1 tool" if len(self.by_name) == 1 else f"{len(self.by_name)} tools"
        self.cut_short = f"The list of tools of {self.server} was cut short after {count}: {why}."

    def listed(self) -> ToolList:
        """The tools, as the flow knows them."""
        usable = {
            name: offer.description for name, offer in self.by_name.items() if not offer.problem
        }
        unusable = {name: offer.problem for name, offer in self.by_name.items() if offer.problem}
        return ToolList(self.server, usable, unusable, self.cut_short)

    def _add(self, tools: list[types.Tool], *, new_only: bool) -> None:
        for tool in tools:
            known = self.by_name.get(tool.name)
            if known is not None:
                if not new_only:
                    self.by_name[tool.name] = replace(known, problem="it is listed twice")
                continue
            if len(self.by_name) == TOOLS_MAX:
                self.cut(f"it has more than {TOOLS_MAX} tools")
                return
            size = len(json.dumps(tool.input_schema))
            self._schema_bytes += min(size, SCHEMA_BYTES_MAX)
            if self._schema_bytes > SCHEMAS_BYTES_MAX:
                self.cut(f"its schemas have more than {SCHEMAS_BYTES_MAX} bytes")
                return
            self.by_name[tool.name] = _offer(tool, size, self.mask)


def check_offered(call: ToolCall, offers: Offers) -> None:
    """Raises ToolCallFailed if the tool is not what was decided on."""
    tool, offer = f"{call.server.name}.{call.tool}", offers.by_name.get(call.tool)
    if offer is None:
        sentence = " ".join(filter(None, (f"The tool {tool} is not offered.", offers.cut_short)))
        raise failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_NOT_OFFERED")
    if offer.problem is not None:
        sentence = f"The tool {tool} cannot be called: {offer.problem}."
        raise failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_UNUSABLE")
    call.check_offered(offer.description)


def _offer(tool: types.Tool, schema_bytes: int, mask: Mask) -> Offer:
    problem, schema, pin = None, {}, ""
    if schema_bytes > SCHEMA_BYTES_MAX:
        problem = f"its input schema has more than {SCHEMA_BYTES_MAX} bytes"
    else:
        try:
            pin = pin_of(tool.input_schema)
            schema = _masked(tool.input_schema, mask, TEXTS | {"default"})
        except InvalidInput as error:
            problem = one_line(mask.text(f"its input schema cannot be pinned: {error}"))
    return Offer(_description(tool, schema, pin, mask), problem)


def _description(
    tool: types.Tool, schema: Mapping[str, Json], pin: str, mask: Mask
) -> ToolDescription:
    """A tool with all texts of its server, as far as they have a size that can be kept."""
    description = mask.text(tool.description or "")
    others = tool.model_dump(
        mode="json", include={"title", "annotations", "output_schema"}, exclude_none=True
    )
    others = _masked(others, mask, others.keys())
    if len(description) + len(json.dumps(others)) > TEXTS_LENGTH_MAX:
        others = {"digest": description_digest({"description": description, **others})}
        description = description[:DESCRIPTION_LENGTH_MAX]
    return ToolDescription(tool.name, description, schema, pin, others)


def _masked(value: Json, mask: Mask, keywords: Collection[str], *, inside: bool = False) -> Json:
    """JSON without the secrets in what stands under some keywords. No name is masked, and nothing
    that says what a tool takes: calls are made by that, and pins are made of it.
    """
    if isinstance(value, Mapping):
        return {
            name: _masked(part, mask, keywords, inside=inside or name in keywords)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_masked(part, mask, keywords, inside=inside) for part in value]
    if not inside or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return mask.text(value)
    return MASK if mask.hides(value) else value
