"""The lines of an archive: which kinds there are, in which order, and what each field must be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from clearance.core.approval import ApprovalState
from clearance.core.budget import HoldState
from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.intent import ACTION_INTENT_ID, ACTION_TYPE, NAME_LENGTH_MAX
from clearance.core.moment import MOMENT_MS_MAX
from clearance.core.names import NAME as OPEN_NAME
from clearance.core.outcome import OutcomeStatus
from clearance.core.principal import Role
from clearance.core.record import Executor, IntentStatus

COUNT_MAX = (
    2**31 - 1
)  # of revisions, versions, approvals and attempts: a store may keep them in 32 bits

COUNTER_MAX = 2**63 - 1  # of a counter: sums of millionths of a unit


class Kind(StrEnum):
    """The kinds of lines, in the order in which an archive has them."""

    INSTALLATION = "installation"
    TENANT = "tenant"
    SETTINGS = "settings"
    TOOL = "tool"
    ENTRY = "entry"
    TEXT = "entry_text"
    INTENT = "intent"
    AGED_OUT = "aged_out_intent"
    BUDGET_USE = "budget_use"
    COUNTER = "counter"
    KNOWN_ACCOUNT = "known_account"
    STOP = "stop"
    API_KEY = "api_key"


Row: TypeAlias = dict[str, Json]
"""The fields of a line by name, in their order: bytes as hexadecimal text, moments as milliseconds
since 1970 UTC.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value must be: a check, and how it is said to people, behind `must be`."""

    text: str
    fits: Callable[[Json], bool]


Fields: TypeAlias = Mapping[str, Shape | Mapping[str, Shape]]
"""What the fields of a row must be, in their order.

