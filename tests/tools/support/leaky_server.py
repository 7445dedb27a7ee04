"""An MCP server over stdio that shows its token wherever a server can show anything."""

import base64
import json
import os
import sys

TOKEN = os.environ["TOKEN"]
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
SCHEMA = {
    "type": "object",
    "description": f"with {TOKEN}",
    "properties": {
        "how": {"type": "string", "description": f"or {TOKEN}", "examples": [TOKEN]},
        "key": {"type": "string", "default": TOKEN},
    },
}


def text(*texts, **more):
    return {"content": [{"type": "text", "text": each} for each in texts], **more}


def answer(how):
    padded = "x" * (32 * 1024 - 12) + TOKEN + "y" * 40_000
    return {
        "text": lambda: text(f"my token is {TOKEN}", json.dumps({"token": TOKEN})),
        "json": lambda: text('{"token": "' + ESCAPED + '"}'),
        "structure": lambda: {
            "content": [
                {"type": "resource_link", "name": TOKEN, "uri": f"https://h.example/{TOKEN}"}
            ],
            "structuredContent": {"a": {"b": [TOKEN, {TOKEN: TOKEN}]}, f"k-{TOKEN}": 1},
        },
        "cut": lambda: text(padded),
        "cut-structure": lambda: {"content": [], "structuredContent": {"a": padded, "b": [padded]}},
        "error": lambda: text(f"no: {' ' * 99_990}{TOKEN}", f"{TOKEN}", isError=True),
        "image": lambda: {
            "content": [
                {
                    "type": "image",
                    "data": base64.b64encode(TOKEN.encode()).decode(),
                    "mimeType": "image/png",
                }
            ]
        },
    }[how]()


def write(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def main():
    sys.stderr.write(f"starting with {TOKEN}\n{'z' * (16 * 1024 - 8)}{TOKEN}\n")
    sys.stderr.flush()
    for line in sys.stdin:
        message = json.loads(line)
        method, number = message.get("method"), message.get("id")
        if method == "initialize":
            info = {"name": f"leaky {TOKEN}", "version": TOKEN}
            capabilities = {"tools": {"listChanged": True}}
            result = {"protocolVersion": "2025-11-25", "capabilities": capabilities}
            more = {"serverInfo": info, "instructions": f"use {TOKEN}"}
            write({"id": number, "result": {**result, **more}})
        elif method == "tools/list":
            output = {"type": "object", "description": TOKEN}
            tool = {"name": "leak", "title": TOKEN, "description": f"shows {TOKEN}"}
            write(
                {
                    "id": number,
                    "result": {
                        "tools": [tool | {"inputSchema": SCHEMA} | {"outputSchema": output}]
                    },
                }
            )
        elif method == "tools/call":
            # No notification that the library can read: it logs what it makes of it.
            write({"method": "notifications/progress", "params": {"progress": TOKEN}})
            write({"method": "notifications/message", "params": {"level": TOKEN, "data": TOKEN}})
            how = (message["params"].get("arguments") or {}).get("how")
            if how == "refuse":
                write({"id": number, "error": {"code": -32602, "message": f"bad {TOKEN}"}})
            else:
                write({"id": number, "result": answer(how)})
        elif number is not None:
            write({"id": number, "error": {"code": -32601, "message": f"no method, {TOKEN}"}})


main()
