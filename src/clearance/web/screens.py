"""The pages that show: the timeline, the inbox, one intent's whole story.

While a page is open, one part of it is shown again whenever something happens; `live` asks for that
part by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clearance.core import call
from clearance.core.agents_view import ShownEntry
from clearance.core.binding import bind, same_call
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.errors import NotFound, Refusal
from clearance.core.intent import ACTION_INTENT_ID
from clearance.core.moment import from_text
from clearance.core.narrative import held_by
from clearance.core.principal import Permission
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.flow.requests import PAGE_SIZE_MAX, NarratedIntent
from clearance.web import presenting
from clearance.web.claims import ShownClaim, claims
from clearance.web.presenting import Card, Group, Row
from clearance.web.rendering import HEADERS
from clearance.web.timeline_filter import OUTCOMES, PAGE_SIZE, SOURCES, TimelineFilter, read_filter
from clearance.web.today import digest
from clearance.web.visitor import Site, Visitor, frame

ROWS_MAX = 5 * PAGE_SIZE  # intents on one page of the timeline, where many are folded
CARDS_MAX = 25  # requests on one page of the inbox
GROUPED_FROM = 6  # requests on a page from which on they stand under their action types

FLASHES: Mapping[str, str] = {
    "cancelled": "Withdrawn: it will not run.",
    "reconciled": "Recorded, with your name and your reason.",
    "stopped": "The stop switch is on.",
    "lifted": "The stop switch is lifted. What it held may start again.",
}
"""The sentence that a page shows after an act, by the code in its address."""


async def timeline(site: Site, visitor: Visitor, request: Request) -> Response:
    """The timeline: intents that ran, and intents that did not, newest first."""
    wanted = read_filter(request.query_params)
    settings = await site.control.settings(visitor.principal)
    # Read before the list, so that the first live update shows events from the reading itself.
    after = await site.control.ledger_size(visitor.principal)
    around = await frame(site, visitor)
    return await site.page(
        visitor,
        "timeline.html",
        sources=SOURCES,
        outcomes=OUTCOMES,
        action_types={name: settings.catalog[name].label for name in sorted(settings.catalog)},
        digest=await digest(site, visitor.principal, settings, around),
        live=None if wanted.before else wanted.address(path="/events/timeline"),
        after=after,
        **await rows_of(site, visitor, wanted, settings),
    )


async def rows_of(
    site: Site,
    visitor: Visitor,
    wanted: TimelineFilter,
    settings: Settings,
    *,
    fresh_after: int | None = None,
) -> dict[str, Any]:
    """The part of the timeline that is live: a page of rows, and where it goes on."""
    rows: list[Row] = []
    groups: list[Group] = []
    query = wanted.query()
    while query and len(groups) < PAGE_SIZE and len(rows) < ROWS_MAX:
        narrated = await site.control.timeline(visitor.principal, query)
        rows += [
            presenting.row(item, settings, fresh_after=fresh_after) for item in narrated[:PAGE_SIZE]
        ]
        groups = presenting.groups(rows)
        more = len(narrated) > PAGE_SIZE
        query = replace(query, before=rows[-1].position) if more else None
    return {
        "groups": groups,
        "older": wanted.address(query.before) if query else None,
        "wanted": wanted,
    }


async def why(site: Site, visitor: Visitor, request: Request) -> Response:
    """A fragment: the gate's ladder of one intent, and what would have changed the answer."""
    name = intent_id(request)
    explanation = await site.control.explain(visitor.principal, name)
    text = site.renderer.text(
        "why.html",
        explanation=explanation,
        decision=explanation.record.decision,
        rungs=presenting.ladder(explanation.record.decision),
        name=name,
    )
    return Response(text, headers=HEADERS, media_type="text/html")


