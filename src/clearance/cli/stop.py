"""The command that stops agents, and lifts a stop."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearance.cli import server
from clearance.cli.options import AsJson, Data, Json
from clearance.cli.state import for_every_tenant, place_of

if TYPE_CHECKING:
    from clearance.client import Answer, Clearance
    from clearance.core.principal import Principal
    from clearance.flow.control import Control


class Level(StrEnum):
    """The effect of a stop switch: hold its scope until it is lifted, or refuse it."""

    HOLD = "hold"
    REFUSE = "refuse"


def stop(
    *,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Stop this account.")] = None,
    action_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Stop this action type.")
    ] = None,
    tool_server: Annotated[
        str | None, typer.Option(metavar="NAME", help="Stop this tool server.")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Stop this agent.")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="Stop every tenant: works on the data directory, the database or the table "
            "itself.",
        ),
    ] = False,
    level: Annotated[
        Level, typer.Option(help="Hold its scope until it is lifted, or refuse it.")
    ] = Level.HOLD,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why, for the ledger. Needed to stop.")
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Turn the switch off again.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show which switches are on.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Stop agents, or lift a stop.

    Nothing that a switch covers starts until the switch is lifted. Without a name, it covers the
    whole tenant. Running executions are not cut off.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views

    scope, subject = _scope(account, action_type, tool_server, agent, everything=everything)
    if not (lift or listed or (reason and reason.strip())):
        sentence = "a stop needs a reason"
        raise typer.BadParameter(sentence, param_hint="--reason")
    if everything:
        switches = _stop_everything(data, level, reason, lift=lift, listed=listed)
        output.show(switches, views.stop_switches, as_json=as_json)
        return

    def ask(clearance: Clearance) -> Answer:
        if listed:
            return clearance.settings_part("stop-switches")
        if lift:
            return clearance.lift(scope, subject)
        return clearance.stop(scope, subject, level=level.value.upper(), reason=reason or "")

    server.answer(ask, views.stop_switches, as_json=as_json)


def _stop_everything(
    data: Path | None, level: Level, reason: str | None, *, lift: bool, listed: bool
) -> Json:
    """Stops every tenant of a data directory, a database or a table, or lifts that; the switches
    that are on then.
    """
    from clearance.core.stop import StopLevel, StopScope, StopSwitch
    from clearance.profiles import choose

    async def change(control: Control, operator: Principal) -> tuple[list[Json], int]:
        if listed:
            return await control.everywhere_stop(operator)
        upper = StopLevel(level.value.upper())
        switch = StopSwitch(StopScope.GLOBAL, None, upper, reason or "")
        return await control.put_everywhere_stop(operator, [] if lift else [switch])

    switches, version = for_every_tenant(data, change)
    place = choose.described(place_of(data))
    return {"stop_switches": switches, "version": version, "place": place}


def _scope(
    account: str | None,
    action_type: str | None,
    tool_server: str | None,
    agent: str | None,
    *,
    everything: bool,
) -> tuple[str, str | None]:
    """The scope of a stop: the named thing, else the tenant."""
    named = {
        "ACCOUNT": account,
        "ACTION_TYPE": action_type,
        "TOOL_SERVER": tool_server,
        "AGENT": agent,
    }
    given = [(scope, subject) for scope, subject in named.items() if subject is not None]
    if len(given) + everything > 1:
        sentence = (
            "name one thing to stop: --account, --action-type, --tool-server, --agent or "
            "--everything"
        )
        raise typer.BadParameter(sentence)
    return given[0] if given else ("TENANT", None)
