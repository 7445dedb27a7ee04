"""Folding: acts that stand side by side on the timeline and say the same become one line.

Refuses to know: what an act is. A door says of each item what it is like.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import groupby
from typing import TypeVar

FOLDED_FROM = 3  # items in a row that become one line

_Item = TypeVar("_Item")


def folded(items: Iterable[_Item], like: Callable[[_Item], Hashable]) -> Iterator[list[_Item]]:
    """The items in their order: those of a row that are alike together, every other by itself."""
    for _, alike in groupby(items, key=like):
        together = list(alike)
        if len(together) >= FOLDED_FROM:
            yield together
        else:
            yield from ([item] for item in together)


def looked_up(agent: str, label: str, count: int) -> str:
    """Many reads of one agent in a sentence: `support-agent: Look up an order, 12 times`."""
    return f"{agent}: {label}, {count} times"
