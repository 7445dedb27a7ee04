"""Measurements as lines of a function's log, in CloudWatch's embedded metric format: CloudWatch
makes metrics of them, by the names that they have everywhere.

Nothing is sent: a line costs what a line of a log does. Its dimensions are a family's labels, and
so hold no tenant either. One deployment is one namespace, named after its table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from clearance.running.metrics.families import Sample

NAMESPACE = "Clearance"
VALUES_MAX = 100  # of one metric in one line: CloudWatch's own

_Labels: TypeAlias = tuple[tuple[str, str], ...]


class LogMeter:
    """A `Meter` that keeps measurements until the invocation is over, and then says them."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, _Labels], int] = defaultdict(int)
        self._values: dict[tuple[str, _Labels], list[float]] = defaultdict(list)

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        self._counts[name, _key(labels)] += 1

    def took(self, name: str, seconds: float) -> None:
        """Adds one observation to a histogram."""
        self._values[name, ()].append(seconds)

    def under_way(self, name: str, change: int) -> None:
        """Does nothing: an invocation is over before its log is read."""

    def looked_at(self, samples: Iterable[Sample]) -> None:
        """Takes what was looked at."""
        for sample in samples:
            self._values[sample.name, _key(sample.labels)].append(sample.value)

    def lines(self, table: str, now: int) -> Iterator[str]:
        """What was measured since the last time, a line of JSON for each set of dimensions; `now`
        is in milliseconds since 1970.
        """
        counts, self._counts = self._counts, defaultdict(int)
        values, self._values = self._values, defaultdict(list)
        lines: dict[tuple[_Labels, int], dict[str, Any]] = defaultdict(dict)
        for (name, labels), count in counts.items():
            lines[labels, 0][name] = count
        for (name, labels), several in values.items():
            for start in range(0, len(several), VALUES_MAX):
                lines[labels, start][name] = several[start : start + VALUES_MAX]
        for (labels, _), measured in lines.items():
            yield _line(f"{NAMESPACE}/{table}", now, dict(labels), measured)


def _key(labels: Mapping[str, str]) -> _Labels:
    return tuple(sorted(labels.items()))


def _line(namespace: str, now: int, labels: Mapping[str, str], measured: Mapping[str, Any]) -> str:
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(labels)],
        "Metrics": [{"Name": name, "Unit": _unit(name)} for name in measured],
    }
    about = {"Timestamp": now, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": about, **labels, **measured}, separators=(",", ":"))


def _unit(name: str) -> str:
    return "Seconds" if name.endswith("_seconds") else "Count"
