"""Submit: an agent proposes, the gate decides, and the store admits the intent with its decision in
one transaction.
"""

from __future__ import annotations

from dataclasses import replace

from clearance.core import gate, steps
from clearance.core.arguments import account_in, final_arguments
from clearance.core.decision import Answer
from clearance.core.errors import Conflict, InvalidInput, Refusal, TooMany, Unavailable
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, checked_content, fingerprint
from clearance.core.likeness import Rejection
from clearance.core.principal import Permission, Principal
from clearance.core.record import Admission, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.memory import by_an_agent, remembering
from clearance.flow.observe import narration_of
from clearance.flow.ports.due import Due
from clearance.flow.ports.transitions import (
    INTENT_AGED_OUT,
    Admitted,
    AdvanceAnswer,
    AlreadyAdmitted,
    BudgetSpent,
    QuotaSpent,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from clearance.flow.rates import check_rate
from clearance.flow.requests import Proposal, Proposed, ReadingProposal
from clearance.flow.usage import known_accounts

DECISIONS_MAX = 6  # how often an intent is decided again because the store knew better


async def propose(
    context: Context, principal: Principal, proposal: Proposal | ReadingProposal
) -> Proposed:
    """Decides and admits, once the caller may propose and its rate lets it. What is refused is
    counted.

    TooMany (`TOO_MANY_PROPOSALS`) for one proposal more than may come in a minute. Else as
    `_propose`.
    """
    try:
        principal.require(Permission.PROPOSE, on=principal.tenant)  # what may not takes no rate
        quotas, now = context.last_quotas(principal.tenant_id), context.clock.monotonic_ms()
        check_rate(context.rates, principal, quotas, now)
        made = proposal if isinstance(proposal, Proposal) else await proposal()
        return await _propose(context, principal, made)
    except Refusal as refusal:
        context.refusals.add(principal, refusal, context.clock.now_ms())
        raise


async def _propose(context: Context, principal: Principal, proposal: Proposal) -> Proposed:
    """Decides and admits.

    Conflict (`INTENT_ID_REUSED`) for a known id with other content, and (`INTENT_ID_TAKEN`) for one
    that another proposer uses, or that aged out (`INTENT_AGED_OUT` for who sees more than their
    own); nothing is consumed twice.
    TooMany (`TOO_MANY_WAITING`) if a person is to look, and as much of the agent waits as may.
    Unavailable names the intent, also if its id was made here.
    """
    name = proposal.action_intent_id
    name = context.clock.new_id() if name is None else name
    account_id = await _account_id(context, principal, proposal, name)
    intent = _intent(principal, proposal, name, account_id)
    principal.require(Permission.PROPOSE, on=intent.subject)
    content = checked_content(intent)
    try:
        proposed = await _settled(context, principal, proposal, intent, content)
    except Unavailable as unavailable:
        raise unavailable.about(intent.action_intent_id) from unavailable
    except Conflict as conflict:
        if conflict.code == INTENT_AGED_OUT and principal.sees_own_only:
            raise _taken(intent) from None  # it may have been another's: an agent learns no more
        raise
    if proposed.record.intent.proposed_by != principal.actor_id:
        raise _taken(intent)
    same_id = proposed.record.intent.action_intent_id == intent.action_intent_id
    if same_id and not _same_content(proposal, intent, content, proposed.record):
        sentence = (
            f"The action intent {intent.action_intent_id} was proposed before with other content."
        )
        raise Conflict(sentence, code="INTENT_ID_REUSED")
    hint_if_approved(context, proposed.record)
    return proposed


def _taken(intent: ActionIntent) -> Conflict:
    sentence = f"The id {intent.action_intent_id} is taken; choose another one."
    return Conflict(sentence, code="INTENT_ID_TAKEN")


async def _account_id(
    context: Context, principal: Principal, proposal: Proposal, action_intent_id: str
) -> str:
    """The account that the caller names, or that the catalog in force finds in the parameters, or
    that it found there when the same intent was admitted.
    """
    if proposal.account_id is not None:
        return proposal.account_id
    settings = await context.settings(principal.tenant_id)
    try:
        return account_in(settings.catalog.get(proposal.action_type), proposal.parameters)
    except InvalidInput as refusal:
        known = await _known(context, principal.tenant_id, action_intent_id, refusal)
        if known.intent.proposed_by != principal.actor_id:
            raise
        return known.intent.account_id


def _same_content(
    proposal: Proposal, intent: ActionIntent, content: bytes, record: IntentRecord
) -> bool:
    """True if an intent was proposed with this content. An account that the caller does not name
    is no content: the catalog found it in the parameters then, and may find another now.
    """
    if proposal.account_id is None:
        content = checked_content(replace(intent, account_id=record.intent.account_id))
    return record.fingerprint == fingerprint(content)


def _intent(
    principal: Principal, proposal: Proposal, action_intent_id: str, account_id: str
) -> ActionIntent:
    return ActionIntent(
        tenant_id=principal.tenant_id,
        account_id=account_id,
        action_intent_id=action_intent_id,
        action_type=proposal.action_type,
        parameters=proposal.parameters,
        confidence_score=proposal.confidence_score,
        risk_level=proposal.risk_level,
        proposed_by=principal.actor_id,
        target=proposal.target,
        why=proposal.why,
        expires_at=proposal.expires_at,
        trace_id=proposal.trace_id,
    )


async def _settled(
    context: Context,
    principal: Principal,
    proposal: Proposal,
    intent: ActionIntent,
    content: bytes,
) -> Proposed:
    """The intent as it was admitted, now or before; or the one that waits for the same call."""
    settings = await context.last_settings(intent.tenant_id)
    try:
        return await _admit(context, principal, proposal, intent, content, settings)
    except Refusal as refusal:
        # Parameters that do not fit today may have fitted when the same intent was admitted: then
        # its answer stands. So it does if only the answer of the commit was lost.
        known = await _known(context, intent.tenant_id, intent.action_intent_id, refusal)
        return Proposed(*narration_of(known, settings, principal), created=False)


async def _known(
    context: Context, tenant_id: str, action_intent_id: str, refusal: Refusal
) -> IntentRecord:
    """The intent that was admitted before. Raises the refusal if there is none, or if it is not
    known whether there is.
    """
    try:
        known = await context.store.intent(tenant_id, action_intent_id)
    except Unavailable:
        if isinstance(refusal, Unavailable):
            raise refusal from None
        raise
    if known is None:
        raise refusal
    return known


def hint_if_approved(context: Context, record: IntentRecord) -> None:
    """Tells the engine of an intent that may start."""
    if record.status is IntentStatus.APPROVED and not record.foreign:
        intent = record.intent
        source = record.approval_source
        context.engine.hint(
            Due(
                intent.tenant_id,
                intent.action_intent_id,
                intent.action_type,
                source,
                intent.account_id,
            )
        )


async def _admit(
    context: Context,
    principal: Principal,
    proposal: Proposal,
    intent: ActionIntent,
    content: bytes,
    settings: Settings,
) -> Proposed:
    """Decides and commits. The sentence is that of the settings it was decided under: once it is
    committed, nothing is read.
    """
    facts, salt, room = Facts(settings), context.new_salt(), True
    for _ in range(DECISIONS_MAX):
        now = context.clock.now_ms()
        try:
            if proposal.account_id is None:
                intent = _about(principal, intent, facts.settings)
                content = checked_content(intent)
            known = await known_accounts(context, facts.settings, intent.account_id)
            facts = replace(facts, known_accounts=known)
            admission = admission_of(
                intent, content, facts, principal, salt=salt, now=now, room=room
            )
        except InvalidInput:
            newer = await context.settings(intent.tenant_id)
            if newer.version == facts.settings.version:
                raise
            facts = replace(facts, settings=newer)
            continue
        admission = await remembering(context, admission, facts)
        admission = await by_an_agent(context, admission, facts.settings, folds=proposal.folds)
        answer = await context.store.admit(admission)
        match answer:
            case Admitted(record) | AlreadyAdmitted(record) | SameCallWaits(record):
                new = isinstance(answer, Admitted)
                narration = narration_of(record, facts.settings, principal)
                return Proposed(*narration, created=new)
            case TooManyWaiting():
                raise _too_many_waiting(principal)
            case QuotaSpent():
                room = False
            case SettingsMoved():
                facts = replace(facts, settings=await context.fresh_settings(intent.tenant_id))
            case RejectedBefore() | BudgetSpent():
                facts = known_by(facts, answer)
    sentence = (
        "The settings or the budget kept changing while the intent was decided; nothing was stored."
    )
    raise Unavailable(sentence)


def _about(principal: Principal, intent: ActionIntent, settings: Settings) -> ActionIntent:
    """The intent about the account that these settings find in its parameters: the catalog may have
    moved since they were looked at.
    """
    account_id = account_in(settings.catalog.get(intent.action_type), intent.parameters)
    if account_id == intent.account_id:
        return intent
    named = replace(intent, account_id=account_id)
    principal.require(Permission.PROPOSE, on=named.subject)
    return named


def known_by(facts: Facts, answer: AdvanceAnswer) -> Facts:
    """The facts with what the store knew better, for the gate to decide again."""
    match answer:
        case RejectedBefore(action_intent_id, at):
            return replace(facts, rejected=Rejection(action_intent_id, at))
        case BudgetSpent(used):
            return replace(facts, used=used)
        case _:
            return facts


def _too_many_waiting(agent: Principal) -> TooMany:
    """Without the number: it is the limit, and the agent reads this."""
    sentence = f"As many acts of {agent.actor_id} wait for a person as may; nothing was stored."
    return TooMany(sentence, code="TOO_MANY_WAITING")


def admission_of(
    intent: ActionIntent,
    content: bytes,
    facts: Facts,
    actor: Principal,
    *,
    salt: bytes,
    now: int,
    approves: bool = False,
    room: bool = True,
) -> Admission:
    """The gate's decision on an intent whose parameters fit, as what is to be stored. `approves` as
    `steps.admit` has it.

    Without `room` for what blocked intents leave, one leaves none of the agent's own words.
    """
    action = facts.settings.catalog.get(intent.action_type)
    if action is not None:
        action.check_parameters(intent.parameters)
    decision = gate.decide(intent, facts, now)
    if action is not None and decision.made is None:
        final_arguments(action, intent)  # a call that cannot be made is refused, not admitted
    if decision.answer is Answer.BLOCK and not room:
        intent, decision = intent.without_content(), replace(decision, made=None)
    return steps.admit(
        intent,
        content,
        decision,
        facts.settings,
        salt=salt,
        actor=actor,
        now=now,
        approves=approves,
    )
