"""The stop page: what can be stopped, what the stops that are on hold now, and how they are lifted.

Its one idea: a person picks from what exists, and reads what a stop does before it is taken back.
The counts are read beside the switches, which can be set and lifted without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, NotFound, Refusal, VersionMismatch
from clearance.core.ledger import EntryKind
from clearance.core.moment import from_text
from clearance.core.principal import Permission
from clearance.core.stop import NAMES_NOTHING, Lifter, StopLevel, StopScope, StopSwitch
from clearance.doors.stopping import counted
from clearance.flow.requests import SettingsPart, StopReceipt, StopSubject
from clearance.web.screens import FLASHES
from clearance.web.visitor import Form, Site, Visitor, to

STOPS_MAX = 3  # how often a switch is set again because the settings changed meanwhile
HISTORY_ENTRIES_MAX = 500  # ledger entries in which earlier changes of the switches are looked for
HISTORY_SHOWN_MAX = 8
SUBJECTS_SHOWN_MAX = 100  # names of one kind on the page; any other can be written

KINDS: Mapping[StopScope, tuple[str, str]] = {
    StopScope.AGENT: ("An agent", "The agent"),
    StopScope.ACCOUNT: ("An account", "The account"),
    StopScope.ACTION_TYPE: ("An action", "The action"),
    StopScope.TOOL_SERVER: ("A tool server", "The tool server"),
    StopScope.TENANT: ("Everything of this tenant", "The whole tenant"),
    StopScope.GLOBAL: ("Everything", "Everything on this installation"),
}
"""What a switch covers, in words: any of its kind, and the one that is named."""

_HISTORY = frozenset(
    kind.value
    for kind in (EntryKind.STOP_SWITCHES_CHANGED, EntryKind.STOP_RECORDED, EntryKind.STOP_CLOSED)
)


@dataclass(frozen=True, slots=True)
class ShownStop:
    """A switch that is on, as the page shows it; `receipt` is None if it could not be counted.

    `kept_by`: who alone may lift it, if the visitor may not.
    """

    switch: StopSwitch
    receipt: StopReceipt | None
    kept_by: str | None

    @property
    def covers(self) -> str:
        """What it covers, without its name."""
        return KINDS[self.switch.scope][1]

    @property
    def refuses(self) -> bool:
        """True if it refuses; else it holds."""
        return self.switch.level is StopLevel.REFUSE

    @property
    def lift_address(self) -> str:
        """Where it is asked whether to lift it."""
        return address(self.switch.scope, self.switch.subject, path="/stop/lift")

    @property
    def over_by(self) -> int | None:
        """When the last of the calls under way that are listed is over."""
        calls = self.receipt.calls if self.receipt else ()
        return max((call.deadline for call in calls), default=None)


def address(scope: StopScope, subject: str | None, *, path: str) -> str:
    """The address of a page about one scope and subject."""
    named = {} if subject is None else {"subject": subject}
    return f"{path}?{urlencode({'scope': scope.value, **named})}"


# --- Shown ---


async def stop_page(site: Site, visitor: Visitor, request: Request) -> Response:
    """The stops that are on with what they hold, and a form for another one."""
    after = await site.control.ledger_size(visitor.principal)
    kind = _kind(request)
    known = await counted(site.control.stop_subjects(visitor.principal))
    subjects = {} if isinstance(known, Refusal) else known
    tenant = (
        await counted(site.control.stop_receipt(visitor.principal, kind))
        if kind in NAMES_NOTHING
        else None
    )
    return await site.page(
        visitor,
        "stop.html",
        kind=kind,
        kinds=[(scope, KINDS[scope][0], len(subjects.get(scope, ()))) for scope in _offered()],
        subjects=_busiest(subjects.get(kind, ())),
        more=max(0, len(subjects.get(kind, ())) - SUBJECTS_SHOWN_MAX),
        uncounted=known.sentence if isinstance(known, Refusal) else None,
        tenant=None if isinstance(tenant, Refusal) else tenant,
        may=Permission.STOP in visitor.principal.permissions,
        owner=Permission.CONFIGURE in visitor.principal.permissions,
        history=await _history(site, visitor),
        flash=FLASHES.get(request.query_params.get("flash", "")),
        after=after,
        **await stops_on(site, visitor),
    )


async def stops_on(site: Site, visitor: Visitor) -> dict[str, Any]:
    """The part of the page that is live: each switch that is on, with its receipt."""
    settings = await site.control.settings(visitor.principal)
    receipts = await counted(_receipts(site, visitor, settings.stop_switches))
    if isinstance(receipts, Refusal):
        stops = [_shown(visitor, switch, None) for switch in settings.stop_switches]
        return {"stops": stops, "not_counted": receipts.sentence}
    stops = [_shown(visitor, receipt.switch, receipt) for receipt in receipts]
    return {"stops": stops, "not_counted": None}


async def _receipts(
    site: Site, visitor: Visitor, switches: Sequence[StopSwitch]
) -> list[StopReceipt]:
    """The receipts of all switches that are on; of the operator's, as far as this tenant goes."""
    own = await site.control.stop_receipts(visitor.principal)
    everywhere = [switch for switch in switches if switch.scope is StopScope.GLOBAL]
    if not everywhere:
        return own
    whole = await site.control.stop_receipt(visitor.principal, StopScope.TENANT)
    nothing_known = replace(whole, stop=None, recorded=None, closed=False)
    return [*(replace(nothing_known, switch=switch) for switch in everywhere), *own]


