"""A hostile MCP server over streamable HTTP of 2025, in a thread: what is called says how it
answers.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = (
    "echo",
    "status",
    "cut",
    "cut_body",
    "cut_events",
    "body",
    "events",
    "slow",
    "tell",
    "asks",
)


class RawHttpServer(ThreadingHTTPServer):
    """Knows its sessions, and notes the headers and the path of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sessions: set[str] = set()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.handshake_status = 200
        self.calls = 0
        self.release = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def raw_http_server() -> Iterator[RawHttpServer]:
    server = RawHttpServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: RawHttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits for an acknowledgement

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(405)

    def do_DELETE(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        method, params = message.get("method"), message.get("params") or {}
        if self.server.handshake_status != 200:
            self.answer(self.server.handshake_status)
        elif method is None:  # an answer to a question of ours
            self.server.release.set()
            self.answer(202)
        elif "id" not in message:
            self.answer(202)
        elif method == "initialize":
            session = f"s{len(self.server.sessions)}"
            self.server.sessions.add(session)
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            result["serverInfo"] = {"name": "raw", "version": "1"}
            self.reply(message, result, {"Mcp-Session-Id": session})
        elif self.headers.get("mcp-session-id") not in self.server.sessions:
            self.answer(400 if self.headers.get("mcp-session-id") is None else 404)
        elif method == "tools/list":
            self.reply(
                message,
                {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]},
            )
        else:
            self.server.calls += 1
            self.call(message, params["name"], params.get("arguments") or {})

    def call(self, message: dict[str, Any], name: str, arguments: dict[str, Any]) -> None:
        raw = str(arguments.get("result", '{"content": []}')).encode("latin-1")
        line = b'{"jsonrpc": "2.0", "id": %d, "result": %s}' % (message["id"], raw)
        if name == "echo":
            self.reply(message, {"content": [], "structuredContent": arguments})
        elif name == "status":
            self.answer(
                arguments["status"],
                arguments.get("headers"),
                json.dumps(arguments.get("body")).encode(),
            )
        elif name == "asks":
            question = b'data: {"jsonrpc": "2.0", "id": "q", "method": "ping"}\n\n'
            refusal = (
                b'data: {"jsonrpc": "2.0", "id": %d, "error": {"code": 7, "message": "no"}}\n\n'
                % message["id"]
            )
            size = str(len(question) + len(refusal))
            self.answer(
                200, {"content-type": "text/event-stream", "content-length": size}, question
            )
            self.server.release.wait(5)
            self.wfile.write(refusal)
        elif name == "tell":
            error = {"code": 1, "message": " ".join((self.path, *map(str, self.headers.values())))}
            body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
            self.answer(400, {"content-type": "application/json"}, body)
        elif name == "slow":
            self.server.release.wait(5)
            self.reply(message, {"content": []})
        elif name == "body":
            self.answer(200, {"content-type": arguments.get("type", "application/json")}, line)
        elif name == "events":
            self.answer(
                200,
                {"content-type": "text/event-stream"},
                b"event: message\ndata: " + line + b"\n\n",
            )
        else:
            if name != "cut":
                kind = {"cut_body": "application/json", "cut_events": "text/event-stream"}[name]
                self.answer(200, {"content-type": kind, "content-length": "1000"}, b"data: {")
            self.close_connection = True

    def reply(
        self, message: dict[str, Any], result: object, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.answer(200, {"content-type": "application/json", **(headers or {})}, body)

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
