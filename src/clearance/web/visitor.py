"""The door of the pages: who is signed in, what a form must prove before it is read, and refusals
as pages.

Its one idea: a page's function gets a visitor and a form that is certainly that visitor's own, or
it is not called. This file knows nothing of what the pages show.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearance.core import errors
from clearance.core.errors import Forbidden, InvalidInput, Refusal, Unauthenticated
from clearance.core.principal import Permission, Principal
from clearance.core.record import NOT_STARTED, IntentStatus
from clearance.core.settings import Settings
from clearance.core.stop import StopLevel, StopSwitch, strictest
from clearance.doors.access import Access, check_csrf, csrf_token
from clearance.doors.arriving import arrived
from clearance.doors.places import welcome
from clearance.doors.strict_json import UnreadableBody
from clearance.flow.control import Control
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.intents import TimelineQuery
from clearance.web.rendering import HEADERS, Renderer

FORM_BYTES_MAX = 256 * 1024
FORM_FIELDS_MAX = 1_000
HELD_MAX = 200  # intents under a stop switch that are counted
COOKIE = "clearance_session"
# Browsers refuse a cookie of this prefix unless it is Secure, of this host alone and for every
# path.
COOKIE_SECURE = "__Host-clearance_session"
# Below a path prefix, the host's other services must not get it: for this path alone.
COOKIE_SECURE_BELOW = "__Secure-clearance_session"

_log = structlog.get_logger(__name__)

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, and the token of their session."""

    principal: Principal
    token: str

    @property
    def csrf(self) -> str:
        """The token that the visitor's forms carry."""
        return csrf_token(self.token)

    def may(self, permission: str) -> bool:
        """True if the visitor's credential allows something."""
        return Permission(permission) in self.principal.permissions


