"""Signing in and out: a person shows an API key once, and it becomes a cookie that scripts cannot
read.

This file knows nothing of keys: `access` does.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearance.core.errors import Refusal, Unauthenticated, Unavailable
from clearance.core.moment import SECOND_MS
from clearance.doors.access import SESSION_MS
from clearance.web.rendering import HEADERS
from clearance.web.visitor import (
    Endpoint,
    Form,
    Site,
    Visitor,
    cookie_name,
    kind_of,
    local_path,
    read_form,
    refused,
    visitor_of,
)

SIGN_IN_BYTES_MAX = 16 * 1024  # of the only form that comes without a session
ATTEMPTS_MAX = 30  # of signing in, from one address, in one window
ADDRESSES_MAX = 10_000  # whose attempts are remembered
WINDOW_MS = 60 * SECOND_MS


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
    attempts: dict[str, deque[int]] = {}

    async def endpoint(request: Request) -> Response:
        following = local_path(request.query_params.get("next"))
        try:
            form = await read_form(request, SIGN_IN_BYTES_MAX)
            following = local_path(form.get("next"))
            _count(
                attempts, request.client.host if request.client else "", site.clock.monotonic_ms()
            )
            token, _ = await site.access.sign_in(form.get("key", "").strip())
        except Unauthenticated:
            sentence = "This key is not valid here."
            return site.renderer.page(
                "sign_in.html",
                status=HTTPStatus.FORBIDDEN,
                following=following,
                refused=sentence,
                signed_out=False,
            )
        except Refusal as refusal:
            status, _ = kind_of(refusal)
            return site.renderer.page(
                "sign_in.html",
                status=status,
                following=following,
                refused=refusal.sentence,
                signed_out=False,
            )
        answer = RedirectResponse(following, HTTPStatus.SEE_OTHER, HEADERS)
        answer.set_cookie(
            cookie_name(request),
            token,
            max_age=SESSION_MS // SECOND_MS,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    return endpoint


async def sign_out(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:  # noqa: ARG001
    """Ends the session here and in the store."""
    await site.access.sign_out(visitor.token)
    answer = RedirectResponse("/sign-in?flash=signed-out", HTTPStatus.SEE_OTHER, HEADERS)
    answer.delete_cookie(
        cookie_name(request),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _count(attempts: dict[str, deque[int]], address: str, now: int) -> None:
    """One more attempt from an address: one stranger's guesses lock no other visitor out."""
    mine = attempts.pop(address, deque())
    attempts[address] = mine  # the latest is last, so that the oldest is forgotten first
    if len(attempts) > ADDRESSES_MAX:
        del attempts[next(iter(attempts))]
    while mine and mine[0] <= now - WINDOW_MS:
        mine.popleft()
    if len(mine) >= ATTEMPTS_MAX:
        sentence = "Too many attempts to sign in; try again in a minute."
        raise Unavailable(sentence, code="TOO_MANY_ATTEMPTS")
    mine.append(now)
