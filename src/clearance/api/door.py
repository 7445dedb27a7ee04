"""The door: it authenticates a request, writes an answer, and names where a list continues.

All routes of the API share this file; it knows nothing of any single route.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from clearance.api.problems import MEDIA_TYPE, UnreadableRequest, json_bytes
from clearance.api.wire import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from clearance.core.errors import InvalidInput
from clearance.core.principal import Principal
from clearance.doors.access import Access
from clearance.doors.places import welcome
from clearance.doors.turns import source_of
from clearance.flow.control import Control

CURSOR_LENGTH_MAX = 256  # characters
PROPOSALS = "/v1/intents"

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="An API key of the tenant, as a bearer token.",
)


async def control_of(request: Request) -> Control:
    """The verbs of the product."""
    control: Control = request.app.state.control
    return control


async def access_of(request: Request) -> Access:
    """Who checks credentials."""
    access: Access = request.app.state.access
    return access


async def key_of(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> str | None:
    """The API key that came with the request. Two would be two callers, and nothing says which."""
    if len(request.headers.getlist("authorization")) > 1:
        sentence = "A request names its caller in one header Authorization."
        raise UnreadableRequest(sentence, code="INVALID_AUTHORIZATION")
    return given.credentials if given else None


async def caller(
    request: Request,
    access: Annotated[Access, Depends(access_of)],
    key: Annotated[str | None, Depends(key_of)],
) -> Principal:
    """Who acts; Unauthenticated if no valid credential came."""
    principal = await access.authenticate(key, source_of(request.client and request.client.host))
    welcome(request.scope, principal)
    return principal


async def no_key_is_unread(request: Request) -> None:
    """Refuses an `Idempotency-Key` where it promises what only a proposal keeps: that a repeat gets
    the same answer. Reading changes nothing, so it keeps it everywhere.
    """
    proposes = (request.method, request.url.path) == ("POST", PROPOSALS)
    if "idempotency-key" in request.headers and not proposes and request.method != "GET":
        sentence = f"Idempotency-Key is read only with POST {PROPOSALS}; send this call without it."
        raise InvalidInput(sentence, code="IDEMPOTENCY_KEY_NOT_READ")


TheControl = Annotated[Control, Depends(control_of)]
TheAccess = Annotated[Access, Depends(access_of)]
TheKey = Annotated[str | None, Depends(key_of)]
Caller = Annotated[Principal, Depends(caller)]


class Query(BaseModel):
    """The query of a call.

    A name that the call does not know is refused: a filter that is misspelt filters nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """Which part of a list: `cursor` is the `next_cursor` of the page before."""

    cursor: Annotated[str | None, Field(max_length=CURSOR_LENGTH_MAX)] = None
    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE_DEFAULT


def cursor_at(kind: str, place: str | int) -> str:
    """An opaque cursor: a place in one kind of list."""
    return urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def place_of(kind: str, cursor: str | None, pattern: re.Pattern[str]) -> str | None:
    """The place in a cursor of this kind of list; InvalidInput
    (`INVALID_CURSOR`) if it is not one.
    """
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
    except (NotBase64, ValueError):
        text = ""
    prefix, _, place = text.partition(":")
    if prefix != kind or not pattern.fullmatch(place):
        sentence = "The cursor is not one that this list gave out."
        raise InvalidInput(sentence, code="INVALID_CURSOR")
    return place


def answer(
    resource: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A resource as JSON."""
    content = json_bytes(resource.model_dump(by_alias=True))
    return Response(content, status, dict(headers or {}), "application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The schema of the problems that a route may answer, beside those of every route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _MEANS[status], "content": content}
        for status in sorted({*_EVERYWHERE, *statuses})
    }


def answers(
    status: int, description: str, media_type: str, schema: str
) -> dict[int | str, dict[str, Any]]:
    """The schema of an answer that is no resource; `schema` is the type of its content."""
    return {
        status: {"description": description, "content": {media_type: {"schema": {"type": schema}}}}
    }


_EVERYWHERE = (401, 403, 500, 503)
_MEANS = {
    400: "The body cannot be read as JSON that means the same to every reader.",
    401: "No valid credential came with the request.",
    403: "The credential does not allow this.",
    404: "The tenant has nothing of this name.",
    409: "The current state does not allow this.",
    412: "The settings changed since they were read.",
    413: "The input is larger than its limit.",
    415: "The body is not plain JSON.",
    422: "The input does not fit; `problems` says where.",
    429: "Too many proposals came, or wait for a person; `Retry-After` says when to come again, if "
    "time helps.",
    428: "The version that the change was made from is missing (`If-Match`).",
    500: "Something unexpected happened; it was logged.",
    503: "Not now. Nothing was done, and the same request may be sent again; with the code "
    "`IN_DOUBT` it is not known whether it was done.",
}
BODY = (400, 413, 415, 422)
"""The problems of every route with a body."""


def takes(shape: type[BaseModel]) -> dict[str, Any]:
    """The schema of the body that a route reads."""
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
