"""The commands that need a database: worker, migrate and age-out."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from clearance.cli.options import AsJson, Json
from clearance.cli.state import end_with_a_signal, run

if TYPE_CHECKING:
    from clearance.cli.output import Terminal
    from clearance.running.worker import WorkerAnnouncement

CONCURRENCY_MAX = 256  # executions of one worker at once


def worker(
    *,
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, max=CONCURRENCY_MAX, help="Executions at once.")
    ] = 16,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address for --port.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="Answer /healthz, /readyz and /metrics here; 0 for any.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a worker.

    It carries out approved intents in the database of CLEARANCE_DATABASE_URL, beside any number of
    other workers. Secrets of tool servers come from its environment. SIGINT or SIGTERM ends it,
    once running executions are over.
    """
    from clearance.profiles import postgres
    from clearance.running import worker as working

    end_with_a_signal()
    announce = partial(_announce_worker, as_json=as_json)
    run(working.work(postgres.database(), host, port, announce, concurrency))


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database up to date.

    Makes or extends the schema of the store and of the queue in the database of
    CLEARANCE_DATABASE_URL. Running processes of the previous version go on. You may run it again,
    or twice at once.
    """
    from clearance.cli import output
    from clearance.profiles import postgres

    applied = run(postgres.migrate(postgres.database()))
    output.show({"applied": applied}, _show_migrated, as_json=as_json)


def age_out(
    month: Annotated[
        str,
        typer.Argument(metavar="MONTH", help="Keep this month and what came after it: YYYY-MM."),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop old months.

    Removes the intents of every month before MONTH, in the database of CLEARANCE_DATABASE_URL,
    unless one of the month is open. The ledger and the ids of intents stay.
    """
    from clearance.cli import output
    from clearance.profiles import postgres

    place = postgres.database()
    if (
        not (yes or as_json)
        and sys.stdin.isatty()
        and not typer.confirm(f"Drop what is older than {month}?")
    ):
        raise typer.Exit(1)
    dropped = run(postgres.age_out(place, month))
    output.show({"dropped": dropped}, _show_dropped, as_json=as_json)


def _show_dropped(terminal: Terminal, answer: Json) -> None:
    dropped = answer["dropped"]
    terminal.line(f"Dropped {', '.join(dropped)}." if dropped else "There was no month to drop.")


def _show_migrated(terminal: Terminal, answer: Json) -> None:
    for name in answer["applied"]:
        terminal.line(f"Applied {name}.")
    if not answer["applied"]:
        terminal.line("The database is up to date.")


def _announce_worker(announcement: WorkerAnnouncement, *, as_json: bool) -> None:
    """Reports that the worker runs."""
    from clearance.cli import output

    output.show(asdict(announcement), _show_worker, as_json=as_json)
    sys.stdout.flush()


def _show_worker(terminal: Terminal, worker: Json) -> None:
    terminal.line(
        f"The worker {worker['name']} carries out up to {worker['concurrency']} approved actions "
        f"at once."
    )
    if worker["url"]:
        terminal.line(f"Its health is at {worker['url']}/readyz.")
    for sentence in worker["missing"]:
        terminal.line(sentence)
