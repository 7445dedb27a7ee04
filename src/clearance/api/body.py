"""Request bodies: read up to a limit, as JSON that means the same to everybody, and as the shape that a call expects.

The JSON is I-JSON (RFC 7493): UTF-8, no name twice in an object, no lone surrogates, no number that some readers do not
carry exactly. Two readers that understand one body differently are how a gate is passed by; so such a body is refused.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from clearance.api.problems import UnreadableBody, UnsupportedMediaType, problems_of
from clearance.core.errors import InvalidInput, TooLarge
from clearance.core.intent import INTEGER_MAX, Json

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_BYTES_MAX = 256 * 1024
BODY_SECONDS_MAX = 10  # for a body to arrive
BODY_DEPTH_MAX = 64  # levels of nesting; what a part of a body may nest is for its own rules to say
INTEGER_DIGITS_MAX = 16  # of 2^53 - 1

Shape = TypeVar("Shape", bound=BaseModel)

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_CONTENT_TYPE = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)


async def read(request: Request, shape: type[Shape]) -> Shape:
    """The body of a request in a shape. Raises TooLarge, UnsupportedMediaType, UnreadableBody or InvalidInput."""
    return fitted(await read_json(request), shape)


def fitted(value: Json, shape: type[Shape]) -> Shape:
    """A value in a shape. InvalidInput (`INVALID_BODY`) with every problem that was found."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        problems = problems_of(error.errors(include_url=False, include_context=False, include_input=False))
    sentence = "The body does not fit: " + "; ".join(str(problem) for problem in problems[:3])
    raise InvalidInput(sentence, code="INVALID_BODY", problems=problems)


async def read_object(request: Request) -> dict[str, Any]:
    """The body of a request as any JSON object."""
    value = await read_json(request)
    if not isinstance(value, dict):
        sentence = "The body must be a JSON object."
        raise InvalidInput(sentence, code="INVALID_BODY")
    return value


async def read_json(request: Request) -> Json:
    """The body of a request as JSON."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        sentence = "The body must come without a content encoding."
        raise UnsupportedMediaType(sentence, code="UNSUPPORTED_CONTENT_ENCODING")
    if not _CONTENT_TYPE.fullmatch(request.headers.get("content-type", "").strip()):
        sentence = "The body must be application/json."
        raise UnsupportedMediaType(sentence)
    return parse(await _read_bytes(request))


async def _read_bytes(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:INTEGER_DIGITS_MAX]) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise _too_large()
    except TimeoutError:
        sentence = f"The body did not arrive within {BODY_SECONDS_MAX} s."
        raise UnreadableBody(sentence, code="BODY_TOO_SLOW") from None
    except ClientDisconnect:
        sentence = "The client left before its body had arrived."
        raise UnreadableBody(sentence, code="BODY_CUT_OFF") from None
    return bytes(body)


def _too_large() -> TooLarge:
    sentence = f"A body has at most {BODY_BYTES_MAX} bytes."
    return TooLarge(sentence, code="BODY_TOO_LARGE")


def parse(body: bytes) -> Json:
    """The value of a body; UnreadableBody if it is no JSON, or JSON that not every reader understands alike."""
    try:
        text = body.decode()
        _check_depth(text)
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        sentence = f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        raise UnreadableBody(sentence) from None
    except UnicodeDecodeError:
        sentence = "The body is not UTF-8."
        raise UnreadableBody(sentence) from None
    except UnicodeEncodeError:
        sentence = "The body has a lone surrogate."
        raise UnreadableBody(sentence) from None
    return value


def _check_depth(text: str) -> None:
    """Refuses what nests too deep, before anything recurses into it."""
    if text.count("[") + text.count("{") <= BODY_DEPTH_MAX:
        return
    depth = 0
    for token in _BRACKET_OR_STRING.finditer(text):
        depth += _STEP.get(token[0], 0)
        if depth > BODY_DEPTH_MAX:
            sentence = f"The body nests more than {BODY_DEPTH_MAX} levels deep."
            raise UnreadableBody(sentence)


# A string that does not end goes to the end of the text: else each of its quotes would be looked at again from there.
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        sentence = "The body has an object in which a name stands twice."
        raise UnreadableBody(sentence)
    return value


def _constant(name: str) -> NoReturn:
    sentence = f"The body is not JSON: it has no {name}."
    raise UnreadableBody(sentence)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > INTEGER_DIGITS_MAX or abs(int(digits)) > INTEGER_MAX:
        sentence = f"The body has an integer beyond {INTEGER_MAX}, which not every reader carries exactly."
        raise UnreadableBody(sentence)
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        sentence = "The body has a number that is too large."
        raise UnreadableBody(sentence)
    return value
