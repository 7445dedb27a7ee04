"""Approvals: the request to people that an intent waits in, who may rule on it, and what a ruling
must contain.

An approval is bound to the digest of exactly what would run. Time never approves: an approval
without a ruling expires.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from clearance.core.catalog import Action
from clearance.core.errors import Conflict, Forbidden, InvalidInput
from clearance.core.intent import ActionIntent
from clearance.core.names import OpenName
from clearance.core.principal import Permission, Principal

REASON_LENGTH_MAX = 2_000  # characters


class ApprovalSource(OpenName):
    """Whose approval made an intent APPROVED: the policy with the budget, or a person."""

    POLICY = "POLICY"
    HUMAN = "HUMAN"


class RulingKind(StrEnum):
    """A person's answer to an approval.

    An edit closes it and proposes a new intent through the whole gate, as the act of its editor.
    """

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


class ApprovalState(StrEnum):
    """OPEN until a person rules, or until it is expired or withdrawn (its intent went
    elsewhere).
    """

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's ruling, its reason, and its time. `erased`: it had a reason, which was erased."""

    kind: RulingKind
    ruled_by: str
    reason: str | None
    ruled_at: int
    erased: bool = False

    def without_reason(self) -> Ruling:
        """The ruling after its reason was erased."""
        return self if self.reason is None else replace(self, reason=None, erased=True)


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """Who must approve, and how many of them: `approvers` different people with `permission`."""

    permission: Permission = Permission.RULE
    approvers: int = 1


ONE_PERSON = ApprovalRule()


@dataclass(frozen=True, slots=True)
class Approval:
    """A request to people.

    `number` counts the requests of one intent; `differences` say why it is asked again. `rulings`
    are in their order; one rejection or edit closes the approval, and so do as many approvals as
    its rule `needs`. The stores, the archive and the wire keep one ruling, which is enough for a
    rule that needs one person.
    """

    approval_id: str
    number: int
    state: ApprovalState
    digest: str
    opened_at: int
    expires_at: int
    differences: tuple[str, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    superseded_by: str | None = None
    needs: ApprovalRule = ONE_PERSON

    @property
    def decisive(self) -> Ruling | None:
        """The ruling that closed the approval, if one did."""
        closed = self.state in {ApprovalState.APPROVED, ApprovalState.REJECTED}
        return self.rulings[-1] if closed and self.rulings else None

    @property
    def approved_by_enough(self) -> bool:
        """True if as many different people as needed approved, and none of them did otherwise."""
        approvers = {ruling.ruled_by for ruling in self.rulings}
        unanimous = all(ruling.kind is RulingKind.APPROVE for ruling in self.rulings)
        return unanimous and len(approvers) >= self.needs.approvers

    def without_reasons(self) -> Approval:
        """The approval after the reasons of its rulings were erased."""
        return replace(self, rulings=tuple(ruling.without_reason() for ruling in self.rulings))

    def ruled(self, ruling: Ruling, *, superseded_by: str | None = None) -> Approval:
        """The approval with one more ruling: open still, or closed by it."""
        after = replace(self, rulings=(*self.rulings, ruling), superseded_by=superseded_by)
        if ruling.kind is not RulingKind.APPROVE:
            return replace(after, state=ApprovalState.REJECTED)
        return replace(after, state=ApprovalState.APPROVED) if after.approved_by_enough else after


def edit_approves(editor: Principal, action: Action | None) -> bool:
    """True if a person may rule on what they edit, by their role or by the action type: then an
    edit is their approval too.
    """
    by_type = action is not None and action.editors_rule and Permission.RULE in editor.permissions
    return by_type or Permission.RULE_OWN in editor.permissions


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
    action: Action | None = None,
) -> None:
    """Raises unless `ruler` may now rule so: Forbidden, Conflict (`APPROVAL_CLOSED`,
    `ALREADY_RULED`, `APPROVAL_EXPIRED`), InvalidInput.

    `action`: what the catalog has of it now.
    """
    ruler.require(approval.needs.permission, on=intent.subject)
    proposed = ruler.actor_id == intent.proposed_by
    edited = ruler.actor_id == intent.edited_by
    if (proposed and Permission.RULE_OWN not in ruler.permissions) or (
        edited and not edit_approves(ruler, action)
    ):
        sentence = (
            "Nobody rules on what they proposed or edited themselves: this needs another person."
        )
        raise Forbidden(sentence, code="OWN_PROPOSAL")
    if approval.state is not ApprovalState.OPEN:
        sentence = f"The approval {approval.approval_id} is closed: {approval.state.value}."
        raise Conflict(sentence, code="APPROVAL_CLOSED")
    if ruler.actor_id in {earlier.ruled_by for earlier in approval.rulings}:
        sentence = f"{ruler.actor_id} ruled on the approval {approval.approval_id} before."
        raise Conflict(sentence, code="ALREADY_RULED")
    if now >= approval.expires_at:
        sentence = f"The approval {approval.approval_id} has expired."
        raise Conflict(sentence, code="APPROVAL_EXPIRED")
    if reason is not None and len(reason) > REASON_LENGTH_MAX:
        sentence = f"A reason has at most {REASON_LENGTH_MAX} characters."
        raise InvalidInput(sentence, code="REASON_TOO_LONG")
    if ruling is RulingKind.REJECT and not (reason and reason.strip()):
        sentence = "A rejection needs a reason."
        raise InvalidInput(sentence, code="REASON_REQUIRED")
