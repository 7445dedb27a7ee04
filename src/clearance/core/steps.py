"""The steps of an intent, each a pure function: it reads the record, checks its guard, and makes
the `Change` to apply.

The diagram is in `docs/life-of-an-intent.md`. Nothing here reads a clock, a store or a tool.
"""

from __future__ import annotations

from dataclasses import replace

from clearance.core import approval as approvals
from clearance.core import decision as decisions
from clearance.core.accounts import makes_known
from clearance.core.approval import (
    Approval,
    ApprovalSource,
    ApprovalState,
    Ruling,
    RulingKind,
)
from clearance.core.binding import Binding, bind
from clearance.core.budget import Hold, HoldState
from clearance.core.call import lease_ms
from clearance.core.canonical import Json, canonical, digest
from clearance.core.catalog import (
    APPROVAL_EXPIRES_AFTER_MS_DEFAULT,
    Action,
    idempotency_key,
)
from clearance.core.decision import Answer, Decision
from clearance.core.errors import Conflict
from clearance.core.intent import ActionIntent, fingerprint
from clearance.core.intent import content as content_of
from clearance.core.ledger import (
    Draft,
    EntryKind,
    Reason,
    content_digest,
    draft_about,
)
from clearance.core.moment import as_text
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Permission, Principal
from clearance.core.record import (
    NOT_STARTED,
    STEPS,
    Admission,
    Attempt,
    Change,
    IntentRecord,
    IntentStatus,
)
from clearance.core.revalidation import Revalidation
from clearance.core.settings import Settings


def admit(
    intent: ActionIntent,
    content: bytes,
    decision: Decision,
    settings: Settings,
    *,
    salt: bytes,
    actor: Principal,
    now: int,
    approves: bool = False,
) -> Admission:
    """The state that a decision gives a new intent: BLOCKED, AWAITING_APPROVAL with its approval,
    or APPROVED by POLICY.

    `approves`: `actor` edited it and may rule on that, so the approval has their ruling already.
    `content` is all that the caller said, and is bound also if the intent has lost it.
    """
    binding = bind(intent, decision, settings, salt)
    status, kind, source = _ADMITTED[decision.answer]
    approval = None
    if status is IntentStatus.AWAITING_APPROVAL and binding is not None:
        approval = _first_approval(intent, binding, settings, actor if approves else None, now)
        status, kind, source = _RULED.get(approval.state, (status, kind, source))
    entry = draft_about(
        intent,
        kind,
        now,
        actor,
        revision=1,
        status=status.value,
        content_digest=content_digest(content, salt),
        content_kept=None if intent.content_kept else False,
        decision=decisions.facts(decision),
        approval=_approval_facts(approval),
        ruling=approval.rulings[-1].kind.value if approval and approval.rulings else None,
        **_agent_facts(intent),
        **_binding_facts(binding),
        **_hold_facts(decision.hold),
        **_source_facts(source),
    )
    return Admission(
        intent=intent,
        content=content if intent.content_kept else canonical(content_of(intent)),
        fingerprint=fingerprint(content),
        salt=salt,
        status=status,
        decision=decision,
        binding=binding,
        approval_source=source,
        approval=approval,
        entry=entry,
        at=now,
        due_at=due_at(status, intent, approval),
        knows_account=makes_known(decision.hold),
    )


_ADMITTED = {
    Answer.AUTO_EXECUTE: (
        IntentStatus.APPROVED,
        EntryKind.ACTION_APPROVED,
        ApprovalSource.POLICY,
    ),
    Answer.REQUIRE_APPROVAL: (
        IntentStatus.AWAITING_APPROVAL,
        EntryKind.APPROVAL_REQUESTED,
        None,
    ),
    Answer.BLOCK: (IntentStatus.BLOCKED, EntryKind.ACTION_BLOCKED, None),
}
"""The state of a new intent, by the gate's answer."""


def _first_approval(
    intent: ActionIntent,
    binding: Binding,
    settings: Settings,
    approver: Principal | None,
    now: int,
) -> Approval:
    """What a new intent waits in, with the ruling of who edited it, if that is an approval too."""
    lasts_ms = _approval_lasts_ms(intent, settings)
    approval = approvals.open_approval(
        intent, number=1, digest=binding.digest, lasts_ms=lasts_ms, now=now
    )
    if approver is None:
        return approval
    return approval.ruled(Ruling(RulingKind.APPROVE, approver.actor_id, None, now))


