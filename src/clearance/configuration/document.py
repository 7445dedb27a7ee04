"""Parsing and reading of the settings document, which the configuration file, REST and the store
share.

A change of settings parses the whole document that would result: every part fits every other, or
nothing changes. A stored document is read even if this version would refuse a part of it; the
problems are kept beside it. This file knows no YAML, no HTTP, no versions, no permissions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clearance.configuration.fitting import Path, fit_problems
from clearance.configuration.policies import policy_reading
from clearance.configuration.reaching import NOTHING_REACHED, Reach, reach_of
from clearance.configuration.salvaging import salvaged_problems
from clearance.configuration.shape import SettingsDocument, keys_of
from clearance.core.canonical import INTEGER_MAX, Json, canonical
from clearance.core.decision import SettingsVersion
from clearance.core.dialect import as_kept
from clearance.core.errors import InvalidInput, Problem
from clearance.core.policy import PolicyReading
from clearance.core.settings import TOOL_SECTIONS
from clearance.core.suggestion import suggestion

DOCUMENT_BYTES_MAX = 4 * 1024 * 1024  # of its canonical JSON
PROBLEMS_MAX = 100  # problems of one document that are reported
PROBLEMS_SAID_MAX = 3  # problems that the refusal's own sentence says
NAMED_DEPTH_MAX = 64  # levels of nesting within which a problem is named at its place

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HALF = "half of a character (a surrogate without its other half)"


KEPT = (*TOOL_SECTIONS, "stop_switches")
"""The sections that stay as they are stored when a document is applied."""


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """A tenant's settings document and its version (0 and empty
    if nothing is configured), and the same for the one that holds everywhere.

    A salt hides what could be guessed from a document's digest; None: version 0.1.0 stored it.
    """

    version: SettingsVersion
    document: Mapping[str, Json]
    everywhere: Mapping[str, Json]
    salt: bytes | None = None
    everywhere_salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as this version reads it: what it accepts, and the problems of the rest.

    `lost` are the entries that have no right shape, and so are not in the document.
    """

    document: SettingsDocument
    problems: tuple[Problem, ...] = ()
    lost: frozenset[Path] = frozenset()
    reach: Reach = NOTHING_REACHED
    # No `cached_property`: under its one lock, every tenant would wait for each.
    _policy: list[PolicyReading | None] = field(default_factory=list, repr=False, compare=False)

    @property
    def compiled(self) -> bool:
        """True if the policy is known, so that asking for it takes no time."""
        return bool(self._policy) or not self.document.policy.strip()

    @property
    def policy(self) -> PolicyReading | None:
        """The document's policy for its catalog, compiled when it is first asked for; None if it
        has none.
        """
        if not self._policy:
            schemas = {name: shape.final_schema for name, shape in self.document.catalog.items()}
            known = {**self.reach.parameters, **schemas}
            self._policy.append(policy_reading(self.document.policy, known))
        return self._policy[0]

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """The problems of the policy too."""
        return (*self.problems, *(self.policy.problems if self.policy else ()))

    def compile(self) -> None:
        """Makes the policy known."""
        _ = self.policy


NOTHING_STORED = Reading(SettingsDocument())


def parse_document(value: Json) -> SettingsDocument:
    """The document of a JSON value.

    InvalidInput (`INVALID_SETTINGS`) with every problem.
    """
    reading = read_document(_kept(value))
    # With another catalog, the policy would have other problems.
    sound = all(problem.path[:1] not in {(), ("catalog",)} for problem in reading.problems)
    if problems := reading.all_problems if sound else reading.problems:
        raise _refusal(problems)
    return reading.document


def read_document(value: Json) -> Reading:
    """What this version makes of a JSON value, whatever it is."""
    problems, lost = _unwritable(value)
    document, shape_problems, lost = _shaped(value, lost)
    problems += shape_problems
    if () not in lost:
        problems += _size_problems(value, lost)
        problems += [
            Problem(_path(problem.path, value), problem.sentence)
            for problem in fit_problems(document, value, lost)
        ]
        problems += salvaged_problems(value, shape_problems)
    if not problems:
        return Reading(document)
    return Reading(document, tuple(problems), lost, reach_of(document, value, problems, lost))


def _kept(value: Json) -> Json:
    """The value as it is kept: with the schemas of its catalog in the form that has a canonical
    spelling.
    """
    catalog = value.get("catalog") if isinstance(value, Mapping) else None
    if not isinstance(catalog, Mapping):
        return value
    actions = {
        name: {**action, "parameters": as_kept(action["parameters"])}
        if isinstance(action, Mapping) and isinstance(action.get("parameters"), Mapping)
        else action
        for name, action in catalog.items()
    }
    return {**value, "catalog": actions}


def _unwritable(value: Json) -> tuple[list[Problem], frozenset[Path]]:
    """The problems of all that has no canonical JSON form, and the entries that it is in."""
    try:
        canonical(value)
    except InvalidInput as refusal:
        problems = list(_uncanonical(value, ())) or [Problem((), str(refusal))]
        return problems, frozenset(_entry(problem.path) for problem in problems)
    except (TypeError, ValueError):
        return [Problem((), "is no JSON")], frozenset({()})
    return [], frozenset()


