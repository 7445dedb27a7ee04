"""Signing in and out: a person shows an API key once, and it becomes a cookie that scripts cannot
read.

This file knows of keys only which are never guesses; `access` knows the rest.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearance.core.credential import is_ours
from clearance.core.errors import Refusal, TooMany, Unauthenticated
from clearance.core.moment import SECOND_MS
from clearance.doors.access import SESSION_MS
from clearance.doors.refusing import retry_after
from clearance.doors.turns import source_of
from clearance.flow.ports.clock import Clock
from clearance.web.rendering import HEADERS
from clearance.web.visitor import (
    Endpoint,
    Form,
    Site,
    Visitor,
    cookie_name,
    cookie_path,
    kind_of,
    local_path,
    read_form,
    refused,
    visitor_of,
)

SIGN_IN_BYTES_MAX = 16 * 1024  # of the only form that comes without a session
ATTEMPTS_MAX = 30  # of signing in, from one address, in one window
ADDRESSES_MAX = 10_000  # whose attempts are remembered; an IPv6 network is one
WINDOW_MS = 60 * SECOND_MS

_log = structlog.get_logger(__name__)


def form_shown(site: Site) -> Endpoint:
    """The page that asks for a key; a visitor who is signed in goes on at once."""

    async def endpoint(request: Request) -> Response:
        following = local_path(request.query_params.get("next"))
        try:
            await visitor_of(site, request)
        except Unauthenticated:
            out = request.query_params.get("flash") == "signed-out"
            return site.renderer.page(
                "sign_in.html", following=following, refused=None, signed_out=out
            )
        except Refusal as refusal:
            return await refused(site, None, refusal)
        return RedirectResponse(following, HTTPStatus.SEE_OTHER, HEADERS)

    return endpoint


def key_given(site: Site) -> Endpoint:
    """Signs in, at most ATTEMPTS_MAX times in a window from one address."""
    attempts = _Attempts(site.clock)

    async def endpoint(request: Request) -> Response:
        following = local_path(request.query_params.get("next"))
        try:
            form = await read_form(request, SIGN_IN_BYTES_MAX)
            following = local_path(form.get("next"))
            token = await _signed_in(site, attempts, request, form.get("key", "").strip())
        except Unauthenticated:
            sentence = "This key is not valid here."
            return _again(site, HTTPStatus.FORBIDDEN, following, sentence)
        except Refusal as refusal:
            status, _ = kind_of(refusal)
            answer = _again(site, status, following, refusal.sentence)
            answer.headers.update(retry_after(refusal))
            return answer
        answer = RedirectResponse(following, HTTPStatus.SEE_OTHER, HEADERS)
        answer.set_cookie(
            cookie_name(request),
            token,
            max_age=SESSION_MS // SECOND_MS,
            path=cookie_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    return endpoint


async def _signed_in(site: Site, attempts: _Attempts, request: Request, key: str) -> str:
    """The token of a new session.

    An address with too many attempts behind it gets in with nothing but a key that Clearance made:
    whoever has one does not guess, so the guesses of others behind the same address do not keep
    them out.
    """
    source = source_of(request.client and request.client.host)
    wait_ms = attempts.count(source)
    if wait_ms and not is_ours(key):
        raise _too_many(wait_ms)
    try:
        token, _ = await site.access.sign_in(key, source)
    except Unauthenticated:
        if wait_ms:
            raise _too_many(wait_ms) from None
        raise
    return token


def _again(site: Site, status: int, following: str, sentence: str) -> Response:
    """The form once more, with the reason."""
    return site.renderer.page(
        "sign_in.html", status=status, following=following, refused=sentence, signed_out=False
    )


async def sign_out(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:  # noqa: ARG001
    """Ends the session here and in the store."""
    await site.access.sign_out(visitor.token)
    answer = RedirectResponse("/sign-in?flash=signed-out", HTTPStatus.SEE_OTHER, HEADERS)
    answer.delete_cookie(
        cookie_name(request),
        path=cookie_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


class _Attempts:
    """How often each address tried to sign in lately: one stranger's guesses lock no other visitor
    out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: dict[str, deque[int]] = {}

    def count(self, source: str) -> int:
        """One more attempt of an address. If it has had too many, this one is not counted: the
        milliseconds until it has one again, else 0.
        """
        now, mine = self._clock.monotonic_ms(), self._at.pop(source, deque())
        self._at[source] = mine  # the latest is last, so that the oldest is forgotten first
        if len(self._at) > ADDRESSES_MAX:
            del self._at[next(iter(self._at))]
        while mine and mine[0] <= now - WINDOW_MS:
            mine.popleft()
        if len(mine) >= ATTEMPTS_MAX:
            return mine[0] + WINDOW_MS - now
        mine.append(now)
        return 0


def _too_many(wait_ms: int) -> TooMany:
    _log.warning("an attempt to sign in was refused", code="TOO_MANY_ATTEMPTS")
    seconds = -(-wait_ms // SECOND_MS)
    sentence = f"Too many attempts to sign in; try again in {seconds} s."
    return TooMany.for_seconds(seconds, sentence, code="TOO_MANY_ATTEMPTS")
