"""The ledger over REST: entries in order, their exact bytes, and the same facts live."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from clearance.api import door, resources, wire
from clearance.api.door import (
    Caller,
    PageQuery,
    TheAccess,
    TheControl,
    TheKey,
    answer,
    answers,
    cursor_at,
    place_of,
    problems,
)
from clearance.api.events import EntryFeed
from clearance.core.agents_view import shown_entry
from clearance.core.canonical import INTEGER_MAX
from clearance.core.errors import NotFound
from clearance.doors.streams import EventStream

_POSITION = re.compile(r"[0-9]{1,15}")

_EVENTS = "Server-sent events: `id` is the ledger position, `event` the kind, `data` the entry."

router = APIRouter(tags=["Ledger"])
Position = Annotated[int, Field(ge=0, le=INTEGER_MAX)]


class LedgerQuery(PageQuery):
    """Which entries: those behind a position, and behind the page before."""

    after: Position | None = None


@router.get(
    "/v1/ledger/entries",
    operation_id="ledger",
    summary="Every fact, in order",
    response_model=wire.LedgerPage,
    responses=problems(422),
)
async def entries(
    query: Annotated[LedgerQuery, Query()], caller: Caller, control: TheControl
) -> Response:
    """The tenant's entries, oldest first."""
    place = place_of("ledger", query.cursor, _POSITION)
    after = max(query.after or 0, int(place or 0))
    page = await control.ledger(caller, after=after, limit=query.limit)
    more = cursor_at("ledger", page[-1].position) if len(page) == query.limit else None
    items = [resources.entry(shown_entry(entry)) for entry in page]
    return answer(wire.LedgerPage(items=items, next_cursor=more))


@router.get(
    "/v1/ledger/entries/{position}/bytes",
    operation_id="ledger_entry_bytes",
    summary="The exact bytes of an entry",
    response_class=Response,
    responses=answers(200, "RFC 8785 JSON.", "application/json", "object") | problems(404),
)
async def entry_bytes(
    position: Annotated[int, Path(ge=1, le=INTEGER_MAX)], caller: Caller, control: TheControl
) -> Response:
    """The exact bytes that the entry's digest covers."""
    page = await control.ledger(caller, after=position - 1, limit=1)
    if not page or page[0].position != position:
        sentence = f"The ledger has no entry {position}."
        raise NotFound(sentence)
    return Response(
        page[0].body, headers={"ETag": f'"{page[0].digest}"'}, media_type="application/json"
    )


class EventsQuery(door.Query):
    """Where a stream begins."""

    after: Position | None = None


@router.get(
    "/v1/events",
    operation_id="events",
    summary="The ledger, live",
    response_class=Response,
    responses=answers(200, _EVENTS, "text/event-stream", "string") | problems(422),
)
async def events(
    request: Request,
    query: Annotated[EventsQuery, Query()],
    caller: Caller,
    control: TheControl,
    access: TheAccess,
    key: TheKey,
    last_event_id: Annotated[
        Position | None, Header(description="Goes on behind this position.")
    ] = None,
) -> Response:
    """Entries behind `Last-Event-ID`, else behind `after`, else from now on; for an agent, those
    about its own intents.
    """
    # Asked in any case: a caller who may not read is refused now, not within the stream.
    size = await control.ledger_size(caller)
    asked = last_event_id if last_event_id is not None else query.after
    feed = EntryFeed(control, access, key, caller, size if asked is None else asked)
    return EventStream(feed, request.app.state.streams, {})
