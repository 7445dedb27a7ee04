"""A hostile MCP server over stdio, written by hand so that it can break every rule and starts in no
time.

Its first argument says how it behaves as a process; which tool is called says how it behaves for
one call.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else ""
OUT = threading.Lock()
STATE = {"now": 0, "most": 0, "cancelled": [], "schema": {"type": "object"}, "calls": 0, "pages": 0}
CACHED = {"resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "public"}
TOOLS = (
    "echo",
    "die",
    "hang",
    "slow",
    "huge",
    "raw",
    "error",
    "fail",
    "change",
    "noise",
    "stderr",
    "environment",
)
TOOLS += ("arguments", "child", "calls", "cancelled", "needs_input", "pages", "task")


def write(message):
    write_line(json.dumps({"jsonrpc": "2.0", **message}).encode())


def write_line(line):
    with OUT:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def text(said, **more):
    return {"content": [{"type": "text", "text": said}], **more}


def structured(said):
    return {"content": [], "structuredContent": said}


def list_tools(params):
    """Three tools a page."""
    if MODE == "slow-list":
        time.sleep(0.05)
    if MODE == "crash-list":
        sys.exit("the index is broken")
    tools = [{"name": name, "inputSchema": STATE["schema"]} for name in TOOLS]
    tools += [{"name": "unpinnable", "inputSchema": {"type": "object", "maxProperties": math.inf}}]
    tools += [{"name": "twice", "inputSchema": {"type": "object"}}] * 2
    if MODE.startswith("endless-"):
        return endless(tools, params.get("cursor", ""))
    start = int(params.get("cursor", 0))
    page = {"tools": tools[start : start + 3]}
    return page if start + 3 >= len(tools) else {**page, "nextCursor": str(start + 3)}


def endless(tools, cursor):
    """A list that never ends, in every way: by its cursors, and by what is on its pages."""
    STATE["pages"] += 1
    pages = {**tools[0], "name": "pages"}
    if MODE == "endless-same-cursor":
        return {"tools": tools, "nextCursor": "again"}
    if MODE == "endless-same-cursor-new-tools":
        name = f"tool{STATE['pages']}"
        return {"tools": [tools[0], pages, {**tools[0], "name": name}], "nextCursor": "again"}
    if MODE == "endless-new-cursors":
        return {"tools": tools, "nextCursor": str(STATE["pages"])}
    if MODE == "endless-circle":
        following = {"": "b", "b": "c", "c": "a", "a": "b"}[cursor]
        start = 3 * "abc".index(cursor or "a")
        return {"tools": tools[start : start + 3], "nextCursor": following}
    if MODE == "endless-slow" and cursor:
        time.sleep(30)
    first = [tools[0], pages] if not cursor else []
    new = [{**tools[0], "name": f"tool{STATE['pages']}-{n}"} for n in range(int(sys.argv[2]))]
    if MODE == "endless-schemas":
        new = [{**tool, "inputSchema": {"type": "object", "title": "x" * 250_000}} for tool in new]
    return {"tools": first + new, "nextCursor": str(STATE["pages"])}


def slow(arguments):
    with OUT:
        STATE["now"] += 1
        STATE["most"] = max(STATE["most"], STATE["now"])
    time.sleep(arguments.get("seconds", 0.03))
    with OUT:
        STATE["now"] -= 1
    return structured({"most": STATE["most"]})


def change(_):
    STATE["schema"] = {"type": "object", "maxProperties": 9}
    write({"method": "notifications/tools/list_changed"})
    return text("changed")


def noise(_):
    for line in (b"hello", b'{"level": "info"}', b"[1, 2]", b""):
        write_line(line)
    return text("done")


def stderr(_):
    for number in range(20_000):
        sys.stderr.write(f"\x1b[31mline {number} {os.environ.get('TOKEN')}\n")
    return text("done")


def child(_):
    running = subprocess.Popen(["sleep", "60"])
    return structured({"child": running.pid, "pid": os.getpid()})


def call(request_id, params):
    name, arguments = params["name"], params.get("arguments") or {}
    STATE["calls"] += 1
    if name == "die":
        os._exit(3)
    elif name == "raw":
        raw = arguments["result"].encode("latin-1")
        write_line(b'{"jsonrpc": "2.0", "id": %d, "result": %s}' % (request_id, raw))
    elif name == "error":
        write({"id": request_id, "error": arguments})
    elif name != "hang":
        write({"id": request_id, "result": answer(name, arguments, params)})


def answer(name, arguments, params):
    answers = {
        "echo": lambda a: structured(
            {"arguments": a, "meta": params.get("_meta"), "pid": os.getpid()}
        ),
        "slow": slow,
        "huge": lambda a: text("x" * a["bytes"]),
        "fail": lambda a: {"isError": True, **text(a.pop("text", "it broke")), **a},
        "change": change,
        "noise": noise,
        "stderr": stderr,
        "arguments": lambda _: structured({"arguments": sys.argv[1:]}),
        "environment": lambda _: structured(dict(os.environ)),
        "child": child,
        "calls": lambda _: structured({"calls": STATE["calls"]}),
        "pages": lambda _: structured({"pages": STATE["pages"]}),
        "cancelled": lambda _: structured({"cancelled": STATE["cancelled"]}),
        "needs_input": lambda _: {"resultType": "input_required", "requestState": "half"},
        "task": lambda _: text("later", resultType="task"),
    }
    return answers[name](arguments)


def hear(message):
    method, request_id, params = (
        message.get("method"),
        message.get("id"),
        message.get("params") or {},
    )
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "raw", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}
        write({"id": request_id, "result": result})
    elif method == "server/discover" and MODE == "modern":
        result = {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {"listChanged": True}},
        }
        write({"id": request_id, "result": {**result, **CACHED}})
    elif method == "tools/list":
        if MODE != "no-list":
            write(
                {
                    "id": request_id,
                    "result": {**list_tools(params), **(CACHED if MODE == "modern" else {})},
                }
            )
    elif method == "tools/call":
        threading.Thread(target=call, args=(request_id, params), daemon=True).start()
    elif method == "notifications/cancelled":
        STATE["cancelled"].append(params["requestId"])
    elif request_id is not None:
        if MODE == "only-initialize":
            sys.exit("the first message is not initialize")
        write({"id": request_id, "error": {"code": -32601, "message": "no such method"}})


def main():
    if MODE == "crash":
        sys.exit(f"no licence for \x1b[31m{os.environ.get('TOKEN')}")
    if MODE == "mute":
        sys.stdin.read()
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        hear(json.loads(line))
    if MODE == "stubborn":
        time.sleep(60)


main()
