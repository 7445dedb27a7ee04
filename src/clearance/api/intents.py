"""Action intents over REST: propose, read, explain, withdraw and reconcile them; and the
timeline.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from starlette.responses import Response

from clearance.api import resources, wire
from clearance.api.body import read
from clearance.api.door import (
    BODY,
    Caller,
    PageQuery,
    TheControl,
    answer,
    cursor_at,
    place_of,
    problems,
    takes,
)
from clearance.api.proposals import milliseconds, proposal_of
from clearance.core.intent import ACTION_INTENT_ID
from clearance.core.outcome import OutcomeStatus
from clearance.core.record import IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import Proposal

POSITION = re.compile(r"[0-9]{1,15}")

router = APIRouter(tags=["Action intents"])


_AGAIN: dict[int | str, dict[str, Any]] = {
    200: {"model": wire.Intent, "description": "The same intent again: the same answer."}
}
_KEY_MEANS = "The intent's id, if the body has none; else it must be the same."
IntentId = Annotated[str, Field(pattern=f"^{ACTION_INTENT_ID.pattern}$")]


@router.post(
    "/v1/intents",
    operation_id="propose",
    summary="Propose an action",
    status_code=201,
    response_model=wire.Intent,
    responses=_AGAIN | problems(409, 429, *BODY),
    openapi_extra=takes(wire.ProposalBody),
)
async def propose(
    request: Request,
    caller: Caller,
    control: TheControl,
    idempotency_key: Annotated[list[str] | None, Header(description=_KEY_MEANS)] = None,
) -> Response:
    """Answers the gate's decision.

    The same id and content: the same answer again, and nothing is consumed twice.
    """

    async def proposal() -> Proposal:
        body = await read(request, wire.ProposalBody)
        return proposal_of(body, caller, idempotency_key or ())

    proposed = await control.propose(caller, proposal)
    resource = resources.intent(proposed)
    if not proposed.created:
        return answer(resource)
    return answer(resource, 201, {"Location": f"/v1/intents/{resource.action_intent_id}"})


@router.get(
    "/v1/intents/{action_intent_id}",
    operation_id="intent",
    summary="One action intent",
    response_model=wire.Intent,
    responses=problems(404),
)
async def intent(action_intent_id: IntentId, caller: Caller, control: TheControl) -> Response:
    """Status, decision, approval, attempt and outcome."""
    narrated = await control.intent(caller, action_intent_id)
    [shown] = await control.with_alike(caller, [narrated])
    return answer(resources.intent(shown))


@router.get(
    "/v1/intents/{action_intent_id}/explanation",
    operation_id="explanation",
    summary="Why an intent was answered as it was",
    response_model=wire.ExplanationResource,
    responses=problems(404),
)
async def explanation(action_intent_id: IntentId, caller: Caller, control: TheControl) -> Response:
    """Why, what the gate knew, which policy allowed it, what would change the answer, and what
    happened since.
    """
    explained = await control.explain(caller, action_intent_id)
    return answer(resources.explanation(explained, await control.history(caller, action_intent_id)))


@router.post(
    "/v1/intents/{action_intent_id}/cancellation",
    operation_id="cancel",
    summary="Withdraw an intent",
    response_model=wire.Intent,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(wire.CancellationBody),
)
async def cancel(
    request: Request, action_intent_id: IntentId, caller: Caller, control: TheControl
) -> Response:
    """Withdraws an intent that has not started: its proposer may, and so may a person who rules."""
    body = await read(request, wire.CancellationBody)
    return answer(resources.intent(await control.cancel(caller, action_intent_id, body.reason)))


@router.post(
    "/v1/intents/{action_intent_id}/reconciliation",
    operation_id="reconcile",
    summary="Say what became of an unknown outcome",
    response_model=wire.Intent,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(wire.ReconciliationBody),
)
async def reconcile(
    request: Request, action_intent_id: IntentId, caller: Caller, control: TheControl
) -> Response:
    """Settles an UNKNOWN outcome, with the name and reason of the person."""
    body = await read(request, wire.ReconciliationBody)
    status = OutcomeStatus(body.status)
    reconciled = await control.reconcile(caller, action_intent_id, status, body.reason)
    return answer(resources.intent(reconciled))


@router.post(
    "/v1/intents/{action_intent_id}/erasure",
    operation_id="erase",
    summary="Erase the reasons that people wrote",
    response_model=wire.ErasedIntent,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(wire.ErasureBody),
)
async def erase(
    request: Request, action_intent_id: IntentId, caller: Caller, control: TheControl
) -> Response:
    """Erases the reasons that people wrote about an intent. The ledger keeps their digests."""
    body = await read(request, wire.ErasureBody)
    erased = await control.erase(caller, action_intent_id, body.reason)
    return answer(resources.erased_intent(erased))


class TimelinePageQuery(PageQuery):
    """Which intents of the timeline."""

    account_id: str | None = None
    action_type: str | None = None
    auto_executed: bool | None = None
    status: Annotated[
        list[wire.StatusName], Field(max_length=len(IntentStatus), default_factory=list)
    ]
    since: wire.Moment | None = None
    until: wire.Moment | None = None


@router.get(
    "/v1/timeline",
    operation_id="timeline",
    summary="What was done, and what was not",
    response_model=wire.TimelinePage,
    responses=problems(422),
)
async def timeline(
    query: Annotated[TimelinePageQuery, Query()], caller: Caller, control: TheControl
) -> Response:
    """One sentence per intent, by its latest fact, newest first."""
    place = place_of("timeline", query.cursor, POSITION)
    narrated = await control.timeline(
        caller,
        TimelineQuery(
            account_id=query.account_id,
            action_type=query.action_type,
            auto_executed=query.auto_executed,
            statuses=tuple(IntentStatus(name) for name in query.status),
            since=milliseconds(query.since),
            until=milliseconds(query.until),
            before=None if place is None else int(place),
            limit=query.limit,
        ),
    )
    catalog = await control.actions(caller)
    items = [
        resources.timeline_item(item, catalog.get(item.record.intent.action_type))
        for item in narrated
    ]
    more = cursor_at("timeline", items[-1].position) if len(items) == query.limit else None
    return answer(wire.TimelinePage(items=items, next_cursor=more))