def rule(
    record: IntentRecord,
    ruler: Principal,
    kind: RulingKind,
    reason: Reason | None,
    *,
    now: int,
    edited: Admission | None = None,
    action: Action | None = None,
) -> Change:
    """A person's ruling.

    Approve: APPROVED by HUMAN. Reject: REJECTED. Edit: REJECTED, with the new intent beside it.
    `action` as `check_ruling` has it.
    """
    approval = record.approval
    if approval is None:
        sentence = f"The intent {record.intent.action_intent_id} waits for no approval."
        raise Conflict(sentence, code="APPROVAL_CLOSED")
    text = reason.text if reason else None
    approvals.check_ruling(approval, record.intent, ruler, kind, text, now=now, action=action)
    successor = edited.intent.action_intent_id if edited else None
    ruling = Ruling(kind, ruler.actor_id, text, now)
    ruled = approval.ruled(ruling, superseded_by=successor)
    status, entry_kind, source = _RULED[ruled.state]
    entry = next_entry(
        record,
        entry_kind,
        now,
        ruler,
        status=status.value,
        proposed_by=record.intent.proposed_by,
        approval_id=approval.approval_id,
        digest=approval.digest,
        ruling=kind.value,
        reason=reason,
        superseded_by=successor,
        **_source_facts(source),
    )
    return _change(
        record, status, entry, now, approval=ruled, approval_source=source, superseded_by=edited
    )


_RULED = {
    ApprovalState.APPROVED: (
        IntentStatus.APPROVED,
        EntryKind.ACTION_APPROVED,
        ApprovalSource.HUMAN,
    ),
    ApprovalState.REJECTED: (IntentStatus.REJECTED, EntryKind.ACTION_REJECTED, None),
}
"""The state of an intent once a ruling closes its approval."""


def start_attempt(
    record: IntentRecord,
    checked: Revalidation,
    settings: Settings,
    *,
    worker: str,
    actor: Principal,
    now: int,
) -> Change:
    """Claims the execution: from APPROVED, or again from RUNNING once the lease is dead and the
    effect allows a repeat.
    """
    action = settings.catalog[record.intent.action_type]
    number = 1 if record.attempt is None else record.attempt.number + 1
    attempt = Attempt(
        number=number,
        worker=worker,
        lease_until=now + lease_ms(settings.tool_servers.get(action.tool.server)),
        idempotency_key=idempotency_key(record.intent.tenant_id, record.intent.action_intent_id),
        started_at=now,
    )
    decided_anew = checked.decision is not record.decision
    entry = next_entry(
        record,
        EntryKind.EXECUTION_STARTED,
        now,
        actor,
        status=IntentStatus.RUNNING.value,
        attempt=number,
        worker=worker,
        lease_until=as_text(attempt.lease_until),
        idempotency_key=attempt.idempotency_key,
        tool=str(action.tool),
        decision=decisions.facts(checked.decision) if decided_anew else None,
        **_started_facts(record, checked, decided_anew=decided_anew),
        **_source_facts(record.approval_source),
    )
    return _change(
        record,
        IntentStatus.RUNNING,
        entry,
        now,
        attempt=attempt,
        settings_version=settings.version,
        hold=HoldState.SETTLED if record.hold and record.hold.state is HoldState.HELD else None,
        decision=checked.decision if decided_anew else None,
        binding=checked.binding if decided_anew else None,
    )


def record_outcome(
    record: IntentRecord,
    attempt_number: int,
    outcome: Outcome,
    *,
    tries: int,
    actor: Principal,
    now: int,
) -> Change:
    """Writes the outcome of an attempt.

    Conflict (`FENCED`) if another attempt, or another outcome, came meanwhile.
    """
    if (
        record.status is not IntentStatus.RUNNING
        or record.attempt is None
        or record.attempt.number != attempt_number
    ):
        sentence = (
            f"Attempt {attempt_number} of {record.intent.action_intent_id} is no longer the "
            f"current one."
        )
        raise Conflict(sentence, code="FENCED")
    error = outcome.error
    entry = next_entry(
        record,
        EntryKind.OUTCOME_RECORDED,
        now,
        actor,
        status=outcome.status.value,
        attempt=attempt_number,
        tries=tries,
        result_digest=digest(
            {"salt": record.salt.hex(), "result": outcome.result, "sentence": outcome.sentence}
        ),
        result_bytes=outcome.result_bytes,
        error={"class": error.error_class.value, "code": error.code, "sent": error.sent.value}
        if error
        else None,
        **_source_facts(record.approval_source),
    )
    gives_back = (
        outcome.nothing_sent
        and record.hold is not None
        and record.hold.state is not HoldState.RELEASED
    )
    return _change(
        record,
        IntentStatus(outcome.status.value),
        entry,
        now,
        outcome=outcome,
        hold=HoldState.RELEASED if gives_back else None,
    )


