"""An MCP server over stdio, made with the SDK, that answers as real servers of others do: each tool
has the manners of one of them.
"""

import base64
import json
from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


def text(*texts: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=each) for each in texts], **more
    )


PICTURE = types.ImageContent(
    type="image", data=base64.b64encode(b"x" * 1500).decode(), mime_type="image/png"
)
LINK = types.ResourceLink(type="resource_link", name="one", uri="demo://resource/1")
RESOURCE = types.EmbeddedResource(
    type="resource",
    resource=types.TextResourceContents(uri="demo://resource/2", text="é" * 100),
)

ANSWERS: dict[str, types.CallToolResult] = {
    # as mcp-server-sqlite and the slack server say that it did not work
    "write_query": text("Database error: no such table: orders"),
    "post_message": text(json.dumps({"ok": False, "error": "not_authed"})),
    "post_message_ok": text(json.dumps({"ok": True, "ts": "1"})),
    "create_charge": text(
        "declined", structured_content={"status": "error", "code": 7, "charge": {"id": "ch_1"}}
    ),
    # as the kubernetes server passes on its own broken network
    "kubectl_delete": text("Error: connect ECONNREFUSED 10.0.0.1:443", is_error=True),
    "busy": text("later", is_error=True, structured_content={"error_class": "RATE_LIMIT"}),
    # as the everything server shows what MCP can carry
    "get_tiny_image": types.CallToolResult(
        content=[types.TextContent(type="text", text="Here is the image:"), PICTURE]
    ),
    "only_links": types.CallToolResult(content=[LINK, LINK, RESOURCE]),
    "both": text("Beside it, this.", structured_content={"id": 7}),
    "repeated": text('{"id": 7, "name": "é"}', structured_content={"name": "é", "id": 7}),
    "wrapped": text("one", "two", structured_content={"result": ["one", "two"]}),
    "long": text(structured_content={"id": "T-1", "log": ["é" * 100] * 40_000, "done": True}),
}


async def list_tools(*_: Any) -> types.ListToolsResult:
    names = [*ANSWERS, "list_issues", "repo:create.issue"]
    tools = [types.Tool(name=name, input_schema={"type": "object"}) for name in names]
    return types.ListToolsResult(tools=tools)


async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name == "list_issues":  # as the github and gitlab servers pass on a broken network
        raise MCPError(types.INTERNAL_ERROR, "fetch failed")
    return ANSWERS.get(params.name) or text(f"{params.name} was called")


async def main() -> None:
    server = Server("foreign", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
