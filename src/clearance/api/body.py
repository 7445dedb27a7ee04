"""Request bodies: plain JSON in the shape that a call expects, up to a limit of bytes and of
time.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from clearance.api.problems import UnsupportedMediaType
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, TooLarge
from clearance.doors.strict_json import Shape, UnreadableBody, fitted, parse

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_BYTES_MAX = 256 * 1024
BODY_SECONDS_MAX = 10  # for a body to arrive
LENGTH_DIGITS_MAX = 16  # of an announced length; more are as good as these

_CONTENT_TYPE = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)


async def read(request: Request, shape: type[Shape]) -> Shape:
    """The body of a request in a shape.

    Raises TooLarge, UnsupportedMediaType, UnreadableBody or InvalidInput.
    """
    return fitted(await read_json(request), shape)


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
    if (
        announced.isascii()
        and announced.isdigit()
        and int(announced[:LENGTH_DIGITS_MAX]) > BODY_BYTES_MAX
    ):
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
