"""Problems: every refusal becomes one RFC 9457 answer, with the code and sentence of every other
door.

Each kind of refusal has one status. An unforeseen error is logged here; the caller gets `INTERNAL`
and nothing more. This file knows neither the verbs nor what they refuse.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from clearance.core import errors
from clearance.core.canonical import Json
from clearance.core.errors import Problem, Refusal
from clearance.doors.refusing import retry_after
from clearance.doors.strict_json import PROBLEMS_MAX, UnreadableBody, problems_of

MEDIA_TYPE = "application/problem+json"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer of the API."""
RETRY_AFTER_SECONDS = 1
INSTANCE_LENGTH_MAX = 512  # characters of the path that a problem names

_log = structlog.get_logger(__name__)


class UnsupportedMediaType(Refusal):
    """The body is not plain JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class UnreadableRequest(Refusal):
    """The head of a request is not HTTP that means the same to every reader."""

    code = "MALFORMED_REQUEST"


class RequestTooSlow(Refusal):
    """A request had begun, and did not arrive in time."""

    code = "REQUEST_TOO_SLOW"


class TargetTooLong(Refusal):
    """The path and the query of a request are longer than their limit."""

    code = "TARGET_TOO_LONG"


class HeadersTooLarge(Refusal):
    """The headers of a request are more, or larger, than their limits."""

    code = "HEADERS_TOO_LARGE"


class HostNotServed(Refusal):
    """The request is for a host that this server does not serve."""

    code = "HOST_NOT_SERVED"


KINDS: Mapping[type[Refusal], tuple[HTTPStatus, str]] = {
    UnreadableRequest: (HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    UnreadableBody: (HTTPStatus.BAD_REQUEST, "The body is not JSON"),
    errors.Unauthenticated: (HTTPStatus.UNAUTHORIZED, "No valid credential"),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "Not allowed"),
    errors.NotFound: (HTTPStatus.NOT_FOUND, "Not found"),
    RequestTooSlow: (HTTPStatus.REQUEST_TIMEOUT, "Too slow"),
    errors.Conflict: (HTTPStatus.CONFLICT, "The current state does not allow this"),
    errors.VersionMismatch: (HTTPStatus.PRECONDITION_FAILED, "Changed since it was read"),
    errors.TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large"),
    TargetTooLong: (HTTPStatus.REQUEST_URI_TOO_LONG, "The target is too long"),
    UnsupportedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not plain JSON"),
    HostNotServed: (HTTPStatus.MISDIRECTED_REQUEST, "Another host"),
    errors.InvalidInput: (HTTPStatus.UNPROCESSABLE_ENTITY, "The input does not fit"),
    errors.TooMany: (HTTPStatus.TOO_MANY_REQUESTS, "Too many"),
    errors.VersionRequired: (HTTPStatus.PRECONDITION_REQUIRED, "The version is missing"),
    HeadersTooLarge: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large"),
    errors.Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "Not available now"),
}
"""The status and title of each kind of refusal."""

INTERNAL = "Something unexpected happened; it was logged."
_HEADERS: Mapping[HTTPStatus, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="clearance"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    # The rest of the body is not read, so the connection cannot carry another request.
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"Connection": "close"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Connection": "close"},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    },
}


def install(app: FastAPI) -> None:
    """Makes every error of an app a problem."""
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def of_refusal(request: Request, refusal: Refusal) -> Response:
    """The answer to a request that was refused."""
    status, title = next(
        (KINDS[kind] for kind in type(refusal).__mro__ if kind in KINDS),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "Refused"),
    )
    unavailable = refusal if isinstance(refusal, errors.Unavailable) else None
    name = unavailable.action_intent_id if unavailable else None
    about = {"action_intent_id": name} if name else {}
    answer = _answer(
        request, status, title, refusal.code, refusal.sentence, refusal.problems, about
    )
    answer.headers.update(retry_after(refusal))
    if unavailable and unavailable.in_doubt:
        # Machines between take this header for leave to send anything again.
        del answer.headers["Retry-After"]
    return answer


def of_unexpected(request: Request, error: Exception) -> Response:
    """The answer when something broke.

    The log gets the traceback (without values of variables), the caller nothing.
    """
    trace = "".join(traceback.format_exception(error))
    _log.error("unexpected error", method=request.method, path=_instance(request), traceback=trace)
    return _answer(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected error", "INTERNAL", INTERNAL
    )


async def _on_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return of_refusal(request, error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    """Parameters of the path or the query that do not fit: a path that cannot name anything is not
    found.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    details: list[ErrorDetails] = list(error.errors())
    if any(detail["loc"][0] == "path" for detail in details):
        sentence = "There is nothing of this name."
        return of_refusal(request, errors.NotFound(sentence))
    problems = tuple(
        Problem(problem.path[1:], problem.sentence) for problem in problems_of(details)
    )
    sentence = "The query does not fit: " + "; ".join(str(problem) for problem in problems[:3])
    return of_refusal(
        request, errors.InvalidInput(sentence, code="INVALID_QUERY", problems=problems)
    )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    sentence = _FRAMEWORK_SAYS.get(status, f"{status.description or status.phrase}.")
    code = status.name
    response = _answer(request, status, status.phrase, code, sentence)
    response.headers.update(error.headers or {})
    return response


_FRAMEWORK_SAYS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not know this method.",
}


def _answer(
    request: Request,
    status: HTTPStatus,
    title: str,
    code: str,
    sentence: str,
    problems: Sequence[Problem] = (),
    more: Mapping[str, Json] = MappingProxyType({}),
) -> Response:
    body: dict[str, Any] = {
        "type": "urn:clearance:problem:" + code.lower().replace("_", "-"),
        "title": title,
        "status": status.value,
        "detail": sentence,
        "code": code,
        "problems": [
            {"path": ".".join(str(part) for part in problem.path), "detail": problem.sentence}
            for problem in problems[:PROBLEMS_MAX]
        ],
        "instance": _instance(request),
        **more,
    }
    return Response(json_bytes(body), status.value, _HEADERS.get(status), MEDIA_TYPE)


def json_bytes(value: Json) -> bytes:
    """JSON as UTF-8.

    A lone surrogate, which UTF-8 has no bytes for, is written as JSON's own escape.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")


def _instance(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or b""
    return raw.decode("ascii", "replace")[:INSTANCE_LENGTH_MAX]
