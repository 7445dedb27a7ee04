"""Whatever ends the tests, the PostgreSQL that they started ends too, and its folder goes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.postgres import folder_of

PROGRAM = """
import sys, time
from tests.support.postgres import folder_of, new_database, server

with new_database(folder_of(sys.argv[1])):
    print(server(folder_of(sys.argv[1])).get_pid(), flush=True)
    time.sleep(100)
"""
SECONDS_MAX = 30.0


def started(run: str) -> tuple[subprocess.Popen[str], int]:
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM, run]
    process = subprocess.Popen(
        words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(SECONDS_MAX)
    assert process.stdout is not None
    process.stdout.close()


def works(pid: int) -> bool:
    """A process that has ended and that nobody has asked about yet does not work any more."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            not in "ZX"
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_when_the_last_process_of_a_run_is_killed_its_server_ends_and_the_next_has_its_own() -> (
    None
):
    run = f"kill-{time.monotonic_ns() % 10**12}"
    first, server = started(run)
    second, same = started(run)
    assert same == server
    killed(first)
    third, still = started(run)
    assert still == server
    killed(second)
    killed(third)
    fourth, new = started(run)  # comes while the old one goes
    assert new != server
    assert not works(server)
    killed(fourth)
    ends = time.monotonic() + SECONDS_MAX
    while works(new) or list(folder_of(run).parent.glob(f"{folder_of(run).name}*")):
        assert time.monotonic() < ends
        time.sleep(0.05)