def reopen(
    record: IntentRecord, checked: Revalidation, settings: Settings, *, actor: Principal, now: int
) -> Change:
    """Asks people (again): the hold is given back, and a new approval shows what changed."""
    if checked.binding is None:
        sentence = "What would run is no longer known."
        raise Conflict(sentence, code="DIGEST_MISMATCH")
    shown = checked.differences or (checked.sentence,)
    approval = approvals.open_approval(
        record.intent,
        number=1 + (record.approval.number if record.approval else 0),
        digest=checked.binding.digest,
        lasts_ms=_approval_lasts_ms(record.intent, settings),
        now=now,
        differences=shown,
    )
    entry = next_entry(
        record,
        EntryKind.APPROVAL_REQUESTED,
        now,
        actor,
        status=IntentStatus.AWAITING_APPROVAL.value,
        reason=checked.code,
        differences=list(shown),
        decision=decisions.facts(checked.decision),
        approval=_approval_facts(approval),
        **_binding_facts(checked.binding),
    )
    return _change(
        record,
        IntentStatus.AWAITING_APPROVAL,
        entry,
        now,
        approval=approval,
        approval_source=None,
        settings_version=settings.version,
        hold=_release(record),
        decision=checked.decision,
        binding=checked.binding,
    )


def cancel(
    record: IntentRecord, *, code: str, reason: Reason | None, actor: Principal, now: int
) -> Change:
    """Closes an intent that has not started; the hold is given back."""
    _require_not_started(record)
    return _close(
        record,
        IntentStatus.CANCELLED,
        EntryKind.ACTION_CANCELLED,
        ApprovalState.WITHDRAWN,
        actor,
        now,
        code,
        reason,
    )


def expire(record: IntentRecord, *, actor: Principal, now: int) -> Change:
    """Closes an intent whose time has passed; the hold is given back. Time never approves."""
    _require_not_started(record)
    due = due_at(record.status, record.intent, record.approval)
    if due is None or now < due:
        sentence = f"The intent {record.intent.action_intent_id} has not expired."
        raise Conflict(sentence, code="NOT_EXPIRED")
    return _close(
        record,
        IntentStatus.EXPIRED,
        EntryKind.ACTION_EXPIRED,
        ApprovalState.EXPIRED,
        actor,
        now,
        "EXPIRED",
        None,
    )


def due_at(status: IntentStatus, intent: ActionIntent, approval: Approval | None) -> int | None:
    """When an intent that has not started expires: the open approval's time while it waits, else
    the intent's own.
    """
    if status is IntentStatus.AWAITING_APPROVAL and approval is not None:
        return approval.expires_at
    return intent.expires_at if status is IntentStatus.APPROVED else None


def reconcile(
    record: IntentRecord, status: OutcomeStatus, reason: Reason, *, by: Principal, now: int
) -> Change:
    """A person settles an UNKNOWN outcome, and states how they know; only after lease and deadline
    have passed.
    """
    by.require(Permission.RULE, on=record.intent.subject)
    if (
        record.status is not IntentStatus.UNKNOWN
        or record.attempt is None
        or record.outcome is None
    ):
        sentence = f"The outcome of {record.intent.action_intent_id} is not unknown."
        raise Conflict(sentence, code="NOT_UNKNOWN")
    if now < record.attempt.lease_until:
        sentence = f"The call may still be under way until {as_text(record.attempt.lease_until)}."
        raise Conflict(sentence, code="LEASE_NOT_OVER")
    sentence = f"{reconciled_by(by.actor_id)}: {reason.text}"
    outcome = replace(record.outcome, status=status, sentence=sentence)
    entry = next_entry(
        record,
        EntryKind.OUTCOME_RECONCILED,
        now,
        by,
        status=status.value,
        reason=reason,
        **_source_facts(record.approval_source),
    )
    return _change(record, IntentStatus(status.value), entry, now, outcome=outcome)


def next_entry(
    record: IntentRecord, kind: EntryKind, now: int, actor: Principal, **facts: Json
) -> Draft:
    """The entry of the record's next step; an edited intent is its editor's act in each."""
    intent, revision = record.intent, record.revision + 1
    return draft_about(
        intent, kind, now, actor, revision=revision, edited_by=intent.edited_by, **facts
    )


