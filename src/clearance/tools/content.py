"""What an MCP answer holds: its text, and the parts that are not kept beside it.

Servers repeat structured content as text for clients that know no other; such a text is no part of
its own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from mcp import types

from clearance.core.canonical import Json
from clearance.flow.ports.tools import LeftOut

_KINDS = {
    "audio": "audio clip",
    "resource": "embedded resource",
    "resource_link": "resource link",
}


def text_of(result: types.CallToolResult) -> str:
    """All texts of an answer, as lines."""
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


def left_out(result: types.CallToolResult) -> tuple[LeftOut, ...]:
    """What of an answer is neither its structured content nor its text, or is text beside
    structured content that says something else.
    """
    repeated = set(_spellings(result.structured_content))
    sizes = defaultdict(list)
    for block in result.content:
        if not isinstance(block, types.TextContent):
            written = block.model_dump_json(by_alias=True, exclude_none=True)
            sizes[_KINDS.get(block.type, block.type)].append(len(written.encode()))
        elif repeated and block.text.strip() and repeated.isdisjoint(_readings(block.text)):
            sizes["text"].append(len(block.text.encode(errors="replace")))
    return tuple(LeftOut(kind, len(each), sum(each)) for kind, each in sizes.items())


def _spellings(structure: Json) -> Iterator[str]:
    """The spellings of structured content that a server repeats as text: of all of it, or of each
    part that it wraps (`{"result": [...]}`).
    """
    if structure is None:
        return
    yield _spelling(structure)
    for part in _members(structure):
        yield _spelling(part)
        yield from map(_spelling, _members(part))


def _readings(text: str) -> Iterator[str]:
    yield _spelling(text)
    try:
        yield _spelling(json.loads(text))
    except (ValueError, RecursionError):
        return


def _members(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _spelling(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
