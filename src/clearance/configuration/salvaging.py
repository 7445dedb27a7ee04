"""What else is wrong with an action that does not have the right shape.

A person should see all problems of an entry at once. The keys that have the right shape are looked
at as if the others were not there, as far as nothing that is wrong could change the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from pydantic import ValidationError

from clearance.configuration.fitting import action_problems
from clearance.configuration.shape import ActionShape
from clearance.core.canonical import Json
from clearance.core.errors import Problem
from clearance.core.suggestion import suggestion

_STAND_INS: Mapping[str, Json] = {
    "tool": "stand.in",
    "risk_level": "HIGH",
    "effect": "at_most_once",
    "parameters": {"type": "object"},
    "sentence": "done",
}
_ARGUMENTS = frozenset({"parameters", "arguments"})
_NEEDS: Mapping[str, frozenset[str]] = {
    "tool": frozenset(),
    "parameters": frozenset(),
    "arguments": frozenset({"parameters", "prose"}),
    "prose": frozenset({"arguments"}),
    "undo": frozenset({"parameters"}),
    "account": frozenset({"parameters"}),
    **dict.fromkeys(
        ("sentence", "proposal", "spends", "idempotency_argument", "same_when"), _ARGUMENTS
    ),
}
"""The keys of an action that can be looked at, and those that have to be right for that."""


def salvaged_problems(value: Mapping[str, Json], problems: Iterable[Problem]) -> Iterator[Problem]:
    """The problems of actions that have others of their shape; `problems` are those."""
    wrong: defaultdict[str, set[Json]] = defaultdict(set)
    for problem in problems:
        if problem.path[:1] == ("catalog",) and len(problem.path) > 1:
            wrong[str(problem.path[1])].add((*problem.path, None)[2])
    servers = value.get("tool_servers", {})
    names = frozenset(servers) if isinstance(servers, dict) else None
    for name, keys in wrong.items():
        entry = value["catalog"].get(name)
        if None in keys or not isinstance(entry, dict):
            continue
        sound = {key: part for key, part in entry.items() if key not in keys}
        try:
            shape = ActionShape.model_validate({**_STAND_INS, **sound})
        except ValidationError:
            continue
        known = _known(keys, sound)
        for path, sentence in action_problems(shape, names):
            if path[0] in known:
                yield Problem(("catalog", name, *path), sentence)


def _known(wrong: set[Json], sound: Collection[str]) -> set[str]:
    """The keys of which all is known that they need: none that a wrong key may stand for."""
    fields = ActionShape.model_fields
    meant = {
        field
        for key in wrong - fields.keys()
        for field in fields.keys() - set(sound)
        if suggestion(key, list(fields)) == f"; did you mean {field}?"
    }
    doubtful = meant | wrong
    return {key for key, needs in _NEEDS.items() if not doubtful & {key, *needs}}
