"""Text and JSON from a tool, made fit to be kept and shown.

One idea: everything that comes from a tool is untrusted. Text becomes one printable line, JSON
becomes a value that every store takes and every reader reads in the same way, and a cut is always
marked.

Refuses to know: where it comes from, and what it means.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.cut import cut
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolAnswer, ToolCallFailed
from clearance.tools.masking import MASK, Mask

ANSWER_BYTES_MAX = 1024 * 1024  # of the JSON of an answer that is handed on whole
ASIDE_CHARACTERS = 64 * 1024  # of an answer; making one that has more keeps others waiting
BEGINNING_BYTES_MAX = 100_000  # of what is handed on of an answer that is not
DEPTH_MAX = 32  # levels of nesting
INTEGER_BITS_MAX = 4096  # of an integer that is kept as its decimal digits
SENTENCE_LENGTH_MAX = 300  # characters of an error
TEXT_LENGTH_MAX = 100_000  # characters that are looked at to make a sentence
NO_SECRETS = Mask()

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def one_line(text: str, length_max: int = SENTENCE_LENGTH_MAX) -> str:
    """Untrusted text as one line of printable characters, cut to a length."""
    text = text[:TEXT_LENGTH_MAX]
    line = " ".join(
        "".join(character if character.isprintable() else " " for character in text).split()
    )
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def failed(
    error_class: ErrorClass,
    sentence: str,
    sent: Sent,
    *,
    code: str = "TOOL_ERROR",
    retry_after_ms: int | None = None,
) -> ToolCallFailed:
    """The error to raise, with a sentence that may hold untrusted text."""
    return ToolCallFailed(CallError(error_class, one_line(sentence), sent, code, retry_after_ms))


def storable(value: Json, mask: Mask = NO_SECRETS) -> ToolAnswer:
    """The answer with a result as JSON that every store takes, without secrets, cut if it is too
    big to hand on. Secrets go first: a cut through one would leave the rest of it.
    """
    written = json.dumps(value, ensure_ascii=False, default=str)
    size = len(written.encode(errors="surrogatepass"))
    kept = _Storing(mask).made(value, 1)
    if size > ANSWER_BYTES_MAX:
        return ToolAnswer(cut(kept, BEGINNING_BYTES_MAX), result_bytes=size, truncated=True)
    return ToolAnswer(kept, result_bytes=size, truncated=_too_deep(value, 1))


def takes_long(*values: Json) -> bool:
    """True if it takes milliseconds to make values storable. It is known after a bounded look."""
    left, waiting = ASIDE_CHARACTERS, list(values)
    while waiting and left >= 0:
        value = waiting.pop()
        left -= len(value) if isinstance(value, str | Mapping | list) else 1
        if left >= 0 and isinstance(value, Mapping | list):
            waiting += [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
    return left < 0


def readable(raw: bytes) -> bytes:
    """JSON text with U+FFFD for what our parser refuses: bytes that are not UTF-8, and escaped lone
    surrogates.
    """
    if not raw.isascii():
        raw = raw.decode(errors="replace").encode()
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], raw)


class _Storing:
    """Makes JSON that can be kept, without what a mask hides."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def made(self, value: Json, depth: int) -> Json:
        match value:
            case None | bool():
                return value
            case int() | float():
                return MASK if self._mask.hides(value) else _number(value)
            case Mapping() | list() | tuple() if depth > DEPTH_MAX:
                return f"(nested more than {DEPTH_MAX} levels deep)"
            case Mapping():
                return self._members(value, depth)
            case list() | tuple():
                return [self.made(child, depth + 1) for child in value]
            case _:
                return self._text(str(value))

    def _members(self, value: Mapping[str, Json], depth: int) -> dict[str, Json]:
        """By their masked names; a number tells those apart that a mask makes the same."""
        members: dict[str, Json] = {}
        times: Counter[str] = Counter()  # else many names that are masked alike cost their square
        for key, child in value.items():
            name = only = self._text(str(key))
            while MASK in name and only in members:
                times[name] += 1
                only = f"{name} ({times[name] + 1})"
            members[only] = self.made(child, depth + 1)
        return members

    def _text(self, text: str) -> str:
        """Text without lone surrogates, which are no Unicode, and without NUL, which PostgreSQL
        does not store.
        """
        return _UNSTORABLE.sub("\ufffd", self._mask.text(text))


def _too_deep(value: Json, depth: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    children = value.values() if isinstance(value, Mapping) else value
    return depth > DEPTH_MAX or any(_too_deep(child, depth + 1) for child in children)


def _number(value: float) -> float | str:
    if not isinstance(value, int):
        return value if math.isfinite(value) else str(value)
    if abs(value) <= INTEGER_MAX:
        return value
    # Python refuses to write very long integers in decimal digits.
    return str(value) if value.bit_length() <= INTEGER_BITS_MAX else hex(value)
