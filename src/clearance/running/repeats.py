"""Log lines that repeat: the first of its kind is written, the others are counted.

One idea: a kind of line is a logger, a level and a text without its values. Within a window each
kind writes a few lines, none of them twice; the end of the window says how many were left out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

WINDOW_SECONDS = 60
VARIANTS_MAX = 10  # lines of one kind in a window, each with other values
KINDS_MAX = 256  # that are remembered; past it, the window of the oldest ends

Kind: TypeAlias = tuple[str, str, str]
"""The logger, the level and the text of a line, without its values."""


@dataclass(slots=True)
class _Window:
    ends_at: float
    variants: set[Hashable] = field(default_factory=set)
    left_out: int = 0


class Repeats:
    """What was written of each kind. `report` gets a kind and how many of its lines were left
    out; `now` is in seconds and never goes back.
    """

    def __init__(self, report: Callable[[Kind, int], None], now: Callable[[], float]) -> None:
        self._report = report
        self._now = now
        self._windows: OrderedDict[Kind, _Window] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, kind: Kind, values: Hashable) -> bool:
        """True if a line is to be written; otherwise it was counted."""
        with self._lock:
            now = self._now()
            self._end(lambda window: window.ends_at <= now)
            window = self._windows.setdefault(kind, _Window(now + WINDOW_SECONDS))
            new = values not in window.variants and len(window.variants) < VARIANTS_MAX
            if new:
                window.variants.add(values)
            else:
                window.left_out += 1
            self._end(lambda _: len(self._windows) > KINDS_MAX)
            return new

    def end(self) -> None:
        """Ends every window."""
        with self._lock:
            self._end(lambda _: True)

    def _end(self, over: Callable[[_Window], bool]) -> None:
        """Ends windows from the oldest on, for as long as they are over."""
        while self._windows and over(next(iter(self._windows.values()))):
            kind, window = self._windows.popitem(last=False)
            if window.left_out:
                self._report(kind, window.left_out)
