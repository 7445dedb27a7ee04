"""Cutting of JSON inside its structure, so that what is small stays whole and keeps its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from clearance.core.canonical import Json

_NOTHING: Final = object()
_COMMA = len(", ")
_COLON = len(": ")
_BRACKETS = len("{}")
_MARK = "…"


def json_bytes(value: Json) -> int:
    """The bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def cut(value: Json, bytes_max: int) -> Json:
    """The value if its JSON has at most so many bytes, else what of it has.

    Texts are cut at their end, which a `…` marks, lists behind the last item that there is room
    for. Of a mapping, every member has the same share, and what small ones do not need is for the
    others: so an id stays whole beside a long text.
    """
    kept = _cut(value, bytes_max)
    return None if kept is _NOTHING else kept


def _cut(value: Json, room: int) -> Json:
    if json_bytes(value) <= room:
        return value
    if isinstance(value, str):
        return _text(value, room - json_bytes(_MARK))
    if room < _BRACKETS:
        return _NOTHING
    if isinstance(value, Mapping):
        return _mapping(value, room - _BRACKETS)
    return _list(value, room - _BRACKETS) if isinstance(value, list) else _NOTHING


def _text(text: str, room: int) -> Json:
    """The beginning of a text that is too long; escapes make it longer than its characters are."""
    if room <= 0:
        return _NOTHING
    text = text[:room]
    while (size := json_bytes(text) - len('""')) > room:
        text = text[: min(len(text) * room // size, len(text) - 1)]
    return text + _MARK


def _mapping(value: Mapping[str, Json], room: int) -> Json:
    sizes = {name: json_bytes(part) for name, part in value.items()}
    kept = {}
    for count, name in enumerate(sorted(sizes, key=sizes.__getitem__)):
        around = json_bytes(name) + _COLON + _COMMA
        part = _cut(value[name], room // (len(sizes) - count) - around)
        if part is not _NOTHING:
            kept[name] = part
            room -= json_bytes(part) + around
    return {name: kept[name] for name in value if name in kept}


def _list(value: list[Json], room: int) -> Json:
    kept = []
    for item in value:
        part = _cut(item, room - _COMMA)
        if part is not _NOTHING:
            kept.append(part)
            room -= json_bytes(part) + _COMMA
        if part is not item:
            break
    return kept
