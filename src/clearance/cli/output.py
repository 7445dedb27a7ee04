"""The output of the command line: one JSON document for programs, or calm lines for people.

One idea: everything that is shown goes through `clean`, because agents and tools wrote most of it
and a terminal obeys what it is shown. Markup is never interpreted; a colour has a meaning
(autopilot, waiting, stopped, unknown) or is absent. This file does not know where the facts come
from, or which of them a command asks for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from clearance.core.visible import on_one_line

Json: TypeAlias = Any
Facts: TypeAlias = Mapping[str, Json]

GAP = "  "


class Tone(StrEnum):
    """The meaning of each colour."""

    PLAIN = ""
    QUIET = "dim"
    STRONG = "bold"
    AUTOPILOT = "cyan"
    DONE = "green"
    WAITING = "yellow"
    STOPPED = "red"
    UNKNOWN = "magenta"


Part: TypeAlias = str | tuple[str, Tone]

STATUS_TONES: Mapping[str, Tone] = {
    "BLOCKED": Tone.STOPPED,
    "AWAITING_APPROVAL": Tone.WAITING,
    "APPROVED": Tone.PLAIN,
    "RUNNING": Tone.PLAIN,
    "SUCCEEDED": Tone.DONE,
    "FAILED": Tone.STOPPED,
    "UNKNOWN": Tone.UNKNOWN,
    "REJECTED": Tone.STOPPED,
    "EXPIRED": Tone.PLAIN,
    "CANCELLED": Tone.PLAIN,
}


def clean(value: Json) -> str:
    """Text that a terminal only shows, whole and on one line: what steers a terminal, hides or
    turns the direction of reading is shown by its number.
    """
    return on_one_line(value if isinstance(value, str) else as_json_text(value))


def as_json_text(value: Json) -> str:
    """A value as JSON for people: characters as they are, text in quotes that it cannot leave."""
    return json.dumps(value, ensure_ascii=False)


class Terminal:
    """Lines for people, on standard output.

    Honours NO_COLOR, and prints plain text when it is not a terminal.
    """

    @cached_property
    def _console(self) -> Console:
        return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)

    def line(self, *parts: Part) -> None:
        """One line of parts, each plain or with a tone."""
        text = Text(end="")
        for part in parts:
            shown, tone = part if isinstance(part, tuple) else (part, Tone.PLAIN)
            text.append(clean(shown), tone.value)
        self._console.print(text)

    def block(self, text: str) -> None:
        """Text of several lines, as it is."""
        for line in text.splitlines():
            self.line(line)

    def fields(self, pairs: Iterable[tuple[str, Json]]) -> None:
        """Names and values in two columns; None and empty values are left out."""
        given = [(name, value) for name, value in pairs if value not in (None, "", [], {})]
        width = max((cell_len(clean(name)) for name, _ in given), default=0)
        for name, value in given:
            self.line(
                (padded(name, width), Tone.QUIET),
                GAP,
                value if isinstance(value, str) else clean(value),
            )

    def table(self, rows: Sequence[Sequence[Part]]) -> None:
        """Rows in columns; the last column is as wide as it is."""
        parts = [
            [part if isinstance(part, tuple) else (part, Tone.PLAIN) for part in row]
            for row in rows
        ]
        widths = [
            max(cell_len(clean(text)) for text, _ in column) for column in zip(*parts, strict=True)
        ]
        for row in parts:
            columns: list[Part] = []
            for (text, tone), width in zip(row[:-1], widths, strict=False):
                columns += [(padded(text, width), tone), GAP]
            self.line(*columns, row[-1])


def padded(text: str, width: int) -> str:
    """Text with as many spaces as a column needs."""
    shown = clean(text)
    return shown + " " * (width - cell_len(shown))


def show(value: Json, render: Callable[[Terminal, Json], None], *, as_json: bool) -> None:
    """One answer: as one JSON document, or as lines for people."""
    if as_json:
        document(value)
    else:
        render(Terminal(), value)


def follow(
    values: Iterable[Json], render: Callable[[Terminal, Json], None], *, as_json: bool
) -> None:
    """Answers as they come: each as one line of JSON, or as lines for people."""
    terminal = Terminal()
    for value in values:
        if as_json:
            sys.stdout.write(json.dumps(value) + "\n")
        else:
            render(terminal, value)
        sys.stdout.flush()


def document(value: Json) -> None:
    """One JSON document on standard output, in ASCII: no byte of it can steer a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def error(code: str, sentence: str, problems: Sequence[Json] = (), *, as_json: bool) -> None:
    """One error on standard error."""
    if as_json:
        body: dict[str, Json] = {"code": code, "sentence": sentence}
        if problems:
            body["problems"] = list(problems)
        sys.stderr.write(json.dumps({"error": body}) + "\n")
        return
    # Sentences about a configuration have a line for each problem.
    shown = "\n".join(clean(line) for line in sentence.split("\n"))
    sys.stderr.write(f"{shown} ({clean(code)})\n")
    for problem in () if code == "INVALID_CONFIGURATION" else problems:
        if (detail := _problem(problem)) not in sentence:
            sys.stderr.write(f"  {clean(detail)}\n")


def _problem(problem: Json) -> str:
    if not isinstance(problem, Mapping):
        return str(problem)
    path = problem.get("path")
    place = ".".join(str(part) for part in path) if isinstance(path, list) else str(path or "")
    return f"{place}: {problem.get('detail')}"


def local_time(text: Json, *, to_second: bool = False) -> str:
    """A moment of the wire in this machine's time zone, which it names, to the minute or the
    second; as it came if it is none.
    """
    clock = "%H:%M:%S" if to_second else "%H:%M"
    try:
        return datetime.fromisoformat(str(text)).astimezone().strftime(f"%Y-%m-%d {clock} %Z")
    except (ValueError, OverflowError, OSError):
        return str(text)
