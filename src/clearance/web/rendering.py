"""Rendering: templates, the headers of every page, and the escapes that make any text harmless and
legible on a page.

Its one idea: a template prints only a stranger's text. It is escaped, and hidden characters are
made visible. Rendering knows nothing of intents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import jinja2
from jinja2.ext import Extension
from markupsafe import Markup
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from clearance.core.canonical import Json
from clearance.core.moment import HOUR_MS, SECOND_MS, as_text
from clearance.core.visible import visible

HERE = Path(__file__).parent
DIGEST_SHOWN = 12  # hexadecimal characters of a digest where there is no room for all of it
MINUTE_MS = 60 * SECOND_MS
DAY_MS = 24 * HOUR_MS
SOON_MS = HOUR_MS  # the time left when a request is shown as urgent
FIRST_LENGTH_MAX = 240  # characters of a folded text that are shown
FIRST_LINES_MAX = 4
LONG_TEXT = 500  # characters past which a text is folded away
STATIC_SECONDS_MAX = (
    365 * 24 * 3600
)  # how long a browser may keep a file whose address names its content

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_ADDRESS = re.compile(
    r"""(?:\b(?:href|action|src|hx-get|hx-post|hx-sse:connect)="|\burl=)(?=/|\{\{)"""
)
"""What stands before an address in a template; one that begins with # or ? stays on its page."""


def pretty(value: Json) -> str:
    """A JSON value as indented text, its numbers as they were given."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def beginning(text: str) -> str:
    """The first lines of a text that is too long to be shown whole."""
    lines = text[:FIRST_LENGTH_MAX].splitlines()[:FIRST_LINES_MAX]
    return "\n".join(lines).rstrip() + " …"


def short(digest: str) -> str:
    """The beginning of a digest, without the name of its algorithm."""
    return digest.rpartition(":")[2][:DIGEST_SHOWN]


def minute(moment_ms: int) -> str:
    """A moment for people, in UTC: `2026-11-23 06:00 UTC`."""
    text = as_text(moment_ms)
    return f"{text[:10]} {text[11:16]} UTC"


def lasting(duration_ms: int) -> str:
    """A duration in its largest unit, rounded down: `3 days`, `71 h`, `5 min`, `under a minute`."""
    if duration_ms >= 3 * DAY_MS:
        return f"{duration_ms // DAY_MS} days"
    if duration_ms >= HOUR_MS:
        return f"{duration_ms // HOUR_MS} h"
    if duration_ms >= MINUTE_MS:
        return f"{duration_ms // MINUTE_MS} min"
    return "under a minute"


class _AddressesBelowPrefix(Extension):
    """Puts the path prefix before every address that a template writes: all begin with a slash."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return _ADDRESS.sub(r"\g<0>{{ root }}", source)


class Renderer:
    """The templates of this folder, for pages below a path prefix."""

    def __init__(self, prefix: str = "") -> None:
        self._templates = jinja2.Environment(
            extensions=[_AddressesBelowPrefix],
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "beginning": beginning,
            "iso": as_text,
            "lasting": lasting,
            "minute": minute,
            "pretty": pretty,
            "short": short,
        }
        self._templates.globals |= {
            "root": prefix,
            "static": _static_addresses(),
            "LONG_TEXT": LONG_TEXT,
            "SOON_MS": SOON_MS,
        }

    def text(self, template: str, **values: object) -> str:
        """A template, rendered."""
        return self._templates.get_template(template).render(**values)

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """A template as a whole answer, with the headers of every page."""
        return HTMLResponse(self.text(template, **values), status_code=status, headers=HEADERS)


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _static_addresses() -> Mapping[str, str]:
    """The address of each file in `static/`, with a digest of its content, so that it can be kept
    for ever.
    """
    root = HERE / "static"
    return {
        path.relative_to(
            root
        ).as_posix(): f"/static/{path.relative_to(root).as_posix()}?{_content_name(path)}"
        for path in root.rglob("*")
        if path.is_file()
    }


def _content_name(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:DIGEST_SHOWN]


class StaticFolder(StaticFiles):
    """The files in `static/`.

    They hold nothing of any tenant, so that anybody may read and keep them.
    """

    def __init__(self) -> None:
        super().__init__(directory=HERE / "static")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept: for ever where the address names the content."""
        response = await super().get_response(path, scope)
        response.headers.update(
            {name: HEADERS[name] for name in ("Content-Security-Policy", "X-Content-Type-Options")}
        )
        named = isinstance(response, FileResponse) and scope["query_string"]
        response.headers["Cache-Control"] = (
            f"public, max-age={STATIC_SECONDS_MAX}, immutable" if named else "no-cache"
        )
        return response
