"""The states of an intent and their legal order, the record of an intent, and a step from one state
to the next.

A store applies a `Change` whole or not at all, and only if the record still has the revision that
was read and, where the step depends on them, the settings have not changed either. So a guard that
held for the record holds in the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from clearance.core.approval import Approval, ApprovalSource
from clearance.core.binding import Binding
from clearance.core.budget import Claim, Hold, HoldState
from clearance.core.decision import Decision, SettingsVersion
from clearance.core.intent import ActionIntent
from clearance.core.ledger import Draft
from clearance.core.names import OpenName
from clearance.core.outcome import Outcome


class Executor(OpenName):
    """Who carries an intent out."""

    SERVER = "server"


class IntentStatus(StrEnum):
    """Where an intent is on its way."""

    BLOCKED = "BLOCKED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


STEPS: Mapping[IntentStatus, frozenset[IntentStatus]] = {
    IntentStatus.AWAITING_APPROVAL: frozenset(
        {IntentStatus.APPROVED, IntentStatus.REJECTED, IntentStatus.EXPIRED, IntentStatus.CANCELLED}
    ),
    IntentStatus.APPROVED: frozenset(
        {
            IntentStatus.RUNNING,
            IntentStatus.AWAITING_APPROVAL,
            IntentStatus.EXPIRED,
            IntentStatus.CANCELLED,
        }
    ),
    IntentStatus.RUNNING: frozenset(
        {
            IntentStatus.RUNNING,
            IntentStatus.SUCCEEDED,
            IntentStatus.FAILED,
            IntentStatus.CANCELLED,
            IntentStatus.UNKNOWN,
        }
    ),
    IntentStatus.UNKNOWN: frozenset({IntentStatus.SUCCEEDED, IntentStatus.FAILED}),
}
"""Every legal step; a state that is not a key is terminal."""

OPEN = tuple(STEPS)
"""The states from which something may still follow."""

NOT_STARTED = (IntentStatus.AWAITING_APPROVAL, IntentStatus.APPROVED)
"""The states before any attempt: an intent in them can be withdrawn, and expires."""

UNDER_WAY = (IntentStatus.APPROVED, IntentStatus.RUNNING)
"""The states of an intent that a worker has to carry out, or is carrying out."""

LET_RUN = (*UNDER_WAY, IntentStatus.SUCCEEDED, IntentStatus.FAILED, IntentStatus.UNKNOWN)
"""The states of an intent that policy or a person let run, and of its outcome."""


ENDED = tuple(
    status for status in IntentStatus if status not in {*NOT_STARTED, IntentStatus.RUNNING}
)
"""The states of an intent whose call is over, or that was closed before one."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The durable claim on carrying out an intent.

    Its number is its fence: an outcome with an older number is refused.
    """

    number: int
    worker: str
    lease_until: int
    idempotency_key: str
    started_at: int


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """All that is known of one intent now.

    `revision` counts its transitions; `position` is its latest ledger entry's.
    """

    intent: ActionIntent
    fingerprint: bytes
    salt: bytes
    status: IntentStatus
    revision: int
    position: int
    decision: Decision
    binding: Binding | None
    approval_source: ApprovalSource | None
    created_at: int
    changed_at: int
    approval: Approval | None = None
    attempt: Attempt | None = None
    outcome: Outcome | None = None
    hold: Hold | None = None
    executor: Executor = Executor.SERVER
    likeness: bytes | None = None

    @property
    def auto_executed(self) -> bool:
        """True if policy and budget alone approved this."""
        return self.approval_source is ApprovalSource.POLICY

    @property
    def foreign(self) -> str | None:
        """What a later version wrote of it and this one does not know: then it is shown, and not
        moved. None if everything is known.
        """
        if not self.executor.known:
            return f"the executor {self.executor}"
        source = self.approval_source
        return None if source is None or source.known else f"the approval source {source}"


@dataclass(frozen=True, slots=True)
class Admission:
    """A new intent with the gate's decision: what `admit` stores if the id is new, the settings
    hold, and everything that it asks for is there.

    `likeness`: the keyed digest (32 bytes) of what makes two acts the same. `same_call`: that of
    the same call by the same agent; while an intent with the same one waits, that one is answered.
    `rejected_since`: nothing is stored if a person rejected an act of this likeness then or later.
    `waiting_max`: nothing is stored if so many intents of the agent wait for a person already.
    `quota`: claims that are taken for good, with whatever status. `knows_account`: the account is
    known from now on.
    """

    intent: ActionIntent
    content: bytes
    fingerprint: bytes
    salt: bytes
    status: IntentStatus
    decision: Decision
    binding: Binding | None
    approval_source: ApprovalSource | None
    approval: Approval | None
    entry: Draft
    at: int
    due_at: int | None
    likeness: bytes | None = None
    same_call: bytes | None = None
    rejected_since: int | None = None
    waiting_max: int | None = None
    quota: tuple[Claim, ...] = ()
    knows_account: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One step of one intent, applied whole or not at all.

    `revision` is the record's that the step was made from. `due_at` is when the intent expires if
    nothing else happens to it. `settings_version`, if given, must be in force. `hold` is the state
    that the intent's hold moves to. `decision` is given when this step decided anew. `approval` is
    the latest approval as it is after the step (a new one has a new number; what was open before it
    is `closed`). `superseded_by` admits a new intent in the same transaction. `erases`: the reasons
    that go, each by the position of its entry and its name; all those of an entry go together.
    """

    tenant_id: str
    action_intent_id: str
    revision: int
    status: IntentStatus
    entry: Draft
    at: int
    approval_source: ApprovalSource | None
    due_at: int | None = None
    settings_version: SettingsVersion | None = None
    hold: HoldState | None = None
    decision: Decision | None = None
    binding: Binding | None = None
    approval: Approval | None = None
    attempt: Attempt | None = None
    outcome: Outcome | None = None
    superseded_by: Admission | None = None
    erases: tuple[tuple[int, str], ...] = ()


def admitted(admission: Admission, position: int) -> IntentRecord:
    """The record that an admission makes, without reading it back."""
    return IntentRecord(
        intent=admission.intent,
        fingerprint=admission.fingerprint,
        salt=admission.salt,
        status=admission.status,
        revision=1,
        position=position,
        decision=admission.decision,
        binding=admission.binding,
        approval_source=admission.approval_source,
        created_at=admission.at,
        changed_at=admission.at,
        approval=admission.approval,
        hold=admission.decision.hold,
        likeness=admission.likeness,
    )
