"""A small MCP server: an archive of letters, kept in memory.

Its search takes what tool servers made with pydantic take every day: a list whose items may be
null, and a filter that is one of several, which contain filters.
"""

from __future__ import annotations

from typing import TypeAlias

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

server = MCPServer("records", log_level="WARNING")
letters: dict[str, str] = {}


class Word(BaseModel):
    """Letters with a word."""

    word: str


class All(BaseModel):
    """Letters that every filter lets through."""

    all: list[Filter]


class Except(BaseModel):
    """The same, without those that another filter lets through."""

    all: list[Filter]
    but_not: Filter


Filter: TypeAlias = All | Except | Word


class Filed(BaseModel):
    """How many letters there are now."""

    letters: int


class Hits(BaseModel):
    """How many letters fit."""

    hits: int


@server.tool()
def file_letter(account: str, text: str, request_id: str) -> Filed:
    """File a letter. The same request_id again is the same letter."""
    letters[request_id] = f"{account}: {text}"
    return Filed(letters=len(letters))


@server.tool()
def search_letters(words: list[str | None], where: Filter | None = None) -> Hits:
    """Count the letters with all of these words that fit the filter."""
    wanted = [word for word in words if word]
    return Hits(
        hits=sum(
            all(word in text for word in wanted) and (where is None or _fits(text, where))
            for text in letters.values()
        )
    )


def _fits(text: str, where: Filter) -> bool:
    match where:
        case Word():
            return where.word in text
        case Except():
            return all(_fits(text, part) for part in where.all) and not _fits(text, where.but_not)
        case All():
            return all(_fits(text, part) for part in where.all)


if __name__ == "__main__":
    server.run("stdio")
