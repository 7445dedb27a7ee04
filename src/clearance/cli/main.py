"""The command line, `clearance`: where it begins, and how it ends.

One idea: a command does one thing and prints the answer, as lines for people or with `--json` as
exactly one JSON document; an error is one sentence on standard error. Each noun that commands are
about has its own file: some commands ask a `server`, some work on the `state` itself. They import
what they need when they run, so that `clearance --help` answers at once. Exit codes: 0 done, 1
refused, 2 not understood, 3 no answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import NoReturn

import typer

from clearance.cli.checkup import doctor
from clearance.cli.configure import apply, policy_app
from clearance.cli.database import age_out, migrate, worker
from clearance.cli.inbox import approve, edit, inbox, reconcile, reject
from clearance.cli.intents import actions, cancel, erase, explain, propose, show
from clearance.cli.keys import key_app, whoami
from clearance.cli.move import export, import_
from clearance.cli.record import ledger, timeline, usage
from clearance.cli.serve import demo, serve
from clearance.cli.stop import stop

DONE = 0
REFUSED = 1
UNREACHABLE = 3
INTERRUPTED = 130

LASTING = frozenset({"STORE_NOT_MIGRATED", "STORE_TOO_NEW", "ROLE_NOT_GRANTED", "MIGRATION_FAILED"})
"""Codes of a store that needs a person's action: trying again does not help."""

app = typer.Typer(
    help="AI agents act on their own, within limits you set, and Clearance proves what they did.",
    epilog="Address and key come from CLEARANCE_URL (default http://127.0.0.1:8600) and "
    "CLEARANCE_API_KEY.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for _command in (
    *(serve, demo, apply, doctor),
    *(worker, migrate, age_out, export, import_),
    *(actions, propose, show, explain, cancel, erase),
    *(inbox, approve, reject, edit, reconcile),
    *(stop, timeline, ledger, usage, whoami),
):
    app.command(_command.__name__.rstrip("_").replace("_", "-"))(_command)
app.add_typer(policy_app, name="policy")
app.add_typer(key_app, name="key")


def main() -> NoReturn:
    """Runs the command line; every error is one sentence on standard error and an exit code."""
    arguments = sys.argv[1:]
    as_json = "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(as_json=as_json))


def _run(*, as_json: bool) -> int:
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _not_understood(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        return _refused(error, as_json=as_json)
    return code if isinstance(code, int) else DONE


def _not_understood(error: typer.TyperException, *, as_json: bool) -> int:
    from clearance.cli import output

    context = getattr(error, "ctx", None)
    help_text = context.get_help() if context and len(sys.argv) == 1 else None
    if help_text and not as_json:
        sys.stderr.write(help_text + "\n")
    else:
        output.error("USAGE", error.format_message() or "A command is missing.", as_json=as_json)
    return error.exit_code


def _refused(error: Exception, *, as_json: bool) -> int:
    """Says what Clearance refused, and tells the refusals from the accidents, which are raised
    again.
    """
    from clearance.cli import output
    from clearance.client import ClearanceError, ClearanceUnavailable
    from clearance.core.errors import Refusal, Unavailable

    if not isinstance(error, ClearanceError | Refusal):
        if as_json:
            sentence = f"Something unexpected went wrong: {type(error).__name__}."
            output.error("INTERNAL", sentence, as_json=True)
            return REFUSED
        raise error
    problems = [each if isinstance(each, Mapping) else str(each) for each in error.problems]
    sentence = error.sentence
    if error.code == "UNAUTHENTICATED" and os.environ.get("CLEARANCE_API_KEY"):
        sentence = "The key in CLEARANCE_API_KEY is not valid at this server."
    if isinstance(error, ClearanceUnavailable) and error.action_intent_id:
        name = error.action_intent_id
        sentence += (
            f" The action intent is {name}: repeat with --id {name}, so that it cannot act twice."
        )
    output.error(error.code, sentence, problems, as_json=as_json)
    gone = isinstance(error, ClearanceUnavailable | Unavailable) and error.code not in LASTING
    return UNREACHABLE if gone else REFUSED
