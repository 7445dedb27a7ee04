"""API keys over REST: make, list and end them, and read whose key a request carries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from clearance.api.body import read
from clearance.api.door import BODY, Caller, TheControl, answer, problems, takes
from clearance.api.wire import NAME, Body, Moment, Resource, RoleName
from clearance.core.credential import ApiKey
from clearance.core.intent import ACTION_TYPE
from clearance.core.moment import as_text
from clearance.core.principal import (
    SCOPE_NAMES_MAX,
    Permission,
    Principal,
    Role,
    Scope,
)

router = APIRouter(tags=["Credentials"])


class ScopeBody(Body):
    """What a credential is limited to: these accounts, these action types."""

    accounts: Annotated[
        list[Annotated[str, Field(json_schema_extra=NAME)]] | None,
        Field(json_schema_extra={"minItems": 1, "maxItems": SCOPE_NAMES_MAX}),
    ] = None
    action_types: Annotated[
        list[Annotated[str, Field(json_schema_extra={"pattern": f"^{ACTION_TYPE.pattern}$"})]]
        | None,
        Field(json_schema_extra={"minItems": 1, "maxItems": SCOPE_NAMES_MAX}),
    ] = None


class ApiKeyBody(Body):
    """A credential to make."""

    name: Annotated[str, Field(json_schema_extra=NAME)]
    role: RoleName
    scope: Annotated[
        ScopeBody | None,
        Field(description="Without it: everything, or what the replaced key had."),
    ] = None
    replace: Annotated[
        bool, Field(description="Ends the valid key of this name in the same step.")
    ] = False


class ScopeResource(Resource):
    """What a credential is limited to: these accounts, these action types; null: all of them."""

    accounts: list[str] | None
    action_types: list[str] | None


class WhoAmI(Resource):
    """Whose credential this is."""

    tenant_id: str
    actor_id: str
    kind: Literal["AGENT", "PERSON", "SYSTEM"]
    permissions: list[str]
    scope: ScopeResource


class ApiKeyResource(Resource):
    """A credential without its secret."""

    key_id: str
    name: str
    role: RoleName
    created_at: Moment
    revoked_at: Moment | None
    scope: ScopeResource


class NewApiKey(ApiKeyResource):
    """A credential with its secret, which is shown this once."""

    key: str


class ApiKeyPage(Resource):
    """The credentials of a tenant."""

    items: list[ApiKeyResource]
    next_cursor: None = None


@router.get(
    "/v1/whoami",
    operation_id="whoami",
    summary="Whose credential this is",
    response_model=WhoAmI,
    responses=problems(),
)
async def who_am_i(caller: Caller) -> Response:
    """The tenant, the actor, and what the credential allows."""
    return answer(_who_am_i(caller))


@router.get(
    "/v1/api-keys",
    operation_id="api_keys",
    summary="The tenant's credentials",
    response_model=ApiKeyPage,
    responses=problems(),
)
async def api_keys(caller: Caller, control: TheControl) -> Response:
    """Every credential, revoked ones too; never a secret."""
    caller.require(Permission.CONFIGURE, on=caller.tenant)
    return answer(
        ApiKeyPage(items=[ApiKeyResource(**_fields(key)) for key in await control.api_keys(caller)])
    )


@router.post(
    "/v1/api-keys",
    operation_id="create_api_key",
    summary="Make a credential",
    status_code=201,
    response_model=NewApiKey,
    responses=problems(404, 409, *BODY),
    openapi_extra=takes(ApiKeyBody),
)
async def create_api_key(request: Request, caller: Caller, control: TheControl) -> Response:
    """The answer has the secret, this once. With `replace`, the key of this name that was valid
    ends in the same step, and what its agent proposed goes on.
    """
    body = await read(request, ApiKeyBody)
    scope = _scope(body.scope) if body.scope else None
    key, secret = await control.create_api_key(
        caller, body.name, Role(body.role), scope, replace=body.replace
    )
    return answer(NewApiKey(**_fields(key), key=secret), 201)


def _scope(body: ScopeBody) -> Scope:
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


def _who_am_i(principal: Principal) -> WhoAmI:
    """Whose credential it is."""
    return WhoAmI(
        tenant_id=principal.tenant_id,
        actor_id=principal.actor_id,
        kind=principal.kind.value,
        permissions=sorted(permission.value for permission in principal.permissions),
        scope=ScopeResource(**principal.scope.names),
    )


def _fields(key: ApiKey) -> dict[str, Any]:
    """Of a credential; neither its secret nor its hash."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "role": key.role.value,
        "created_at": as_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else as_text(key.revoked_at),
        "scope": ScopeResource(**key.scope.names),
    }