What is a mapping itself is a group of fields, or null.
"""


def _text(value: Json) -> bool:
    # No zero character: PostgreSQL keeps none in a text. Half of a surrogate pair is found when the
    # line is written again.
    return isinstance(value, str) and "\0" not in value


def _object_text(value: Json) -> bool:
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _named(pattern: re.Pattern[str], text: str) -> Shape:
    return Shape(
        text, lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None
    )


def _whole(least: int, most: int) -> Shape:
    return Shape(
        f"a whole number from {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
    )


def _one_of(choices: Iterable[StrEnum]) -> Shape:
    known = {choice.value for choice in choices}
    return Shape(
        f"one of {', '.join(sorted(known))}",
        lambda value: isinstance(value, str) and value in known,
    )


def _bytes(count: int) -> Shape:
    return _named(re.compile(f"[0-9a-f]{{{2 * count}}}"), f"{count} bytes in hexadecimal")


def _or_null(shape: Shape) -> Shape:
    return Shape(f"{shape.text}, or null", lambda value: value is None or shape.fits(value))


TEXT = Shape("text without zero characters", _text)
NAME = Shape(
    f"1 to {NAME_LENGTH_MAX} characters",
    lambda value: _text(value) and 1 <= len(value) <= NAME_LENGTH_MAX,
)
OBJECT = Shape("the text of a JSON object", _object_text)
FLAG = Shape("true or false", lambda value: type(value) is bool)
DAY = _named(re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a day as YYYY-MM-DD")
WINDOW = _named(
    re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2})?)?)?( \S{1,64})?"),
    "a month, day, hour or minute as YYYY-MM-DDThh:mm, with a zone behind it or not",
)
SALT = _bytes(16)
DIGEST = _bytes(32)
LATER_NAME = _named(OPEN_NAME, "a name")  # that another version may know
INTENT_ID = _named(ACTION_INTENT_ID, "the id of an intent")
NUMBER = _whole(1, INTEGER_MAX)
SIZE = _whole(0, INTEGER_MAX)
COUNT = _whole(0, COUNT_MAX)
MOMENT = _whole(0, MOMENT_MS_MAX)

_HOLD = {"day": DAY, "state": _one_of(HoldState), "claims": TEXT}
_APPROVAL = {
    "number": _whole(1, COUNT_MAX),
    "state": _one_of(ApprovalState),
    "digest": TEXT,
    "opened_at": MOMENT,
    "expires_at": SIZE,
    "differences": TEXT,
    "ruling": _or_null(TEXT),
    "superseded_by": _or_null(TEXT),
}
_ATTEMPT = {
    "number": _whole(1, COUNT_MAX),
    "worker": TEXT,
    "lease_until": SIZE,
    "idempotency_key": TEXT,
    "started_at": MOMENT,
}
_OUTCOME = {
    "status": _one_of(OutcomeStatus),
    "sentence": TEXT,
    "result": TEXT,
    "result_bytes": SIZE,
    "result_truncated": FLAG,
    "error": _or_null(TEXT),
    "approval_source": LATER_NAME,
    "auto_executed": FLAG,
}
_INTENT: Fields = {
    "intent_no": NUMBER,
    "tenant_id": NAME,
    "account_id": NAME,
    "action_intent_id": INTENT_ID,
    "action_type": _named(ACTION_TYPE, "an action type"),
    "status": _one_of(IntentStatus),
    "revision": _whole(1, COUNT_MAX),
    "admitted_position": NUMBER,
    "decision_position": NUMBER,
    "position": NUMBER,
    "approval_source": _or_null(LATER_NAME),
    "due_at": _or_null(SIZE),
    "proposed_by": TEXT,
    "trace_id": _or_null(TEXT),
    "salt": SALT,
    "fingerprint": DIGEST,
    "content": TEXT,
    "created_at": MOMENT,
    "changed_at": MOMENT,
    "executor": LATER_NAME,
    "likeness": _or_null(DIGEST),
    "same_call": _or_null(DIGEST),
    "hold": _HOLD,
    "approval": _APPROVAL,
    "attempt": _ATTEMPT,
    "outcome": _OUTCOME,
}

FIELDS: Mapping[Kind, Fields] = {
    Kind.INSTALLATION: {"credential_salt": SALT},
    Kind.TENANT: {"tenant_id": NAME, "settings_version": COUNT, "ledger_size": SIZE},
    Kind.SETTINGS: {
        "tenant_id": NAME,
        "version": _whole(1, COUNT_MAX),
        "document": OBJECT,
        "at": MOMENT,
        "salt": _or_null(SALT),
    },
    Kind.TOOL: {"tenant_id": NAME, "digest": TEXT, "description": OBJECT},
    Kind.ENTRY: {
        "tenant_id": NAME,
        "position": NUMBER,
        "intent_no": _or_null(NUMBER),
        "body": TEXT,
    },
    Kind.TEXT: {
        "tenant_id": NAME,
        "position": NUMBER,
        "name": TEXT,
        "salt": _or_null(SALT),
        "text": TEXT,
    },
    Kind.INTENT: _INTENT,
    Kind.AGED_OUT: {
        "intent_no": NUMBER,
        "tenant_id": NAME,
        "action_intent_id": INTENT_ID,
        "admitted_position": NUMBER,
        "created_at": MOMENT,
    },
    Kind.BUDGET_USE: {
        "tenant_id": NAME,
        "account_id": NAME,
        "day": DAY,
        "bucket": NAME,
        "used": SIZE,
    },
    Kind.COUNTER: {
        "tenant_id": NAME,
        "subject": OBJECT,
        "window": WINDOW,
        "bucket": NAME,
        "used": _whole(0, COUNTER_MAX),
    },
    Kind.KNOWN_ACCOUNT: {"tenant_id": NAME, "account_id": NAME},
    Kind.STOP: {
        "tenant_id": NAME,
        "position": NUMBER,
        "at": MOMENT,
        "state": OBJECT,
        "recorded": _or_null(NUMBER),
        "closed": _or_null(NUMBER),
    },
    Kind.API_KEY: {
        "key_id": NAME,
        "tenant_id": NAME,
        "name": NAME,
        "role": _one_of(Role),
        "key_hash": _named(re.compile("([0-9a-f]{2}){1,64}"), "1 to 64 bytes in hexadecimal"),
        "created_at": MOMENT,
        "revoked_at": _or_null(MOMENT),
        "scope": _or_null(OBJECT),
    },
}
"""The fields of each kind. Texts of JSON are as the store keeps them."""


NEWEST = 3
"""The format that is written. Every format up to it is read."""

_ADDED: Mapping[int, Mapping[Kind, Row]] = {
    2: {
        Kind.SETTINGS: {"salt": None},
        Kind.TOOL: {},
        Kind.TEXT: {},
        Kind.INTENT: {"executor": Executor.SERVER.value, "likeness": None, "same_call": None},
        Kind.COUNTER: {},
        Kind.KNOWN_ACCOUNT: {},
        Kind.API_KEY: {"scope": None},
    },
    3: {Kind.STOP: {}},
}
"""What each format has that the ones before it did not have, and what was meant by its absence. A
kind without fields here is new itself.
"""


def kinds(version: int) -> list[Kind]:
    """The kinds of lines that a format has, in their order."""
    later = {kind for kind, fields in _added_after(version) if not fields}
    return [kind for kind in Kind if kind not in later]


def as_format(kind: Kind, row: Row, version: int) -> Row:
    """A row as a format writes it."""
    later = _meant(kind, version)
    return {name: value for name, value in row.items() if name not in later}


def as_newest(kind: Kind, row: Row, version: int) -> Row:
    """A row of a format with what it does not say."""
    whole = {**_meant(kind, version), **row}
    return {name: whole[name] for name in FIELDS[kind]}


def _meant(kind: Kind, version: int) -> Row:
    """The fields of a kind that a format does not have, each with what is meant by that."""
    later = (fields for other, fields in _added_after(version) if other is kind)
    return {name: value for fields in later for name, value in fields.items()}


def _added_after(version: int) -> list[tuple[Kind, Row]]:
    later = (own for number, own in _ADDED.items() if number > version)
    return [(kind, dict(fields)) for own in later for kind, fields in own.items()]


def problem(kind: Kind, row: Row, version: int = NEWEST) -> str | None:
    """What is wrong with the fields of a row of a format, as a sentence that begins with a field's
    name; None if nothing is.
    """
    return _problem(row, as_format(kind, dict(FIELDS[kind]), version), "")


def _problem(row: Row, fields: Fields, within: str) -> str | None:
    if tuple(row) != tuple(fields):
        return f"fields must be {', '.join(within + name for name in fields)}."
    for name, shape in fields.items():
        value = row[name]
        if isinstance(shape, Shape):
            if not shape.fits(value):
                return f"{within}{name} must be {shape.text}."
        elif value is not None:
            wrong = (
                _problem(value, shape, f"{name}.")
                if isinstance(value, dict)
                else f"{name} must be an object."
            )
            if wrong:
                return wrong
    return None
