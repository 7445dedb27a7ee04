"""The forms that act: rule, edit, withdraw, reconcile, stop.

Each reads a form of the visitor's own session, calls one verb, and answers with the address of the
page that shows the result, so that loading that page again does nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearance.core.approval import RulingKind, edit_approves, intent_of
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.errors import Conflict, InvalidInput, NotFound, Problem, VersionMismatch
from clearance.core.ledger import EntryKind
from clearance.core.moment import from_text
from clearance.core.outcome import OutcomeStatus
from clearance.core.principal import Permission
from clearance.core.schema import CompiledSchema
from clearance.core.stop import NAMES_NOTHING, StopLevel, StopScope
from clearance.flow.requests import NarratedIntent, RulingRequest, SettingsPart
from clearance.web import edit_form as fields
from clearance.web import presenting
from clearance.web.rendering import HEADERS
from clearance.web.screens import FLASHES, intent_id
from clearance.web.visitor import Form, Site, Visitor

APPROVAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\.[1-9][0-9]{0,8}")
STOPS_MAX = 3  # how often a switch is set again because the settings changed meanwhile
HISTORY_ENTRIES_MAX = 500  # ledger entries in which earlier changes of the switches are looked for
HISTORY_SHOWN_MAX = 5


def _to(path: str, **query: str) -> Response:
    address = f"{path}?{urlencode(query)}" if query else path
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)


# --- Rulings ---


async def rule(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:
    """Approves or rejects. A failure is shown where the visitor can look again."""
    approval_id = _approval_id(request)
    kind = form.get("ruling")
    if kind not in {RulingKind.APPROVE.value, RulingKind.REJECT.value}:
        sentence = "A ruling here is approve or reject."
        raise InvalidInput(sentence, code="INVALID_RULING")
    asked = RulingRequest(RulingKind(kind), reason=_reason(form), digest=_digest(form))
    name = intent_of(approval_id)
    try:
        await site.control.rule(visitor.principal, approval_id, asked)
    except (Conflict, InvalidInput) as refusal:
        return await _not_ruled(site, visitor, name, refusal)
    if form.get("from") == "intent":
        return _to(f"/intents/{name}", ruled=name)
    return _to("/needs-you", ruled=name)


async def _not_ruled(
    site: Site, visitor: Visitor, name: str, refusal: Conflict | InvalidInput
) -> Response:
    """Why a ruling was not taken, and how the intent stands now."""
    narrated = await site.control.intent(visitor.principal, name)
    status = (
        HTTPStatus.CONFLICT if isinstance(refusal, Conflict) else HTTPStatus.UNPROCESSABLE_ENTITY
    )
    return await site.page(
        visitor,
        "not_ruled.html",
        status=status,
        narrated=narrated,
        sentence=refusal.sentence,
        code=refusal.code,
        open=presenting.waits_for_a_person(narrated.record),
    )


async def edit_form(site: Site, visitor: Visitor, request: Request) -> Response:
    """The form in which a proposal is edited."""
    return await _edit_page(site, visitor, await _under_review(site, visitor, request))


async def edit(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:
    """Rules by an edit: a new intent, through the whole gate."""
    narrated = await _under_review(site, visitor, request)
    name = narrated.record.intent.action_intent_id
    action = await _action(site, visitor, narrated)
    if (form.get("approves") == "true") != edit_approves(visitor.principal, action):
        problem = Problem((), "who must approve an edit changed since: look before you send it")
        return await _edit_page(site, visitor, narrated, written=form, problems=(problem,))
    try:
        parameters = fields.read(_schema(action), narrated.record.intent.parameters, form)
        asked = RulingRequest(RulingKind.EDIT, _reason(form), parameters, _digest(form))
        ruled = await site.control.rule(visitor.principal, _approval_id(request), asked)
    except InvalidInput as refusal:
        problems = refusal.problems or (Problem((), refusal.sentence),)
        return await _edit_page(site, visitor, narrated, written=form, problems=problems)
    except Conflict as refusal:
        return await _not_ruled(site, visitor, name, refusal)
    new = ruled.admitted.record if ruled.admitted else ruled.record
    return _to(f"/intents/{new.intent.action_intent_id}", ruled=name)


async def _edit_page(
    site: Site,
    visitor: Visitor,
    narrated: NarratedIntent,
    *,
    written: Form | None = None,
    problems: tuple[Problem, ...] = (),
) -> Response:
    action = await _action(site, visitor, narrated)
    shown = fields.fields(
        _schema(action),
        narrated.record.intent.parameters,
        written=written,
        problems=problems,
        filled=narrated.call.filled_in if narrated.call else None,
    )
    known = {field.name.removeprefix(fields.PREFIX) for field in shown if field.problems}
    others = [
        str(problem)
        for problem in problems
        if problem.path[1:2] == () or problem.path[1] not in known
    ]
    return await site.page(
        visitor,
        "edit.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
        narrated=narrated,
        approval=narrated.record.approval,
        approves=edit_approves(visitor.principal, action),
        fields=shown,
        problems=others,
        reason=written.get("reason", "") if written else "",
    )


async def _under_review(site: Site, visitor: Visitor, request: Request) -> NarratedIntent:
    """The intent behind an approval that is open.

    NotFound or Conflict (`APPROVAL_CLOSED`) otherwise.
    """
    approval_id = _approval_id(request)
    narrated = await site.control.intent(visitor.principal, intent_of(approval_id))
    approval = narrated.record.approval
    if approval is None:
        sentence = f"There is no approval {approval_id}."
        raise NotFound(sentence)
    if approval.approval_id != approval_id or not presenting.waits_for_a_person(narrated.record):
        sentence = f"The approval {approval_id} is closed. {narrated.sentence}."
        raise Conflict(sentence, code="APPROVAL_CLOSED")
    return narrated


async def _action(site: Site, visitor: Visitor, narrated: NarratedIntent) -> Action | None:
    settings = await site.control.settings(visitor.principal)
    return settings.catalog.get(narrated.record.intent.action_type)


def _schema(action: Action | None) -> CompiledSchema:
    return action.schema if action else CompiledSchema({})


def _approval_id(request: Request) -> str:
    name: str = request.path_params["approval_id"]
    if not APPROVAL_ID.fullmatch(name):
        sentence = "There is no such approval."
        raise NotFound(sentence)
    return name


def _reason(form: Form) -> str | None:
    return form.get("reason", "").strip() or None


def _digest(form: Form) -> str:
    """The digest of what the visitor saw.

    A page always sends it: without it, it is unknown what was approved.
    """
    digest = form.get("digest")
    if not digest:
        sentence = "The form does not say what was shown; load the page again."
        raise InvalidInput(sentence, code="DIGEST_MISSING")
    return digest


# --- Intents that have not started, and unknown outcomes ---


async def cancel(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:
    """Withdraws an intent that has not started."""
    name = intent_id(request)
    await site.control.cancel(visitor.principal, name, form.get("reason", ""))
    return _to(f"/intents/{name}", flash="cancelled")


async def reconcile(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:
    """Settles an unknown outcome."""
    name = intent_id(request)
    try:
        status = OutcomeStatus(form.get("status", ""))
    except ValueError:
        sentence = "Say whether it happened or not."
        raise InvalidInput(sentence, code="NOT_RECONCILABLE") from None
    await site.control.reconcile(visitor.principal, name, status, form.get("reason", ""))
    return _to(f"/intents/{name}", flash="reconciled")


# --- Stop switches ---


async def stop_page(site: Site, visitor: Visitor, request: Request) -> Response:
    """The switches that are on, a form for another one, and who changed them last."""
    settings = await site.control.settings(visitor.principal)
    own, _ = await site.control.settings_part(visitor.principal, SettingsPart.STOP_SWITCHES)
    everywhere = [switch for switch in settings.stop_switches if switch.scope is StopScope.GLOBAL]
    agents = {
        narrated.record.intent.proposed_by
        for narrated in await site.control.waiting(visitor.principal)
    }
    return await site.page(
        visitor,
        "stop.html",
        own=own["stop_switches"],
        everywhere=everywhere,
        scopes=[scope for scope in StopScope if scope is not StopScope.GLOBAL],
        subjects=sorted({*settings.catalog, *settings.tool_servers, *agents}),
        may=Permission.STOP in visitor.principal.permissions,
        history=await _history(site, visitor),
        flash=FLASHES.get(request.query_params.get("flash", "")),
    )


async def _history(site: Site, visitor: Visitor) -> list[dict[str, Json]]:
    """The latest changes of the switches, newest first, as far
    as a bounded look back finds them.
    """
    size = await site.control.ledger_size(visitor.principal)
    after = max(0, size - HISTORY_ENTRIES_MAX)
    entries = await site.control.ledger(visitor.principal, after=after, limit=HISTORY_ENTRIES_MAX)
    changes = [entry.in_full for entry in entries]
    switch_changes = [
        fields for fields in changes if fields["kind"] == EntryKind.STOP_SWITCHES_CHANGED.value
    ]
    return [{**change, "at_ms": from_text(change["at"])} for change in reversed(switch_changes)][
        :HISTORY_SHOWN_MAX
    ]


async def stop(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:  # noqa: ARG001
    """Turns a switch on, or lifts it; every other switch stays as it is."""
    scope, subject = _scope(form), form.get("subject", "").strip() or None
    if form.get("do") == "lift":
        await _change(site, visitor, scope, subject, None)
        return _to("/stop", flash="lifted")
    level, reason = form.get("level", ""), form.get("reason", "").strip()
    if level not in {known.value for known in StopLevel}:
        sentence = "A stop switch holds or refuses."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    if not reason:
        sentence = "Say why: the people who find this stopped will want to know."
        raise InvalidInput(sentence, code="REASON_REQUIRED")
    if (subject is None) != (scope in NAMES_NOTHING):
        sentence = (
            "Name what is stopped."
            if subject is None
            else "A switch for the whole tenant names nothing else."
        )
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH")
    switch = {"scope": scope.value, "subject": subject, "level": level, "reason": reason}
    await _change(site, visitor, scope, subject, switch)
    return _to("/stop", flash="stopped")


def _scope(form: Form) -> StopScope:
    try:
        return StopScope(form.get("scope", ""))
    except ValueError:
        sentence = "Say what the switch covers."
        raise InvalidInput(sentence, code="INVALID_STOP_SWITCH") from None


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
