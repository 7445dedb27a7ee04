"""Autonomy modes and their precedence, and the allowlist: how much autonomy people gave, and for
which actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class AutonomyMode(StrEnum):
    """How much autonomy there is.

    PROPOSE_ONLY waits for a person like APPROVAL_REQUIRED, but as a suggestion.
    """

    DISABLED = "DISABLED"
    PROPOSE_ONLY = "PROPOSE_ONLY"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    AUTO_EXECUTE = "AUTO_EXECUTE"


@dataclass(frozen=True, slots=True)
class ModeRule:
    """A mode for an account, an action type, both, or neither (the tenant's default)."""

    mode: AutonomyMode
    account: str | None = None
    action_type: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedMode:
    """The mode that holds, and the place that it comes from."""

    mode: AutonomyMode
    source: str


def resolve(rules: Sequence[ModeRule], account_id: str, action_type: str) -> ResolvedMode:
    """First match wins: account + action type, tenant + action type, account default, tenant
    default, APPROVAL_REQUIRED.
    """
    by_place = {(rule.account, rule.action_type): rule.mode for rule in rules}
    precedence = (
        ((account_id, action_type), "account and action type"),
        ((None, action_type), "action type"),
        ((account_id, None), "account default"),
        ((None, None), "tenant default"),
    )
    for place, source in precedence:
        if place in by_place:
            return ResolvedMode(by_place[place], source)
    return ResolvedMode(AutonomyMode.APPROVAL_REQUIRED, "nothing configured")


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The action types that may run unattended at all: for every account, and in addition for
    single ones.
    """

    tenant: frozenset[str] = frozenset()
    accounts: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def allows(self, account_id: str, action_type: str) -> bool:
        """True if the action type is listed for the tenant or for the account."""
        return action_type in self.tenant or action_type in self.accounts.get(
            account_id, frozenset()
        )
