"""Canonical JSON (RFC 8785): the one spelling of a value, on which digests and the ledger rest."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, TypeAlias

import rfc8785

from clearance.core.errors import InvalidInput

INTEGER_MAX = (
    2**53 - 1
)  # the largest integer that every JSON reader carries exactly (RFC 8785, section 3.2.2.3)


Json: TypeAlias = Any
"""A JSON value as Python's `json` module reads it: None, bool, int, float, str, list, dict."""


def canonical(value: Json) -> bytes:
    """RFC 8785 canonical JSON. InvalidInput for what has no canonical form: NaN, integers past
    2^53, lone surrogates.
    """
    try:
        if _plain(value):
            text: str = _PLAIN.encode(value)
            return text.encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        sentence = f"The value has no canonical JSON form: {error}."
        raise InvalidInput(sentence, code="NOT_CANONICAL_JSON") from None


# With ASCII names and such numbers, the standard library's C encoder writes the same bytes ten
# times faster.
_PLAIN = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


_POSITIONAL_FROM = 1e-4  # below it, Python writes a fraction with an exponent
_LEAVES = frozenset({str, bool, type(None)})


def _plain(value: Json) -> bool:
    kind = type(value)
    if kind in _LEAVES:
        return True
    if kind is int:
        return bool(-INTEGER_MAX <= value <= INTEGER_MAX)
    if kind is float:  # Python and ECMAScript write the same shortest digits, with no exponent here
        return bool(_POSITIONAL_FROM <= abs(value) < INTEGER_MAX) and not value.is_integer()
    if kind is dict:
        return all(
            type(name) is str and name.isascii() and _plain(part) for name, part in value.items()
        )
    return kind is list and all(map(_plain, value))


def digest(value: Json) -> str:
    """`sha256:` and the hexadecimal SHA-256 of the canonical JSON of `value`."""
    return "sha256:" + sha256(canonical(value)).hexdigest()
