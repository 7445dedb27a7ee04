"""The server, as commands ask it: through the REST API, like any other client.

One idea: a command asks for one thing and prints the answer. Address and key come from the
environment. Nothing is decided here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clearance.cli.options import Json

if TYPE_CHECKING:
    from clearance.cli.output import Terminal
    from clearance.client import Answer, Clearance

NOT_TO_BE = frozenset({"BLOCKED", "REJECTED", "EXPIRED", "CANCELLED", "FAILED", "UNKNOWN"})


def connected() -> Clearance:
    """The client that the environment describes."""
    from clearance.client import Clearance

    return Clearance()


def answer(
    ask: Callable[[Clearance], Answer], render: Callable[[Terminal, Json], None], *, as_json: bool
) -> None:
    """Asks for one thing and prints it."""
    from clearance.cli import output

    with connected() as clearance:
        resource = ask(clearance)
    output.show(resource, render, as_json=as_json)


def exit_code(intent: Answer) -> int:
    """1 if the intent is not going to happen, did not work, or may not have worked."""
    return int(intent["status"] in NOT_TO_BE)


def json_value(option: str, text: str) -> Json:
    """The JSON value of an option: as it is, from `@FILE`, or from standard input for `@-`."""
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        sentence = f"is not JSON: {error}"
        raise typer.BadParameter(sentence, param_hint=option) from None


def json_object(option: str, text: str) -> dict[str, Json]:
    """The JSON object of an option."""
    value = json_value(option, text)
    if not isinstance(value, dict):
        sentence = 'must be a JSON object, for example \'{"title": "Renewal call"}\''
        raise typer.BadParameter(sentence, param_hint=option)
    return value
