"""A real MCP server that drops what it does not know, as Python servers do, and writes a line for
each payment. `BANK_TEXTS` changes its texts, `BANK_LIMIT` what it takes.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import Field

server = MCPServer("bank", log_level="ERROR")
ZONE = os.environ.get("BANK_TEXTS", "UTC")


def _write(line: str) -> None:
    with Path(os.environ["BANK_FILE"]).open("a") as effects:
        effects.write(line + "\n")
    time.sleep(float(os.environ.get("BANK_SECONDS", "0")))


@server.tool(description=f"Pays an order; days are of {ZONE}")
def pay(
    order: Annotated[str, Field(description=f"of a day in {ZONE}")],
    amount: int,
    account: str = "nobody",
) -> str:
    _write(f"paid {order} {amount} {account}")
    return "paid"


@server.tool()
def list_payments(account: str, limit: int = 100_000) -> str:
    _write(f"listed {limit} of {account}")
    return "listed"


if os.environ.get("BANK_LIMIT"):

    @server.tool()
    def drop(account: str, order: str, reason: str) -> str:
        return f"dropped {order} of {account}: {reason}"

else:

    @server.tool()
    def drop(account: str, order: str) -> str:
        return f"dropped {order} of {account}"


if __name__ == "__main__":
    server.run("stdio")
