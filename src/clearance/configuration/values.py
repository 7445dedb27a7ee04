"""The values of the settings document: what each kind of them may be. A check says what would be
right.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Annotated, Any, TypeAlias
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    PlainSerializer,
    PlainValidator,
)
from pydantic_core import PydanticCustomError

from clearance.core.accounts import PATTERN_LENGTH_MAX, pattern_problem
from clearance.core.budget import AMOUNT_MAX, COUNT_MAX
from clearance.core.canonical import Json
from clearance.core.intent import ACTION_TYPE, name_problem
from clearance.core.moment import HOUR_MS, SECOND_MS
from clearance.core.suggestion import suggestion
from clearance.core.tool_pin import PIN

CONCURRENCY_MAX = 64  # calls at once to one tool server
ACCOUNTS_MAX = 5_000  # names and patterns of known accounts; more names are for a pattern
PATTERNS_MAX = 50  # of them
SENTENCE_LENGTH_MAX = 300  # characters
LABEL_LENGTH_MAX = 60  # characters
DESCRIPTION_LENGTH_MAX = 1_000  # characters
VARIABLES_MAX = 100  # names of variables that a tool server inherits, or that are secret
SIGNS_MAX = 20  # by which an action's answers mean failed
VALUE_LENGTH_MAX = 4_096  # characters of a command's word, an address, a variable or a header
DURATION_DAYS_MAX = 366
ARGUMENTS_SAME_MAX = 32  # arguments that make two acts the same
RATE_MAX = 1_000_000_000  # proposals a minute

UNIT_MS = {"s": SECOND_MS, "m": 60 * SECOND_MS, "h": HOUR_MS, "d": 24 * HOUR_MS}
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SERVER_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TOOL_REFERENCE = rf"{_SERVER_NAME}\.[A-Za-z0-9_./:-]{{1,128}}"


def wrong(sentence: str) -> PydanticCustomError:
    """The refusal of a value, in one sentence."""
    return PydanticCustomError("said", "{sentence}", {"sentence": sentence})


def integer(low: int, high: int) -> PlainValidator:
    """An integer within two bounds."""

    def check(value: Json) -> int:
        if type(value) is not int or not low <= value <= high:
            sentence = f"must be an integer from {low} to {high}"
            raise wrong(sentence)
        return value

    return PlainValidator(check)


def _matching(pattern: str, sentence: str) -> PlainValidator:
    compiled = re.compile(pattern)

    def check(value: Json) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            refusal = f"must be {sentence}"
            raise wrong(refusal)
        return value

    return PlainValidator(check)


def word(*words: str) -> PlainValidator:
    """One of a few words."""

    def check(value: Json) -> str:
        if value not in words or not isinstance(value, str):
            sentence = f"must be one of {', '.join(words)}{suggestion(value, words)}"
            raise wrong(sentence)
        return value

    return PlainValidator(check)


def _text(value: Json, *, length_max: int) -> str:
    if not isinstance(value, str):
        sentence = "must be text; put it in quotes"
        raise wrong(sentence)
    if not value.strip() or len(value) > length_max or "\0" in value:
        sentence = f"must be 1 to {length_max} characters of text"
        raise wrong(sentence)
    return value


def _name(value: Json) -> str:
    if not isinstance(value, str):
        sentence = "must be text; put it in quotes"
        raise wrong(sentence)
    if problem := name_problem(value):
        raise wrong(problem)
    return value


def _name_pattern(value: Json) -> str:
    text = _text(value, length_max=PATTERN_LENGTH_MAX)
    if problem := pattern_problem(text):
        raise wrong(problem)
    return text


def scalar(value: Json) -> str | int | float | bool:
    """Text, a number, true or false."""
    if not isinstance(value, str | int | float | bool):
        sentence = "must be text, a number, true or false"
        raise wrong(sentence)
    return value


def at_most(count: int) -> AfterValidator:
    """A list of at most so many entries."""

    def check(value: list[Any]) -> list[Any]:
        if len(value) > count:
            sentence = f"has {len(value)} entries; the limit is {count}"
            raise wrong(sentence)
        return value

    return AfterValidator(check)


def some(noun: str) -> AfterValidator:
    """A list that is not empty."""

    def check(value: list[Any]) -> list[Any]:
        if not value:
            sentence = (
                f"must name at least one {noun}; leave the key out if there is nothing to say"
            )
            raise wrong(sentence)
        return value

    return AfterValidator(check)


def _duration(value: Json) -> str:
    fits = isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,8}[smhd]", value)
    if not fits or duration_ms(value) > DURATION_DAYS_MAX * UNIT_MS["d"]:
        sentence = (
            f"must be a duration such as 90s, 30m, 72h or 7d, of at most {DURATION_DAYS_MAX} days"
        )
        raise wrong(sentence)
    return str(value)


def _zone(value: Json) -> str:
    if not isinstance(value, str) or value not in _zones():
        sentence = (
            f"must be an IANA time zone such as UTC or Europe/Berlin{suggestion(value, _zones())}"
        )
        raise wrong(sentence)
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(
        available_timezones() - {"localtime"}
    )  # which means something else on every machine


def _address(value: Json) -> str:
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"https?://[^\s/?#]+\S*", value)
        or len(value) > VALUE_LENGTH_MAX
    ):
        sentence = "must be an address that starts with http:// or https://"
        raise wrong(sentence)
    if "${" in value:
        sentence = (
            "must be written out: ${NAME} is for the environment, the headers and the command"
        )
        raise wrong(sentence)
    if "@" in value.split("/")[2]:
        sentence = "must not hold a user or password: use headers, with ${NAME} for the secret"
        raise wrong(sentence)
    return value


def _in_order(values: list[str]) -> list[str]:
    return sorted(set(values))


def variables_of(text: str) -> set[str]:
    """The names of the variables that stand in a text as `${NAME}`."""
    return set(VARIABLE.findall(text))


def as_sentence(text: str) -> str:
    """A text with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def duration_ms(text: str) -> int:
    """The milliseconds of a duration such as `72h`."""
    return int(text[:-1]) * UNIT_MS[text[-1]]


