"""Ends a PostgreSQL of tests when nobody uses it any more, however its users ended: it waits for
their lock, which dies with them.

`python tests/support/postgres_keeper.py FOLDER PG_CTL USER`: goes to the background at once. Needs
nothing that is not in Python."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

DATA, USERS = "data", "users.lock"  # in the folder
STOP_SECONDS_MAX = 20


def keep(folder: Path, pg_ctl: str, user: str | None) -> None:
    """Returns when nobody holds the folder's lock any more, its server has ended, and the folder is
    gone.
    """
    with (folder / USERS).open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        stop = [
            pg_ctl,
            "-D",
            str(folder / DATA),
            "-m",
            "immediate",
            "-t",
            str(STOP_SECONDS_MAX),
            "stop",
        ]
        subprocess.run(
            stop,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        gone = folder.with_name(f"{folder.name}-gone-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(
                gone
            )  # at once, so that whoever names the folder now finds all of it or nothing
        shutil.rmtree(gone, ignore_errors=True)


if __name__ == "__main__":
    if os.fork() == 0:
        os.setsid()  # what ends the tests, Ctrl-C for example, does not end this
        keep(Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None)
    os._exit(0)
