"""Log lines that repeat are counted: ours, those of libraries, and the ones of the event loop."""

from __future__ import annotations

import json
import subprocess
import sys

from clearance.running import repeats
from clearance.running.repeats import Repeats

PROGRAM = """
import asyncio, logging, resource, socket
import structlog
from clearance.running.logs import configure_logs

configure_logs("info")
for _ in range(1_000):
    structlog.get_logger().warning("ours", code="X")
    structlog.get_logger().info("asked for")
    logging.getLogger("library").error("theirs: %s", "read me")
for number in range(1_000):
    logging.getLogger("library").error("numbered: %s", number)

async def main():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, backlog=512)
    address = server.sockets[0].getsockname()
    clients = []
    for _ in range(40):
        clients.append(socket.socket())
        clients[-1].setblocking(False)
        clients[-1].connect_ex(address)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(clients) + 12, hard))
    await asyncio.sleep(0.1)

asyncio.run(main())
"""


def test_what_repeats_is_written_once_and_counted() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]

    def of(text: str) -> list[int | None]:
        return [line.get("repeated") for line in lines if line["event"].startswith(text)]

    assert of("ours") == [None, 999]
    assert of("theirs: read me") == [None]
    assert of("theirs: %s") == [999]
    assert of("numbered: ") == [*[None] * repeats.VARIANTS_MAX, 1_000 - repeats.VARIANTS_MAX]
    assert of("asked for") == [None] * 1_000
    out_of_files = of("socket.accept() out of system resource")
    assert out_of_files[0] is None
    assert len(out_of_files) == 2
    assert int(out_of_files[1] or 0) > 100


def test_a_window_ends_and_says_how_many_were_left_out() -> None:
    now, reports = [0.0], []
    counted = Repeats(lambda kind, left_out: reports.append((kind[2], left_out)), lambda: now[0])

    def write(text: str) -> bool:
        return counted.is_new(("", "error", text), "")

    assert [write("a"), write("a"), write("b"), write("a")] == [True, False, True, False]
    now[0] = repeats.WINDOW_SECONDS
    assert [write("a"), write("a")] == [True, False]
    assert reports == [("a", 2)]
    assert all(write(f"c{number}") for number in range(repeats.KINDS_MAX))
    assert reports == [("a", 2), ("a", 1)]
    counted.end()
    assert len(reports) == 2
