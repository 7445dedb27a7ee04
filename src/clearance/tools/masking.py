"""Masks secrets in untrusted text, in whatever spelling they stand there.

One idea: what is to be hidden is a set of spans of the text. They are looked for twice: in the text
as it is, and in its reading without the escapes of JSON, addresses and HTML, which is read once
more. Spans that overlap are one, so a secret that overlaps another one leaves no rest.

Whatever a living mask hides, no log line shows either, whoever writes it.

Refuses to know: why something is a secret. Other encodings, such as base64, are not read.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import reduce
from html import unescape
from threading import Lock
from urllib.parse import unquote
from weakref import WeakSet

MASK = "***"
PART_LENGTH_MIN = 4  # characters of a secret's beginning at the end of a text that was cut

ROUNDS = 2  # of reading: an address in an address, or a page in JSON, is escaped twice

# Backslashes with what follows them, bytes as addresses spell them, and references of HTML. JSON
# inside JSON doubles its backslashes, so their count says nothing.
_ESCAPE = re.compile(
    r"""[\\%&](?:
        (?<=\\)\\*(?:
            u([dD][89abAB][0-9a-fA-F]{2})\\+u([dD][c-fC-F][0-9a-fA-F]{2})
            | u([0-9a-fA-F]{4})
            | (["'/]?)
        )
        | (?<=%)([0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*)
        | (?<=&)(\#[0-9]{1,7};|\#[xX][0-9a-fA-F]{1,6};|amp;|lt;|gt;|quot;|apos;)
    )""",
    re.VERBOSE,
)
_NUMBER = frozenset("0123456789+-.eE")
_living: WeakSet[Mask] = WeakSet()
_adding = Lock()  # threads log while a tool server starts


class Mask:
    """Hides some texts wherever they stand."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._read: list[list[str]] = []
        read = set(self._secrets)
        for _ in range(ROUNDS):
            read = {_reading(secret)[0] for secret in read}
            self._read.append([secret for secret in read if len(secret) >= PART_LENGTH_MIN])
        self._in_numbers = [secret for secret in self._secrets if _NUMBER.issuperset(secret)]
        if self._secrets:
            with _adding:
                _living.add(self)

    def text(self, text: str, *, cut: bool = False) -> str:
        """The text without the secrets; if it was `cut`, also without what its end has of one."""
        spans = [*_spans(text, self._secrets)]
        reading, readings = text, list[list[tuple[int, int, int]]]()
        for secrets in self._read:
            if not self._secrets or not _ESCAPE.search(reading):
                break
            reading, origins = _reading(reading)
            readings.append(origins)
            places = _spans(reading, secrets)
            spans += [reduce(_where, reversed(readings), span) for span in places]
        if cut:
            spans += self._beginning_at_the_end(text)
        return _without(text, spans) if spans else text

    def hides(self, number: float) -> bool:
        """True if a number cannot be shown, because a secret is in its digits."""
        return bool(self._in_numbers) and any(secret in repr(number) for secret in self._in_numbers)

    def _beginning_at_the_end(self, text: str) -> Iterator[tuple[int, int]]:
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(text)), PART_LENGTH_MIN - 1, -1):
                if text.endswith(secret[:length]):
                    yield len(text) - length, len(text)
                    break


def masked_everywhere(text: str) -> str:
    """The text without what any mask hides that is in use."""
    with _adding:
        masks = list(_living)
    for mask in masks:
        text = mask.text(text)
    return text


def _spans(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            yield start, start + len(secret)
            start = text.find(secret, start + 1)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            kept += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*kept, text[end:]])


def _reading(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """The text without escapes, and where its pieces come from: where each begins in the reading
    and in the text, and how long it is in the text if it is an escape, else 0.
    """
    pieces: list[str] = []
    origins: list[tuple[int, int, int]] = []
    length = end = 0
    for escape in _ESCAPE.finditer(text):
        for piece, origin, size in (
            (text[end : escape.start()], end, 0),
            (_meant(escape), escape.start(), len(escape[0])),
        ):
            if piece:
                pieces.append(piece)
                origins.append((length, origin, size))
                length += len(piece)
        end = escape.end()
    return "".join([*pieces, text[end:]]), [*origins, (length, end, 0)]


def _meant(escape: re.Match[str]) -> str:
    """What an escape stands for; a reading has no backslash, wherever it is from."""
    high, low, single, character, bytes_, reference = escape.groups()
    if reference:
        return unescape(f"&{reference}").replace("\\", "")
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if single or bytes_:
        meant = chr(int(single, 16)) if single else unquote(f"%{bytes_}", errors="replace")
        return meant.replace("\\", "")
    return character


def _where(span: tuple[int, int], origins: list[tuple[int, int, int]]) -> tuple[int, int]:
    """The span of the text that a span of its reading comes from."""
    start, last = span[0], span[1] - 1
    starts = _piece_at(start, origins)
    ends = _piece_at(last, origins)
    begin = starts[1] if starts[2] else starts[1] + start - starts[0]
    return begin, ends[1] + (ends[2] or last - ends[0] + 1)


def _piece_at(place: int, origins: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    return origins[bisect_right(origins, place, key=lambda origin: origin[0]) - 1]