async def needs_you(site: Site, visitor: Visitor, request: Request) -> Response:
    """The intents that need a person, oldest request first."""
    after = request.query_params.get("after")
    if after is not None and not ACTION_INTENT_ID.fullmatch(after):
        after = None
    settings = await site.control.settings(visitor.principal)
    position = await site.control.ledger_size(visitor.principal)
    waiting = await site.control.waiting(visitor.principal, after=after, limit=CARDS_MAX + 1)
    shown = await site.control.with_alike(visitor.principal, waiting[:CARDS_MAX])
    cards = [
        card for narrated in shown if (card := await card_of(site, visitor, narrated, settings))
    ]
    return await site.page(
        visitor,
        "needs_you.html",
        cards=cards,
        sections=_sections(cards),
        kinds=await _kinds(site, visitor) if len(cards) >= GROUPED_FROM or after else [],
        more=waiting[CARDS_MAX - 1].record.intent.action_intent_id
        if len(waiting) > CARDS_MAX
        else None,
        first_page=after is None,
        ruled=await _ruled(site, visitor, request),
        after=position,
    )


async def card_of(
    site: Site, visitor: Visitor, narrated: NarratedIntent, settings: Settings
) -> Card | None:
    """An intent as a card, with what it changes of the intent that it edits."""
    before: Mapping[str, Json] | None = None
    edited = narrated.record.intent.supersedes
    if edited is not None:
        try:
            before = (await site.control.intent(visitor.principal, edited)).record.intent.parameters
        except NotFound:
            before = None  # an agent may name an intent that never was
    return presenting.card(narrated, settings, visitor.principal, before)


@dataclass(frozen=True, slots=True)
class WaitingKind:
    """How many requests of one action type wait in all; `more` if there are more than counted."""

    action_type: str
    label: str
    count: int
    more: bool


async def _kinds(site: Site, visitor: Visitor) -> list[WaitingKind]:
    """The kinds of everything that waits, not of a page: as far as one reading goes."""
    waiting = await site.control.waiting(visitor.principal, limit=PAGE_SIZE_MAX)
    labels = {item.record.intent.action_type: item.label for item in waiting}
    counts = Counter(item.record.intent.action_type for item in waiting)
    more = len(waiting) == PAGE_SIZE_MAX
    return [WaitingKind(name, labels[name], count, more) for name, count in counts.items()]


def _sections(cards: list[Card]) -> list[tuple[str | None, list[list[Card]]]]:
    """The cards under their action types once there are many, and those of the same act together;
    each type and each act where its oldest request is.
    """
    if len(cards) < GROUPED_FROM:
        return [(None, _by(cards, _act_of))]
    kinds = _by(cards, lambda card: card.record.intent.action_type)
    return [(kind[0].record.intent.action_type, _by(kind, _act_of)) for kind in kinds]


def _act_of(card: Card) -> object:
    """Equal for cards of the same act; an intent of an earlier version is like itself alone."""
    return card.record.likeness or card.record.intent.action_intent_id


def _by(cards: list[Card], what: Callable[[Card], object]) -> list[list[Card]]:
    """The cards that agree in something, together; each where the first of them is."""
    together: dict[object, list[Card]] = {}
    for card in cards:
        together.setdefault(what(card), []).append(card)
    return list(together.values())


async def _ruled(site: Site, visitor: Visitor, request: Request) -> NarratedIntent | None:
    """The intent that was just ruled on, or is asked again since: as it stands now, never taken
    from the address.
    """
    name = request.query_params.get("ruled", "")
    if not ACTION_INTENT_ID.fullmatch(name):
        return None
    try:
        narrated = await site.control.intent(visitor.principal, name)
    except NotFound:
        return None
    approval = narrated.record.approval
    return (
        narrated
        if approval and (approval.decisive or presenting.is_asked_again(narrated.record))
        else None
    )


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A ledger entry: where it stands, what it says, and the digest of its bytes."""

    position: int
    kind: str
    at: int
    actor: str
    digest: str
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one intent, as its page shows it."""

    narrated: NarratedIntent
    row: Row
    answered: str
    closing: presenting.Closing | None
    card: Card | None
    action: Action | None
    risk: str
    confidence: str
    undo: str
    parameters: list[presenting.Parameter]
    as_proposed: str | None
    claims: list[ShownClaim]
    rungs: list[presenting.Rung]
    nearest_changes: tuple[str, ...]
    current: bool
    call: Mapping[str, Json] | None
    call_current: bool
    entries: list[LedgerLine]
    held_by: str | None
    may_cancel: bool
    may_reconcile: bool
    under_way_until: int | None

    @property
    def record(self) -> IntentRecord:
        """The record of the narrated intent."""
        return self.narrated.record


