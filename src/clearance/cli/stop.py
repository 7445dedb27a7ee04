"""The command that stops agents, and lifts a stop."""

from __future__ import annotations

import contextlib
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


TENANTS_MAX = 1_000  # whose own switches are counted beside the operator's


class Level(StrEnum):
    """The effect of a stop switch: hold its scope until it is lifted, or refuse it."""

    HOLD = "hold"
    REFUSE = "refuse"


class LeastRole(StrEnum):
    """Who may lift a stop: the least role that may."""

    APPROVER = "approver"
    OWNER = "owner"


Account = Annotated[str | None, typer.Option(metavar="NAME", help="Stop this account.")]
ActionType = Annotated[str | None, typer.Option(metavar="TYPE", help="Stop this action type.")]
ToolServer = Annotated[str | None, typer.Option(metavar="NAME", help="Stop this tool server.")]
Agent = Annotated[str | None, typer.Option(metavar="NAME", help="Stop this agent.")]
Everything = Annotated[
    bool,
    typer.Option(
        "--everything",
        help="Stop every tenant: works on the data directory, the database or the table itself.",
    ),
]
Why = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Why, for the ledger. Needed to stop.")
]
LiftedBy = Annotated[
    LeastRole | None,
    typer.Option(
        help="The least role that may lift it. Without it: an owner for what an owner refuses, an "
        "approver for all else.",
    ),
]
Lift = Annotated[
    bool, typer.Option("--lift", help="Turn the switch off again, and say what starts.")
]
Listed = Annotated[
    bool, typer.Option("--list", help="Show which switches are on, and what they hold now.")
]


def stop(
    *,
    account: Account = None,
    action_type: ActionType = None,
    tool_server: ToolServer = None,
    agent: Agent = None,
    everything: Everything = False,
    level: Annotated[
        Level, typer.Option(help="Hold its scope until it is lifted, or refuse it.")
    ] = Level.HOLD,
    reason: Why = None,
    lifted_by: LiftedBy = None,
    lift: Lift = False,
    listed: Listed = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Stop agents, or lift a stop.

    Nothing that a switch covers starts until the switch is lifted. Without a name, it covers the
    whole tenant. The receipt says what is held, and which calls are under way: these are not cut
    off. A name that nothing has is stopped too, and the receipt says so.
    """
    from clearance.cli import output
    from clearance.cli.views import stops as views

    scope, subject = _scope(account, action_type, tool_server, agent, everything=everything)
    if not (lift or listed or (reason and reason.strip())):
        sentence = "a stop needs a reason"
        raise typer.BadParameter(sentence, param_hint="--reason")
    if everything and lifted_by:
        sentence = "only the operator of the installation lifts a stop of everything"
        raise typer.BadParameter(sentence, param_hint="--lifted-by")
    view = views.listed if listed else views.lifted if lift else views.stopped
    if everything:
        answer = _of_everything(data, level, reason, lift=lift, listed=listed)
        output.show(answer, view, as_json=as_json)
        return

    def ask(clearance: Clearance) -> Answer:
        if listed:
            return _live(clearance)
        if lift:
            return clearance.lift(scope, subject)
        return clearance.stop(
            scope,
            subject,
            level=level.value.upper(),
            reason=reason or "",
            lifted_by=lifted_by.value.upper() if lifted_by else None,
        )

    server.answer(ask, view, as_json=as_json)


def _live(clearance: Clearance) -> Answer:
    """The switches that are on, the operator's too, and their receipts. That some are on is said in
    any case.
    """
    from clearance.client import ClearanceError

    part = clearance.settings_part("stop-switches")
    on = clearance.status()["stop_switches"]
    known = {**part, "everywhere": [switch for switch in on if switch["scope"] == "GLOBAL"]}
    try:
        return {**known, "receipts": clearance.stop_receipts()["items"]}
    except ClearanceError as error:
        problem = {"code": error.code, "sentence": error.sentence}
        return {**known, "receipts": [], "receipt_problem": problem}


def _of_everything(
    data: Path | None, level: Level, reason: str | None, *, lift: bool, listed: bool
) -> Json:
    """Stops every tenant of a data directory, a database or a table, or lifts that; what was done,
    and the switches that are on then.
    """
    from clearance.api.stops import as_answer
    from clearance.core.stop import StopLevel, StopScope, StopSwitch
    from clearance.doors import stopping
    from clearance.profiles import choose

    async def change(control: Control, operator: Principal) -> Json:
        if listed:
            on = as_answer(await stopping.everywhere(control, operator))
            return {**on, "tenants": await _of_tenants(control, operator)}
        upper = StopLevel(level.value.upper())
        switch = StopSwitch(StopScope.GLOBAL, None, upper, reason or "")
        if not lift:
            return as_answer(await stopping.put_everywhere(control, operator, [switch]))
        lifted = as_answer(await stopping.put_everywhere(control, operator, []))
        return {**lifted, "tenants": await _of_tenants(control, operator)}

    return {**for_every_tenant(data, change), "place": choose.described(place_of(data))}


async def _of_tenants(control: Control, operator: Principal) -> Json:
    """How many switches of their own tenants have, by name; those that have none are left out."""
    from clearance.core.errors import Refusal
    from clearance.flow.requests import SettingsPart
    from clearance.profiles import parts

    counts = {}
    for tenant in (await control.tenants(operator))[:TENANTS_MAX]:
        with contextlib.suppress(Refusal):  # of settings that cannot be read, doctor speaks
            its, _ = await control.settings_part(parts.operator(tenant), SettingsPart.STOP_SWITCHES)
            counts[tenant] = len(its["stop_switches"])
    return {tenant: count for tenant, count in counts.items() if count}


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
