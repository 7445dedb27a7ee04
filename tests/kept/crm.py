"""The tool server that kept settings name: MCP over stdio, from the standard library alone.

States that are never made anew hold pins of its schemas, so those are written out here and never
change. It writes each thing that it does to the SQLite file that `KEPT_DB` names. `KEPT_DAY` says
when it runs. On the `first` day, while a state is made, calls about `hang...` get no answer. On
every `later` day they do, and `rename_account` has another schema than its pin.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

TEXT = {"type": "string"}
ACCOUNT = {"account": TEXT}
KEYED = {**ACCOUNT, "request_id": TEXT}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "create_task": {**KEYED, "title": TEXT, "hours": {"type": "number"}},
    "delete_task": {**ACCOUNT, "title": TEXT},
    "issue_refund": {**KEYED, "order_id": TEXT, "amount_minor": {"type": "integer"}},
    "rename_account": {**ACCOUNT, "name": TEXT},
    "send_mail": {**ACCOUNT, "to": TEXT, "subject": TEXT, "body": TEXT},
    "update_field": {**ACCOUNT, "field": TEXT, "value": TEXT},
}
LATER = {"rename_account": {**ACCOUNT, "name": TEXT, "because": TEXT}}
EFFECT = """
create table if not exists effect (
  tool text, request_id text, arguments text, unique (tool, request_id)
)"""
BUSY_SECONDS = 10.0  # for another process of this server with the same file

_writing = threading.Lock()


def effects(database: Path) -> list[dict[str, Any]]:
    """Everything that was done, in order: `tool` and its arguments."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as opened:
        rows = opened.execute("select tool, arguments from effect order by rowid").fetchall()
    return [{"tool": tool, **json.loads(arguments)} for tool, arguments in rows]


def offered() -> list[dict[str, Any]]:
    """The tools, as MCP lists them."""
    arguments = ARGUMENTS if os.environ["KEPT_DAY"] == "first" else {**ARGUMENTS, **LATER}
    return [
        {"name": name, "inputSchema": {"type": "object", "properties": parts}}
        for name, parts in arguments.items()
    ]


def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a call, or None if it gets no answer."""
    about = str(arguments.get("order_id") or arguments.get("to"))
    if about.startswith("hang") and os.environ["KEPT_DAY"] == "first":
        return None
    if about.startswith("locked"):
        refused = {"error_class": "VALIDATION"}
        return {
            "content": [{"type": "text", "text": "locked"}],
            "structuredContent": refused,
            "isError": True,
        }
    with (
        closing(sqlite3.connect(os.environ["KEPT_DB"], timeout=BUSY_SECONDS)) as database,
        database,
    ):
        database.execute(EFFECT)
        row = (tool, arguments.get("request_id"), json.dumps(arguments))
        database.execute("insert or ignore into effect values (?, ?, ?)", row)
    if about.startswith("crash"):
        os._exit(1)
    return {"content": [], "structuredContent": {"done": tool}}


def _write(request_id: Any, **answer: Any) -> None:
    with _writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request_id, **answer}) + "\n")
        sys.stdout.flush()


def _call(request_id: Any, params: dict[str, Any]) -> None:
    result = call(params["name"], params["arguments"])
    if result is not None:
        _write(request_id, result=result)


def _hear(message: dict[str, Any]) -> None:
    method, request_id, params = (
        message.get("method"),
        message.get("id"),
        message.get("params") or {},
    )
    match method:
        case "initialize":
            info = {"name": "kept-crm", "version": "1"}
            known = {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": info,
            }
            _write(request_id, result=known)
        case "tools/list":
            _write(request_id, result={"tools": offered()})
        case "tools/call":
            threading.Thread(target=_call, args=(request_id, params), daemon=True).start()
        case _ if request_id is not None:
            _write(request_id, error={"code": -32601, "message": "no such method"})


if __name__ == "__main__":
    for line in sys.stdin:
        _hear(json.loads(line))
