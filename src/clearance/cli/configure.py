"""The commands for the configuration: apply, and a look at its policy."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearance.cli.options import AsJson, Config, Data, Json
from clearance.cli.state import place_of, run

if TYPE_CHECKING:
    from clearance.core.errors import Refusal
    from clearance.profiles.place import Place

policy_app = typer.Typer(
    help="Look at the policy of a configuration.", no_args_is_help=True, rich_markup_mode=None
)


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="clearance.yaml.")],
    *,
    data: Data = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Do not ask; with --json, or without a terminal, it never asks."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    repin: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVER.TOOL", help="Accept this tool's schema as it is now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Apply a configuration.

    Shows what it changes where the state is, then applies it whole or not at all. Ends with 1 if
    the catalog names a tool that its server does not offer.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views

    ask = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    work = _apply(
        file, place_of(data), frozenset(repin or ()), ask=ask, dry_run=dry_run, as_json=as_json
    )
    answer = run(work)
    output.show(answer, views.applied, as_json=as_json)
    missing = bool((answer["pins"] or {}).get("missing"))
    raise typer.Exit(int(answer.get("declined", False) or missing))


async def _apply(
    file: Path, place: Place, repin: frozenset[str], *, ask: bool, dry_run: bool, as_json: bool
) -> Json:
    from clearance.cli import output
    from clearance.cli.views import operator as views
    from clearance.configuration import file as configuration
    from clearance.core.errors import Refusal
    from clearance.profiles import choose
    from clearance.profiles.parts import operator
    from clearance.profiles.place import Table

    wanted = configuration.load(file, secrets_elsewhere=isinstance(place, Table))
    actor = operator(wanted.tenant_id)
    async with choose.opened(place, new=True, tools=choose.tools_of(place)) as control:
        differences = await control.compare(actor, wanted.document)
        if not as_json:
            views.differences(output.Terminal(), [asdict(each) for each in differences])
        answer = {
            "tenant_id": wanted.tenant_id,
            "applied": False,
            "differences": [asdict(each) for each in differences],
            "pins": None,
        }
        if dry_run:
            return {**answer, "dry_run": True}
        question = f"Apply this to {wanted.tenant_id}?"
        if ask and (differences or repin) and not typer.confirm(question):
            return {**answer, "declined": True}
        changed = await control.apply(actor, wanted.document) if differences else ()
        try:
            report = await control.pin_tools(actor, repin=repin)
        except Refusal as refusal:
            raise _after(changed, refusal) from refusal
    return {
        **answer,
        "applied": bool(differences or repin),
        "differences": [asdict(each) for each in changed],
        "pins": views.pins_as_json(report),
        "dry_run": False,
    }


def _after(changed: Collection[Any], refusal: Refusal) -> Refusal:
    """A refusal that follows an applied configuration says that it was applied."""
    also = f"The configuration was applied, and then: {refusal.sentence}"
    sentence = also if changed else refusal.sentence
    return type(refusal)(sentence, code=refusal.code, problems=refusal.problems)


@policy_app.command("schema")
def policy_schema(*, config: Config, as_json: AsJson = False) -> None:
    """Print the Cedar schema.

    It is generated from the catalog, and says what a policy can read.
    """
    from clearance.cli import output
    from clearance.configuration import file as configuration
    from clearance.configuration.document import catalog_of, parse_document
    from clearance.core.policy_schema import cedar_schema

    document = configuration.load(config).document
    schema = cedar_schema(catalog_of(parse_document({**document, "policy": ""})))
    output.show(
        {"schema": schema}, lambda terminal, value: terminal.block(value["schema"]), as_json=as_json
    )


@policy_app.command("check")
def policy_check(*, config: Config, as_json: AsJson = False) -> None:
    """Check a configuration.

    Reads it whole, with its policy, and lists the policy's rules. Nothing is applied.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views
    from clearance.configuration import file as configuration
    from clearance.configuration.document import parse_document, policy_of

    wanted = configuration.load(config)
    policy = policy_of(parse_document(wanted.document))
    clauses = policy.clauses.values() if policy else ()
    answer = {
        "tenant_id": wanted.tenant_id,
        "policy_version": policy.version if policy else None,
        "clauses": [
            {"id": clause.id, "effect": clause.effect.value, "reason": clause.reason}
            for clause in clauses
        ],
    }
    output.show(answer, views.policy, as_json=as_json)
