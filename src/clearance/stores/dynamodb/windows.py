"""The windows of counters: which of them stand beside each other in one item, and when they may go.

A subject's current windows stand together, so that an act writes one item for all of them. A window
that is past moves to an item of its own, and stays there for claims that are given back, for clocks
that differ, and for readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

Windows: TypeAlias = Mapping[str, Mapping[str, int]]
"""By window, and then by bucket: what is held and settled."""


class _Kind(NamedTuple):
    """How long after its beginning a window stays beside later ones, and how long it is kept.

    A window may be written as its zone has it, which is up to 14 hours from UTC.
    """

    current: timedelta
    kept: timedelta


_KINDS = {
    len("2026-11-30T14:05"): _Kind(timedelta(minutes=4), timedelta(days=3)),
    len("2026-11-30T14"): _Kind(timedelta(hours=3), timedelta(days=3)),
    len("2026-11-30"): _Kind(timedelta(days=3), timedelta(days=400)),
    len("2026-11"): _Kind(timedelta(days=33), timedelta(days=431)),
}


def is_past(window: str, beside: Windows) -> bool:
    """True if a window is over, by the latest one that stands beside it."""
    latest = max(map(_begins, beside), default=None)
    return latest is not None and _begins(window) + _kind(window).current <= latest


def parted(windows: Windows, most: int) -> tuple[Windows, Windows]:
    """The windows that stay together, and those that leave: the earliest that are past by the
    latest of them, so many at most.
    """
    past = sorted((window for window in windows if is_past(window, windows)), key=_begins)
    leaving = past[:most]
    return (
        {window: windows[window] for window in windows if window not in leaving},
        {window: windows[window] for window in leaving},
    )


def ttl(windows: Windows) -> int:
    """When an item of these windows may go, in seconds since 1970."""
    ends = (_begins(window) + _kind(window).kept for window in windows)
    return int(max(ends).timestamp())


def _begins(window: str) -> datetime:
    text = _without_zone(window)
    return datetime.fromisoformat(f"{text}-01" if len(text) == len("2026-11") else text).replace(
        tzinfo=UTC
    )


def _kind(window: str) -> _Kind:
    return _KINDS[len(_without_zone(window))]


def _without_zone(window: str) -> str:
    return window.partition(" ")[0]
