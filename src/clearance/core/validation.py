"""The validator of a JSON Schema: one that fetches nothing, and whose patterns come to an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.dialect import as_validated, parts

# A pattern that looks ahead may go back so often; a longer match counts as none. That alone bounds
# no work: the pattern is tried at each place of a text, and reads on from there.
PATTERN_STEPS_MAX = 10_000
PATTERNS_REMEMBERED_MAX = 4_096  # of which it is known whether they look ahead or back

_TURNED = frozenset({"if", "not"})
"""The keywords under which a match that is given up would let a value through."""


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
        if looks_around(pattern):
            sentence = f"the pattern {pattern} looks ahead or back, which it cannot under {keyword}"
            raise ValueError(sentence)


@lru_cache(maxsize=PATTERNS_REMEMBERED_MAX)
def looks_around(pattern: str) -> bool:
    """True for a pattern that cannot be matched in linear time."""
    try:
        _validator({"pattern": pattern}, jsonschema_rs.RegexOptions())
    except ValueError:
        return True
    return False


def _turned_patterns(schema: Json, under: str | None) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, Mapping):
        return
    if under and "pattern" in schema:
        yield under, schema["pattern"]
    yield from (("patternProperties", name) for name in schema.get("patternProperties", ()))
    for (keyword, *_), part in parts(schema):
        turns = str(keyword) if keyword in _TURNED else under
        yield from _turned_patterns(part, turns)