def _shown(visitor: Visitor, switch: StopSwitch, receipt: StopReceipt | None) -> ShownStop:
    held = visitor.principal.permissions
    kept_by = None
    if switch.scope is StopScope.GLOBAL:
        kept_by = "the operator of this installation"
    elif switch.lifted_by is Lifter.OWNER and Permission.CONFIGURE not in held:
        kept_by = "an owner"
    elif Permission.STOP not in held:
        kept_by = "a person whose key may stop"
    return ShownStop(switch, receipt, kept_by)


def _offered() -> list[StopScope]:
    """The kinds of things that a tenant's own switch can cover."""
    return [scope for scope in KINDS if scope is not StopScope.GLOBAL]


def _kind(request: Request) -> StopScope:
    """The kind of thing that the form is about; an agent unless the address says another."""
    named = request.query_params.get("kind", "")
    return next((scope for scope in _offered() if scope.value == named), StopScope.AGENT)


def _busiest(subjects: Sequence[StopSubject]) -> list[StopSubject]:
    """The names that a stop would cover most of, as many as are shown; in order."""
    ranked = sorted(subjects, key=lambda each: -(each.under_way + each.approved + each.waiting))
    return sorted(ranked[:SUBJECTS_SHOWN_MAX], key=lambda each: each.name)


async def _history(site: Site, visitor: Visitor) -> list[dict[str, Json]]:
    """The latest entries about stops, newest first, as far as a bounded look back finds them."""
    size = await site.control.ledger_size(visitor.principal)
    after = max(0, size - HISTORY_ENTRIES_MAX)
    entries = await site.control.ledger(visitor.principal, after=after, limit=HISTORY_ENTRIES_MAX)
    about_stops = [
        {**entry.in_full, "position": entry.position}
        for entry in entries
        if entry.in_full["kind"] in _HISTORY
    ]
    latest = list(reversed(about_stops))[:HISTORY_SHOWN_MAX]
    return [{**fields, "at_ms": from_text(fields["at"])} for fields in latest]


async def lift_page(site: Site, visitor: Visitor, request: Request) -> Response:
    """Asks before it lifts: how many approved acts start at once."""
    scope = _scope(request.query_params.get("scope"))
    subject = request.query_params.get("subject")
    settings = await site.control.settings(visitor.principal)
    switch = next((each for each in settings.stop_switches if each.place == (scope, subject)), None)
    if switch is None:
        raise _no_switch()
    receipt = await counted(site.control.stop_receipt(visitor.principal, scope, subject))
    not_counted = receipt.sentence if isinstance(receipt, Refusal) else None
    shown = _shown(visitor, switch, None if isinstance(receipt, Refusal) else receipt)
    return await site.page(visitor, "lift.html", stop=shown, not_counted=not_counted)


