"""The commands that move all state from one place to another: export and import.

One idea: one profile exports a file that another imports, and the file proves itself: nothing is
imported unless all of it is there and reads back as it was written. The file holds the agents'
words and hashes of credentials, so only its owner may read it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from clearance.cli.options import AsJson, Data, Json
from clearance.cli.state import log_aside, place_of

if TYPE_CHECKING:
    from clearance.cli.output import Terminal

STANDARD = Path("-")


def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; - for standard output.")
    ],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write all state to a file.

    Everything but who is signed in, for `clearance import` into another place. No server and no
    worker may run meanwhile. The file is as confidential as the state itself.
    """
    from clearance.cli import output
    from clearance.profiles import choose

    log_aside()
    with _new(file) as opened:
        summary = choose.export(place_of(data), opened)
    if file != STANDARD:
        output.show({"file": str(file), **asdict(summary)}, _show_exported, as_json=as_json)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What export wrote; - for standard input.")
    ],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in an exported file.

    Into the database of CLEARANCE_DATABASE_URL, which is migrated and empty, or into an empty data
    directory; whole or not at all. Approved intents, and those under way, continue there as soon as
    a worker runs. Never let both places work.
    """
    from clearance.cli import output
    from clearance.profiles import choose

    log_aside()
    with _there(file) as opened:
        summary = choose.import_from(opened, place_of(data))
    output.show({"file": str(file), **asdict(summary)}, _show_imported, as_json=as_json)


def _show_exported(terminal: Terminal, summary: Json) -> None:
    terminal.line(f"Exported {_counted(summary['counts'])} to {summary['file']}.")
    terminal.line(
        "It has what agents said and hashes of credentials: keep it as safe as the data, and not "
        "for long."
    )


def _show_imported(terminal: Terminal, summary: Json) -> None:
    terminal.line(
        f"Imported {_counted(summary['counts'])}, and read them back as they were exported."
    )


def _counted(counts: Json) -> str:
    named = {
        "intents": counts["intent"],
        "ledger entries": counts["entry"],
        "API keys": counts["api_key"],
    }
    return ", ".join(f"{count:,} {name}" for name, count in named.items())


@contextlib.contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there, on disk when the block ends, and gone again if it ends badly."""
    from clearance.core.errors import Conflict, InvalidInput

    if path == STANDARD:
        yield sys.stdout.buffer
        return
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sentence = f"The file {path} is there already: name one that is not."
        raise Conflict(sentence, code="FILE_EXISTS") from None
    except OSError as error:
        sentence = f"The file {path} cannot be made: {error.strerror}."
        raise InvalidInput(sentence, code="FILE_NOT_WRITTEN") from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        path.unlink(missing_ok=True)
        if (
            not isinstance(error, OSError) or error.filename is not None
        ):  # that one is about another file
            raise
        sentence = f"The file {path} could not be written: {error.strerror}."
        raise InvalidInput(sentence, code="FILE_NOT_WRITTEN") from None


@contextlib.contextmanager
def _there(path: Path) -> Iterator[BinaryIO]:
    """A file that is to be read."""
    from clearance.core.errors import InvalidInput

    if path == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        sentence = f"The file {path} cannot be read: {error.strerror}."
        raise InvalidInput(sentence, code="FILE_NOT_READ") from None
    with file:
        yield file
