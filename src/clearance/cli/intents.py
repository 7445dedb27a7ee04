"""The commands for action intents: actions, propose, show, explain, cancel and erase."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from clearance.cli.options import ActionIntentId, AsJson, Reason
from clearance.cli.server import answer, connected, exit_code, json_object, json_value

Risk: TypeAlias = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]


AccountId = Annotated[
    str | None,
    typer.Option(
        "--account",
        "--account-id",
        metavar="NAME",
        help="Whose account it touches, unless the catalog finds it in the parameters.",
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        "--confidence", "--confidence-score", metavar="NUMBER", help="How sure, from 0 to 1."
    ),
]
OwnId = Annotated[
    str | None,
    typer.Option(
        "--id", "--action-intent-id", metavar="ID", help="Your own id; without it, one is made."
    ),
]


def propose(
    *,
    action_type: Annotated[str, typer.Option(metavar="TYPE", help="An action of the catalog.")],
    account_id: AccountId = None,
    parameters: Annotated[
        str, typer.Option(metavar="JSON", help="An object; @FILE reads a file, @- standard input.")
    ] = "{}",
    action_intent_id: OwnId = None,
    target: Annotated[
        str | None, typer.Option(metavar="JSON", help="The target, for people to read.")
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
    confidence_score: Confidence = None,
    risk_level: Annotated[
        Risk | None, typer.Option("--risk", "--risk-level", help="As the agent sees it.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Wait for the outcome, at most this long."),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Propose an action.

    Ends with 1 if it will not happen, did not work, or has an unknown outcome.
    """
    from clearance.cli import output
    from clearance.cli.views import intents as views
    from clearance.client import ClearanceUnavailable

    with connected() as clearance:
        intent = clearance.propose(
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
                intent = clearance.wait(intent["action_intent_id"], wait)
            except ClearanceUnavailable as error:
                error.action_intent_id = intent["action_intent_id"]
                raise
    output.show(intent, views.intent, as_json=as_json)
    raise typer.Exit(exit_code(intent))


def actions(*, as_json: AsJson = False) -> None:
    """List the actions that may be proposed.

    With --json also the schemas of their parameters.
    """
    from clearance.cli.views import lists

    answer(lambda clearance: clearance.actions(), lists.actions, as_json=as_json)


def show(action_intent_id: ActionIntentId, *, as_json: AsJson = False) -> None:
    """Show one intent.

    Shows its status, decision, approval and outcome.
    """
    from clearance.cli import output
    from clearance.cli.views import intents as views

    with connected() as clearance:
        facts = clearance.intent(action_intent_id)
        if facts["status"] == "CANCELLED" and not as_json:
            # Why it was cancelled stands in its ledger entry.
            facts = facts | {"history": clearance.explanation(action_intent_id)["history"]}
    output.show(facts, views.intent, as_json=as_json)


def explain(action_intent_id: ActionIntentId, *, as_json: AsJson = False) -> None:
    """Explain a decision.

    Shows every check of the gate, and the changes that would have altered the answer.
    """
    from clearance.cli.views import intents as views

    answer(
        lambda clearance: clearance.explanation(action_intent_id),
        views.explanation,
        as_json=as_json,
    )


def cancel(action_intent_id: ActionIntentId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Withdraw an intent that has not started."""
    from clearance.cli.views import intents as views

    answer(
        lambda clearance: clearance.cancel(action_intent_id, reason), views.intent, as_json=as_json
    )


def erase(action_intent_id: ActionIntentId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Erase the reasons that people wrote.

    The ledger keeps their digests, and records who erased them. This cannot be undone.
    """
    from clearance.cli.views import intents as views

    answer(
        lambda clearance: clearance.erase(action_intent_id, reason), views.erased, as_json=as_json
    )
