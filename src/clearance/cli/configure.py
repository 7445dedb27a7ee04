"""The commands for the configuration: apply, and a look at its policy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearance.cli.options import AsJson, Config, Data, Json
from clearance.cli.state import place_of, run

if TYPE_CHECKING:
    from clearance.core.errors import Refusal
    from clearance.core.principal import Principal
    from clearance.flow.control import Control
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
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what is new in full, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Apply a configuration.

    Shows the changes to the state, then applies them whole or not at all. Refuses a catalog that
    does not fit its tools. Ends with 1 if it names a tool that its server does not offer.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views

    ask = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    place = place_of(data)
    terminal = None if as_json else output.Terminal()
    work = _apply(
        file,
        place,
        frozenset(repin or ()),
        ask=ask,
        dry_run=dry_run,
        show=partial(views.differences, terminal, verbose=verbose) if terminal else None,
    )
    answer = run(work)
    answer["warnings"] = [*_elsewhere(place, data), *answer["warnings"]]
    output.show(answer, views.applied, as_json=as_json)
    pins = answer["pins"] or {}
    not_called = pins.get("missing") or pins.get("misfits")
    raise typer.Exit(int(answer.get("declined", False) or bool(not_called)))


def _elsewhere(place: Place, data: Path | None) -> list[str]:
    """A warning, if a server is named and the state that is changed is not known to be its."""
    named = data is not None or "CLEARANCE_DATA" in os.environ
    if named or not os.environ.get("CLEARANCE_URL") or not isinstance(place, Path):
        return []
    sentence = (
        f"CLEARANCE_URL names a server, and apply does not ask it: this is about the state in "
        f"{place.absolute()}. Name the server's data directory with --data."
    )
    return [sentence]


def _shown(place: Place) -> str:
    """A place, as people are shown it: without a password."""
    if isinstance(place, Path):
        return str(place.absolute())
    name = getattr(place, "name", None)
    return f"the table {name}" if name else "the database of CLEARANCE_DATABASE_URL"


async def _apply(
    file: Path,
    place: Place,
    repin: frozenset[str],
    *,
    ask: bool,
    dry_run: bool,
    show: Callable[[Sequence[Json]], None] | None,
) -> Json:
    from clearance.cli.views import operator as views
    from clearance.configuration import file as configuration
    from clearance.configuration.advice import advice
    from clearance.configuration.tool_fit import misfit
    from clearance.core.errors import Refusal
    from clearance.profiles import choose
    from clearance.profiles.parts import operator
    from clearance.profiles.place import Table

    wanted = configuration.load(file, secrets_elsewhere=isinstance(place, Table))
    actor = operator(wanted.tenant_id)
    async with choose.opened(place, new=True, tools=choose.tools_of(place)) as control:
        differences = await control.compare(actor, wanted.document)
        if show:
            show([asdict(each) for each in differences])
        fit = await control.check_tools(actor, wanted.document)
        agents = await _agents(control, actor)
        changed_tools = [
            views.tool_change(each, repinned=each.tool in repin) for each in fit.changes
        ]
        if show:
            show(changed_tools)
        answer = {
            "tenant_id": wanted.tenant_id,
            "place": _shown(place),
            "applied": False,
            "differences": [asdict(each) for each in differences],
            "pins": None,
            "tools": {**views.fit_as_json(fit, wanted.located), "changes": changed_tools},
            "warnings": [*map(wanted.located, advice(wanted.document, agents))],
        }
        if refusal := misfit(fit.findings):
            raise wanted.refused(refusal)
        if dry_run:
            return {**answer, "dry_run": True}
        something = differences or repin
        if ask and something and not typer.confirm(f"Apply this to {wanted.tenant_id}?"):
            return {**answer, "declined": True}
        changed = await control.apply(actor, wanted.document) if differences else ()
        try:
            report = await control.pin_tools(actor, repin=repin)
        except Refusal as refusal:
            raise _after(changed, refusal) from refusal
    return {
        **answer,
        "applied": bool(something),
        "differences": [asdict(each) for each in changed],
        "pins": views.pins_as_json(report),
        "dry_run": False,
    }


async def _agents(control: Control, actor: Principal) -> set[str]:
    """The agents that have a key."""
    return {key.name for key in await control.api_keys(actor) if key.revoked_at is None}


def _after(changed: Collection[Any], refusal: Refusal) -> Refusal:
    """A refusal that came after the configuration was applied mentions that it was."""
    also = f"The configuration was applied, and then: {refusal.sentence}"
    sentence = also if changed else refusal.sentence
    return type(refusal)(sentence, code=refusal.code, problems=refusal.problems)


@policy_app.command("schema")
def policy_schema(*, config: Config, as_json: AsJson = False) -> None:
    """Print the Cedar schema.

    It is generated from the catalog, and lists the values that a policy can read. The policy
    itself is not looked at.
    """
    from clearance.cli import output
    from clearance.configuration import file as configuration
    from clearance.configuration.compiling import catalog_of
    from clearance.core.policy_schema import cedar_schema

    schema = cedar_schema(catalog_of(configuration.load(config, without_policy=True).document))
    output.show(
        {"schema": schema}, lambda terminal, value: terminal.block(value["schema"]), as_json=as_json
    )


@policy_app.command("check")
def policy_check(
    *,
    config: Config,
    tools: Annotated[
        bool,
        typer.Option(
            "--tools", help="Ask the tool servers too, and compare the catalog with them."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a configuration.

    Reads all of it, with its policy, and lists the policy's rules and, for each action, what
    policy reads of it, which rules reach it and whether it can run alone. Applies nothing.
    """
    from clearance.cli import output
    from clearance.cli.tool_check import checked
    from clearance.cli.views import operator as views
    from clearance.configuration import file as configuration
    from clearance.configuration.advice import advice
    from clearance.configuration.compiling import policy_of, settings_alone
    from clearance.core.coverage import coverage_of

    wanted = configuration.load(config)
    policy = policy_of(wanted.document)
    settings = settings_alone(wanted.tenant_id, wanted.document)
    clauses = policy.clauses.values() if policy else ()
    answer = {
        "tenant_id": wanted.tenant_id,
        "policy_version": policy.version if policy else None,
        "clauses": [
            {"id": clause.id, "effect": clause.effect.value, "reason": clause.reason}
            for clause in clauses
        ],
        "warnings": [wanted.located(problem) for problem in advice(wanted.document)],
        "coverage": [
            views.coverage_as_json(coverage_of(settings, action))
            for action in settings.catalog.values()
        ],
    }
    fit = run(checked(wanted, place_of(None))) if tools else None
    answer["tools"] = views.fit_as_json(fit, wanted.located) if fit else None
    output.show(answer, views.policy, as_json=as_json)
    raise typer.Exit(int(bool(fit and (fit.misfits or fit.missing))))
