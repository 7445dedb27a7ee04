"""Stop receipts over REST: what a stop holds, what it came too late for, and what a lift starts.

A receipt is made when it is asked for. The stop itself is a change of the settings, and stands
whether or not a receipt can be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import Response

from clearance.api.door import Caller, Query, TheControl, answer, problems
from clearance.api.wire import Moment, Resource, SettingsPartResource, StatusName
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput
from clearance.core.intent import NAME_LENGTH_MAX
from clearance.core.moment import as_text
from clearance.core.record import IntentStatus
from clearance.core.stop import NAMES_NOTHING, StopScope, StopSwitch
from clearance.doors.stopping import StopChange
from clearance.flow.requests import CallUnderWay, StopReceipt

router = APIRouter(tags=["Autonomy"])


class SwitchInForce(Resource):
    """A stop switch that is on. `GLOBAL` is the operator's, and holds for every tenant.

    `set_by` and `set_at` are null if an earlier version turned it on. `lifted_by` is the least role
    that may lift or loosen it.
    """

    scope: Literal["GLOBAL", "TENANT", "ACCOUNT", "ACTION_TYPE", "TOOL_SERVER", "AGENT"]
    subject: str | None
    level: Literal["HOLD", "REFUSE"]
    reason: str
    set_by: str | None
    set_at: Moment | None
    lifted_by: Literal["APPROVER", "OWNER"]


class CallUnderWayResource(Resource):
    """A call that has begun, and whose outcome is not recorded. By `deadline` it is over."""

    action_intent_id: str
    attempt: int
    tool: Annotated[str | None, Field(description="`server.tool`; null if the catalog lost it.")]
    since: Moment
    deadline: Moment
    tenant_id: str


class StopReceiptResource(Resource):
    """What a stop switch holds, what it came too late for, and what was done before it."""

    switch: SwitchInForce
    on: Annotated[bool, Field(description="False for a preview of a stop that is not on.")]
    stop: Annotated[int | None, Field(description="Position of the entry that turned it on.")]
    known: Annotated[bool, Field(description="False if nothing has the name that it covers.")]
    near: Annotated[list[str], Field(description="Known names that look like it, at most 5.")]
    waiting: Annotated[int, Field(description="Covered intents that wait for a person.")]
    approved: Annotated[int, Field(description="Covered intents that are approved and held.")]
    under_way: Annotated[int, Field(description="Covered calls that are not cut off.")]
    calls: Annotated[list[CallUnderWayResource], Field(description="The first 100 of them.")]
    done: Annotated[
        dict[StatusName, int],
        Field(description="Covered intents that ended in the 24 hours before `at`, by status."),
    ]
    starts: Annotated[
        int, Field(description="Approved intents that start at once if this is lifted now.")
    ]
    at: Moment
    recorded: Annotated[
        int | None, Field(description="Position of the receipt's own entry; null until it is made.")
    ]
    closed: Annotated[
        bool, Field(description="True once the last call under way at the stop has ended.")
    ]
    ended: Annotated[
        dict[StatusName, int] | None,
        Field(
            description="How the calls that were under way at the stop ended, once all have. "
            "UNKNOWN: the tool may still be at work."
        ),
    ]


class StopReceiptList(Resource):
    """The receipts of all switches that are on, as they stand now."""

    items: list[StopReceiptResource]


class ReceiptProblem(Resource):
    """Why a receipt could not be made now. The switches are changed all the same."""

    code: str
    sentence: str


class ChangedStopSwitches(SettingsPartResource):
    """The stop switches after a change, and what the change did."""

    receipts: Annotated[
        list[StopReceiptResource],
        Field(description="Of the switches that this change put on or made stricter."),
    ]
    starts: Annotated[
        int | None,
        Field(
            description="Approved intents that start because of it, which a switch that it lifted "
            "held alone; null if not known."
        ),
    ]
    receipt_problem: Annotated[
        ReceiptProblem | None, Field(description="Why something above is not there.")
    ]


CHANGE_ONLY = ChangedStopSwitches.model_fields.keys() - SettingsPartResource.model_fields.keys()
"""The names in the answer to a change that are no part of the settings."""


class PreviewQuery(Query):
    """What a stop would cover: the tenant, or one thing by its name."""

    scope: Literal["TENANT", "ACCOUNT", "ACTION_TYPE", "TOOL_SERVER", "AGENT"]
    subject: Annotated[str | None, Field(min_length=1, max_length=NAME_LENGTH_MAX)] = None


@router.get(
    "/v1/stop-receipts",
    operation_id="stop_receipts",
    summary="What the stops that are on hold now",
    response_model=StopReceiptList,
    responses=problems(),
)
async def stop_receipts(caller: Caller, control: TheControl) -> Response:
    """Each switch of the tenant that is on, with what is held and what is under way. The operator's
    are in the status.
    """
    receipts = await control.stop_receipts(caller)
    return answer(StopReceiptList(items=[receipt_resource(each) for each in receipts]))


@router.get(
    "/v1/stop-receipts/preview",
    operation_id="stop_receipt",
    summary="What one stop holds, or would hold",
    response_model=StopReceiptResource,
    responses=problems(422),
)
async def stop_receipt(
    query: Annotated[PreviewQuery, InQuery()], caller: Caller, control: TheControl
) -> Response:
    """The receipt of one scope and subject, whether or not a switch is on for it (`on`)."""
    scope = StopScope(query.scope)
    if (query.subject is None) != (scope in NAMES_NOTHING):
        sentence = "Name what the stop covers: every scope but TENANT has a subject."
        raise InvalidInput(sentence, code="INVALID_QUERY")
    return answer(receipt_resource(await control.stop_receipt(caller, scope, query.subject)))


def changed_switches(change: StopChange) -> ChangedStopSwitches:
    """The answer to a change of the stop switches."""
    problem = change.problem
    return ChangedStopSwitches(
        **{
            **change.part,
            "version": change.version,
            "receipts": [receipt_resource(each) for each in change.receipts],
            "starts": change.starts,
            "receipt_problem": ReceiptProblem(code=problem.code, sentence=problem.sentence)
            if problem
            else None,
        }
    )


def as_answer(change: StopChange) -> dict[str, Json]:
    """The same as plain JSON, for a command that works on the state itself."""
    return changed_switches(change).model_dump(by_alias=True)


def _counts(of_status: Mapping[IntentStatus, int]) -> dict[StatusName, int]:
    return {status.value: count for status, count in of_status.items()}


def receipt_resource(receipt: StopReceipt) -> StopReceiptResource:
    """A receipt as the wire shows it."""
    return StopReceiptResource(
        switch=switch_in_force(receipt.switch),
        on=receipt.on,
        stop=receipt.stop,
        known=receipt.known,
        near=list(receipt.near),
        waiting=receipt.waiting,
        approved=receipt.approved,
        under_way=receipt.under_way,
        calls=[_call(call) for call in receipt.calls],
        done=_counts(receipt.done),
        starts=receipt.starts,
        at=as_text(receipt.at),
        recorded=receipt.recorded,
        closed=receipt.closed,
        ended=None if receipt.ended is None else _counts(receipt.ended),
    )


def switch_in_force(switch: StopSwitch) -> SwitchInForce:
    """A switch as the wire shows it."""
    return SwitchInForce(
        scope=switch.scope.value,
        subject=switch.subject,
        level=switch.level.value,
        reason=switch.reason,
        set_by=switch.set_by,
        set_at=None if switch.set_at is None else as_text(switch.set_at),
        lifted_by=switch.lifted_by.value,
    )


def _call(call: CallUnderWay) -> CallUnderWayResource:
    return CallUnderWayResource(
        action_intent_id=call.action_intent_id,
        attempt=call.attempt,
        tool=call.tool,
        since=as_text(call.since),
        deadline=as_text(call.deadline),
        tenant_id=call.tenant_id,
    )
