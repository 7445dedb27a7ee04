"""The inbox over REST: a person lists the approvals that wait, and rules on them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
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
from clearance.core.approval import RulingKind
from clearance.core.intent import ACTION_INTENT_ID
from clearance.flow.requests import RulingRequest

router = APIRouter(tags=["Approvals"])
ApprovalId = Annotated[str, Field(pattern=rf"^{ACTION_INTENT_ID.pattern}\.[0-9]{{1,9}}$")]


@router.get(
    "/v1/approvals",
    operation_id="approvals",
    summary="What needs a person",
    response_model=wire.ApprovalPage,
    responses=problems(422),
)
async def approvals(
    query: Annotated[PageQuery, Query()], caller: Caller, control: TheControl
) -> Response:
    """Every approval that waits, oldest request first."""
    after = place_of("approvals", query.cursor, ACTION_INTENT_ID)
    waiting = await control.waiting(caller, after=after, limit=query.limit)
    waiting = await control.with_alike(caller, waiting)
    catalog = (await control.settings(caller)).catalog
    items = [
        resources.approval_item(
            narrated,
            narrated.record.approval,
            catalog.get(narrated.record.intent.action_type),
            caller,
        )
        for narrated in waiting
        if narrated.record.approval is not None
    ]
    more = (
        cursor_at("approvals", waiting[-1].record.intent.action_intent_id)
        if len(waiting) == query.limit
        else None
    )
    return answer(wire.ApprovalPage(items=items, next_cursor=more))


@router.post(
    "/v1/approvals/{approval_id}/rulings",
    operation_id="rule",
    summary="Rule on an approval",
    status_code=201,
    response_model=wire.RuledIntent,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(wire.RulingBody),
)
async def rule(
    request: Request, approval_id: ApprovalId, caller: Caller, control: TheControl
) -> Response:
    """Approves, rejects, or edits: an edit closes the approval and proposes a new intent through
    the whole gate.
    """
    body = await read(request, wire.RulingBody)
    ruling = RulingRequest(RulingKind(body.ruling), body.reason, body.parameters, body.digest)
    return answer(resources.ruled_intent(await control.rule(caller, approval_id, ruling)), 201)