def _no_switch() -> NotFound:
    sentence = "No stop switch is on for this. It was lifted meanwhile, or never set."
    return NotFound(sentence, code="NO_SUCH_STOP_SWITCH")


# --- Done ---


async def stop(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:  # noqa: ARG001
    """Turns a switch on, or lifts it; every other switch stays as it is. A name that nothing has is
    stopped when the visitor confirms it.
    """
    scope = _scope(form.get("scope"))
    if form.get("do") == "lift":
        await _change(site, visitor, scope, form.get("subject") or None, None)
        return to("/stop", flash="lifted")
    subject = _subject(form, scope)
    switch = {"scope": scope.value, "subject": subject, **_how(form)}
    if subject is not None and form.get("confirmed") != subject:
        receipt = await counted(site.control.stop_receipt(visitor.principal, scope, subject))
        # What cannot be looked up is stopped: a brake does not wait for a register.
        if isinstance(receipt, StopReceipt) and not receipt.known:
            return await _asked_again(site, visitor, switch, receipt)
    await _change(site, visitor, scope, subject, switch)
    return to("/stop", flash="stopped")


async def _asked_again(
    site: Site, visitor: Visitor, switch: Mapping[str, Json], receipt: StopReceipt
) -> Response:
    """That nothing has the name, which names are near, and whether to stop it all the same."""
    return await site.page(
        visitor,
        "stop_unknown.html",
        switch=switch,
        kind=KINDS[receipt.switch.scope],
        near=receipt.near,
    )


def _scope(name: str | None) -> StopScope:
    try:
        return StopScope(name or "")
    except ValueError:
        sentence = "Say what the switch covers."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH") from None


def _subject(form: Form, scope: StopScope) -> str | None:
    """The name that was picked, or written where none was picked."""
    picked, written = form.get("subject", "").strip(), form.get("other", "").strip()
    if picked and written and picked != written:
        sentence = f"You picked {picked} and wrote {written}: leave one of them out."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    subject = picked or written or None
    if (subject is None) != (scope in NAMES_NOTHING):
        sentence = (
            "Name what is stopped."
            if subject is None
            else "A switch for the whole tenant names nothing else."
        )
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    return subject


def _how(form: Form) -> dict[str, Json]:
    """The level, the reason, and who may lift it if the form says so."""
    level, reason = form.get("level", ""), form.get("reason", "").strip()
    lifted_by = form.get("lifted_by", "")
    if level not in {known.value for known in StopLevel}:
        sentence = "A stop switch holds or refuses."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    if not reason:
        sentence = "Say why: the people who find this stopped will want to know."
        raise InvalidInput(sentence, code="REASON_REQUIRED")
    if lifted_by not in {"", *(known.value for known in Lifter)}:
        sentence = "An approver may lift it, or an owner only."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    chosen = {"lifted_by": lifted_by} if lifted_by else {}
    return {"level": level, "reason": reason, **chosen}


async def _change(
    site: Site,
    visitor: Visitor,
    scope: StopScope,
    subject: str | None,
    switch: Mapping[str, Json] | None,
) -> None:
    """Replaces the switch of one scope and subject. If the settings moved, it starts again from the
    new ones, so no stop loses a race.
    """
    principal = visitor.principal
    for attempt in range(1, STOPS_MAX + 1):
        part, version = await site.control.settings_part(principal, SettingsPart.STOP_SWITCHES)
        others = [
            other
            for other in part["stop_switches"]
            if (other["scope"], other.get("subject")) != (scope.value, subject)
        ]
        if switch is None and len(others) == len(part["stop_switches"]):
            raise _no_switch()
        value = {"stop_switches": [*others, switch] if switch else others}
        try:
            await site.control.put_settings_part(
                principal, SettingsPart.STOP_SWITCHES, value, version=version
            )
        except VersionMismatch:
            if attempt == STOPS_MAX:
                raise
        else:
            return
