"""Stop switches: what they cover, and what they do with what they cover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from clearance.core.catalog import Action
from clearance.core.intent import ActionIntent


class StopScope(StrEnum):
    """What a stop switch covers."""

    GLOBAL = "GLOBAL"
    TENANT = "TENANT"
    ACCOUNT = "ACCOUNT"
    ACTION_TYPE = "ACTION_TYPE"
    TOOL_SERVER = "TOOL_SERVER"
    AGENT = "AGENT"


NAMES_NOTHING = frozenset({StopScope.GLOBAL, StopScope.TENANT})
"""The scopes that need no subject."""


class StopLevel(StrEnum):
    """What a switch does.

    `HOLD`: nothing starts; new intents wait for a person, approved ones wait until the switch is
    lifted. `REFUSE`: nothing starts; new intents are blocked, approved ones are cancelled.
    """

    HOLD = "HOLD"
    REFUSE = "REFUSE"


class Lifter(StrEnum):
    """The least role that may lift a switch or loosen it."""

    APPROVER = "APPROVER"
    OWNER = "OWNER"


@dataclass(frozen=True, slots=True)
class StopSwitch:
    """One switch that is on. A switch that is off is not there.

    `unreadable`: a stored switch that this version does not accept, as all that it could cover;
    `reason` says what is wrong with it. `set_by` and `set_at` (milliseconds since 1970) are who
    turned it on, and when; None if an earlier version did.
    """

    scope: StopScope
    subject: str | None
    level: StopLevel
    reason: str
    unreadable: bool = False
    set_by: str | None = None
    set_at: int | None = None
    lifted_by: Lifter = Lifter.APPROVER

    @property
    def place(self) -> tuple[StopScope, str | None]:
        """What it covers: the name under which people stop and lift."""
        return self.scope, self.subject

    def covers(self, account_id: str, action_type: str, agent: str, server: str | None) -> bool:
        """True for an intent of these names, whose tool is on a server (None: not known)."""
        if self.scope in NAMES_NOTHING:
            return True
        subjects = {
            StopScope.ACCOUNT: account_id,
            StopScope.ACTION_TYPE: action_type,
            StopScope.AGENT: agent,
            StopScope.TOOL_SERVER: server,
        }
        return self.subject is not None and subjects[self.scope] == self.subject

    def __str__(self) -> str:
        covered = self.scope.value.lower().replace("_", " ")
        return covered if self.subject is None else f"{covered} {self.subject}"


def strictest(
    switches: Iterable[StopSwitch], intent: ActionIntent, action: Action | None
) -> StopSwitch | None:
    """The strictest switch that covers an intent and the tool behind it, or None: REFUSE before one
    that cannot be read and may have said so, and that before HOLD.
    """
    names = (intent.account_id, intent.action_type, intent.proposed_by)
    server = action.tool.server if action else None
    covering = [switch for switch in switches if switch.covers(*names, server)]
    return max(
        covering,
        key=lambda switch: (switch.level is StopLevel.REFUSE, switch.unreadable),
        default=None,
    )
