"""Runs the command line of the Clearance that is on the path, old or new, with its clock moved.

`python -P on_the_day.py MILLISECONDS WORD...`: the clock goes on, so many milliseconds after the
machine's. So a state is opened on the day that it was made. If `PYTHONPATH` is set, it is an error
that the software comes from anywhere else.
"""

import os
import sys
import time
from importlib import import_module
from importlib.metadata import entry_points


def move_clock(milliseconds: int) -> None:
    """Moves what the software, and whatever it uses, reads as the time."""
    machine_ns, moved_ns = time.time_ns, milliseconds * 1_000_000  # noqa: TID251 - it is the clock

    def moved() -> int:
        return machine_ns() + moved_ns

    time.time_ns, time.time = moved, lambda: moved() / 1_000_000_000  # noqa: TID251 - it is the clock


def check_software() -> None:
    """Ends the process if it runs another software than it is meant to."""
    wanted, actual = os.environ.get("PYTHONPATH", ""), import_module("clearance").__file__ or ""
    if not actual.startswith(wanted):
        sys.exit(f"{actual} is not in {wanted}")


if __name__ == "__main__":
    move_clock(int(sys.argv.pop(1)))
    check_software()
    [command] = entry_points(group="console_scripts", name="clearance")
    command.load()()
