"""A small CRM to act on: an MCP server over stdio that keeps its facts in the SQLite file `CRM_DB`
names.

Its one idea: each act is one row of `effect`, written in the transaction of the act itself, so that
anyone can count what the CRM saw. A keyed tool looks its `request_id` up there and repeats its
first answer.

Refuses to know: Clearance. It fails as real systems do: a locked order, and a mail server that
takes the mail and dies.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypedDict

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

BUSY_TIMEOUT_MS = 5_000  # for another server process with the same file
LOCKED_ORDER = "ORD-LOCKED"  # orders that start so are not refunded
CRASHING_ADDRESS = (
    "@crash.example"  # a mail to an address that ends so is sent, and then the server dies
)

SCHEMA = """
create table if not exists effect (
  seq integer primary key autoincrement, tool text not null, account text not null, request_id text,
  body text not null, answer text not null,
  at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  unique (tool, request_id)
);
create table if not exists task (
  id integer primary key, account text not null, title text not null, due text,
  deleted integer not null default 0
);
create table if not exists note (id integer primary key, account text not null, text text not null);
create table if not exists field (account text, name text, value text not null,
primary key (account, name));
create table if not exists refund (
  id integer primary key, account text not null, order_id text not null,
  amount_minor integer not null, currency text not null
);
create table if not exists outbox (
  id integer primary key, account text not null, recipient text not null, subject text not null,
  body text not null
);
"""

server = MCPServer("clearance-demo-crm", log_level="WARNING", subscriptions=False)

Account = Annotated[str, Field(description="The customer's account", min_length=1, max_length=128)]
UNASSIGNED = "unassigned"  # the account of acts that name none
RequestId = Annotated[
    str, Field(description="The same id twice does the work once", min_length=1, max_length=128)
]


class Task(TypedDict):
    """A task."""

    task_id: str
    account: str
    title: str
    due: str | None


class Deleted(TypedDict):
    """A task that is gone."""

    task_id: str
    deleted: bool


class Note(TypedDict):
    """A note on an account."""

    note_id: str
    account: str


class FieldValue(TypedDict):
    """A field of an account, and whether this call changed it."""

    account: str
    field: str
    value: str
    changed: bool


class AccountFacts(TypedDict):
    """What is known of an account."""

    account: str
    fields: dict[str, str]
    open_tasks: int
    notes: int


class Refund(TypedDict):
    """Money on its way back."""

    refund_id: str
    order_id: str
    amount_minor: int
    currency: str


class Mail(TypedDict):
    """A mail in the outbox."""

    mail_id: str
    to: str


class RefusedError(Exception):
    """The CRM does not do this; the message says why."""


@server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
def create_task(
    title: Annotated[str, Field(min_length=1, max_length=200)],
    request_id: RequestId,
    due: Annotated[str | None, Field(description="Day, as 2026-11-30")] = None,
    account: Account = UNASSIGNED,
) -> Annotated[CallToolResult, Task]:
    """Create a task for an account."""
    body = {"account": account, "title": title, "due": due}

    def do(database: sqlite3.Connection) -> dict[str, Any]:
        row = database.execute(
            "insert into task (account, title, due) values (:account, :title, :due)", body
        )
        return {"task_id": f"task-{row.lastrowid}", **body}

    return _answer(lambda: _once("create_task", account, request_id, body, do))


@server.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True))
def delete_task(
    task_id: Annotated[str, Field(pattern=r"^task-[0-9]{1,18}$")],
) -> Annotated[CallToolResult, Deleted]:
    """Delete a task; deleting it again changes nothing."""

    def do() -> dict[str, Any]:
        number = int(task_id.removeprefix("task-"))
        with closing(_open()) as database, database:
            database.execute("begin immediate")
            task = database.execute(
                "select account, deleted from task where id = ?", (number,)
            ).fetchone()
            if task is None:
                message = f"there is no {task_id}"
                raise RefusedError(message)
            answer = {"task_id": task_id, "deleted": True}
            if not task["deleted"]:
                database.execute("update task set deleted = 1 where id = ?", (number,))
                _record(
                    database, "delete_task", task["account"], None, {"task_id": task_id}, answer
                )
            return answer

    return _answer(do)


@server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
def add_note(
    text: Annotated[str, Field(min_length=1, max_length=4_000)],
    request_id: RequestId,
    account: Account = UNASSIGNED,
) -> Annotated[CallToolResult, Note]:
    """Add a note to an account."""
    body = {"account": account, "text": text}

    def do(database: sqlite3.Connection) -> dict[str, Any]:
        row = database.execute("insert into note (account, text) values (:account, :text)", body)
        return {"note_id": f"note-{row.lastrowid}", "account": account}

    return _answer(lambda: _once("add_note", account, request_id, body, do))


@server.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True))
def update_field(
    field: Annotated[str, Field(min_length=1, max_length=64)],
    value: str,
    account: Account = UNASSIGNED,
) -> Annotated[CallToolResult, FieldValue]:
    """Set a field of an account; setting it to what it is changes nothing."""
    body = {"account": account, "field": field, "value": value}
    set_it = (
        "insert into field (account, name, value) values (:account, :field, :value)"
        " on conflict (account, name) do update set value = excluded.value where value <> "
        "excluded.value"
    )

    def do() -> dict[str, Any]:
        with closing(_open()) as database, database:
            database.execute("begin immediate")
            changed = database.execute(set_it, body).rowcount > 0
            answer = {**body, "changed": changed}
            if changed:
                _record(database, "update_field", account, None, body, answer)
            return answer

    return _answer(do)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_account(account: Account) -> Annotated[CallToolResult, AccountFacts]:
    """Look up an account: its fields, and how many open tasks and notes it has."""

    def do() -> dict[str, Any]:
        with closing(_open()) as database:
            fields = database.execute("select name, value from field where account = ?", (account,))
            return {
                "account": account,
                "fields": {row["name"]: row["value"] for row in fields},
                "open_tasks": _count(database, "task where not deleted and account = ?", account),
                "notes": _count(database, "note where account = ?", account),
            }

    return _answer(do)


@server.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True))
def issue_refund(
    order_id: Annotated[str, Field(min_length=1, max_length=64)],
    amount_minor: Annotated[int, Field(description="In the smallest unit of the currency", gt=0)],
    request_id: RequestId,
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR",
    account: Account = UNASSIGNED,
) -> Annotated[CallToolResult, Refund]:
    """Pay money back for an order."""
    body = {
        "account": account,
        "order_id": order_id,
        "amount_minor": amount_minor,
        "currency": currency,
    }

    def do(database: sqlite3.Connection) -> dict[str, Any]:
        if order_id.startswith(LOCKED_ORDER):
            message = "order is locked by accounting"
            raise RefusedError(message)
        row = database.execute(
            "insert into refund (account, order_id, amount_minor, currency)"
            " values (:account, :order_id, :amount_minor, :currency)",
            body,
        )
        answer = {"refund_id": f"refund-{row.lastrowid}", **body}
        del answer["account"]
        return answer

    return _answer(lambda: _once("issue_refund", account, request_id, body, do))


@server.tool(
    annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=False, open_world_hint=True)
)
def send_mail(
    to: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)],
    subject: Annotated[str, Field(max_length=200)],
    body: Annotated[str, Field(max_length=20_000)],
    account: Account = UNASSIGNED,
) -> Annotated[CallToolResult, Mail]:
    """Send a mail on behalf of an account; every call sends another one."""
    mail = {"account": account, "to": to, "subject": subject, "body": body}

    def do(database: sqlite3.Connection) -> dict[str, Any]:
        row = database.execute(
            "insert into outbox (account, recipient, subject, body) values (:account, :to, "
            ":subject, :body)",
            mail,
        )
        return {"mail_id": f"mail-{row.lastrowid}", "to": to}

    answer = _answer(lambda: _once("send_mail", account, None, mail, do))
    if to.endswith(CRASHING_ADDRESS):
        os._exit(1)
    return answer


def effects(path: str | Path) -> list[dict[str, Any]]:
    """Everything that a CRM did, in order: `seq`, `tool`, `account`, `request_id`, `body`, `at`.

    No file: nothing.
    """
    if not Path(path).exists():
        return []
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as database:
        database.row_factory = sqlite3.Row
        if not database.execute("select 1 from sqlite_master where name = 'effect'").fetchone():
            return []
        rows = database.execute(
            "select seq, tool, account, request_id, body, at from effect order by seq"
        )
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]


def _once(
    tool: str,
    account: str,
    request_id: str | None,
    body: Mapping[str, Any],
    do: Callable[[sqlite3.Connection], dict[str, Any]],
) -> dict[str, Any]:
    """Does the work and records it in one transaction; a known `request_id` gets its first answer
    again.
    """
    with closing(_open()) as database, database:
        database.execute("begin immediate")
        if request_id is not None:
            known = "select answer from effect where tool = ? and request_id = ?"
            row = database.execute(known, (tool, request_id)).fetchone()
            if row is not None:
                first: dict[str, Any] = json.loads(row["answer"])
                return first
        answer = do(database)
        _record(database, tool, account, request_id, body, answer)
        return answer


def _count(database: sqlite3.Connection, rows: str, account: str) -> int:
    counted: int = database.execute(f"select count(*) from {rows}", (account,)).fetchone()[0]
    return counted


def _record(
    database: sqlite3.Connection,
    tool: str,
    account: str,
    request_id: str | None,
    body: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> None:
    database.execute(
        "insert into effect (tool, account, request_id, body, answer) values (?, ?, ?, ?, ?)",
        (tool, account, request_id, json.dumps(body), json.dumps(answer)),
    )


def _answer(do: Callable[[], dict[str, Any]]) -> CallToolResult:
    try:
        structured, text, is_error = (answer := do()), json.dumps(answer), False
    except RefusedError as refusal:
        structured, text, is_error = {"error_class": "VALIDATION"}, str(refusal), True
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=structured,
        is_error=is_error,
    )


def _open() -> sqlite3.Connection:
    database = sqlite3.connect(
        os.environ["CRM_DB"], timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None
    )
    database.row_factory = sqlite3.Row
    return database


def main() -> None:
    """Make the tables and serve on stdin and stdout until stdin ends."""
    with closing(_open()) as database:
        database.execute("pragma journal_mode = wal")
        database.executescript(SCHEMA)
    server.run("stdio")


if __name__ == "__main__":
    main()