def _change(
    record: IntentRecord,
    status: IntentStatus,
    entry: Draft,
    now: int,
    *,
    approval_source: ApprovalSource | None = None,
    approval: Approval | None = None,
    **parts: object,
) -> Change:
    if record.foreign:
        sentence = (
            f"The intent {record.intent.action_intent_id} has {record.foreign}, which this version "
            f"does not know: only a later one can move it."
        )
        raise Conflict(sentence, code="OF_A_LATER_VERSION")
    if status not in STEPS.get(record.status, frozenset()):
        sentence = (
            f"The intent {record.intent.action_intent_id} is {record.status.value}, so it cannot "
            f"become {status.value}."
        )
        raise Conflict(sentence, code="ILLEGAL_STEP")
    keeps_source = status not in {IntentStatus.APPROVED, IntentStatus.AWAITING_APPROVAL}
    return Change(
        tenant_id=record.intent.tenant_id,
        action_intent_id=record.intent.action_intent_id,
        revision=record.revision,
        status=status,
        entry=entry,
        at=now,
        approval_source=record.approval_source if keeps_source else approval_source,
        due_at=due_at(status, record.intent, approval),
        approval=approval,
        **parts,  # type: ignore[arg-type]
    )


def _close(
    record: IntentRecord,
    status: IntentStatus,
    kind: EntryKind,
    state: ApprovalState,
    actor: Principal,
    now: int,
    code: str,
    reason: Reason | None,
) -> Change:
    open_approval = (
        record.approval if record.approval and record.approval.state is ApprovalState.OPEN else None
    )
    entry = next_entry(
        record,
        kind,
        now,
        actor,
        status=status.value,
        code=code,
        reason=reason,
        approval_id=open_approval.approval_id if open_approval else None,
        **_source_facts(record.approval_source),
    )
    approval = replace(open_approval, state=state) if open_approval else None
    return _change(record, status, entry, now, approval=approval, hold=_release(record))


def _require_not_started(record: IntentRecord) -> None:
    if record.status in NOT_STARTED and record.attempt is None:
        return
    started = record.attempt is not None
    rest = "only what has not started can be closed" if started else "it is closed already"
    sentence = f"The intent {record.intent.action_intent_id} is {record.status.value}; {rest}."
    raise Conflict(sentence, code="ALREADY_STARTED" if started else "ALREADY_CLOSED")


def _release(record: IntentRecord) -> HoldState | None:
    return HoldState.RELEASED if record.hold and record.hold.state is HoldState.HELD else None


def reconciled_by(person: str) -> str:
    """How the sentence of an outcome begins that a person settled."""
    return f"Reconciled by {person}"


def _approval_lasts_ms(intent: ActionIntent, settings: Settings) -> int:
    action = settings.catalog.get(intent.action_type)
    return action.approval_expires_after_ms if action else APPROVAL_EXPIRES_AFTER_MS_DEFAULT


def _source_facts(source: ApprovalSource | None) -> dict[str, Json]:
    if source is None:
        return {}
    return {"approval_source": source.value, "auto_executed": source is ApprovalSource.POLICY}


def _agent_facts(intent: ActionIntent) -> dict[str, Json]:
    """The claims of the agent, and the people or intents behind them."""
    return {
        "proposed_by": intent.proposed_by,
        "supersedes": intent.supersedes,
        "edited_by": intent.edited_by,
        "confidence_bp": intent.confidence_bp if intent.confidence_stated else None,
        "risk_level": intent.risk_stated,
    }


def _binding_facts(binding: Binding | None) -> dict[str, Json]:
    return binding.facts() if binding else {}


def _started_facts(
    record: IntentRecord, checked: Revalidation, *, decided_anew: bool
) -> dict[str, Json]:
    """The call that is started: as it was decided anew, or under the digest that was decided on."""
    if decided_anew:
        return _binding_facts(checked.binding)
    return {"digest": record.binding.digest} if record.binding else {}


def _hold_facts(hold: Hold | None) -> dict[str, Json]:
    if hold is None:
        return {}
    own = [[claim.bucket, claim.amount] for claim in hold.claims if claim.counter is None]
    counted = [
        [claim.bucket, claim.amount, claim.counter.subject, claim.counter.window]
        for claim in hold.claims
        if claim.counter is not None
    ]
    return {
        "hold": {"day": hold.day, "claims": own, **({"counted": counted} if counted else {})},
    }


def _approval_facts(approval: Approval | None) -> dict[str, Json] | None:
    if approval is None:
        return None
    return {"approval_id": approval.approval_id, "expires_at": as_text(approval.expires_at)}
