"""Approvals: the request to people that an intent waits in, who may rule on it, and what a ruling
must say.

An approval is bound to the digest of exactly what would run. Time never approves: what nobody rules
on expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clearance.core.errors import Conflict, Forbidden, InvalidInput
from clearance.core.intent import ActionIntent
from clearance.core.principal import Permission, Principal

REASON_LENGTH_MAX = 2_000  # characters


class ApprovalSource(StrEnum):
    """Whose approval made an intent APPROVED: the policy with the budget, or a person."""

    POLICY = "POLICY"
    HUMAN = "HUMAN"


class RulingKind(StrEnum):
    """What a person says to an approval.

    An edit closes it and proposes a new intent through the whole gate.
    """

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


class ApprovalState(StrEnum):
    """OPEN until somebody rules, or until it is expired or
    withdrawn (its intent went elsewhere).
    """

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person ruled, why, and when."""

    kind: RulingKind
    ruled_by: str
    reason: str | None
    ruled_at: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A request to people.

    `number` counts the requests of one intent; `differences` say why it is asked again.
    """

    approval_id: str
    number: int
    state: ApprovalState
    digest: str
    opened_at: int
    expires_at: int
    differences: tuple[str, ...] = ()
    ruling: Ruling | None = None
    superseded_by: str | None = None


def approval_id(action_intent_id: str, number: int) -> str:
    """The name of an intent's nth approval: `<action_intent_id>.<n>`; no intent's id contains a
    dot.
    """
    return f"{action_intent_id}.{number}"


def intent_of(name: str) -> str:
    """The action intent id in an approval's name."""
    return name.rpartition(".")[0]


def open_approval(
    intent: ActionIntent,
    *,
    number: int,
    digest: str,
    lasts_ms: int,
    now: int,
    differences: tuple[str, ...] = (),
) -> Approval:
    """A new approval; it expires with the intent if that is sooner."""
    expires_at = now + lasts_ms
    if intent.expires_at is not None:
        expires_at = min(expires_at, intent.expires_at)
    name = approval_id(intent.action_intent_id, number)
    return Approval(name, number, ApprovalState.OPEN, digest, now, expires_at, differences)


def check_ruling(
    approval: Approval,
    intent: ActionIntent,
    ruler: Principal,
    ruling: RulingKind,
    reason: str | None,
    *,
    now: int,
) -> None:
    """Raises unless `ruler` may now rule so: Forbidden, Conflict (`APPROVAL_CLOSED`,
    `APPROVAL_EXPIRED`), InvalidInput.
    """
    ruler.require(Permission.RULE)
    if (
        ruler.actor_id in {intent.proposed_by, intent.edited_by}
        and Permission.RULE_OWN not in ruler.permissions
    ):
        sentence = (
            "Nobody rules on what they proposed or edited themselves: this needs another person."
        )
        raise Forbidden(sentence, code="OWN_PROPOSAL")
    if approval.state is not ApprovalState.OPEN:
        sentence = f"The approval {approval.approval_id} is closed: {approval.state.value}."
        raise Conflict(sentence, code="APPROVAL_CLOSED")
    if now >= approval.expires_at:
        sentence = f"The approval {approval.approval_id} has expired."
        raise Conflict(sentence, code="APPROVAL_EXPIRED")
    if reason is not None and len(reason) > REASON_LENGTH_MAX:
        sentence = f"A reason has at most {REASON_LENGTH_MAX} characters."
        raise InvalidInput(sentence, code="REASON_TOO_LONG")
    if ruling is RulingKind.REJECT and not (reason and reason.strip()):
        sentence = "A rejection needs a reason."
        raise InvalidInput(sentence, code="REASON_REQUIRED")