_ACTION_TYPE_SENTENCE = "1 to 64 characters of A-Z 0-9 _, starting with a letter"
ActionType: TypeAlias = Annotated[str, _matching(ACTION_TYPE.pattern, _ACTION_TYPE_SENTENCE)]
ServerName: TypeAlias = Annotated[
    str, _matching(_SERVER_NAME, "1 to 64 characters of A-Z a-z 0-9 _ -")
]
ToolReference: TypeAlias = Annotated[
    str,
    _matching(TOOL_REFERENCE, "SERVER.TOOL, for example crm.create_task"),
]
Pin: TypeAlias = Annotated[str, _matching(PIN, "sha256-2: (or sha256:) and 64 hexadecimal digits")]
Acceptance: TypeAlias = Annotated[
    str,
    _matching(
        r"[A-Z][A-Z_]{0,63}(:[^\s:]\S{0,511})?", "the name of a finding, such as TOOL_DEFAULT:limit"
    ),
]
VariableName: TypeAlias = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of an environment variable")
]
HeaderName: TypeAlias = Annotated[str, _matching(_HEADER_NAME, "the name of an HTTP header")]
VariableNames: TypeAlias = Annotated[list[VariableName], PlainSerializer(_in_order)]
SecretNames: TypeAlias = Annotated[
    list[Annotated[str, _matching(_HEADER_NAME, "the name of a variable or a header")]],
    PlainSerializer(_in_order),
]
HeaderValue: TypeAlias = Annotated[
    str,
    _matching(rf"[^\x00-\x1f\x7f]{{1,{VALUE_LENGTH_MAX}}}", "one line of text; put it in quotes"),
]
Name: TypeAlias = Annotated[str, PlainValidator(_name)]
NamePattern: TypeAlias = Annotated[str, PlainValidator(_name_pattern)]
Value: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=VALUE_LENGTH_MAX))]
Sentence: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=SENTENCE_LENGTH_MAX))]
Label: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=LABEL_LENGTH_MAX))]
Description: TypeAlias = Annotated[
    str, PlainValidator(partial(_text, length_max=DESCRIPTION_LENGTH_MAX))
]
Duration: TypeAlias = Annotated[str, PlainValidator(_duration)]
Zone: TypeAlias = Annotated[str, PlainValidator(_zone)]
Address: TypeAlias = Annotated[str, PlainValidator(_address)]
Pointer: TypeAlias = Annotated[
    str,
    _matching(
        r"(/([^~/]|~[01]){0,128}){1,16}", "a JSON Pointer, for example /status or /error/code"
    ),
]
Count: TypeAlias = Annotated[int, integer(0, COUNT_MAX)]
Amount: TypeAlias = Annotated[int, integer(0, AMOUNT_MAX)]
ActionTypes: TypeAlias = Annotated[list[ActionType], PlainSerializer(_in_order)]