async def intent(site: Site, visitor: Visitor, request: Request) -> Response:
    """The whole story of one intent."""
    position = await site.control.ledger_size(visitor.principal)
    story = await story_of(site, visitor, intent_id(request))
    return await site.page(
        visitor,
        "intent.html",
        story=story,
        flash=FLASHES.get(request.query_params.get("flash", "")),
        ruled=await _ruled(site, visitor, request),
        after=position,
    )


def intent_id(request: Request) -> str:
    """The intent that an address names. NotFound if it cannot name one."""
    name: str = request.path_params["action_intent_id"]
    if not ACTION_INTENT_ID.fullmatch(name):
        sentence = "There is no such action intent."
        raise NotFound(sentence)
    return name


async def story_of(site: Site, visitor: Visitor, name: str) -> Story:
    """Everything about one intent. NotFound if the tenant has none of this id."""
    narrated = await site.control.intent(visitor.principal, name)
    [narrated] = await site.control.with_alike(visitor.principal, [narrated])
    settings = await site.control.settings(visitor.principal)
    explanation = await site.control.explain(visitor.principal, name)
    record, principal = narrated.record, visitor.principal
    action = settings.catalog.get(record.intent.action_type)
    card = await card_of(site, visitor, narrated, settings)
    rules = Permission.RULE in principal.permissions
    lease = record.attempt.lease_until if record.attempt else 0
    unknown = record.status is IntentStatus.UNKNOWN
    entries = [_line(entry) for entry in await site.control.history(principal, name)]
    closing = presenting.closing_of(entry.fields for entry in entries)
    return Story(
        narrated=narrated,
        row=presenting.row(narrated, settings, closing=closing),
        answered=presenting.answered(record),
        closing=closing,
        card=card if presenting.waits_for_a_person(record) else None,
        action=action,
        risk=presenting.risk_of(record, action),
        confidence=presenting.confidence_of(record),
        undo=presenting.undo_of(action),
        parameters=list(card.parameters) if card else presenting.parameters(narrated, action),
        as_proposed=presenting.as_proposed(narrated, action),
        claims=claims(record, action, narrated.label, settings.limits),
        rungs=presenting.ladder(record.decision),
        nearest_changes=tuple(change.sentence for change in explanation.nearest_changes),
        current=explanation.current,
        call=_call(record, action),
        call_current=same_call(
            record.binding, bind(record.intent, record.decision, settings, record.salt)
        ),
        entries=entries,
        held_by=held_by(record, settings),
        may_cancel=presenting.not_started(record)
        and (rules or record.intent.proposed_by == principal.actor_id),
        may_reconcile=unknown and rules,
        under_way_until=lease if unknown and lease > site.clock.now_ms() else None,
    )


def _call(record: IntentRecord, action: Action | None) -> Mapping[str, Json] | None:
    """The arguments of the tool call; None if the catalog has no such action, or cannot fill its
    arguments.
    """
    if action is None:
        return None
    try:
        return call.arguments(action, record.intent)
    except (KeyError, Refusal):
        return None


def _line(entry: ShownEntry) -> LedgerLine:
    fields = entry.fields
    return LedgerLine(
        position=entry.position,
        kind=fields["kind"],
        at=from_text(fields["at"]),
        actor=fields["actor"]["id"],
        digest=entry.digest,
        fields=fields,
    )


async def nothing_here(site: Site, visitor: Visitor, request: Request) -> Response:  # noqa: ARG001
    """The page for an address that leads nowhere."""
    sentence = (
        "No page has this address. It may have been typed wrongly, or belong to another tenant."
    )
    raise NotFound(sentence)
