#!/usr/bin/env python3
"""A small MCP server: notes on accounts, in the SQLite file that NOTES_DB names.

The same request_id twice is one note, so a call that got no answer may be sent again.
"""

import os
import sqlite3
from contextlib import closing
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

TABLE = """create table if not exists note
    (id integer primary key, request_id text not null unique, account text not null,
    text text not null)"""

server = MCPServer("notes", log_level="WARNING")


class Note(BaseModel):
    """A note by its id."""

    note_id: int


@server.tool()
def add_note(account: str, text: str, request_id: str) -> Note:
    """Add a note to an account. The same request_id again is the same note."""
    with closing(sqlite3.connect(os.environ["NOTES_DB"])) as database, database:
        database.execute(TABLE)
        row = (request_id, account, text)
        database.execute(
            "insert or ignore into note (request_id, account, text) values (?, ?, ?)", row
        )
        (note_id,) = database.execute(
            "select id from note where request_id = ?", (request_id,)
        ).fetchone()
    return Note(note_id=note_id)


@server.tool()
def remove_note(note_id: int) -> Annotated[CallToolResult, Note]:
    """Remove a note. There is no way back."""
    with closing(sqlite3.connect(os.environ["NOTES_DB"])) as database, database:
        database.execute(TABLE)
        gone = database.execute("delete from note where id = ?", (note_id,)).rowcount > 0
    text = TextContent(
        type="text", text=f"removed note {note_id}" if gone else f"there is no note {note_id}"
    )
    content = {"note_id": note_id} if gone else {"error_class": "VALIDATION"}
    return CallToolResult(content=[text], structured_content=content, is_error=not gone)


if __name__ == "__main__":
    server.run("stdio")
