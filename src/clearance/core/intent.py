"""The action intent: what an agent wants to do, checked against its limits, and the fingerprint of
its content.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from enum import IntEnum
from hashlib import sha256

from clearance.core.canonical import INTEGER_MAX, Json, canonical
from clearance.core.errors import InvalidInput, Problem, TooLarge
from clearance.core.moment import MOMENT_MS_MAX, as_text
from clearance.core.principal import Subject
from clearance.core.visible import hidden

ACTION_INTENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ACTION_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
NAME_LENGTH_MAX = 128  # characters of an account, a trace id or an actor
CONTENT_BYTES_MAX = 64 * 1024  # canonical bytes of everything that the caller said
CONFIDENCE_BP_MAX = 10_000  # basis points of a confidence of 1
DEPTH_MAX = 16  # levels of nesting in parameters and target
WHY_COUNT_MAX = 32
WHY_LENGTH_MAX = 2_000  # characters of one reason


class RiskLevel(IntEnum):
    """How much can go wrong, as policy reads it (0 to 3)."""

    MINIMAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True)
class ActionIntent:
    """An act that an agent wants to do.

    Everything in it that the agent wrote is data: never code, never trusted. Confidence and risk
    are hints that can only tighten the answer; None: the agent stated none. Of one without
    `content_kept`, parameters, target and reasons are not there any more.
    """

    tenant_id: str
    account_id: str
    action_intent_id: str
    action_type: str
    parameters: Mapping[str, Json]
    confidence_score: float | None
    risk_level: RiskLevel | None
    proposed_by: str
    target: Json = None
    why: tuple[str, ...] = ()
    expires_at: int | None = None
    trace_id: str | None = None
    supersedes: str | None = None
    edited_by: str | None = None
    content_kept: bool = True

    @property
    def subject(self) -> Subject:
        """The account and action type that a permission is used on."""
        return Subject(self.tenant_id, self.account_id, self.action_type)

    def without_content(self) -> ActionIntent:
        """The same without the agent's own words: what a quota left no room for."""
        return replace(self, parameters={}, target=None, why=(), content_kept=False)

    @property
    def confidence_bp(self) -> int:
        """The confidence in basis points (0 to 10,000), rounded down so that it never passes a
        threshold by rounding; 0 if none was stated.
        """
        exact = Decimal(repr(self.confidence_score or 0)) * CONFIDENCE_BP_MAX
        return int(exact.to_integral_value(ROUND_FLOOR))

    @property
    def confidence_stated(self) -> bool:
        """True if the agent stated a confidence."""
        return self.confidence_score is not None

    @property
    def risk_stated(self) -> str | None:
        """The risk that the agent stated, by name; None if it stated none."""
        return None if self.risk_level is None else self.risk_level.name


def content(intent: ActionIntent) -> dict[str, Json]:
    """The caller's content, as JSON with the names of the wire.

    The trace id is not content: it names a run, not an act. A confidence or a risk that is absent
    stays absent.
    """
    hints = {"confidence_score": intent.confidence_score, "risk_level": intent.risk_stated}
    kept: dict[str, Json] = {} if intent.content_kept else {"content_kept": False}
    return kept | {
        "account_id": intent.account_id,
        "action_type": intent.action_type,
        "parameters": dict(intent.parameters),
        "target": intent.target,
        **{name: hint for name, hint in hints.items() if hint is not None},
        "why": list(intent.why),
        "expires_at": None if intent.expires_at is None else as_text(intent.expires_at),
        "supersedes": intent.supersedes,
        "edited_by": intent.edited_by,
    }


def fingerprint(canonical_content: bytes) -> bytes:
    """SHA-256 (32 bytes) of the canonical content: the same id with another fingerprint is a
    conflict.
    """
    return sha256(canonical_content).digest()


