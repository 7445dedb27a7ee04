"""The port of transitions: how a store applies a step, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from clearance.core.record import Admission, Change, IntentRecord

INTENT_AGED_OUT = "INTENT_AGED_OUT"
"""The code of a store that keeps the id of an intent, and its details no more."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The intent is stored, its budget held, its entry in the ledger."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class AlreadyAdmitted:
    """An intent of this id was admitted before; nothing was stored or consumed.

    Whether its content is the same: look.
    """

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class SettingsMoved:
    """The settings are no longer the ones that the decision was made under; nothing was stored."""


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """A bucket has no room for the hold; nothing was stored or taken.

    `used` is what the hold's buckets have now, by the place of each claim.
    """

    used: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SameCallWaits:
    """The same call of the same agent waits for a person already; nothing was stored."""

    record: IntentRecord


@dataclass(frozen=True, slots=True)
class RejectedBefore:
    """A person rejected an act of the same likeness; nothing was stored. The latest of them."""

    action_intent_id: str
    at: int


@dataclass(frozen=True, slots=True)
class TooManyWaiting:
    """As many intents of the agent wait for a person as may; nothing was stored."""

    waiting: int


@dataclass(frozen=True, slots=True)
class QuotaSpent:
    """A quota has no room for what the intent would leave; nothing was stored or taken.

    `place` is that of the claim that does not fit.
    """

    place: str


@dataclass(frozen=True, slots=True)
class RecordMoved:
    """The record moved on since it was read; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The change is in; the record as it is now, and the new one if an edit admitted one."""

    record: IntentRecord
    admitted: IntentRecord | None = None


AdmitRefusal: TypeAlias = (
    AlreadyAdmitted
    | SettingsMoved
    | SameCallWaits
    | RejectedBefore
    | TooManyWaiting
    | QuotaSpent
    | BudgetSpent
)
"""Why a store did not store an intent, in the order in which it looks."""

AdmitAnswer: TypeAlias = Admitted | AdmitRefusal
"""The answers of a store to an admission."""

AdvanceAnswer: TypeAlias = Applied | RecordMoved | SettingsMoved | AdmitRefusal
"""The answers of a store to a step.

SettingsMoved only to a step that names settings, and the others of `AdmitRefusal` only to an edit.
"""


class Transitions(Protocol):
    """Moves intents: each transition and its ledger entry are one transaction, and an acknowledged
    one is durable.

    No store checks whether a step is legal or whether its guard holds: the core does, and the
    revision proves that it still holds.
    """

    async def admit(self, admission: Admission) -> AdmitAnswer:
        """Stores a new intent, its hold, its approval and its entry; in this order: id new,
        settings in force, the same call does not wait, none of its likeness was rejected, few
        enough wait, quotas fit, budget fits.

        Conflict (`INTENT_AGED_OUT`) if the details of the intent of this id are gone.
        """

    async def advance(self, change: Change) -> AdvanceAnswer:
        """Applies one step: revision equal, settings in force if it names them, and an edit's
        admission as in `admit`.
        """
