"""Parsing and reading of the settings document, which the configuration file, REST and the store
share.

A change of settings parses the whole document that would result: every part fits every other, or
nothing changes. A stored document is read even if this version would refuse a part of it; the
problems are kept beside it. This file knows no YAML, no HTTP, no versions, no permissions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clearance.configuration.fitting import Path, fit_problems
from clearance.configuration.policies import policy_reading
from clearance.configuration.reaching import NOTHING_REACHED, Reach, reach_of
from clearance.configuration.shape import SettingsDocument, suggestion
from clearance.core.canonical import Json, canonical
from clearance.core.decision import SettingsVersion
from clearance.core.errors import InvalidInput, Problem
from clearance.core.policy import PolicyReading

DOCUMENT_BYTES_MAX = 1024 * 1024  # of its canonical JSON
PROBLEMS_MAX = 100  # problems of one document that are reported
PROBLEMS_SAID_MAX = 3  # problems that the refusal's own sentence says


KEPT = ("tool_pins", "stop_switches")
"""The sections that stay as they are stored when a document is applied."""


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """A tenant's settings document and its version (0 and empty
    if nobody has configured anything), and the same for the one that holds everywhere.

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
            schemas = {name: shape.parameters for name, shape in self.document.catalog.items()}
            parameters = {**self.reach.parameters, **schemas}
            self._policy.append(policy_reading(self.document.policy, parameters))
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
    reading = read_document(value)
    # With another catalog, the policy would have other problems.
    sound = all(problem.path[:1] not in {(), ("catalog",)} for problem in reading.problems)
    if problems := reading.all_problems if sound else reading.problems:
        raise _refusal(problems)
    return reading.document


def read_document(value: Json) -> Reading:
    """What this version makes of a JSON value, whatever it is."""
    text, problems = _json_text(value)
    if text is None:
        document, lost = SettingsDocument(), frozenset[Path]({()})
    else:
        document, shape_problems, lost = _shaped(text, value)
        problems += shape_problems
        if () not in lost:
            problems += [
                Problem(_path(problem.path, value), problem.sentence)
                for problem in fit_problems(document, value, lost)
            ]
    if not problems:
        return Reading(document)
    return Reading(document, tuple(problems), lost, reach_of(document, value, problems, lost))


def _json_text(value: Json) -> tuple[str | None, list[Problem]]:
    """The value as JSON with its own order of names, which people see again; None if it cannot be
    that.
    """
    try:
        size = _size(value)
        text = json.dumps(value)
    except (InvalidInput, RecursionError) as refusal:
        return None, [Problem((), str(refusal))]
    if size <= DOCUMENT_BYTES_MAX:
        return text, []
    sentence = f"the document has {size} bytes; the limit is {DOCUMENT_BYTES_MAX}"
    return text, [Problem((), sentence)]


def _size(value: Json) -> int:
    """The bytes that the limit is about. Pins and stop switches are added one by one, and neither
    may make a document too large that was accepted.
    """
    if not isinstance(value, Mapping):
        return len(canonical(value))
    own = {name: part for name, part in value.items() if name not in KEPT}
    return len(canonical(own))


def _shaped(text: str, value: Json) -> tuple[SettingsDocument, list[Problem], frozenset[Path]]:
    """The document without the entries that have no right shape, what is wrong with those, and
    where they are.

    So the entries that have one are still checked against each other, and a person sees all
    problems at once.
    """
    problems: list[Problem] = []
    lost: frozenset[Path] = frozenset()
    while True:
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
        text = json.dumps({} if () in lost else _without(value, lost))


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
    """Where a problem is in what was written: no marks of the parser's, and a plain allowlist has
    no sections.
    """
    path = tuple(part for part in loc if part != "[key]")
    if path[:3] == ("autonomy", "allowlist", "tenant") and isinstance(
        value["autonomy"]["allowlist"], list
    ):
        return (*path[:2], *path[3:])
    return path


def _entry(path: Path) -> Path:
    """What has to be left out for the rest to have the right shape."""
    match path:
        case ("autonomy", "modes" | "budgets", int(), *_):
            return path[:3]
        case ("autonomy", "allowlist", "accounts", _, *_):
            return path[:4]
        case ("tool_servers" | "catalog" | "autonomy" | "tool_pins" | "stop_switches", _, *_):
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
        known = _keys_at(path[:-1])
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
    return list(shape.model_fields)
