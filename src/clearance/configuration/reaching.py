"""What a stored document's problems reach: whom a part that this version does not accept makes ask
a person, and what it holds.

Stored settings always load. A part that is refused never means more autonomy than it can have
meant: it stands for the strictest thing that it could say, short of a final no. An action of which
it is not certain what would be sent is not run at all, whoever approves it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from clearance.configuration.fitting import Path
from clearance.configuration.shape import (
    BudgetShape,
    LimitShape,
    ModeShape,
    SettingsDocument,
    keys_of,
)
from clearance.configuration.values import SENTENCE_LENGTH_MAX, TOOL_REFERENCE
from clearance.core.canonical import Json, canonical
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import ACTION_TYPE
from clearance.core.mode import AutonomyMode, ModeRule
from clearance.core.settings import Unreadable
from clearance.core.stop import NAMES_NOTHING, Lifter, StopLevel, StopScope, StopSwitch

_SENT = frozenset({"tool", "parameters", "arguments", "idempotency_argument"})
"""What decides what a call of an action sends."""

_ASKS = "a person is asked"
_ASKS_AND_HOLDS = "a person is asked, and nothing of it is run"
_HOLDS = "what it could cover is held"
_USUAL = "the usual quota holds"


@dataclass(frozen=True, slots=True)
class Reach:
    """What the problems of one document reach.

    `uncallable` are action types of the document that are not run. `modes` stand for refused ones,
    and so do `stop_switches`, by the place of the refused one. `parameters` are the schemas of
    actions that are not in the document any more, for the policy that speaks about them.
    """

    unreadable: tuple[Unreadable, ...] = ()
    uncallable: frozenset[str] = frozenset()
    modes: tuple[ModeRule, ...] = ()
    stop_switches: Mapping[Path, tuple[StopSwitch, ...]] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


NOTHING_REACHED = Reach()


def reach_of(
    document: SettingsDocument, value: Json, problems: Sequence[Problem], lost: Collection[Path]
) -> Reach:
    """What the problems of a document reach.

    `value` is the document as it is stored; the entries at `lost` are in it alone.
    """
    refused = _Refused(document, value, problems, lost)
    return Reach(
        unreadable=tuple(part for problem in problems for part in _reached(problem, refused)),
        uncallable=frozenset(
            name
            for problem in problems
            if _holds(problem, lost)
            for name in _needing(problem, document)
        ),
        modes=tuple(_modes_in_place(refused)),
        stop_switches=dict(_switches(refused)),
        parameters=_lost_parameters(refused),
    )


def unread_policy(action_type: str | None, problem: Problem) -> Unreadable:
    """A clause that is not accepted, as far as it could speak about an action type."""
    return _unread("policy", problem, action_type=action_type)


_RULES: Mapping[str, type[BaseModel]] = {
    "modes": ModeShape,
    "budgets": BudgetShape,
    "limits": LimitShape,
}
"""The shape of a rule, by the list that it stands in."""


class _Refused:
    """A document with what is wrong in it.

    `keys` are, for each rule and each switch that something is wrong with, the keys of it that are
    wrong; None stands for the whole.
    """

    def __init__(
        self,
        document: SettingsDocument,
        value: Json,
        problems: Sequence[Problem],
        lost: Collection[Path],
    ) -> None:
        self.document, self.value = document, value
        self.problems, self.lost = problems, lost
        self.keys: defaultdict[Path, set[str | int | None]] = defaultdict(set)
        for problem in problems:
            entry = _entry_of_a_list(problem.path)
            self.keys[entry].add((*problem.path, None)[len(entry)])

    def written(self, entry: Path, key: str) -> str | None:
        """The name under a key of a rule; None if the rule has none there, or if that is not
        certain: a key that this version does not know could widen the rule.
        """
        wrong, shape = self.keys[entry], _RULES.get(str(entry[1]))
        if {None, key} & wrong or (shape and wrong - {*keys_of(shape)}):
            return None
        value = self.value
        for part in entry:
            value = value[part]
        value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else str(value)


def _entry_of_a_list(path: Path) -> Path:
    return path[:3] if path[:1] == ("autonomy",) else path[:2]


def _reached(problem: Problem, refused: _Refused) -> Iterator[Unreadable]:
    """Whom one problem makes ask, and about what; an action type that is None is each of them."""
    entry = _entry_of_a_list(problem.path)
    match problem.path:
        case ("stop_switches" | "tool_descriptions", *_):
            return
        case ("policy", *_):
            yield unread_policy(None, problem)
        case ("autonomy",):
            yield from (_unread(check, problem) for check in _CODES if check != "policy")
        case ("autonomy", "allowlist", "accounts", account, *_):
            yield _unread("allowlist", problem, account=str(account))
        case ("autonomy", section, _, *_) if section in _RULES:
            yield _unread(
                _CHECKS[str(section)],
                problem,
                account=refused.written(entry, "account"),
                action_type=refused.written(entry, "action_type"),
            )
        case ("autonomy", section, *_) if section in _CHECKS:
            yield _unread(_CHECKS[str(section)], problem)
        case _:
            yield from _reached_actions(problem, refused)
            yield from _reached_amounts(problem, refused)


_CODES = {
    "allowlist": "ALLOWLIST_UNREADABLE",
    "mode": "MODE_UNREADABLE",
    "policy": "POLICY_UNREADABLE",
    "rejection": "REJECTIONS_UNREADABLE",
    "quota": "QUOTAS_UNREADABLE",
    "budget": "BUDGET_UNREADABLE",
    "account": "ACCOUNTS_UNREADABLE",
    "limits": "LIMITS_UNREADABLE",
}
"""By the check of the gate that asks; none asks for a quota, which lets nothing run."""
_CHECKS = {
    "allowlist": "allowlist",
    "modes": "mode",
    "budgets": "budget",
    "accounts": "account",
    "limits": "limits",
    "rejections": "rejection",
    "quotas": "quota",
}
"""By the part of `autonomy` that they read."""
_CODES_OF_ACTIONS = {
    "catalog": "ACTION_UNREADABLE",
    "tool_servers": "TOOL_SERVER_UNREADABLE",
    "tool_pins": "TOOL_PIN_UNREADABLE",
}


def _reached_actions(problem: Problem, refused: _Refused) -> Iterator[Unreadable]:
    """Of an action, of what actions need, or of something that this version does not know."""
    section, name = (*problem.path, None, None)[:2]
    names: Collection[str | None] = [None]
    if section == "catalog":
        names = [name if name is None else str(name)]
    elif section in _CODES_OF_ACTIONS:
        names = [*_needing(problem, refused.document)]
    code = _CODES_OF_ACTIONS.get(str(section), "SETTINGS_UNREADABLE")
    so = _ASKS_AND_HOLDS if _holds(problem, refused.lost) else _ASKS
    for action_type in names:
        yield _unread("catalog", problem, code=code, so=so, action_type=action_type)


def _reached_amounts(problem: Problem, refused: _Refused) -> Iterator[Unreadable]:
    """Limits of amounts are written in the finest scale that the catalog spends. That may be the
    one of an action that is not as it was written: then a person is asked about all that spend.
    """
    document, key = refused.document, (*problem.path, None, None, None)[2]
    unclear = problem.path[:1] == ("catalog",) and (
        key == "spends" or _holds(problem, refused.lost)
    )
    if unclear and any(limit.amount for limit in document.autonomy.limits):
        for name, action in document.catalog.items():
            if action.spends is not None:
                yield _unread("limits", problem, action_type=name)


def _unread(
    check: str,
    problem: Problem,
    *,
    code: str | None = None,
    so: str | None = None,
    account: str | None = None,
    action_type: str | None = None,
) -> Unreadable:
    consequence = so or (_USUAL if check == "quota" else _ASKS)
    sentence = _sentence(problem, consequence)
    return Unreadable(check, code or _CODES[check], sentence, account, action_type)


def _sentence(problem: Problem, so: str) -> str:
    where = ".".join(map(str, problem.path))
    what = f"what is stored at {where}" if where else "the stored settings"
    text = f"This version does not accept {what}, so {so}: {problem.sentence}"
    legible = "".join(character if character.isprintable() else " " for character in text)
    return legible[: SENTENCE_LENGTH_MAX - 1] + "."


def _holds(problem: Problem, lost: Collection[Path]) -> bool:
    """True if a problem of an action, a tool server or a pin leaves open what would be sent."""
    section, name, key = (*problem.path, None, None, None)[:3]
    if section not in _CODES_OF_ACTIONS:
        return not problem.path and () in lost
    if name is None:
        return (section,) in lost
    return section != "catalog" or (section, name) in lost or key in _SENT


def _needing(problem: Problem, document: SettingsDocument) -> Iterator[str]:
    """The action types of the document that a problem of an action, a tool server or a pin is
    about: all, if nobody can tell which.
    """
    section, name = (*problem.path, None, None)[:2]
    unknown = name is None or (
        section == "tool_pins" and not re.fullmatch(TOOL_REFERENCE, str(name))
    )
    for action_type, shape in document.catalog.items():
        needs: Collection[str] = shape.tools
        if section == "catalog":
            needs = [action_type]
        elif section == "tool_servers":
            needs = [tool.partition(".")[0] for tool in shape.tools]
        if unknown or name in needs:
            yield action_type


def _lost_parameters(refused: _Refused) -> dict[str, Mapping[str, Json]]:
    catalog = refused.value.get("catalog") if isinstance(refused.value, Mapping) else None
    entries = catalog.items() if isinstance(catalog, Mapping) else ()
    schemas = {}
    for name, entry in entries:
        if name not in refused.document.catalog and ACTION_TYPE.fullmatch(str(name)):
            schema = entry.get("parameters") if isinstance(entry, Mapping) else None
            schemas[name] = schema if isinstance(schema, Mapping) and _is_json(schema) else {}
    return schemas


def _is_json(schema: Json) -> bool:
    """True if a policy can be known by this schema: NaN, say, has no canonical form."""
    try:
        canonical(schema)
    except (InvalidInput, TypeError, ValueError):
        return False
    return True


def _modes_in_place(refused: _Refused) -> Iterator[ModeRule]:
    """A rule that asks, in the place of each one of which nothing but the mode is wrong: there it
    comes before the rules that it came before, and after those that it came after.
    """
    for entry, keys in refused.keys.items():
        if entry[:2] == ("autonomy", "modes") and keys == {"mode"}:
            account, action_type = (
                refused.written(entry, key) for key in ("account", "action_type")
            )
            yield ModeRule(AutonomyMode.APPROVAL_REQUIRED, account, action_type)


# --- Stop switches ---


def _switches(refused: _Refused) -> Iterator[tuple[Path, tuple[StopSwitch, ...]]]:
    """The switches that stand for those that are not accepted: each holds all that it could
    cover.
    """
    first = {problem.path[:2]: problem for problem in reversed(refused.problems)}
    for entry in sorted(first, key=str):
        if entry[:1] == ("stop_switches",) and len(entry) > 1:
            yield entry, tuple(_switch(entry, first[entry], refused))
        elif entry in {(), ("stop_switches",)} and entry in refused.lost:
            yield entry, (_tenant_held(first[entry], Lifter.OWNER),)


def _switch(entry: Path, problem: Problem, refused: _Refused) -> Iterator[StopSwitch]:
    keys, lifter = refused.keys[entry], _lifter(entry, refused)
    if keys & {None, "scope", "subject"} or any(isinstance(key, int) for key in keys):
        yield _tenant_held(problem, lifter)
        return
    try:
        scope = StopScope(str(refused.written(entry, "scope")))
        level = StopLevel(refused.written(entry, "level") or StopLevel.HOLD)
    except ValueError:
        yield _tenant_held(problem, lifter)
        return
    reason, subject = _sentence(problem, _HOLDS), refused.written(entry, "subject")
    yield StopSwitch(scope, subject, level, reason, unreadable=True, lifted_by=lifter)
    # A key that is not known could say that it covers more.
    if keys - {"level", "reason", "set_by", "set_at", "lifted_by"} and scope not in NAMES_NOTHING:
        yield _tenant_held(problem, lifter)


def _lifter(entry: Path, refused: _Refused) -> Lifter:
    """Who may lift a switch that is not accepted: an owner, unless it is plain that others may."""
    value = refused.value
    for part in entry:
        value = value[part]
    written = value.get("lifted_by", Lifter.APPROVER) if isinstance(value, Mapping) else None
    return Lifter.APPROVER if written == Lifter.APPROVER else Lifter.OWNER


def _tenant_held(problem: Problem, lifter: Lifter) -> StopSwitch:
    reason = _sentence(problem, _HOLDS)
    held = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, reason, unreadable=True)
    return replace(held, lifted_by=lifter)
