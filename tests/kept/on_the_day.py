"""Runs the command line of the Clearance that is on the path, old or new, with its clock moved.

`python -P on_the_day.py MILLISECONDS [FOLDER]` is a zygote: it imports everything once, and forks a
process for each command. The clock goes on, so many milliseconds after the machine's. So a state is
opened on the day that it was made. It is an error if the software is not that of FOLDER.
"""

import pkgutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from tests.crash.support.zygote import fork_when_asked


def move_clock(milliseconds: int) -> None:
    """Moves what the software, and whatever it uses, reads as the time."""
    machine_ns, moved_ns = time.time_ns, milliseconds * 1_000_000  # noqa: TID251 - it is the clock

    def moved() -> int:
        return machine_ns() + moved_ns

    time.time_ns, time.time = moved, lambda: moved() / 1_000_000_000  # noqa: TID251


def command_line(folder: str) -> Callable[[], Any]:
    """The software's command line, with all that it may need imported."""
    package = import_module("clearance")
    if not str(package.__file__).startswith(folder):
        sys.exit(f"{package.__file__} is not in {folder}")
    for module in pkgutil.walk_packages(package.__path__, "clearance."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):
                import_module(module.name)
    [command] = entry_points(group="console_scripts", name="clearance")
    return command.load()  # type: ignore[no-any-return]


def main(milliseconds: str, folder: str = "") -> None:
    """Moves the clock, and runs commands until standard input ends."""
    move_clock(int(milliseconds))
    run = command_line(folder)

    def command(words: Sequence[str]) -> None:
        sys.argv = ["clearance", *words]
        run()

    fork_when_asked(command)


if __name__ == "__main__":
    main(*sys.argv[1:])
