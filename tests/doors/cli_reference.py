"""Writes docs/cli.md from the commands themselves: `python tests/doors/cli_reference.py`.

A test compares the two.
"""

from pathlib import Path
from typing import Any

import typer

from clearance.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH = 100  # characters of a line

OPENING = """# The command line

Made from `clearance --help` by `tests/doors/cli_reference.py`; do not edit it here.

- Commands that ask a server find it by `CLEARANCE_URL` (default `http://127.0.0.1:8600`) and
  `CLEARANCE_API_KEY`. They never send the key unencrypted to another machine.
- With `--json` a command prints exactly one JSON document, with the names of the REST API; with
  `--json --follow` it prints one on each line. An error is `{"error": {"code", "sentence"}}` on
  standard error, with nothing on standard output.
- Exit codes: 0 done, 1 refused, 2 not understood, 3 no answer (assume nothing). `propose` and
  `edit` also print their answer. They end with 1 if the intent will not happen, did not work, or
  has an unknown outcome.
- Text from agents and tools is shown whole. Characters that hide, steer the terminal or turn the
  direction of reading are shown by their number, for example `⟨U+202E⟩`. `NO_COLOR` is
  honoured.
"""


def reference() -> str:
    """The page."""
    parts = [OPENING]
    for name, text in _commands(typer.main.get_command(app), "clearance", None):
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _commands(command: Any, name: str, parent: Any) -> list[tuple[str, str]]:
    context = command.context_class(
        command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings
    )
    found = [(context.command_path, command.get_help(context))] if parent else []
    for child in getattr(command, "commands", {}):
        found += _commands(command.commands[child], child, context)
    return found


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
