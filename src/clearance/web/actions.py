"""The forms that act: rule, edit, withdraw, reconcile.

Each reads a form of the visitor's own session, calls one verb, and answers with the address of the
page that shows the result, so that loading that page again does nothing twice.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from clearance.core.approval import RulingKind, edit_approves, intent_of
from clearance.core.catalog import Action
from clearance.core.errors import Conflict, InvalidInput, NotFound, Problem
from clearance.core.outcome import OutcomeStatus
from clearance.core.schema import CompiledSchema
from clearance.flow.requests import NarratedIntent, RulingRequest
from clearance.web import edit_form as fields
from clearance.web import presenting
from clearance.web.screens import intent_id
from clearance.web.visitor import Form, Site, Visitor, to

APPROVAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\.[1-9][0-9]{0,8}")

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
        return to(f"/intents/{name}", ruled=name)
    return to("/needs-you", ruled=name)


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
    return to(f"/intents/{new.intent.action_intent_id}", ruled=name)


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
    return to(f"/intents/{name}", flash="cancelled")


async def reconcile(site: Site, visitor: Visitor, request: Request, form: Form) -> Response:
    """Settles an unknown outcome."""
    name = intent_id(request)
    try:
        status = OutcomeStatus(form.get("status", ""))
    except ValueError:
        sentence = "Say whether it happened or not."
        raise InvalidInput(sentence, code="NOT_RECONCILABLE") from None
    await site.control.reconcile(visitor.principal, name, status, form.get("reason", ""))
    return to(f"/intents/{name}", flash="reconciled")
