"""How a value does not fit a schema: in detail where that is cheap, else by name alone.

Whether a value fits is known in microseconds. Why it does not can take seconds: the validator
collects every error of every branch before it gives the first one, and a schema that refers to
itself has more branches with each level of the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.dialect import as_validated, parts, places

DETAIL_VALUES_MAX = 1_000  # values in what is looked at in detail
DETAIL_DEPTH_MAX = 4  # levels of it, where a schema refers to its parts
# A pattern with look-ahead may go back so often; a longer match counts as none. That takes less
# than 1 ms, in the longest text of an intent 7 ms.
PATTERN_STEPS_MAX = 10_000

_TURNED = frozenset({"if", "not"})
"""The keywords under which a match that is given up would let a value through."""

_TOGETHER = frozenset(
    {
        *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "required", "minProperties"),
        *("dependencies", "dependentRequired", "dependentSchemas"),
    }
)
"""The keywords that look at several names at once."""

Path: TypeAlias = tuple[str | int, ...]


def schema_validator(schema: Mapping[str, Json]) -> jsonschema_rs.Validator:
    """A validator of a JSON Schema that fetches nothing; ValueError for a bad schema.

    It matches patterns in linear time, unless one of them looks ahead or back: then it counts the
    steps of each match, and a text that would take too many does not fit.
    """
    plain = as_validated(schema)
    try:
        return _validator(plain, jsonschema_rs.RegexOptions())
    except jsonschema_rs.ValidationError as refusal:
        options = jsonschema_rs.FancyRegexOptions(backtrack_limit=PATTERN_STEPS_MAX)
        try:
            validator = _validator(plain, options)
        except ValueError:
            raise refusal from None
    _check_not_turned(plain)
    return validator


def _validator(
    schema: Mapping[str, Json],
    options: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions,
) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        dict(schema), validate_formats=True, offline=True, pattern_options=options
    )


def _check_not_turned(schema: Mapping[str, Json]) -> None:
    """ValueError if a pattern that looks ahead stands where giving up its match would let a value
    through.
    """
    for keyword, pattern in _turned_patterns(schema, None):
        try:
            _validator({"pattern": pattern}, jsonschema_rs.RegexOptions())
        except jsonschema_rs.ValidationError:
            sentence = f"the pattern {pattern} looks ahead or back, which it cannot under {keyword}"
            raise ValueError(sentence) from None


def _turned_patterns(schema: Json, under: str | None) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, Mapping):
        return
    if under and "pattern" in schema:
        yield under, schema["pattern"]
    yield from (("patternProperties", name) for name in schema.get("patternProperties", ()))
    for (keyword, *_), part in parts(schema):
        turns = str(keyword) if keyword in _TURNED else under
        yield from _turned_patterns(part, turns)


def violations(
    schema: Mapping[str, Json], validator: jsonschema_rs.Validator, value: Mapping[str, Json]
) -> Iterator[tuple[Path, str]]:
    """The paths at which a value does not fit a schema, and why; nothing if it fits."""
    whole = dict(value)
    if validator.is_valid(whole):
        return
    if _cheap(schema, whole):
        for error in validator.iter_errors(whole):
            yield tuple(error.instance_path), error.message
        return
    named = [*_missing(schema, whole), *_unfit_names(schema, whole)]
    yield from named or [((), "does not fit the schema")]


def _cheap(schema: Mapping[str, Json], value: Json) -> bool:
    depth_max = DETAIL_DEPTH_MAX if _refers(schema) else DETAIL_VALUES_MAX
    level, count = [value], 0
    for _ in range(depth_max + 1):
        count += len(level)
        if not level or count > DETAIL_VALUES_MAX:
            break
        level = [part for whole in level for part in _members(whole)]
    return not level


def _members(value: Json) -> Sequence[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()


def _refers(schema: Mapping[str, Json]) -> bool:
    return any("$ref" in part or "$dynamicRef" in part for _, part in places(schema))


def _missing(schema: Mapping[str, Json], value: Mapping[str, Json]) -> Iterator[tuple[Path, str]]:
    for name in schema.get("required", ()):
        if name not in value:
            yield (name,), "is required"


def _unfit_names(
    schema: Mapping[str, Json], value: Mapping[str, Json]
) -> Iterator[tuple[Path, str]]:
    """The names whose value alone does not fit, whatever stands beside it."""
    try:
        alone = schema_validator(
            {keyword: part for keyword, part in schema.items() if keyword not in _TOGETHER}
        )
    except ValueError:  # a reference into what was left out
        return
    for name, part in value.items():
        if not alone.is_valid({name: part}):
            yield (name,), "does not fit its schema"
