"""Compiling: the settings that a stored document means.

What was stored was checked then, by this version or another. Whatever this one does not accept
makes what it reaches ask a person; the rest means what it says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clearance.configuration.document import NOTHING_STORED, Reading, StoredSettings, read_document
from clearance.configuration.reaching import unread_policy
from clearance.configuration.shape import (
    AccountsShape,
    ActionShape,
    LimitShape,
    SettingsDocument,
    StopSwitchShape,
    ToolServerShape,
)
from clearance.configuration.values import duration_ms
from clearance.core.accounts import AccountPattern, Accounts, UnknownAccounts
from clearance.core.budget import BudgetRule
from clearance.core.catalog import (
    KEY_KEPT_FOR_MS_DEFAULT,
    Action,
    Catalog,
    Effect,
    ToolName,
    ToolServer,
    Undo,
    readable,
)
from clearance.core.decision import SettingsVersion
from clearance.core.intent import RiskLevel
from clearance.core.limits import (
    MILLIONTHS_MAX,
    Limit,
    Limits,
    Per,
    finest_scales,
    in_millionths,
)
from clearance.core.manners import FailedWhen, Manners
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.outcome import OutcomeStatus
from clearance.core.policy import PolicySet
from clearance.core.quota import Quotas
from clearance.core.schema import SCALE_MAX
from clearance.core.settings import Settings, Unreadable
from clearance.core.stop import Lifter, StopLevel, StopScope, StopSwitch


def compile_settings(tenant_id: str, stored: StoredSettings) -> Settings:
    """The settings that a stored document means, whatever is in it."""
    own, everywhere = read_document(stored.document), read_document(stored.everywhere)
    return settings_of(tenant_id, stored.version, own, everywhere, catalog_of(own.document))


def settings_alone(tenant_id: str, document: SettingsDocument) -> Settings:
    """The settings that a parsed document means that is stored nowhere."""
    catalog, own = catalog_of(document), Reading(document)
    return settings_of(tenant_id, SettingsVersion(0, 0), own, NOTHING_STORED, catalog)


def settings_of(
    tenant_id: str,
    version: SettingsVersion,
    own: Reading,
    everywhere: Reading,
    catalog: Catalog,
) -> Settings:
    """The settings that a tenant's document means, with the switches of the one that holds
    everywhere, which come first. `catalog` has the actions of its own (`catalog_of`).
    """
    document, reach, autonomy = own.document, own.reach, own.document.autonomy
    policy = own.policy.policy if own.policy else None
    switches = (*map(_for_everybody, _switches(everywhere)), *_switches(own))
    return Settings(
        tenant_id=tenant_id,
        version=version,
        catalog={name: action for name, action in catalog.items() if name not in reach.uncallable},
        tool_servers=tool_servers_of(own),
        tool_pins=document.tool_pins,
        tool_descriptions=document.tool_descriptions,
        allowlist=allowlist_of(document),
        modes=(*modes_of(document), *reach.modes),
        budgets=tuple(BudgetRule(**dict(shape)) for shape in autonomy.budgets),
        policy=policy,
        stop_switches=switches,
        unreadable={part.reached: part for part in _unreadable(own, everywhere)},
        accounts=accounts_of(document, policy, switches),
        limits=limits_of(document, catalog),
        rejections_ask_for_ms=duration_ms(autonomy.rejections.asks_for),
        quotas=Quotas(**dict(autonomy.quotas)),
    )


def _unreadable(own: Reading, everywhere: Reading) -> Iterator[Unreadable]:
    """What is not accepted, the first of it last. What reaches every action reaches those that
    there are, unless nobody can tell which these are.
    """
    refused = own.policy.refused if own.policy else {}
    policy = [unread_policy(action_type, problem) for action_type, problem in refused.items()]
    names = (*own.document.catalog, *own.reach.parameters)
    known = own.lost.isdisjoint({(), ("catalog",)})
    for part in reversed((*everywhere.reach.unreadable, *own.reach.unreadable, *policy)):
        if part.check == "catalog" and part.action_type is None and known:
            yield from (replace(part, action_type=name) for name in names)
        else:
            yield part


def _for_everybody(switch: StopSwitch) -> StopSwitch:
    held = switch.unreadable and switch.scope is StopScope.TENANT
    return replace(switch, scope=StopScope.GLOBAL) if held else switch


def policy_of(document: SettingsDocument) -> PolicySet | None:
    """The policy of a parsed document; None if it has none."""
    reading = Reading(document).policy
    return reading.policy if reading else None


def catalog_of(document: SettingsDocument) -> dict[str, Action]:
    """The actions of a document by action type."""
    return {name: _action(name, shape) for name, shape in document.catalog.items()}


def allowlist_of(document: SettingsDocument) -> Allowlist:
    """The allowlist of a document."""
    shape = document.autonomy.allowlist
    accounts = {account: frozenset(names) for account, names in shape.accounts.items()}
    return Allowlist(frozenset(shape.tenant), accounts)


def modes_of(document: SettingsDocument) -> tuple[ModeRule, ...]:
    """The modes of a document, in its order."""
    return tuple(
        ModeRule(AutonomyMode(shape.mode), shape.account, shape.action_type)
        for shape in document.autonomy.modes
    )


def accounts_of(
    document: SettingsDocument, policy: PolicySet | None, switches: Iterable[StopSwitch]
) -> Accounts:
    """The accounts that a document knows, and those that it, its policy or a stop switch names."""
    autonomy, shape = document.autonomy, document.autonomy.accounts or AccountsShape()
    stopped = {
        each.subject for each in switches if each.subject and each.scope is StopScope.ACCOUNT
    }
    ruled = policy.accounts if policy else frozenset()
    limited = {each.account for each in autonomy.limits if each.account}
    return Accounts(
        known=autonomy.accounts_known,
        patterns=tuple(
            AccountPattern(entry.match, entry.new_per_day or 0)
            for entry in shape.known
            if entry.match is not None
        ),
        unknown=UnknownAccounts(shape.unknown),
        named=autonomy.accounts_known | autonomy.accounts_named | limited | stopped | ruled,
    )


def limits_of(document: SettingsDocument, catalog: Catalog) -> Limits:
    """The limits of a document, whose actions are `catalog`: also those that are not called, as
    each has a part in the finest scale of its unit.
    """
    shapes = document.autonomy.limits
    counts = any(shape.amount for shape in shapes)
    spending = [action for action in catalog.values() if counts and action.spends is not None]
    scales = finest_scales(action.spent_in for action in spending)
    return Limits(tuple(_limit(shape, scales) for shape in shapes), scales)


def _limit(shape: LimitShape, scales: Mapping[str, int]) -> Limit:
    amounts = {
        unit: min(in_millionths(most, scales.get(unit, SCALE_MAX)), MILLIONTHS_MAX)
        for unit, most in shape.amount.items()
    }
    return Limit(
        Per(shape.per), shape.named, shape.each, shape.zone, shape.actions, shape.reads, amounts
    )


def tool_servers_of(reading: Reading) -> dict[str, ToolServer]:
    """The tool servers of a document by name, without those that this version does not accept."""
    refused = {
        problem.path[1]
        for problem in reading.problems
        if problem.path[:1] == ("tool_servers",) and len(problem.path) > 1
    }
    return {
        name: _tool_server(name, shape)
        for name, shape in reading.document.tool_servers.items()
        if name not in refused
    }


def _tool_server(name: str, shape: ToolServerShape) -> ToolServer:
    lists = {
        key: value if value is None else tuple(value)
        for key, value in (
            ("command", shape.command),
            ("inherit", shape.inherit),
            ("secrets", shape.secrets),
        )
    }
    return ToolServer(**{**dict(shape), **lists, "name": name})


def _action(action_type: str, shape: ActionShape) -> Action:
    undo = None
    if shape.undo:
        within_ms = duration_ms(shape.undo.within) if shape.undo.within else None
        undo = Undo(_tool_name(shape.undo.tool), shape.undo.arguments, within_ms)
    return Action(
        action_type=action_type,
        tool=_tool_name(shape.tool),
        risk_level=RiskLevel[shape.risk_level],
        effect=_effect(shape),
        parameters=shape.parameters,
        sentence=shape.sentence,
        proposal=shape.proposal or f"run {action_type} for {{account_id}}",
        arguments=shape.arguments,
        idempotency_argument=shape.idempotency_argument,
        spends=shape.spends,
        approval_expires_after_ms=duration_ms(shape.approval.expires_after),
        undo=undo,
        prose=frozenset(shape.prose),
        label=shape.label or readable(action_type),
        description=shape.description or "",
        manners=_manners(shape),
        key_kept_for_ms=(
            duration_ms(shape.key_kept_for) if shape.key_kept_for else KEY_KEPT_FOR_MS_DEFAULT
        ),
        accepts=tuple(shape.accepts),
        editors_rule=shape.approval.editors_rule,
        same_when=None if shape.same_when is None else tuple(shape.same_when),
        account=shape.account_parameter,
    )


def _manners(shape: ActionShape) -> Manners:
    signs = (
        FailedWhen(
            sign.pointer, sign.equals, tuple(text.lstrip() for text in sign.text_starts_with)
        )
        for sign in shape.answer.failed_when
    )
    return Manners(tuple(signs), OutcomeStatus(shape.error_means))


def _effect(shape: ActionShape) -> Effect:
    """The effect that is believed: a key that nothing carries makes no repeat harmless."""
    effect = Effect(shape.effect)
    return Effect.AT_MOST_ONCE if shape.keyless else effect


def _tool_name(text: str) -> ToolName:
    server, _, tool = text.partition(".")
    return ToolName(server, tool)


def _switches(reading: Reading) -> tuple[StopSwitch, ...]:
    return (
        *map(switch_of, reading.document.stop_switches),
        *itertools.chain.from_iterable(reading.reach.stop_switches.values()),
    )


def switch_of(shape: StopSwitchShape) -> StopSwitch:
    """A stop switch of a document."""
    return StopSwitch(
        StopScope(shape.scope),
        shape.subject,
        StopLevel(shape.level),
        shape.reason,
        set_by=shape.set_by,
        set_at=shape.set_at,
        lifted_by=Lifter(shape.lifted_by or Lifter.APPROVER),
    )
