"""Review: people rule on approvals, withdraw intents that have not started, and settle unknown
outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clearance.core import erasure, steps
from clearance.core.approval import (
    REASON_LENGTH_MAX,
    RulingKind,
    check_ruling,
    edit_approves,
    intent_of,
)
from clearance.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from clearance.core.gate import Facts
from clearance.core.intent import checked_content
from clearance.core.ledger import Reason
from clearance.core.outcome import OutcomeStatus
from clearance.core.principal import Permission, Principal
from clearance.core.record import Admission, Change, IntentRecord
from clearance.core.settings import Settings
from clearance.flow.context import Context, no_intent
from clearance.flow.memory import remembering
from clearance.flow.observe import may_read, narrate, narration_of
from clearance.flow.ports.transitions import Applied
from clearance.flow.requests import Erased, NarratedIntent, Ruled, RulingRequest
from clearance.flow.submit import DECISIONS_MAX, admission_of, hint_if_approved, known_by
from clearance.flow.usage import known_accounts

RECONCILABLE = frozenset({OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED})


async def rule(
    context: Context, ruler: Principal, approval_id: str, request: RulingRequest
) -> Ruled:
    """Rules on the latest approval of an intent.

    Conflict if it is closed, expired or about something else by now.
    """
    ruler.require(Permission.RULE, on=ruler.tenant)
    if (request.kind is RulingKind.EDIT) != (request.parameters is not None):
        sentence = "An edit needs the new parameters, and only an edit has parameters."
        raise InvalidInput(sentence, code="EDIT_PARAMETERS")
    edited_id, salt = context.clock.new_id(), context.new_salt()
    reason = None if request.reason is None else context.reason(request.reason)
    facts: Facts | None = None
    for _ in range(DECISIONS_MAX):
        settings = await context.settings(ruler.tenant_id)
        record = await _under_approval(context, ruler, approval_id, request, settings)
        edited = None
        if request.kind is RulingKind.EDIT:
            admitted = await known_accounts(context, settings, record.intent.account_id)
            facts = facts or Facts(settings)
            facts = replace(facts, settings=settings, known_accounts=admitted)
            edited = await _edited(context, ruler, record, request, edited_id, facts, salt)
        change = steps.rule(
            record,
            ruler,
            request.kind,
            reason,
            now=context.clock.now_ms(),
            edited=edited,
            action=settings.catalog.get(record.intent.action_type),
        )
        if ruler.actor_id == record.intent.edited_by:
            # Whether an editor may rule is in the settings, which must be in force at the commit.
            change = replace(change, settings_version=settings.version)
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            return _ruled(context, ruler, answer, settings)
        facts = known_by(facts, answer) if facts else None
    raise _kept_moving(approval_id)


def _ruled(context: Context, ruler: Principal, applied: Applied, settings: Settings) -> Ruled:
    """The result of a ruling, in the words of the settings that were read before it: once the
    ruling is committed, nothing is read.
    """
    record, admitted = applied.record, applied.admitted
    for touched in filter(None, (record, admitted)):
        hint_if_approved(context, touched)
    return Ruled(
        *narration_of(record, settings, ruler),
        admitted=narrate(admitted, settings, ruler) if admitted else None,
    )


async def _under_approval(
    context: Context,
    ruler: Principal,
    approval_id: str,
    request: RulingRequest,
    settings: Settings,
) -> IntentRecord:
    record = await context.store.intent(ruler.tenant_id, intent_of(approval_id))
    if record is None or record.approval is None:
        sentence = f"There is no approval {approval_id}."
        raise NotFound(sentence)
    approval = record.approval
    if approval.approval_id != approval_id:
        sentence = f"The approval {approval_id} was followed by {approval.approval_id}."
        raise Conflict(sentence, code="APPROVAL_CLOSED")
    if request.digest is not None and request.digest != approval.digest:
        sentence = "What would run is not what was shown; look again before you rule."
        raise Conflict(sentence, code="DIGEST_MISMATCH")
    # The step checks it again. Here it comes first, so that an edit by a person who may not rule is
    # not decided on at all.
    check_ruling(
        approval,
        record.intent,
        ruler,
        request.kind,
        request.reason,
        now=context.clock.now_ms(),
        action=settings.catalog.get(record.intent.action_type),
    )
    return record


async def _edited(
    context: Context,
    ruler: Principal,
    record: IntentRecord,
    request: RulingRequest,
    edited_id: str,
    facts: Facts,
    salt: bytes,
) -> Admission:
    """The edited intent through the whole gate, which asks a person about it. Where its editor may
    rule, the edit is their approval too.

    The agent stays its proposer, so that every rule for the agent holds for it too; but the
    agent's quotas do not keep a person from editing.
    """
    intent = replace(
        record.intent,
        action_intent_id=edited_id,
        parameters=request.parameters or {},
        edited_by=ruler.actor_id,
        supersedes=record.intent.action_intent_id,
    )
    admission = admission_of(
        intent,
        checked_content(intent),
        facts,
        ruler,
        salt=salt,
        now=context.clock.now_ms(),
        approves=edit_approves(ruler, facts.settings.catalog.get(intent.action_type)),
    )
    return await remembering(context, admission, facts)


async def cancel(
    context: Context, principal: Principal, action_intent_id: str, reason: str
) -> NarratedIntent:
    """Withdraws an intent that has not started: its proposer may, and so may a person who rules."""
    why = _checked(context, reason)

    def step(record: IntentRecord) -> Change:
        if not may_read(principal, record):
            raise no_intent(action_intent_id)
        if record.intent.proposed_by != principal.actor_id:
            principal.require(Permission.RULE, on=record.intent.subject)
        now = context.clock.now_ms()
        return steps.cancel(record, code="WITHDRAWN", reason=why, actor=principal, now=now)

    principal.require_reading()
    return await _narrated(context, principal, action_intent_id, step)


async def reconcile(
    context: Context,
    principal: Principal,
    action_intent_id: str,
    status: OutcomeStatus,
    reason: str,
) -> NarratedIntent:
    """Settles an UNKNOWN outcome, with the name and reason of the person."""
    why = _checked(context, reason)
    if status not in RECONCILABLE:
        sentence = "An unknown outcome is reconciled to SUCCEEDED or FAILED."
        raise InvalidInput(sentence, code="NOT_RECONCILABLE")

    def step(record: IntentRecord) -> Change:
        return steps.reconcile(record, status, why, by=principal, now=context.clock.now_ms())

    principal.require(Permission.RULE, on=principal.tenant)
    return await _narrated(context, principal, action_intent_id, step)


async def erase(
    context: Context, principal: Principal, action_intent_id: str, reason: str
) -> Erased:
    """Erases the reasons that people wrote about an intent; what binds them stays.

    Conflict (`NOTHING_TO_ERASE`).
    """
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    why, tenant_id = _checked(context, reason), principal.tenant_id
    settings = await context.settings(tenant_id)
    for _ in range(DECISIONS_MAX):
        record = await context.record(tenant_id, action_intent_id)
        # Read after the record: a later entry makes its revision an old one.
        entries = await context.store.entries_about(tenant_id, action_intent_id)
        now = context.clock.now_ms()
        change = erasure.erase(record, entries, why, by=principal, now=now)
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            in_clear = tuple(entry.position for entry in entries if erasure.in_clear(entry))
            narration = narration_of(answer.record, settings, principal)
            return Erased(*narration, change.erases, in_clear)
    raise _kept_moving(action_intent_id)


async def _narrated(
    context: Context,
    principal: Principal,
    action_intent_id: str,
    step: Callable[[IntentRecord], Change],
) -> NarratedIntent:
    """One step, in the words of the settings that were read before it."""
    settings = await context.settings(principal.tenant_id)
    record = await advance(context, principal.tenant_id, action_intent_id, step)
    return narrate(record, settings, principal)


async def advance(
    context: Context, tenant_id: str, action_intent_id: str, step: Callable[[IntentRecord], Change]
) -> IntentRecord:
    """Reads, takes one step and applies it; again if the record moved meanwhile.

    The step raises if its guard fails.
    """
    for _ in range(DECISIONS_MAX):
        record = await context.record(tenant_id, action_intent_id)
        answer = await context.store.advance(step(record))
        if isinstance(answer, Applied):
            return answer.record
    raise _kept_moving(action_intent_id)


def _checked(context: Context, reason: str) -> Reason:
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        sentence = f"A reason of 1 to {REASON_LENGTH_MAX} characters is needed."
        raise InvalidInput(sentence, code="REASON_REQUIRED")
    return context.reason(reason)


def _kept_moving(name: str) -> Unavailable:
    return Unavailable(f"{name} kept changing; nothing was done.")
