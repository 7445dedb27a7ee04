"""Strict JSON: every reader understands a body in the same way, and it has the expected shape.

The JSON is I-JSON (RFC 7493): UTF-8, no name twice in an object, no lone surrogates, no number that
some readers do not carry exactly. A body that two readers understand differently can pass a gate
unseen, so such a body is refused. This file knows nothing of HTTP: an event's body is read in the
same way.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.errors import InvalidInput, Problem, Refusal

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


BODY_DEPTH_MAX = 64  # levels of nesting; a part of a body has its own rules
INTEGER_DIGITS_MAX = 16  # of 2^53 - 1
PROBLEMS_MAX = 20  # of one input that are reported
PROBLEMS_SHOWN_MAX = 3  # of them, in the sentence

Shape = TypeVar("Shape", bound=BaseModel)

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableBody(Refusal):
    """The body cannot be read as JSON that means the same to every reader."""

    code = "INVALID_JSON"


def parse(body: bytes) -> Json:
    """The value of a body; UnreadableBody if it is no JSON, or JSON that not every reader
    understands alike.
    """
    try:
        text = body.decode()
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        sentence = f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        raise UnreadableBody(sentence) from None
    except UnicodeDecodeError:
        sentence = "The body is not UTF-8."
        raise UnreadableBody(sentence) from None
    except UnicodeEncodeError:
        sentence = "The body has a lone surrogate."
        raise UnreadableBody(sentence) from None
    return value


def _check_depth(text: str) -> None:
    """Refuses a value that nests too deep, before anything recurses into it."""
    if text.count("[") + text.count("{") <= BODY_DEPTH_MAX:
        return
    depth = 0
    for token in _BRACKET_OR_STRING.finditer(text):
        depth += _STEP.get(token[0], 0)
        if depth > BODY_DEPTH_MAX:
            sentence = f"The body nests more than {BODY_DEPTH_MAX} levels deep."
            raise UnreadableBody(sentence)


# A string that does not end goes to the end of the text: else each of its quotes would be looked at
# again from there.
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        sentence = "The body has an object in which a name stands twice."
        raise UnreadableBody(sentence)
    return value


def _constant(name: str) -> NoReturn:
    sentence = f"The body is not JSON: it has no {name}."
    raise UnreadableBody(sentence)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > INTEGER_DIGITS_MAX or abs(int(digits)) > INTEGER_MAX:
        sentence = (
            f"The body has an integer beyond {INTEGER_MAX}, which not every reader carries exactly."
        )
        raise UnreadableBody(sentence)
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        sentence = "The body has a number that is too large."
        raise UnreadableBody(sentence)
    return value


def fitted(value: Json, shape: type[Shape]) -> Shape:
    """A value in a shape. InvalidInput (`INVALID_BODY`) with every problem that was found."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        problems = problems_of(
            error.errors(include_url=False, include_context=False, include_input=False)
        )
    more = (
        f"; and {len(problems) - PROBLEMS_SHOWN_MAX} more"
        if len(problems) > PROBLEMS_SHOWN_MAX
        else ""
    )
    sentence = (
        "The body does not fit: "
        + "; ".join(str(problem) for problem in problems[:PROBLEMS_SHOWN_MAX])
        + more
    )
    raise InvalidInput(sentence, code="INVALID_BODY", problems=problems)


def problems_of(details: Sequence[ErrorDetails]) -> tuple[Problem, ...]:
    """Pydantic's findings, in our words where its own are about Python; never with the value that
    was sent.
    """
    return tuple(
        Problem(
            tuple(detail["loc"]),
            _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Value error, ")),
        )
        for detail in details[:PROBLEMS_MAX]
    )


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "float_type": "must be a number",
    "model_type": "must be an object",
}
