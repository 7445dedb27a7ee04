"""The live part of an open page: events whose data is HTML for htmx to put in place.

The ledger is its only clock. A stream waits for entries behind the position that the page was made
at, and each event carries the position that it shows, so that an interrupted stream continues
there. Visitors without JavaScript load the page again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import anyio
from starlette.requests import Request
from starlette.responses import Response

from clearance.core.canonical import INTEGER_MAX
from clearance.core.errors import Refusal
from clearance.core.principal import Principal
from clearance.core.record import IntentStatus
from clearance.doors.streams import HEARTBEAT_MS, RECONNECT_MS, EventStream, Streams
from clearance.flow.ports.intents import TimelineQuery
from clearance.web.rendering import HEADERS
from clearance.web.screens import intent_id, rows_of, story_of
from clearance.web.stops import stops_on
from clearance.web.timeline_filter import read_filter
from clearance.web.today import digest
from clearance.web.visitor import Endpoint, Site, Visitor, frame, guarded, visitor_of

# Events within it are shown at once, so that a busy tenant is drawn a few times a second
BURST_SECONDS = 0.15
CHANGES_MAX = 50  # intents whose change is looked for in the inbox at once


Show = Callable[[Site, Visitor, Request, int], Awaitable[str]]
"""The HTML to put in place, for the entries behind a position."""


def stream(site: Site, streams: Streams, show: Show) -> Endpoint:
    """An endpoint that shows events as they happen, for as long as the session lasts."""

    async def endpoint(request: Request) -> Response:
        try:
            visitor = await visitor_of(site, request)
        except Refusal:
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers=HEADERS)

        async def begin() -> Response:
            after = await _position(site, visitor, request)
            # Once before it begins, so that a wrong address is refused as one.
            await show(site, visitor, request, after)
            return EventStream(_Shown(site, visitor, request, show, after), streams, HEADERS)

        return await guarded(site, visitor, request, begin)

    return endpoint


async def _position(site: Site, visitor: Visitor, request: Request) -> int:
    """Where to begin: behind what the browser saw last, or behind what the page was made at."""
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if given.isascii() and given.isdigit() and int(given[:17]) <= INTEGER_MAX:
        return int(given[:17])
    return await site.control.ledger_size(visitor.principal)


@dataclass(slots=True)
class _Shown:
    """The events of one stream."""

    site: Site
    visitor: Visitor
    request: Request
    show: Show
    after: int

    @property
    def caller(self) -> Principal:
        return self.visitor.principal

    def refused(self, request: Request, refusal: Refusal) -> Response:  # noqa: ARG002
        return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers=HEADERS)

    async def texts(self) -> AsyncIterator[str]:
        """Events as things happen, and a comment when nothing does.

        Raises Refusal once the session is over.
        """
        yield f"retry: {RECONNECT_MS}\n\n"
        control = self.site.control
        while True:
            there_are = await control.wait_for_entries(
                self.visitor.principal, after=self.after, timeout_ms=HEARTBEAT_MS
            )
            # Asked again each time: a visitor who signed out, or whose key was revoked, sees no
            # more.
            self.visitor = Visitor(
                await self.site.access.session(self.visitor.token), self.visitor.token
            )
            if not there_are:
                yield ": still here\n\n"
                continue
            await anyio.sleep(BURST_SECONDS)
            size = await control.ledger_size(self.visitor.principal)
            html = await self.show(self.site, self.visitor, self.request, self.after)
            yield _event(size, html)
            self.after = size


def _event(position: int, html: str) -> str:
    data = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"id: {position}\n{data}\n"


# --- The HTML that is put in place ---


async def show_frame(site: Site, visitor: Visitor, request: Request, after: int) -> str:  # noqa: ARG001
    """The counts and the stop switch in the frame."""
    return site.renderer.text("live_frame.html", frame=await frame(site, visitor))


async def show_timeline(site: Site, visitor: Visitor, request: Request, after: int) -> str:
    """The first page of the timeline, what is new in it marked, and the digest."""
    wanted = read_filter(request.query_params)
    settings = await site.control.settings(visitor.principal)
    around = await frame(site, visitor)
    return site.renderer.text(
        "live_timeline.html",
        frame=around,
        now=site.clock.now_ms(),
        digest=await digest(site, visitor.principal, settings, around),
        **await rows_of(site, visitor, wanted, settings, fresh_after=after),
    )


async def show_needs_you(site: Site, visitor: Visitor, request: Request, after: int) -> str:
    """How many requests came since the page was made, and which of its cards are settled.

    Cards are not moved under the hands of a person who reads or writes in them.
    """
    made_at = request.query_params.get("after", "")
    since = int(made_at[:17]) if made_at.isascii() and made_at.isdigit() else after
    waiting = TimelineQuery(statuses=(IntentStatus.AWAITING_APPROVAL,), limit=CHANGES_MAX)
    arrived = [
        narrated
        for narrated in await site.control.timeline(visitor.principal, waiting)
        if narrated.record.position > since
    ]
    changed = await site.control.timeline(visitor.principal, TimelineQuery(limit=CHANGES_MAX))
    settled = [
        narrated
        for narrated in changed
        if narrated.record.position > after
        and narrated.record.status is not IntentStatus.AWAITING_APPROVAL
    ]
    return site.renderer.text(
        "live_needs_you.html",
        frame=await frame(site, visitor),
        arrived=len(arrived),
        settled=settled,
    )


async def show_stops(site: Site, visitor: Visitor, request: Request, after: int) -> str:  # noqa: ARG001
    """The stops that are on, with what they hold and what is under way."""
    return site.renderer.text(
        "live_stop.html",
        frame=await frame(site, visitor),
        now=site.clock.now_ms(),
        **await stops_on(site, visitor),
    )


async def show_intent(site: Site, visitor: Visitor, request: Request, after: int) -> str:  # noqa: ARG001
    """The story of one intent. NotFound if the tenant has none of this id."""
    return site.renderer.text(
        "live_intent.html",
        frame=await frame(site, visitor),
        story=await story_of(site, visitor, intent_id(request)),
        visitor=visitor,
        now=site.clock.now_ms(),
    )
