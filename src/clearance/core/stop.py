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


@dataclass(frozen=True, slots=True)
class StopSwitch:
    """One switch that is on. A switch that is off is not there.

    `unreadable`: a stored switch that this version does not accept, as all that it could cover;
    `reason` says what is wrong with it.
    """

    scope: StopScope
    subject: str | None
    level: StopLevel
    reason: str
    unreadable: bool = False

    def __str__(self) -> str:
        covered = self.scope.value.lower().replace("_", " ")
        return covered if self.subject is None else f"{covered} {self.subject}"


def strictest(
    switches: Iterable[StopSwitch], intent: ActionIntent, action: Action | None
) -> StopSwitch | None:
    """The strictest switch that covers an intent and the tool behind it, or None: REFUSE before one
    that cannot be read and may have said so, and that before HOLD.
    """
    subjects = {
        StopScope.ACCOUNT: intent.account_id,
        StopScope.ACTION_TYPE: intent.action_type,
        StopScope.AGENT: intent.proposed_by,
        StopScope.TOOL_SERVER: action.tool.server if action else None,
    }
    covering = [
        switch
        for switch in switches
        if switch.scope in NAMES_NOTHING
        or (switch.subject is not None and subjects[switch.scope] == switch.subject)
    ]
    return max(
        covering,
        key=lambda switch: (switch.level is StopLevel.REFUSE, switch.unreadable),
        default=None,
    )
