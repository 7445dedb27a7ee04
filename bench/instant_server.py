"""A real MCP server whose tool answers at once: `instant_server.py stdio`, or `instant_server.py
http`, which prints its port.
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("instant", log_level="ERROR")


@server.tool()
def create_task(title: str, account: str, request_id: str) -> dict[str, bool]:
    """Do nothing."""
    return {"ok": bool(title and account and request_id)}


def main() -> None:
    if sys.argv[1] == "stdio":
        server.run("stdio")
        return
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        server.streamable_http_app(), log_level="error", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
