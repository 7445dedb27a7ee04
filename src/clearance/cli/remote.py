"""The commands that ask a server: propose, rule, stop, and read what happened.

One idea: a command asks for one thing, through the REST API like everybody else, and prints the
answer. Address and key come from the environment. Nothing is decided here.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from clearance.cli import local
from clearance.cli.local import AsJson, Data

if TYPE_CHECKING:
    from clearance.cli.output import Terminal
    from clearance.client import Answer, Clearance

LIMIT_DEFAULT = 50  # items of a list
SEEN_MAX = 1_000  # steps of intents that `timeline --follow` remembers, to say each once

NOT_TO_BE = frozenset({"BLOCKED", "REJECTED", "EXPIRED", "CANCELLED", "FAILED", "UNKNOWN"})

Json: TypeAlias = Any
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many.")]
Name = Annotated[str, typer.Argument(metavar="ID", help="An action intent id.")]
ApprovalName = Annotated[
    str, typer.Argument(metavar="ID", help="An approval id, or an intent's (its latest approval).")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the ledger.")]
ReasonIfAny = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the ledger.")
]
Account = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="Only this account.")
]
ActionType = Annotated[
    str | None, typer.Option("--action-type", metavar="TYPE", help="Only this action type.")
]
Risk: TypeAlias = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]


class Level(StrEnum):
    """What a stop switch does: hold what it covers until it is lifted, or refuse it."""

    HOLD = "hold"
    REFUSE = "refuse"


class ReconciledStatus(StrEnum):
    """What is now known of an outcome."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Status(StrEnum):
    """Where an intent is on its way."""

    BLOCKED = "BLOCKED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


# Agents


