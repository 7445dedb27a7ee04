"""A real MCP server over streamable HTTP, made with the SDK as anybody would.

Prints its port when it listens.
"""

import socket
import time

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("real-http", log_level="WARNING")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def wait(seconds: float) -> str:
    """Wait."""
    time.sleep(seconds)
    return "waited"


@server.tool()
async def grow(ctx: Context) -> str:
    """Change another tool."""

    def add(a: int, b: int, c: int = 0) -> int:
        """Add three numbers."""
        return a + b + c

    server.remove_tool("add")
    server.add_tool(add)
    await ctx.notify_tools_changed()
    return "changed"


def main() -> None:
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)  # noqa: T201 - this is how the test learns it
    config = uvicorn.Config(
        server.streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listening])


main()
