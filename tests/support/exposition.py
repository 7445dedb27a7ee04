"""What a process answers at `/metrics`, read back, and what the documentation says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from tests.tidy.pages import page

Series: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Every sample by its name and labels."""


def families(text: str) -> dict[str, Any]:
    """The families of an exposition, by name as the documentation writes it."""
    found = [
        (f"{one.name}_total" if one.type == "counter" else one.name, one)
        for one in text_string_to_metric_families(text)
        if not one.name.endswith("_created")  # when the client library began to count
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def series(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text).values()
        for sample in family.samples
    }


def value(found: Series, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def documented(*, on_aws: bool = False) -> set[str]:
    """The names in the table of docs/operate.md: all, or those that the functions on AWS say."""
    rows = [row for row in page("docs/operate.md").rows("Metrics") if "clearance_" in row[0]]
    return {name.strip("`") for name, _, _, said in rows if said == "yes" or not on_aws}
