"""Which values may be put into a longer text: those whose schema lets nothing in that could end
their place there.

A path, an address, a query or a quotation that an agent can end becomes another one. The value is
looked at again when a call is made; here it is the schema, so that an action which would refuse
most of its calls is refused when it is written.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import jsonschema_rs

from clearance.core.arguments import fits_a_segment
from clearance.core.canonical import Json
from clearance.core.validation import schema_validator

_FORMATS = frozenset({"uuid", "date"})
_CATEGORIES = frozenset({constants.CATEGORY_DIGIT, constants.CATEGORY_WORD})
_GROUPS = frozenset({constants.SUBPATTERN, constants.ATOMIC_GROUP})
_REPEATS = frozenset({constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT})
_ANCHORS = frozenset({constants.AT_BEGINNING, constants.AT_END})
_ENDS = ("..", "a/b")  # what no schema of a value that keeps its place takes
RANGE_MAX = 1_024  # characters of one range of a pattern that are looked at


def keeps_its_place(schema: Json, whole: Mapping[str, Json]) -> bool:
    """True if no value of a schema can end the place in a longer text that it is put into.

    `whole` is the schema that it stands in, whose draft says which words the validator asserts.
    """
    return isinstance(schema, Mapping) and _says_so(schema) and _asserted(schema, whole)


def _says_so(schema: Mapping[str, Json]) -> bool:
    if "const" in schema:
        return fits_a_segment(schema["const"])
    if isinstance(schema.get("enum"), list):
        return all(map(fits_a_segment, schema["enum"]))
    kind, pattern = schema.get("type"), schema.get("pattern")
    if kind in ("integer", "boolean"):
        return True
    if kind != "string":
        return False
    if schema.get("format") in _FORMATS:
        return True
    never_empty = isinstance(least := schema.get("minLength"), int) and least > 0
    return isinstance(pattern, str) and _is_bound(pattern, never_empty=never_empty)


def _asserted(schema: Mapping[str, Json], whole: Mapping[str, Json]) -> bool:
    """True if the validator refuses what would end a place. Old drafts know no `const`, no format
    `uuid`, and nothing that stands beside a `$ref`.
    """
    around = {key: whole[key] for key in ("$schema", "$defs", "definitions") if key in whole}
    try:
        validator = schema_validator({**around, **schema})
        return not any(map(validator.is_valid, _ENDS))
    except (ValueError, jsonschema_rs.ReferencingError):
        return False


def _is_bound(pattern: str, *, never_empty: bool) -> bool:
    """True if a pattern has both anchors, and matches neither the empty text nor anything that
    ends a place.

    What is not understood could match anything.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = parser.parse(pattern)
    except (re.error, Warning, RecursionError, OverflowError):
        return False
    parts = list(tree)
    if len(parts) < 2 or parts[0] != (constants.AT, constants.AT_BEGINNING):  # noqa: PLR2004
        return False
    if not (never_empty or tree.getwidth()[0]):
        return False
    return parts[-1] == (constants.AT, constants.AT_END) and _all_fit(parts)


def _all_fit(parts: Iterable[tuple[Any, Any]]) -> bool:
    return all(_fits(operator, operand) for operator, operand in parts)


def _fits(operator: Any, operand: Any) -> bool:
    if operator is constants.AT:
        return operand in _ANCHORS
    if operator is constants.LITERAL:
        return _character_fits(operand)
    if operator is constants.IN:
        return all(_member_fits(*member) for member in operand)
    if operator is constants.BRANCH:
        return all(_all_fit(branch) for branch in operand[1])
    if operator in _REPEATS:
        return _all_fit(operand[2])
    if operator is constants.SUBPATTERN:
        return _all_fit(operand[3])
    return operator in _GROUPS and _all_fit(operand)


def _member_fits(operator: Any, operand: Any) -> bool:
    """Whether one member of a set of characters fits; a set that is turned round could hold all."""
    if operator is constants.LITERAL:
        return _character_fits(operand)
    if operator is constants.RANGE:
        low, high = operand
        return high - low < RANGE_MAX and all(map(_character_fits, range(low, high + 1)))
    return operator is constants.CATEGORY and operand in _CATEGORIES


def _character_fits(code: int) -> bool:
    return fits_a_segment(chr(code))
