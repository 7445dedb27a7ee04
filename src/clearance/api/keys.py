"""API keys over REST: make, list and end them, and read whose key a request carries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from clearance.api import resources, wire
from clearance.api.body import read
from clearance.api.door import BODY, Caller, TheControl, answer, problems, takes
from clearance.core.principal import Permission, Role, Scope

router = APIRouter(tags=["Credentials"])


@router.get(
    "/v1/whoami",
    operation_id="whoami",
    summary="Whose credential this is",
    response_model=wire.WhoAmI,
    responses=problems(),
)
async def who_am_i(caller: Caller) -> Response:
    """The tenant, the actor, and what the credential allows."""
    return answer(resources.who_am_i(caller))


@router.get(
    "/v1/api-keys",
    operation_id="api_keys",
    summary="The tenant's credentials",
    response_model=wire.ApiKeyPage,
    responses=problems(),
)
async def api_keys(caller: Caller, control: TheControl) -> Response:
    """Every credential, revoked ones too; never a secret."""
    caller.require(Permission.CONFIGURE, on=caller.tenant)
    return answer(
        wire.ApiKeyPage(items=[resources.api_key(key) for key in await control.api_keys(caller)])
    )


@router.post(
    "/v1/api-keys",
    operation_id="create_api_key",
    summary="Make a credential",
    status_code=201,
    response_model=wire.NewApiKey,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(wire.ApiKeyBody),
)
async def create_api_key(request: Request, caller: Caller, control: TheControl) -> Response:
    """The answer has the secret, this once. With `replace`, the key of this name that was valid
    ends in the same step, and what its agent proposed goes on.
    """
    body = await read(request, wire.ApiKeyBody)
    scope = _scope(body.scope) if body.scope else None
    key, secret = await control.create_api_key(
        caller, body.name, Role(body.role), scope, replace=body.replace
    )
    return answer(resources.new_api_key(key, secret), 201)


def _scope(body: wire.ScopeBody) -> Scope:
    """The scope of a body. An empty list is one that names nothing, and is refused."""
    return Scope(
        None if body.accounts is None else frozenset(body.accounts),
        None if body.action_types is None else frozenset(body.action_types),
    )


@router.delete(
    "/v1/api-keys/{key_id}",
    operation_id="revoke_api_key",
    summary="End a credential",
    status_code=204,
    response_model=None,
    responses=problems(404),
)
async def revoke_api_key(
    key_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")],
    caller: Caller,
    control: TheControl,
) -> Response:
    """It stops working within a second, and so does every browser that signed in with it."""
    await control.revoke_api_key(caller, key_id)
    return Response(status_code=204)
