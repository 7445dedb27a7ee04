"""What libraries log is JSON like our own lines, and what the database's driver logs has no address
in it.
"""

import json
import os
import subprocess
import sys

PROGRAM = """
import asyncio, logging
import psycopg, psycopg_pool, structlog
from clearance.running.logs import configure_logs

configure_logs("warning")
structlog.get_logger().warning("ours", code="X")
logging.getLogger("library").error("theirs: %s", "read me")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("failed")

async def main():
    # The driver takes the part behind an unescaped @ of a password for the host, and says it.
    address = "postgresql://serve:s3cr@tpart@127.0.0.1:1/clearance"
    pool = psycopg_pool.AsyncConnectionPool(address, open=False, timeout=0.5, reconnect_timeout=0.2)
    await pool.open()
    try:
        await pool.wait(0.5)
    except psycopg_pool.PoolTimeout:
        pass
    await pool.close()

asyncio.run(main())
logging.getLogger("psycopg.pool").warning("discarding %s: %s", "pool-1",
psycopg.errors.AdminShutdown("s3cr3t"))
"""


def test_what_libraries_log_is_a_line_like_ours_and_the_driver_shows_no_address() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PGPASSWORD": "s3cr3t"},
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.stdout == ""
    assert {key: lines[0][key] for key in ("event", "level", "code")} == {
        "event": "ours",
        "level": "warning",
        "code": "X",
    }
    assert {key: lines[1][key] for key in ("event", "level", "logger")} == {
        "event": "theirs: read me",
        "level": "error",
        "logger": "library",
    }
    assert lines[1].keys() == {"event", "level", "logger", "timestamp"}
    assert "ZeroDivisionError" in lines[2]["exception"]
    written = [line for line in lines[1:] if "repeated" not in line]
    driver = [line for line in written if line["logger"].startswith("psycopg")]
    assert any(
        "error connecting" in line["event"] and "OperationalError" in line["event"]
        for line in driver
    )
    assert driver[-1]["event"] == "discarding pool-1: AdminShutdown 57P01"
    assert "s3cr" not in ended.stderr
    assert "tpart" not in ended.stderr
    assert "127.0.0.1" not in ended.stderr
