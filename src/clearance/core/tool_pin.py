"""Pins: short names of what a tool was when it was looked at.

A pin covers what a tool takes, so texts and the order of names that have none do not count. It
names how it was made: `sha256-2:` and 64 hexadecimal digits. A pin that was made before that form
(`sha256:`, over the schema to the letter) is compared as it was made. One that replaced such a pin
names both, so that what was approved under the older one still stands.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from urllib.parse import unquote

from clearance.core.canonical import Json, digest
from clearance.core.dialect import parts
from clearance.core.errors import InvalidInput

PIN = r"sha256:[0-9a-f]{64}|sha256-2:[0-9a-f]{64}( sha256:[0-9a-f]{64})?"
"""The pattern of a pin."""

_FORM = "sha256-2:"
_FORM_BEFORE = "sha256:"

TEXTS = frozenset(
    {"title", "description", "$comment", "examples", "example", "markdownDescription"}
)
_SETS = frozenset({"required", "enum", "type"})
"""Lists whose order means nothing."""


def pin_of(schema: Mapping[str, Json]) -> str:
    """The pin of an input schema. InvalidInput if it can have none: it holds NaN, or is nested
    beyond measure.
    """
    try:
        return _FORM + _digits(without(schema, TEXTS - _pointed_into(schema)))
    except (ValueError, RecursionError) as error:
        sentence = f"The schema has no pin: {error}."
        raise InvalidInput(sentence, code="NOT_CANONICAL_JSON") from None


def description_digest(tool: Mapping[str, Json]) -> str:
    """The digest of all that a server says about a tool, each text included."""
    return _FORM + _digits(tool, allow_nan=True)


def agrees(pin: str, schema: Mapping[str, Json]) -> bool:
    """True if a schema is the one that a pin was made of, each compared in the pin's own way."""
    form, _, _ = pin.partition(" ")
    try:
        return form == (pin_of(schema) if form.startswith(_FORM) else digest(dict(schema)))
    except InvalidInput:
        return False


def replaced(pin: str, schema: Mapping[str, Json]) -> str:
    """The pin to keep in place of one that agrees with the schema."""
    return pin if pin.startswith(_FORM) else f"{pin_of(schema)} {pin}"


def is_of_before(pin: str) -> bool:
    """True if a pin was made by a version whose pins had no form of their own."""
    return _FORM_BEFORE in pin


def same_pin(then: str | None, now: str | None) -> bool:
    """True if two pins are of one schema, as far as they tell: if they share a digest."""
    return then == now or bool(then and now and set(then.split()) & set(now.split()))


def _digits(value: Json, *, allow_nan: bool = False) -> str:
    """Integers of any size count to the last digit: bounds of 64 bits are usual in schemas."""
    text = json.dumps(_exact(value), sort_keys=True, separators=(",", ":"), allow_nan=allow_nan)
    return sha256(text.encode()).hexdigest()


def _exact(value: Json) -> Json:
    """The value with 1.0 as 1: to JSON, both are one number."""
    if isinstance(value, float) and value.is_integer():  # neither NaN nor infinite
        return int(value)
    if isinstance(value, Mapping):
        return {name: _exact(part) for name, part in value.items()}
    return [_exact(part) for part in value] if isinstance(value, list) else value


def _pointed_into(value: Json) -> frozenset[str]:
    """The keywords of texts that a reference leads into: what stands there is no text then."""
    if isinstance(value, list):
        return frozenset().union(*map(_pointed_into, value))
    if not isinstance(value, Mapping):
        return frozenset()
    reference = value.get("$ref")
    steps = unquote(reference).split("/") if isinstance(reference, str) else ()
    return TEXTS.intersection(steps).union(*map(_pointed_into, value.values()))


def without(schema: Json, keywords: Collection[str]) -> Json:
    """A schema without some keywords, and with its sets of names in order. Only where a schema
    stands: a parameter may be named like a keyword, and a value that it may have is no schema.
    """
    if not isinstance(schema, Mapping):
        return schema
    kept = {
        keyword: _in_order(keyword, part)
        for keyword, part in schema.items()
        if keyword not in keywords
    }
    for (keyword, *inside), part in parts(schema):
        if keyword not in kept:
            continue
        if not inside:
            kept[keyword] = without(part, keywords)
            continue
        if kept[keyword] is schema[keyword]:
            kept[keyword] = schema[keyword].copy()
        # In `dependencies`, each is a schema or a list of names.
        names = isinstance(part, list) and isinstance(inside[0], str)
        kept[keyword][inside[0]] = _sorted(part) if names else without(part, keywords)
    return kept


def _in_order(keyword: str, part: Json) -> Json:
    """What a keyword has, with a set in order."""
    if keyword in _SETS and isinstance(part, list):
        return _sorted(part)
    if keyword == "dependentRequired" and isinstance(part, Mapping):
        return {name: _in_order("required", names) for name, names in part.items()}
    return part


def _sorted(values: Json) -> Json:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))
