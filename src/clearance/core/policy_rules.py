"""A rule as a catalog makes it: for which actions it can match, which parameters it depends on, and
what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clearance.core.canonical import INTEGER_MAX
from clearance.core.intent import name_problem
from clearance.core.policy_actions import Actions
from clearance.core.policy_expression import entities
from clearance.core.policy_hints import hint_problems
from clearance.core.policy_values import Mask, literal, union
from clearance.core.policy_walk import EVERYTHING, UNATTENDED, Mentions, Walk


@dataclass(frozen=True, slots=True)
class ReadRule:
    """What a rule is to this catalog.

    `alone` are the actions for which it can match the unattended question, `attended` those for
    which it can match the other one, and `surely` those for which it always matches the first one,
    if its scope takes the agent and the account in. `mentions` are the parameters that it depends
    on, `attended_mentions` those on which it depends in the attended question. `agents` and
    `accounts` are the ones that its scope names; None: any. `named` are all that it names anywhere.
    """

    alone: Mask
    attended: Mask
    surely: Mask
    mentions: Mentions
    attended_mentions: Mentions
    agents: frozenset[str] | None
    accounts: frozenset[str] | None
    named: frozenset[tuple[str, str]]

    @property
    def reach(self) -> Mask:
        """The actions for which it can match."""
        return self.alone | self.attended

    def speaks_of(self, agent_id: str, account_id: str) -> bool:
        """True if the scope of the rule takes this agent and this account in."""
        return (self.agents is None or agent_id in self.agents) and (
            self.accounts is None or account_id in self.accounts
        )


class Dependents:
    """The rules that could decide about an act in the attended question, by what they depend on. A
    set of rules is an integer with one bit for each.

    A call can have a thousand parameters that are not read, and a tenant 500 rules: every mention
    is filed once, under its own path and those above it.
    """

    def __init__(self, rules: Collection[ReadRule]) -> None:
        self._depth_max = 1
        self._on_all: dict[Mask, int] = {}
        self._at_or_beneath: dict[str, dict[Mask, int]] = {}
        self._whole: dict[str, dict[Mask, int]] = {}
        for place, rule in enumerate(rules):
            for (mention, whole), actions in rule.attended_mentions.items():
                self._file(mention, actions & rule.attended, 1 << place, whole=whole)

    def _file(self, mention: str, actions: Mask, rule: int, *, whole: bool) -> None:
        if mention == EVERYTHING:
            _add(self._on_all, actions, rule)
            return
        paths = _paths_to(mention, INTEGER_MAX)
        self._depth_max = max(self._depth_max, len(paths))
        for path in paths:
            _add(self._at_or_beneath.setdefault(path, {}), actions, rule)
        if whole:
            _add(self._whole.setdefault(mention, {}), actions, rule)

    def on(self, action: Mask, path: str) -> int:
        """The rules that depend on a parameter of an action: that mention it, what it is part of as
        a whole, or a part of it.
        """
        filed = [self._on_all, self._at_or_beneath.get(path, _NONE)]
        filed += [self._whole.get(above, _NONE) for above in _paths_to(path, self._depth_max)]
        return union(rules for each in filed for actions, rules in each.items() if actions & action)


_NONE: Mapping[Mask, int] = {}


def _add(filed: dict[Mask, int], actions: Mask, rule: int) -> None:
    filed[actions] = filed.get(actions, 0) | rule


def _paths_to(path: str, depth_max: int) -> list[str]:
    """A path and those above it, down to a depth: an agent may write as many dots as it likes."""
    names = path.split(".", depth_max)[:depth_max]
    return [".".join(names[:depth]) for depth in range(1, len(names) + 1)]


def read_rule(policy: Mapping[str, Any], actions: Actions) -> tuple[ReadRule, list[str]]:
    """A rule in Cedar's JSON, with what is wrong with it."""
    conditions = policy["conditions"]
    agents, accounts = _named(policy["principal"]), _named(policy["resource"])
    both, attended, alone = (
        Walk(actions, _known(agents, accounts, frozenset(unattended)))
        for unattended in ({True, False}, {False}, {True})
    )
    scope = _scope(policy["action"], both)
    can, can_fail = both.matching(conditions, scope)
    in_question = {False: (can, can_fail), True: (can, can_fail)}
    if UNATTENDED in both.seen:
        in_question = {
            False: attended.matching(conditions, scope),
            True: alone.matching(conditions, scope),
        }
    else:
        attended = both
    rule = ReadRule(
        alone=in_question[True][0],
        attended=in_question[False][0],
        surely=scope & ~in_question[True][1],
        mentions=both.mentions,
        attended_mentions=attended.mentions,
        agents=agents,
        accounts=accounts,
        named=frozenset((kind, name) for kind, name in entities(_bare(policy)) if kind != "Action"),
    )
    problems = [*both.problems, *_impossible_names(rule), *hint_problems(policy)]
    problems = problems or [*_waived(rule, actions)]
    if scope and not rule.reach and not problems:
        problems.append("can never match, whatever is asked")
    return rule, problems


def _bare(policy: Mapping[str, Any]) -> list[Any]:
    return [policy["principal"], policy["resource"], policy["conditions"]]


# --- Scope ---


def _scope(action: Mapping[str, Any], walk: Walk) -> Mask:
    """The actions of a scope."""
    if action["op"] == "All":
        return walk.actions.every
    entities = [action["entity"]] if "entity" in action else action.get("entities", [])
    return union(walk.bit_of(str(entity["id"])) for entity in entities)


def _named(scope: Mapping[str, Any]) -> frozenset[str] | None:
    """Who is in a scope. There are no groups: an entity is only in itself."""
    inner = scope.get("in") or scope
    return frozenset({str(inner["entity"]["id"])}) if "entity" in inner else None


def _known(
    agents: frozenset[str] | None, accounts: frozenset[str] | None, unattended: frozenset[bool]
) -> dict[str, Any]:
    return {
        "principal": agents and frozenset(("Agent", name) for name in agents),
        "resource": accounts and frozenset(("Account", name) for name in accounts),
        "unattended": unattended,
    }


def _impossible_names(rule: ReadRule) -> Iterator[str]:
    for kind, name in sorted(rule.named):
        if kind in {"Agent", "Account"} and (problem := name_problem(name)):
            yield f"names {literal((kind, name))}, which none can have: a name {problem}"


def _waived(rule: ReadRule, actions: Actions) -> Iterator[str]:
    for bit, name in actions.waived:
        if _mentioned(rule.mentions, bit, name):
            yield (
                f"depends on {name}, which {actions.listed(bit)} waives (x-policy: unread): take "
                f"the waiver away, or the rule"
            )


def _mentioned(mentions: Mentions, action: Mask, name: str) -> bool:
    return any(
        mask & action and _relates(mention, name, whole=whole)
        for (mention, whole), mask in mentions.items()
    )


def _relates(mention: str, name: str, *, whole: bool) -> bool:
    """True if a rule that mentions a parameter could depend on the value of another: on itself, on
    what it is part of, and, if it is used whole, on its parts.
    """
    if mention == EVERYTHING:
        return True
    own, other = mention.split("."), name.split(".")
    if len(other) <= len(own):
        return own[: len(other)] == other
    return whole and other[: len(own)] == own