def _uncanonical(value: Json, path: Path) -> Iterator[Problem]:
    """Each part without a canonical form, at its place; none if the value is nested too deeply."""
    if len(path) > NAMED_DEPTH_MAX:
        return
    if isinstance(value, Mapping | list):
        named = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, part in named:
            if isinstance(name, str) and _SURROGATE.search(name):
                yield Problem(path, f"has a name with {_HALF}")
            else:
                yield from _uncanonical(part, (*path, name))
    elif isinstance(value, int) and abs(value) > INTEGER_MAX:
        sentence = f"is an integer beyond {INTEGER_MAX}, which not every reader carries exactly"
        yield Problem(path, sentence)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, "is not a finite number")
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield Problem(path, f"has {_HALF}")


def _size_problems(value: Mapping[str, Json], lost: Collection[Path]) -> Iterator[Problem]:
    """Pins and stop switches are added one by one, and neither may make a document too large that
    was accepted: so they do not count.
    """
    own = {name: part for name, part in _without(value, lost).items() if name not in KEPT}
    size = len(canonical(own))
    if size > DOCUMENT_BYTES_MAX:
        yield Problem((), f"the document has {size} bytes; the limit is {DOCUMENT_BYTES_MAX}")


def _shaped(
    value: Json, lost: frozenset[Path]
) -> tuple[SettingsDocument, list[Problem], frozenset[Path]]:
    """The document without the entries that have no right shape, what is wrong with those, and
    where they are.

    So the entries that have one are still checked against each other, and a person sees all
    problems at once.
    """
    problems: list[Problem] = []
    while True:
        # As JSON, it keeps its own order of names, which people see again.
        text = json.dumps({} if () in lost else _without(value, lost))
        try:
            return SettingsDocument.model_validate_json(text), problems, lost
        except ValidationError as error:
            misfits = [
                (_path(details["loc"], value), details)
                for details in error.errors(include_url=False)
            ]
        problems += [Problem(path, _sentence(path, details)) for path, details in misfits]
        entries = frozenset(_entry(path) for path, _ in misfits)
        lost = frozenset({()}) if () in entries or entries <= lost else lost | entries


def _refusal(problems: Sequence[Problem]) -> InvalidInput:
    listed = "; ".join(str(problem) for problem in problems[:PROBLEMS_SAID_MAX])
    more = (
        f"; and {len(problems) - PROBLEMS_SAID_MAX} more"
        if len(problems) > PROBLEMS_SAID_MAX
        else ""
    )
    sentence = f"The settings are not valid: {listed}{more}."
    return InvalidInput(sentence, code="INVALID_SETTINGS", problems=tuple(problems[:PROBLEMS_MAX]))


def _path(loc: Path, value: Json) -> Path:
    """Where a problem is in what was written: no marks of the parser's, no sections in a plain
    list, and no key of a plain name.
    """
    path = tuple(part for part in loc if part != "[key]")
    if path[:3] in _PLAIN_LISTS and isinstance(value["autonomy"][path[1]], list):
        path = (*path[:2], *path[3:])
    if path[:2] == ("autonomy", "accounts") and path[-1] == "name":
        return path[:-1]
    return path


_PLAIN_LISTS = {("autonomy", "allowlist", "tenant"), ("autonomy", "accounts", "known")}
"""The sections that a list may stand for that has none."""


def _entry(path: Path) -> Path:
    """What has to be left out for the rest to have the right shape."""
    match path:
        case ("autonomy", "modes" | "budgets" | "limits", int(), *_):
            return path[:3]
        case ("autonomy", "allowlist", "accounts", _, *_):
            return path[:4]
        case ("autonomy", "quotas", _, *_):
            return path[:3]
        case (str(section), _, *_) if section in {"tool_servers", "catalog", "autonomy", *KEPT}:
            return path[:2]
    return path[:1]


def _without(value: Json, lost: Collection[Path], path: Path = ()) -> Json:
    """The value without what is at these paths."""
    if not any(entry[: len(path)] == path for entry in lost):
        return value
    if isinstance(value, dict):
        return {
            key: _without(part, lost, (*path, key))
            for key, part in value.items()
            if (*path, key) not in lost
        }
    if isinstance(value, list):
        return [
            _without(part, lost, (*path, place))
            for place, part in enumerate(value)
            if (*path, place) not in lost
        ]
    return value


_SENTENCES = {
    "missing": "is required",
    "model_type": "must be a mapping of names to values",
    "dict_type": "must be a mapping of names to values",
    "list_type": "must be a list",
    "string_type": "must be text; put it in quotes",
    "json_invalid": "the document is nested too deeply",
}


def _sentence(path: Path, details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "said":
        return str(details["ctx"]["sentence"])
    if kind == "extra_forbidden":
        known = _keys_at(details["loc"][:-1])
        return (
            f"is not a key "
            f"here{suggestion(path[-1], known) or '; the keys are ' + ', '.join(known)}"
        )
    empty = "; leave the key out if there is nothing to say" if details["input"] is None else ""
    return _SENTENCES.get(kind, "does not have the right shape") + empty


def _keys_at(path: Path) -> list[str]:
    """The keys of the shape at a path: down through the fields, lists and mappings of the shapes'
    annotations.
    """
    shape: Any = SettingsDocument
    for part in path:
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            shape = shape.model_fields[str(part)].annotation
            shape = next(
                (
                    kind
                    for kind in get_args(shape)
                    if kind is not type(None) and type(None) in get_args(shape)
                ),
                shape,
            )
        else:
            shape = get_args(shape)[-1]
    return keys_of(shape)
