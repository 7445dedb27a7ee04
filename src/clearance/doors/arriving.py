"""The arrival of a request's body: all of it, up to a limit of bytes and of time.

Every door that reads a body reads it here; what the bytes mean is the door's own business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from clearance.core.errors import TooLarge
from clearance.doors.strict_json import UnreadableBody

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_SECONDS_MAX = 10  # for a body to arrive
LENGTH_DIGITS_MAX = 16  # of an announced length; more are as good as these


async def arrived(request: Request, bytes_max: int, too_large: str) -> bytes:
    """The body of a request.

    Raises TooLarge (`BODY_TOO_LARGE`) with the sentence `too_large`, or UnreadableBody
    (`BODY_TOO_SLOW`, `BODY_CUT_OFF`).
    """
    announced = request.headers.get("content-length", "")
    if (
        announced.isascii()
        and announced.isdigit()
        and int(announced[:LENGTH_DIGITS_MAX]) > bytes_max
    ):
        raise TooLarge(too_large, code="BODY_TOO_LARGE")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bytes_max:
                    raise TooLarge(too_large, code="BODY_TOO_LARGE")
    except TimeoutError:
        sentence = f"The body did not arrive within {BODY_SECONDS_MAX} s."
        raise UnreadableBody(sentence, code="BODY_TOO_SLOW") from None
    except ClientDisconnect:
        sentence = "The client left before its body had arrived."
        raise UnreadableBody(sentence, code="BODY_CUT_OFF") from None
    return bytes(body)