def propose(
    *,
    account_id: Annotated[
        str,
        typer.Option("--account", "--account-id", metavar="NAME", help="Whose account it touches."),
    ],
    action_type: Annotated[str, typer.Option(metavar="TYPE", help="An action of the catalog.")],
    confidence_score: Annotated[
        float,
        typer.Option("--confidence", "--confidence-score", metavar="NUMBER", help="From 0 to 1."),
    ],
    risk_level: Annotated[
        Risk, typer.Option("--risk", "--risk-level", help="As the agent sees it.")
    ],
    parameters: Annotated[
        str, typer.Option(metavar="JSON", help="An object; @FILE reads a file, @- standard input.")
    ] = "{}",
    action_intent_id: Annotated[
        str | None,
        typer.Option(
            "--id", "--action-intent-id", metavar="ID", help="Yours; without it one is made."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="JSON", help="What it is aimed at, for people to read.")
    ] = None,
    why: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A reason; give it again for more.")
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="For example 2026-11-23T06:00:00Z.")
    ] = None,
    trace_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The run that this belongs to.")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait for the outcome, at most so long.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Propose an action.

    Ends with 1 if it is not going to happen, or did not work, or nobody knows whether it did.
    """
    from clearance.cli import output
    from clearance.client import ClearanceUnavailable

    with connected() as clearance:
        one = clearance.propose(
            account_id=account_id,
            action_type=action_type,
            confidence_score=confidence_score,
            risk_level=risk_level,
            parameters=json_object("--parameters", parameters),
            action_intent_id=action_intent_id,
            target=None if target is None else json_value("--target", target),
            why=why or (),
            expires_at=expires_at,
            trace_id=trace_id,
        )
        if wait:
            try:
                one = clearance.wait(one["action_intent_id"], wait)
            except ClearanceUnavailable as error:
                error.action_intent_id = one["action_intent_id"]
                raise
    output.show(one, output.intent, as_json=as_json)
    raise typer.Exit(_exit_code(one))


def _exit_code(one: Mapping[str, Json]) -> int:
    return int(one["status"] in NOT_TO_BE)


def show(action_intent_id: Name, *, as_json: AsJson = False) -> None:
    """Show one intent as it stands.

    Its status, decision, approval and outcome.
    """
    from clearance.cli import output

    _answer(lambda clearance: clearance.intent(action_intent_id), output.intent, as_json=as_json)


def explain(action_intent_id: Name, *, as_json: AsJson = False) -> None:
    """Explain a decision.

    Every check of the gate, and what would have changed the answer.
    """
    from clearance.cli import output

    _answer(
        lambda clearance: clearance.explanation(action_intent_id),
        output.explanation,
        as_json=as_json,
    )


def cancel(action_intent_id: Name, *, reason: Reason, as_json: AsJson = False) -> None:
    """Withdraw an intent that has not started."""
    from clearance.cli import output

    _answer(
        lambda clearance: clearance.cancel(action_intent_id, reason), output.intent, as_json=as_json
    )


# People


def inbox(*, limit: Limit = LIMIT_DEFAULT, as_json: AsJson = False) -> None:
    """List what needs a person.

    Oldest request first.
    """
    from clearance.cli import output

    with connected() as clearance:
        page = _first(clearance.approvals(), limit)
        rules = as_json or "rule" in clearance.whoami()["permissions"]
    output.show(page, partial(output.inbox, rules=rules), as_json=as_json)


Digest = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256", help="Of what you were shown: refuse if something else would run by now."
    ),
]


def approve(
    name: ApprovalName,
    *,
    reason: ReasonIfAny = None,
    digest: Digest = None,
    as_json: AsJson = False,
) -> None:
    """Approve an action.

    It starts at once.
    """
    from clearance.cli import output

    _answer(
        lambda clearance: clearance.approve(name, reason=reason, digest=digest),
        output.ruled,
        as_json=as_json,
    )


def reject(name: ApprovalName, *, reason: Reason, as_json: AsJson = False) -> None:
    """Reject an action."""
    from clearance.cli import output

    _answer(lambda clearance: clearance.reject(name, reason=reason), output.ruled, as_json=as_json)


def edit(
    name: ApprovalName,
    *,
    parameters: Annotated[
        str, typer.Option(metavar="JSON", help="All of them, as an object; @FILE reads a file.")
    ],
    reason: ReasonIfAny = None,
    digest: Digest = None,
    as_json: AsJson = False,
) -> None:
    """Change what was proposed.

    Proposes the action with other parameters in the place of the one that waits, through the whole
    gate.
    """
    from clearance.cli import output

    with connected() as clearance:
        wanted = json_object("--parameters", parameters)
        one = clearance.edit(name, parameters=wanted, reason=reason, digest=digest)
    output.show(one, output.ruled, as_json=as_json)
    raise typer.Exit(_exit_code(one["new_intent"]))


def reconcile(
    action_intent_id: Name,
    *,
    status: Annotated[ReconciledStatus, typer.Option(help="What became of it.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="How that is known, for the ledger.")],
    as_json: AsJson = False,
) -> None:
    """Settle an unknown outcome.

    Says what became of an action whose tool did not answer.
    """
    from clearance.cli import output

    wanted = status.value.upper()
    _answer(
        lambda clearance: clearance.reconcile(action_intent_id, status=wanted, reason=reason),
        output.intent,
        as_json=as_json,
    )


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
        Level, typer.Option(help="Hold what it covers until it is lifted, or refuse it.")
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

    Nothing that a switch covers starts until it is lifted. Without a name it covers the whole
    tenant. What is running already is not cut off.
    """
    from clearance.cli import output

    scope, subject = _scope(account, action_type, tool_server, agent, everything=everything)
    if not (lift or listed or (reason and reason.strip())):
        sentence = "a stop needs a reason"
        raise typer.BadParameter(sentence, param_hint="--reason")
    if everything:
        part = local.stop_everywhere(data, level.value.upper(), reason, lift=lift, listed=listed)
        output.show(part, output.stop_switches, as_json=as_json)
        return

    def ask(clearance: Clearance) -> Answer:
        if listed:
            return clearance.settings_part("stop-switches")
        if lift:
            return clearance.lift(scope, subject)
        return clearance.stop(scope, subject, level=level.value.upper(), reason=reason or "")

    _answer(ask, output.stop_switches, as_json=as_json)


def _scope(
    account: str | None,
    action_type: str | None,
    tool_server: str | None,
    agent: str | None,
    *,
    everything: bool,
) -> tuple[str, str | None]:
    """What a stop covers: the one thing that was named, else the tenant."""
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


