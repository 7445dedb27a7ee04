"""Request bodies: plain JSON in the shape that a call expects, up to a limit of bytes and of
time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clearance.api.problems import UnsupportedMediaType
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput
from clearance.doors.arriving import arrived
from clearance.doors.strict_json import Shape, fitted, parse

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_BYTES_MAX = 256 * 1024

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
    too_large = f"A body has at most {BODY_BYTES_MAX} bytes."
    return parse(await arrived(request, BODY_BYTES_MAX, too_large))
