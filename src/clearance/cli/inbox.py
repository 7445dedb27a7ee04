"""The commands for the intents that need a person: inbox, approve, reject, edit and reconcile."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from clearance.cli.options import (
    LIMIT_DEFAULT,
    ActionIntentId,
    AsJson,
    Cursor,
    Limit,
    Reason,
    ReasonIfAny,
)
from clearance.cli.server import answer, connected, exit_code, json_object

ApprovalName = Annotated[
    str, typer.Argument(metavar="ID", help="An approval id, or an intent's (its latest approval).")
]
Digest = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256", help="From the card that you saw: refuse if something else would run now."
    ),
]


class ReconciledStatus(StrEnum):
    """The result that a person found."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


def inbox(*, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None, as_json: AsJson = False) -> None:
    """List the approvals that need a person.

    Oldest request first, each with everything that the tool would get.
    """
    from clearance.cli import output
    from clearance.cli.views import lists as views

    with connected() as clearance:
        page = clearance.page("approvals", limit=limit, cursor=cursor)
        page["total"] = clearance.status()["intents"]["AWAITING_APPROVAL"]
        rules = as_json or "rule" in clearance.whoami()["permissions"]
    output.show(page, partial(views.inbox, rules=rules), as_json=as_json)


def approve(
    name: ApprovalName,
    *,
    reason: ReasonIfAny = None,
    digest: Digest = None,
    as_json: AsJson = False,
) -> None:
    """Approve an action.

    It starts at once, unless a stop holds it: the answer says so.
    """
    from clearance.cli.views import intents as views

    answer(
        lambda clearance: clearance.approve(name, reason=reason, digest=digest),
        views.ruled,
        as_json=as_json,
    )


def reject(name: ApprovalName, *, reason: Reason, as_json: AsJson = False) -> None:
    """Reject an action."""
    from clearance.cli.views import intents as views

    answer(lambda clearance: clearance.reject(name, reason=reason), views.ruled, as_json=as_json)


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
    """Change a proposal.

    Proposes the action with other parameters in the place of the one that waits, through the whole
    gate. It is your act: another person approves it, unless you may rule on what you edit. `inbox`
    says which it will be.
    """
    from clearance.cli import output
    from clearance.cli.views import intents as views

    with connected() as clearance:
        wanted = json_object("--parameters", parameters)
        intent = clearance.edit(name, parameters=wanted, reason=reason, digest=digest)
    output.show(intent, views.ruled, as_json=as_json)
    raise typer.Exit(exit_code(intent["new_intent"]))


def reconcile(
    action_intent_id: ActionIntentId,
    *,
    status: Annotated[ReconciledStatus, typer.Option(help="The result.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="How you know, for the ledger.")],
    as_json: AsJson = False,
) -> None:
    """Settle an unknown outcome.

    Records the result of an action whose tool did not answer.
    """
    from clearance.cli.views import intents as views

    wanted = status.value.upper()
    answer(
        lambda clearance: clearance.reconcile(action_intent_id, status=wanted, reason=reason),
        views.intent,
        as_json=as_json,
    )
