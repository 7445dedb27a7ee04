"""What may be proposed, over REST: the actions of the catalog as agents and people see them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from clearance.api.door import Caller, TheControl, answer, problems
from clearance.api.wire import Resource
from clearance.core.agents_view import OfferedAction, offered

router = APIRouter(tags=["Action intents"])


class ActionResource(Resource):
    """An action that may be proposed: how people call it, what it does, and the JSON Schema of its
    parameters.
    """

    action_type: str
    label: str
    description: str
    parameters: dict[str, Any]
    account: Annotated[
        str | None,
        Field(description="The parameter that names the account; null: `account_id` does."),
    ]


class ActionPage(Resource):
    """The actions that may be proposed."""

    items: list[ActionResource]
    next_cursor: None = None


@router.get(
    "/v1/actions",
    operation_id="actions",
    summary="What may be proposed",
    response_model=ActionPage,
    responses=problems(),
)
async def actions(caller: Caller, control: TheControl) -> Response:
    """The actions of the catalog, by action type."""
    catalog = await control.actions(caller)
    items = [_resource(offered(catalog[name])) for name in sorted(catalog)]
    return answer(ActionPage(items=items))


def _resource(action: OfferedAction) -> ActionResource:
    return ActionResource(
        action_type=action.action_type,
        label=action.label,
        description=action.description,
        parameters=dict(action.parameters),
        account=action.account,
    )
