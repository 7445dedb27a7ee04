"""Explores further than the tests do: `python -m tests.model [scenario ...]`, each with one more
fault, tick or change at a time.

Prints a line per exploration, and the way to the first broken promise; exits with how many promises
were found broken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from tests.model.support.driving import stepwise
from tests.model.support.exploring import Explorer
from tests.model.support.scenarios import SCENARIOS, STORE_FAULTS, Scenario


def further(scenario: Scenario) -> Iterator[Scenario]:
    """The scenario with one more of each thing that may happen in it."""
    faulty = tuple(dict.fromkeys((*scenario.faulty, *STORE_FAULTS)))
    yield replace(
        scenario, name=f"{scenario.name}, one more fault", faults=scenario.faults + 1, faulty=faulty
    )
    if scenario.ticks:
        yield replace(scenario, name=f"{scenario.name}, one more tick", ticks=scenario.ticks + 1)
    if scenario.changes:
        yield replace(
            scenario, name=f"{scenario.name}, one more change", changes_max=scenario.changes_max + 1
        )


def main(names: list[str]) -> int:
    """The number of explorations in which a promise is broken."""
    broken = 0
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        for one in further(scenario):
            with stepwise():
                found = Explorer(one).explore()
            print("\n  ".join((found.summary(one), *found.trace)), flush=True)  # noqa: T201
            broken += found.broken is not None
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
