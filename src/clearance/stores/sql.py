"""The code that both SQL stores share: columns and rows by the names of their values, and
states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from clearance.core.approval import ApprovalSource
from clearance.core.record import Executor

Columns: TypeAlias = Mapping[str, str | Mapping[str, str]]
"""Names of values, each with its column; a mapping is a group."""


def one_of(statuses: Iterable[StrEnum]) -> str:
    """Names as they stand behind IN, in their order."""
    names = ", ".join(f"'{status}'" for status in statuses)
    return f"({names})"


OURS = f"""i.executor IN {one_of(Executor)} AND (i.approval_source IS NULL
    OR i.approval_source IN {one_of(ApprovalSource)})"""
"""An intent that this version may move: not one that a later version wrote otherwise."""


def same(names: str, table: str = "") -> dict[str, str]:
    """Each of these names, which spaces part, with the column of a table that is called so."""
    return {name: f"{table}{name}" for name in names.split()}


def listed(columns: Columns, table: str = "") -> str:
    """The columns, as a SELECT lists them."""
    return ", ".join(
        f"{table}{column}"
        for entry in columns.values()
        for column in ([entry] if isinstance(entry, str) else entry.values())
    )


def named(names: Mapping[str, object], row: Iterable[Any]) -> dict[str, Any]:
    """The values of a row by these names, in their order, those of a group in a mapping of its own.

    A group whose first value is None is not there: None.
    """
    rest = iter(row)
    values: dict[str, Any] = {}
    for name, inner in names.items():
        if isinstance(inner, dict):  # to ask each for `Mapping` costs 10 microseconds a row
            group = dict(zip(inner, rest, strict=False))
            values[name] = None if next(iter(group.values())) is None else group
        else:
            values[name] = next(rest)
    return values