@dataclass(frozen=True, slots=True)
class Site:
    """The parts that every page is made from."""

    control: Control
    access: Access
    clock: Clock
    renderer: Renderer

    async def page(
        self, visitor: Visitor, template: str, *, status: int = 200, **values: object
    ) -> Response:
        """A page in its frame."""
        return self.renderer.page(
            template,
            status=status,
            frame=await frame(self, visitor),
            visitor=visitor,
            now=self.clock.now_ms(),
            **values,
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """The facts that every page shows: how many intents wait for people, how many are unknown, and
    the stop switches that are on.

    `held` is how many intents, waiting or approved, one of the switches covers; HELD_MAX means that
    many or more. `no_worker`: what people must know while no worker is alive.
    """

    waiting: int
    unknown: int
    switches: tuple[StopSwitch, ...]
    held: int
    no_worker: str | None = None

    @property
    def held_words(self) -> str:
        """The number of held intents, for people."""
        return f"{self.held}+" if self.held >= HELD_MAX else str(self.held)

    @property
    def refuses(self) -> bool:
        """True if one of the switches that are on refuses; else they hold."""
        return any(switch.level is StopLevel.REFUSE for switch in self.switches)


async def frame(site: Site, visitor: Visitor) -> Frame:
    """The frame as it stands now."""
    counts = await site.control.counts(visitor.principal)
    settings = await site.control.settings(visitor.principal)
    concern = await site.control.no_worker(counts)
    return Frame(
        waiting=counts.get(IntentStatus.AWAITING_APPROVAL, 0),
        unknown=counts.get(IntentStatus.UNKNOWN, 0),
        switches=settings.stop_switches,
        held=await _held(site, visitor, settings) if settings.stop_switches else 0,
        no_worker=concern.sentence if concern else None,
    )


async def _held(site: Site, visitor: Visitor, settings: Settings) -> int:
    """How many intents that have not started a stop switch covers."""
    query = TimelineQuery(statuses=NOT_STARTED, limit=HELD_MAX)
    records = [
        narrated.record for narrated in await site.control.timeline(visitor.principal, query)
    ]
    switches, catalog = settings.stop_switches, settings.catalog
    return sum(
        1
        for record in records
        if strictest(switches, record.intent, catalog.get(record.intent.action_type))
    )


Page = Callable[[Site, Visitor, Request], Awaitable[Response]]
Post = Callable[[Site, Visitor, Request, Form], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def shown(site: Site, page: Page) -> Endpoint:
    """An endpoint that shows a page to a signed-in visitor, and sends all others to sign in."""

    async def endpoint(request: Request) -> Response:
        try:
            visitor = await visitor_of(site, request)
        except Unauthenticated:
            return _sign_in_first(site, request)
        except Refusal as refusal:
            return await refused(site, None, refusal)
        return await guarded(site, visitor, request, lambda: page(site, visitor, request))

    return endpoint


def done(site: Site, post: Post) -> Endpoint:
    """An endpoint that reads a form of the visitor's own session."""

    async def endpoint(request: Request) -> Response:
        try:
            visitor = await visitor_of(site, request)
        except Unauthenticated:
            return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER, HEADERS)
        except Refusal as refusal:
            return await refused(site, None, refusal)

        async def read_and_do() -> Response:
            form = await read_form(request)
            check_csrf(visitor.token, form.get("csrf"))
            return await post(site, visitor, request, form)

        return await guarded(site, visitor, request, read_and_do)

    return endpoint


async def visitor_of(site: Site, request: Request) -> Visitor:
    """Who is signed in. Raises Unauthenticated."""
    token = request.cookies.get(cookie_name(request))
    visitor = Visitor(await site.access.session(token), token or "")
    welcome(request.scope, visitor.principal)
    return visitor


def cookie_name(request: Request) -> str:
    """The name of the session's cookie: over TLS, one that only this host can set, or below a path
    prefix one that only TLS can.
    """
    if request.url.scheme != "https":
        return COOKIE
    return COOKIE_SECURE if cookie_path(request) == "/" else COOKIE_SECURE_BELOW


def cookie_path(request: Request) -> str:
    """The path that the session's cookie is for."""
    return getattr(request.app.state, "path_prefix", "") or "/"


async def read_form(request: Request, bytes_max: int = FORM_BYTES_MAX) -> Form:
    """The fields of a form.

    Raises unless a page of ours sent it (Forbidden), it fits (TooLarge, InvalidInput), and it
    arrives in time (UnreadableBody).
    """
    check_origin(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        sentence = "This is not a form of these pages."
        raise InvalidInput(sentence, code="NOT_A_FORM")
    body = await arrived(request, bytes_max, f"This form has at most {bytes_max} bytes.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FORM_FIELDS_MAX,
            errors="strict",
        )
    except ValueError:
        sentence = "This form cannot be read."
        raise InvalidInput(sentence, code="NOT_A_FORM") from None
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def to(path: str, **query: str) -> Response:
    """To the page that shows what a form did, so that loading it again does nothing twice."""
    address = f"{path}?{urlencode(query)}" if query else path
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)


def check_origin(request: Request) -> None:
    """Raises Forbidden (`CROSS_ORIGIN`) if the browser says that another site sent the request.

    Browsers say it in `Sec-Fetch-Site`; where they do not (plain HTTP), in `Origin`, which is
    `null` for pages that send no referrer, as ours. What neither header can tell, the token in the
    form does.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = origin not in {None, "null"} and urlsplit(str(origin)).netloc != request.headers.get(
        "host"
    )
    if site not in {None, "same-origin"} or foreign:
        sentence = "This form was sent from another site, so it was not read."
        raise Forbidden(sentence, code="CROSS_ORIGIN")


def local_path(path: str | None) -> str:
    """The path if it leads to a page of ours, else the home page."""
    if (
        path
        and path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and path.isprintable()
        and path.isascii()
    ):
        return path
    return "/"


def _sign_in_first(site: Site, request: Request) -> Response:
    """To the sign-in page, and back here from it.

    A browser that follows a link on another site (a message, a ticket) brings no SameSite=Strict
    cookie with it; the same address asked for once more, by a page of ours, comes with it.
    """
    if request.headers.get("hx-request"):
        return Response(
            status_code=HTTPStatus.UNAUTHORIZED, headers={**HEADERS, "HX-Redirect": "/sign-in"}
        )
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("sec-fetch-site") == "cross-site":
        return site.renderer.page("once_more.html", address=local_path(here))
    return RedirectResponse(f"/sign-in?{urlencode({'next': here})}", HTTPStatus.SEE_OTHER, HEADERS)


KINDS: Mapping[type[Refusal], tuple[HTTPStatus, str]] = {
    UnreadableBody: (HTTPStatus.BAD_REQUEST, "That did not arrive"),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "This is not yours to do"),
    errors.NotFound: (HTTPStatus.NOT_FOUND, "There is nothing here"),
    errors.Conflict: (HTTPStatus.CONFLICT, "That is no longer possible"),
    errors.VersionMismatch: (HTTPStatus.PRECONDITION_FAILED, "This was changed meanwhile"),
    errors.TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too large"),
    errors.TooMany: (HTTPStatus.TOO_MANY_REQUESTS, "That was too many"),
    errors.Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "Not available now"),
}
"""The status and the heading of each kind of refusal; every other kind is an input that does not
fit.
"""


def kind_of(refusal: Refusal) -> tuple[HTTPStatus, str]:
    """How a refusal is answered."""
    kinds = (KINDS[kind] for kind in type(refusal).__mro__ if kind in KINDS)
    return next(kinds, (HTTPStatus.UNPROCESSABLE_ENTITY, "That does not fit"))


async def guarded(
    site: Site, visitor: Visitor, request: Request, answer: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer, or the page that says why there is none."""
    try:
        return await answer()
    except Refusal as refusal:
        return await refused(site, visitor, refusal)
    except Exception as error:
        # Without the values of variables: a session's token may be among them.
        _log.error(
            "a page broke",
            path=request.url.path,
            traceback="".join(traceback.format_exception(error)),
        )
        return site.renderer.page(
            "refused.html",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            frame=None,
            visitor=None,
            heading="This page broke",
            sentence="Something unexpected happened; it was logged.",
            code="INTERNAL",
            problems=(),
        )


async def refused(site: Site, visitor: Visitor | None, refusal: Refusal) -> Response:
    """The page that says why there is no other.

    Without a visitor, where it could not be asked who it is.
    """
    status, heading = kind_of(refusal)
    try:
        around = await frame(site, visitor) if visitor else None
    except Refusal:
        around = None
    return site.renderer.page(
        "refused.html",
        status=status,
        frame=around,
        visitor=visitor,
        now=site.clock.now_ms(),
        heading=heading,
        sentence=refusal.sentence,
        code=refusal.code,
        problems=refusal.problems,
    )