# Everybody who may read


def timeline(
    *,
    account: Account = None,
    action_type: ActionType = None,
    auto_executed: Annotated[
        bool | None,
        typer.Option(
            "--autopilot/--not-autopilot", help="Only what nobody approved, or only the rest."
        ),
    ] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only this status; give it again for more.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="For example 2026-11-23T06:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="MOMENT", help="Up to this moment.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on as things happen; --json: a line for each."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what was done.

    And what was not: newest first, or with --follow newest last.
    """
    from clearance.cli import output

    filters: dict[str, Json] = {
        "account_id": account,
        "action_type": action_type,
        "auto_executed": auto_executed,
        "status": status or (),
    }
    with connected() as clearance:
        page = _first(clearance.timeline(**filters, since=since, until=until), limit)
        if follow:
            output.follow(_told(clearance, page["items"], filters), output.told, as_json=as_json)
        else:
            output.show(page, output.timeline, as_json=as_json)


def _told(
    clearance: Clearance, items: list[Answer], filters: Mapping[str, Json]
) -> Iterator[Answer]:
    """The items oldest first, then each intent that a new ledger entry is about, as an item of the
    timeline.
    """
    yield from reversed(items)
    seen: deque[tuple[str, str]] = deque(
        ((one["action_intent_id"], one["status"]) for one in items), maxlen=SEEN_MAX
    )
    for entry in clearance.events(after=items[0]["position"] if items else None):
        name = entry.get("action_intent_id")
        if name is None or not all(
            filters[key] in (None, entry.get(key)) for key in ("account_id", "action_type")
        ):
            continue
        one = _item(entry, clearance.intent(name))
        step = (name, one["status"])
        wanted = filters["auto_executed"] in (None, one["auto_executed"])
        if (
            step not in seen
            and wanted
            and (not filters["status"] or one["status"] in filters["status"])
        ):
            seen.append(step)
            yield one


_SHARED = (
    *("action_intent_id", "account_id", "action_type", "sentence", "status", "decision", "reason"),
    *("auto_executed", "approval_source"),
)


def _item(entry: Mapping[str, Json], one: Mapping[str, Json]) -> Answer:
    """An intent as the timeline tells it, at its latest entry."""
    ruling = (one["approval"] or {}).get("ruling") or {}
    return {
        "position": entry["position"],
        "at": entry["at"],
        **{name: one[name] for name in _SHARED},
        "approved_by": ruling.get("ruled_by") if one["approval_source"] == "HUMAN" else None,
        "outcome_status": (one["outcome"] or {}).get("status"),
    }


def ledger(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="From behind this position.")
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as entries come; --json: a line for each.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the ledger.

    In order; with --follow from a position, or from now on.
    """
    from clearance.cli import output

    with connected() as clearance:
        if follow:
            output.follow(clearance.events(after=after), output.entry, as_json=as_json)
        else:
            page = _first(clearance.ledger(after=after or 0), limit)
            output.show(page, output.ledger, as_json=as_json)


def whoami(*, as_json: AsJson = False) -> None:
    """Say whose key this is.

    And what it may do.
    """
    from clearance.cli import output

    _answer(lambda clearance: clearance.whoami(), output.whoami, as_json=as_json)


# What commands share


def connected() -> Clearance:
    """The client that the environment describes."""
    from clearance.client import Clearance

    return Clearance()


def _answer(
    ask: Callable[[Clearance], Answer], render: Callable[[Terminal, Json], None], *, as_json: bool
) -> None:
    from clearance.cli import output

    with connected() as clearance:
        answer = ask(clearance)
    output.show(answer, render, as_json=as_json)


def _first(items: Iterator[Answer], limit: int) -> Answer:
    """The first items of a list, as one document that says whether there are more."""
    taken: list[Answer] = []
    for item in items:
        if len(taken) == limit:
            return {"items": taken, "more": True}
        taken.append(item)
    return {"items": taken, "more": False}


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


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    for command in (
        propose,
        show,
        explain,
        cancel,
        inbox,
        approve,
        reject,
        edit,
        reconcile,
        stop,
        timeline,
        ledger,
        whoami,
    ):
        app.command()(command)
