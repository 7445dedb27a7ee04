"""Submit: an agent proposes, the gate decides, and the store admits what was decided, in one
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearance.core import gate, steps
from clearance.core.canonical import Json
from clearance.core.errors import Conflict, InvalidInput, Refusal, Unavailable
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content, fingerprint
from clearance.core.principal import Permission, Principal
from clearance.core.record import Admission, IntentRecord, IntentStatus
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.ports.transitions import Admitted, AlreadyAdmitted, BudgetSpent, SettingsMoved

DECISIONS_MAX = (
    3  # how often an intent is decided again because the settings or the budget moved meanwhile
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a caller says of an action intent: tenant and proposer come from the credential, a
    missing id is made.
    """

    account_id: str
    action_type: str
    confidence_score: float
    risk_level: RiskLevel
    parameters: Mapping[str, Json] = field(default_factory=dict)
    action_intent_id: str | None = None
    target: Json = None
    why: tuple[str, ...] = ()
    expires_at: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """The answer to a proposal.

    `created` is False if the intent was known: the same answer again.
    """

    record: IntentRecord
    created: bool


async def propose(context: Context, principal: Principal, proposal: Proposal) -> Proposed:
    """Decides and admits.

    Conflict (`INTENT_ID_REUSED`) for a known id with other content; nothing is consumed twice.
    """
    principal.require(Permission.PROPOSE)
    intent = ActionIntent(
        tenant_id=principal.tenant_id,
        account_id=proposal.account_id,
        action_intent_id=context.clock.new_id()
        if proposal.action_intent_id is None
        else proposal.action_intent_id,
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
    content = checked_content(intent)
    try:
        settled = await _admit(context, principal, intent, content)
    except Refusal:
        # Parameters that do not fit today may have fitted when the same intent was admitted: then
        # its answer stands.
        known = await context.store.intent(intent.tenant_id, intent.action_intent_id)
        if known is None:
            raise
        settled = AlreadyAdmitted(known)
    if settled.record.fingerprint != fingerprint(content):
        sentence = (
            f"The action intent {intent.action_intent_id} was proposed before with other content."
        )
        raise Conflict(sentence, code="INTENT_ID_REUSED")
    hint_if_approved(context, settled.record)
    return Proposed(settled.record, created=isinstance(settled, Admitted))


def hint_if_approved(context: Context, record: IntentRecord) -> None:
    """Tells the engine of an intent that may start."""
    if record.status is IntentStatus.APPROVED:
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
    context: Context, principal: Principal, intent: ActionIntent, content: bytes
) -> Admitted | AlreadyAdmitted:
    settings = await context.last_settings(intent.tenant_id)
    used: Mapping[str, int] = {}
    salt = context.new_salt()
    for _ in range(DECISIONS_MAX):
        try:
            admission = admission_of(
                intent,
                content,
                Facts(settings, used),
                principal,
                salt=salt,
                now=context.clock.now_ms(),
            )
        except InvalidInput:
            newer = await context.settings(intent.tenant_id)
            if newer.version == settings.version:
                raise
            settings = newer
            continue
        answer = await context.store.admit(admission)
        match answer:
            case Admitted() | AlreadyAdmitted():
                return answer
            case SettingsMoved():
                settings = await context.fresh_settings(intent.tenant_id)
            case BudgetSpent():
                used = answer.used
    sentence = (
        "The settings or the budget kept changing while the intent was decided; nothing was stored."
    )
    raise Unavailable(sentence)


def admission_of(
    intent: ActionIntent, content: bytes, facts: Facts, actor: Principal, *, salt: bytes, now: int
) -> Admission:
    """The gate's decision on an intent whose parameters fit, as what is to be stored."""
    action = facts.settings.catalog.get(intent.action_type)
    if action is not None:
        action.check_parameters(intent.parameters)
    decision = gate.decide(intent, facts, now)
    return steps.admit(intent, content, decision, facts.settings, salt=salt, actor=actor, now=now)
