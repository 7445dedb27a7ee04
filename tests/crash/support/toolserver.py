"""An MCP server over streamable HTTP that writes down every call, and answers as real systems do:
late, twice, or not at all.

`python -m tests.crash.support.toolserver PORT RECORD SEED WITNESS [STEADY]`: listens on
127.0.0.1:PORT under `/TENANT`, keeps its record in the SQLite file RECORD, which outlives it. What
a call meets is drawn from SEED, the call's key and how often that key came, so that the same seed
asks the same of everybody; with STEADY every call is answered at once. Before it does anything it
asks WITNESS (`sqlite:FILE` or a PostgreSQL address) how long the tenant's ledger is: so it is
known, without any clock, which entries were durable when the call arrived."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.crash.support.process import die_with_parent
from tests.crash.support.witness import Witness, witness_of

KEY_IN_META = "clearance/idempotency_key"
KEYED = {"create_task", "issue_refund"}
"""Tools that act once for each `request_id`."""

SCHEMA = """
create table if not exists call (
  seq integer primary key, at_ms integer not null, tenant text not null, tool text not null,
  key text not null,
  request_id text, arguments text not null, behaviour text not null, ledger_size integer,
  nth integer not null,
  acted integer not null default 0, acted_at_ms integer, answered text
);
create index if not exists call_key on call (tenant, key);
create unique index if not exists acted_once on call (tenant, tool,
request_id) where acted = 1 and request_id is not null;
create table if not exists field (tenant text, name text, value text not null, primary key (tenant,
name));
"""

HANG_SECONDS = 3.0  # longer than the deadline of any call
CHANCES: dict[str, float] = {
    "slow": 0.06,  # acts a little later
    "slow_answer": 0.02,  # acts at once, answers a little later
    "hang": 0.008,  # never acts, never answers
    "hang_then_act": 0.008,  # acts when everybody has given up
    "act_then_drop": 0.03,  # acts, and the answer never arrives
    "drop": 0.02,  # does nothing, and ends the connection
    "busy": 0.015,  # HTTP 503
    "too_many": 0.015,  # HTTP 429
    "unauthorized": 0.004,  # HTTP 401
    "invalid": 0.015,  # a tool error of the class VALIDATION
    "rate_limit": 0.01,  # a tool error of the class RATE_LIMIT
    "refused": 0.006,  # a JSON-RPC error
}
"""How likely each behaviour is; what is left over acts and answers at once."""


def behaviour(seed: str, tenant: str, key: str, nth: int, chances: dict[str, float]) -> str:
    """What the nth call with a key meets."""
    drawn = random.Random(f"{seed}:{tenant}:{key}:{nth}").random()
    for name, chance in chances.items():
        drawn -= chance
        if drawn < 0:
            return name
    return "prompt"


@dataclass
class Arrived:
    """A call that was written down."""

    seq: int
    tenant: str
    tool: str
    request_id: str | None
    arguments: dict[str, Any]
    behaviour: str


class Record:
    """The server's own memory: each call when it came, whether it acted, and what was answered.

    Durable at each step.
    """

    def __init__(self, path: Path, seed: str, witness: Witness, chances: dict[str, float]) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute(
            "pragma synchronous = normal"
        )  # it is killed, and the machine is not
        self._database.executescript(SCHEMA)
        self._lock = threading.Lock()
        self._seed, self._witness, self._chances = seed, witness, chances

    def arrived(self, tenant: str, tool: str, key: str, arguments: dict[str, Any]) -> Arrived:
        """Writes a call down before anything else happens."""
        size = self._witness.ledger_size(tenant)
        with self._lock:
            found = self._database.execute(
                "select count(*) from call where tenant = ? and key = ?", (tenant, key)
            )
            nth = found.fetchone()[0]
            meets = behaviour(self._seed, tenant, key, nth, self._chances)
            request_id = arguments.get("request_id") if tool in KEYED else None
            row = (
                _now_ms(),
                tenant,
                tool,
                key,
                request_id,
                json.dumps(arguments),
                meets,
                size,
                nth,
            )
            inserted = self._database.execute(
                "insert into call (at_ms, tenant, tool, key, request_id, arguments, behaviour, "
                "ledger_size, nth)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return Arrived(int(inserted.lastrowid or 0), tenant, tool, request_id, arguments, meets)

    def act(self, call: Arrived) -> dict[str, Any]:
        """Does the work: once for each `request_id`, once for each new value of a field, each time
        for a mail. The first look at a name counts as its work.
        """
        with self._lock:
            self._database.execute("begin immediate")
            try:
                new = self._is_new(call)
                if new:
                    self._database.execute(
                        "update call set acted = 1, acted_at_ms = ? where seq = ?",
                        (_now_ms(), call.seq),
                    )
                self._database.execute("commit")
            except sqlite3.Error:
                self._database.execute("rollback")
                raise
        return {"done": call.arguments.get("name") or call.request_id or call.seq, "new": new}

    def _is_new(self, call: Arrived) -> bool:
        if call.tool in {"set_field", "look_up"}:
            name = f"{call.tool} {call.arguments['name']}"
            value = str(call.arguments.get("value", "seen"))
            changed = self._database.execute(
                "insert into field values (?, ?, ?) on conflict do update set value = "
                "excluded.value"
                " where value <> excluded.value",
                (call.tenant, name, value),
            )
            return changed.rowcount > 0
        if call.request_id is None:
            return True
        found = self._database.execute(
            "select 1 from call where tenant = ? and tool = ? and request_id = ? and acted = 1",
            (call.tenant, call.tool, call.request_id),
        )
        return found.fetchone() is None

    def answered(self, call: Arrived, said: str) -> None:
        """Notes what was answered, before it is sent."""
        with self._lock:
            self._database.execute("update call set answered = ? where seq = ?", (said, call.seq))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - a tool of somebody else, with its own clock


class ToolServer(ThreadingHTTPServer):
    """One process, a thread for each connection; the path's first part is the tenant."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, record: Record) -> None:
        self.record = record
        self.sessions: set[str] = set()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: ToolServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # who asked may be dead by now
            super().handle()

    def do_GET(self) -> None:
        self._send(405)

    def do_DELETE(self) -> None:
        self._send(200)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = message.get("method")
        if "id" not in message or method is None:
            self._send(202)
        elif method == "initialize":
            session = f"s{random.SystemRandom().getrandbits(64):x}"
            self.server.sessions.add(session)
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            self._reply(
                message, {**result, "serverInfo": {"name": "torture", "version": "1"}}, session
            )
        elif self.headers.get("mcp-session-id") not in self.server.sessions:
            self._send(400 if self.headers.get("mcp-session-id") is None else 404)
        elif method == "tools/list":
            named = ("look_up", "create_task", "issue_refund", "set_field", "send_mail")
            self._reply(
                message,
                {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in named]},
            )
        elif method == "tools/call":
            self._called(message, message["params"])
        else:
            self._error(message, "unknown method")

    def _called(self, message: dict[str, Any], params: dict[str, Any]) -> None:
        tenant = self.path.strip("/").partition("/")[0]
        key = str((params.get("_meta") or {}).get(KEY_IN_META))
        call = self.server.record.arrived(
            tenant, params["name"], key, params.get("arguments") or {}
        )
        refusals: dict[str, Callable[[], None]] = {
            "busy": lambda: self._send(503),
            "too_many": lambda: self._send(429, {"retry-after": "1"}),
            "unauthorized": lambda: self._send(401),
            "refused": lambda: self._error(message, "not today"),
            "invalid": lambda: self._failed(message, "VALIDATION"),
            "rate_limit": lambda: self._failed(message, "RATE_LIMIT"),
        }
        if call.behaviour in refusals:
            self.server.record.answered(call, call.behaviour)
            refusals[call.behaviour]()
        else:
            self._serve(message, call)

    def _serve(self, message: dict[str, Any], call: Arrived) -> None:
        if call.behaviour == "slow":
            time.sleep(0.3)
        if call.behaviour in {"hang", "hang_then_act"}:
            time.sleep(HANG_SECONDS)
        if call.behaviour in {"hang", "drop"}:
            self._drop()
            return
        result = self.server.record.act(call)
        if call.behaviour in {"act_then_drop", "hang_then_act"}:
            self._drop()
            return
        if call.behaviour == "slow_answer":
            time.sleep(0.3)
        self.server.record.answered(call, "ok")
        text = [{"type": "text", "text": json.dumps(result)}]
        self._reply(message, {"content": text, "structuredContent": result})

    def _drop(self) -> None:
        """Ends the connection with a reset: no answer, and no orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _failed(self, message: dict[str, Any], error_class: str) -> None:
        said = {"error_class": error_class, "retry_after_ms": 200}
        text = [{"type": "text", "text": error_class}]
        self._reply(message, {"content": text, "structuredContent": said, "isError": True})

    def _error(self, message: dict[str, Any], sentence: str) -> None:
        body = {
            "jsonrpc": "2.0",
            "id": message["id"],
            "error": {"code": -32603, "message": sentence},
        }
        self._send(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def _reply(self, message: dict[str, Any], result: object, session: str | None = None) -> None:
        headers = {"content-type": "application/json"} | (
            {"Mcp-Session-Id": session} if session else {}
        )
        body = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        self._send(200, headers, json.dumps(body).encode())

    def _send(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main(port: str, record: str, seed: str, witness: str, steady: str = "") -> None:
    """Serves until it is killed."""
    die_with_parent()
    chances = {} if steady else CHANCES
    server = ToolServer(int(port), Record(Path(record), seed, witness_of(witness), chances))
    print(server.server_address[1], flush=True)  # noqa: T201
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