def checked_content(intent: ActionIntent) -> bytes:
    """The canonical content.

    Raises InvalidInput or TooLarge, with every problem found, if a limit of this file is broken.
    """
    problems = [*_name_problems(intent), *_value_problems(intent)]
    for field in ("parameters", "target"):
        problems += _json_problems(getattr(intent, field), (field,))
    if problems:
        sentence = "The action intent does not fit its limits: " + "; ".join(
            str(problem) for problem in problems[:3]
        )
        raise InvalidInput(sentence, code="INVALID_INTENT", problems=tuple(problems))
    content_bytes = canonical(content(intent))
    if len(content_bytes) > CONTENT_BYTES_MAX:
        sentence = (
            f"The action intent has {len(content_bytes)} bytes of content; "
            f"the limit is {CONTENT_BYTES_MAX}."
        )
        raise TooLarge(sentence, code="INTENT_TOO_LARGE")
    return content_bytes


def _name_problems(intent: ActionIntent) -> list[Problem]:
    problems = []
    for field in ("action_intent_id", "supersedes"):
        value = getattr(intent, field)
        if value is not None and not ACTION_INTENT_ID.fullmatch(value):
            problems.append(Problem((field,), "must be 1 to 64 characters of A-Z a-z 0-9 _ -"))
    if not ACTION_TYPE.fullmatch(intent.action_type):
        problems.append(
            Problem(
                ("action_type",), "must be 1 to 64 characters of A-Z 0-9 _, starting with a letter"
            )
        )
    for field in ("account_id", "trace_id"):
        value = getattr(intent, field)
        if value is not None and (problem := name_problem(value)):
            problems.append(Problem((field,), problem))
    return problems


def name_problem(name: str) -> str | None:
    """The problem of a free name (an account, an actor), or None."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        return f"must be 1 to {NAME_LENGTH_MAX} characters"
    if not name.isascii() and unicodedata.normalize("NFC", name) != name:
        return "must be in Unicode's composed form (NFC)"
    if name != name.strip() or (
        not (name.isascii() and name.isprintable()) and any(map(hidden, name))
    ):
        return (
            "must not start or end with a space, nor contain control, direction or invisible "
            "characters"
        )
    return None


def _value_problems(intent: ActionIntent) -> list[Problem]:
    problems = []
    score = intent.confidence_score
    if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
        problems.append(Problem(("confidence_score",), "must be a number from 0 to 1"))
    if len(intent.why) > WHY_COUNT_MAX or any(
        len(reason) > WHY_LENGTH_MAX for reason in intent.why
    ):
        problems.append(
            Problem(
                ("why",), f"must be at most {WHY_COUNT_MAX} reasons of {WHY_LENGTH_MAX} characters"
            )
        )
    if any(_surrogate(reason) for reason in intent.why):
        problems.append(Problem(("why",), "must not contain lone surrogates"))
    if intent.expires_at is not None and not 0 <= intent.expires_at <= MOMENT_MS_MAX:
        problems.append(
            Problem(("expires_at",), "must be a moment between the years 1970 and 9999")
        )
    return problems


def _json_problems(value: Json, path: tuple[str | int, ...], depth: int = 1) -> list[Problem]:
    """Problems of one JSON value; stops going deeper at the first level past DEPTH_MAX."""
    if isinstance(value, Mapping | list):
        if depth > DEPTH_MAX:
            return [Problem(path[:4], f"is nested more than {DEPTH_MAX} levels deep")]
        pairs: Sequence[tuple[str | int, Json]] = (
            list(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
        )
        problems = [
            Problem(path, "has a name with a lone surrogate")
            for key, _ in pairs
            if isinstance(key, str) and _surrogate(key)
        ]
        for key, child in pairs:
            problems += _json_problems(child, (*path, key), depth + 1)
        return problems
    return _scalar_problems(value, path)


def _scalar_problems(value: Json, path: tuple[str | int, ...]) -> list[Problem]:
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str):
        return [Problem(path, "contains a lone surrogate")] if _surrogate(value) else []
    if isinstance(value, int):
        return (
            []
            if abs(value) <= INTEGER_MAX
            else [Problem(path, f"is an integer beyond {INTEGER_MAX}")]
        )
    if isinstance(value, float):
        return [] if math.isfinite(value) else [Problem(path, "is not a finite number")]
    return [Problem(path, f"is not a JSON value but {type(value).__name__}")]


def _surrogate(text: str) -> bool:
    return (
        any("\ud800" <= character <= "\udfff" for character in text)
        if not text.isascii()
        else False
    )
