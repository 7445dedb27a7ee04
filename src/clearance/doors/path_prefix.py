"""Serving below a path of a host that has other services too: `https://tools.example.com/clearance`.

Inside, no address has the prefix: a proxy may strip it or pass it on, and both arrive as the same
request. What leaves has it: here, in headers that name an address; in pages, where they are
rendered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from clearance.core.errors import InvalidInput

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LENGTH_MAX = 128  # characters of a prefix
_PREFIX = re.compile(r"(?:/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)+")
_ADDRESSES = ("location", "hx-redirect")
_OURS = frozenset(
    {
        *("approvals", "events", "healthz", "intents", "metrics", "needs-you", "openapi.json"),
        *("readyz", "sign-in", "sign-out", "static", "stop", "v1"),
    }
)
"""The first parts of our own paths, which a prefix cannot have: it could not be told from them."""


def checked_prefix(text: str) -> str:
    """A path prefix without a slash at its end; empty for none.

    InvalidInput (`INVALID_PATH_PREFIX`) if it is none.
    """
    prefix = text.strip().removesuffix("/")
    fits = not prefix or (_PREFIX.fullmatch(prefix) and len(prefix) <= LENGTH_MAX)
    if not fits or prefix.split("/")[1:2] in [[name] for name in _OURS]:
        sentence = (
            f"The path prefix must be a path such as /clearance, of letters, digits, . _ ~ and -, "
            f"at most {LENGTH_MAX} characters long, and not begin with our own, such as /v1."
        )
        raise InvalidInput(sentence, code="INVALID_PATH_PREFIX")
    return prefix


def put_below(app: FastAPI, prefix: str) -> None:
    """Serves an app below a checked prefix, before anything else is added to it."""
    app.state.path_prefix = prefix
    if prefix:
        app.servers = [{"url": prefix}]
        app.add_middleware(BelowPrefix, prefix=prefix)


class BelowPrefix:
    """ASGI: takes the prefix from what arrives, and puts it before what leaves in a header."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app within."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            scope = {**scope, "path": path.removeprefix(self._prefix) or "/"}

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in _ADDRESSES:
                    address = headers.get(name, "")
                    if address.startswith("/"):
                        headers[name] = self._prefix + address
            await send(message)

        await self._app(scope, receive, prefixed)
