"""What the policy and the autonomy settings of a tenant cover: for each action, what policy reads
of it, which rules reach it, and whether it can run alone at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clearance.core import mode as modes
from clearance.core.accounts import AccountKind, Accounts, UnknownAccounts
from clearance.core.budget import rule_for
from clearance.core.catalog import Action
from clearance.core.mode import AutonomyMode
from clearance.core.policy_actions import fields_of
from clearance.core.policy_schema import parameters_type
from clearance.core.policy_types import ParameterType, TypeKind
from clearance.core.settings import Settings

_ANY_OTHER = ""
"""Stands for an account that the settings do not name."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is covered of one action.

    `read` are the parameters that policy reads, each with its Cedar type and what it counts;
    `unread` those that it cannot read, each with the reason; `waived` those that need not be read.
    `rules` are the clauses that reach the action. `obstacle` says why it can never run alone; None
    if it can.
    """

    action_type: str
    read: tuple[tuple[str, str], ...]
    waived: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]
    obstacle: str | None


def coverage_of(settings: Settings, action: Action) -> Coverage:
    """What is covered of an action of the catalog."""
    parameters = parameters_type(action.final_schema)
    fields = list(fields_of(parameters))
    policy = settings.policy
    return Coverage(
        action.action_type,
        tuple(
            (name, f"{each.type.cedar} in {each.type.counts}".removesuffix(" in "))
            for name, each in fields
            if each.type and not each.waived and not _has_parts(each.type.kind)
        ),
        tuple(name for name, each in fields if each.waived),
        tuple(
            (name, each.problem or "it has no type")
            for name, each in fields
            if each.type is None and not each.waived
        ),
        policy.reaching(action.action_type) if policy else (),
        _never_read(parameters) or _obstacle(settings, action.action_type),
    )


def _never_read(kind: ParameterType) -> str | None:
    """The obstacle of a parameter that every call has and policy cannot read."""
    for name, each in kind.fields.items():
        if not each.given or each.waived:
            continue
        if each.type is None:
            return f"every call has {name}, which policy cannot read"
        if inner := _never_read(each.type):
            return inner
    return None


def _has_parts(kind: TypeKind) -> bool:
    """True for a record, of which the attributes are listed instead."""
    return kind is TypeKind.RECORD


def _obstacle(settings: Settings, action_type: str) -> str | None:
    """The obstacle of the account that comes furthest."""
    obstacles = [_on(settings, account, action_type) for account in _accounts(settings)]
    furthest = max(obstacles, key=lambda each: each[0])
    return furthest[1]


def _on(settings: Settings, account: str, action_type: str) -> tuple[int, str | None]:
    """How far an action comes on an account, and the obstacle there."""
    if not _may_be_known(settings.accounts, account):
        return 0, "no account is known that it could run on"
    if not settings.allowlist.allows(account, action_type):
        return 1, "it is not on the allowlist"
    if modes.resolve(settings.modes, account, action_type).mode is not AutonomyMode.AUTO_EXECUTE:
        return 2, "its autonomy mode is nowhere AUTO_EXECUTE"
    if rule_for(settings.budgets, account) is None:
        return 3, "no account that it could run on has a budget"
    if settings.policy is None:
        return 4, "the tenant has no policy"
    obstacle = settings.policy.obstacle(action_type, account)
    return (4, obstacle) if obstacle else (5, None)


def _may_be_known(accounts: Accounts, account: str) -> bool:
    """True if something may run alone on an account, at least today."""
    if account == _ANY_OTHER:
        new = any(pattern.new_per_day for pattern in accounts.patterns)
        return new or accounts.unknown is UnknownAccounts.ALLOW
    standing = accounts.standing(account, ())
    if standing.pattern:
        return standing.pattern.new_per_day > 0
    allowed = standing.kind is AccountKind.UNKNOWN and accounts.unknown is UnknownAccounts.ALLOW
    return allowed or standing.kind is AccountKind.KNOWN


def _accounts(settings: Settings) -> Iterator[str]:
    """Every account that the settings name, and one that they do not."""
    named = {*settings.allowlist.accounts, *settings.accounts.known, _ANY_OTHER}
    named |= {rule.account for rule in settings.modes if rule.account}
    named |= {rule.account for rule in settings.budgets if rule.account}
    named |= settings.policy.accounts if settings.policy else set()
    yield from sorted(named)
