"""Every promise holds in every state of every scenario; every fault is caught; what makes the
search small loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clearance.core.record import STEPS, IntentStatus
from tests.model.support.breaking import VARIANTS, Variant
from tests.model.support.driving import stepwise
from tests.model.support.exploring import Explorer, World
from tests.model.support.promises import Promise
from tests.model.support.scenarios import SCENARIOS, T1, Scenario, W
from tests.model.support.tasks import carries_on_whole


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-")
)
def test_every_promise_holds_in_every_state(scenario: Scenario) -> None:
    with stepwise():
        explorer = Explorer(scenario)
        found = explorer.explore()
    print(found.summary(scenario))  # noqa: T201
    assert found.broken is None, "\n".join((scenario.story, *found.trace))
    assert {record.status for record in explorer.keeper.records} >= scenario.reaches


def test_the_scenarios_reach_every_status() -> None:
    assert (
        {status for scenario in SCENARIOS for status in scenario.reaches}
        == set(IntentStatus)
        >= set(STEPS)
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name.replace(" ", "-"))
def test_what_is_broken_is_caught(variant: Variant) -> None:
    found = variant.explored()
    assert found.broken is not None, f"Nobody noticed that {variant.name}."
    print(f"If {variant.name}:", *found.trace, sep="\n  ")  # noqa: T201
    assert found.broken.promise is variant.promise, found.broken
    assert 1 < len(found.trace) <= 30  # short enough to be read


@pytest.mark.parametrize(
    ("scenario", "promise"),
    [
        (
            Scenario("a stop", "", T1, (W,), changes=("refuse",), changes_max=1, no_gap=True),
            Promise.STOP,
        ),
        (Scenario("a pause", "", T1, (W,), ticks=2, pauses=True), Promise.LEASE),
    ],
    ids=["a-stop-behind-the-last-look", "a-pause-behind-the-last-look"],
)
def test_the_gap_between_the_last_look_and_the_send_is_there_and_is_no_longer(
    scenario: Scenario, promise: Promise
) -> None:
    """What no look can prevent: docs/model.md says so, and here is the proof that it is not said in
    vain.
    """
    with stepwise():
        found = Explorer(scenario).explore()
    print(*found.trace, sep="\n")  # noqa: T201
    assert found.broken is not None
    assert found.broken.promise is promise
    *_, sent, _why = found.trace
    assert "SENDS" in sent
    last_look = max(
        number for number, told in enumerate(found.trace) if "clock" in told or "settings:" in told
    )
    between = found.trace[last_look + 1 : found.trace.index(sent)]
    assert between
    assert all(told.startswith(("Somebody changes", "Time goes on")) for told in between)


def reached(scenario: Scenario) -> set[object]:
    """All that a store and a tool server ever held together, and when."""
    with stepwise():
        explorer = Explorer(scenario)
        return {
            (world.ticks, explorer.kept_in_words(world), explorer.seen.values[world.seen])
            for world in map(World.of, explorer.states())
        }


SMALL = tuple(
    replace(
        scenario,
        ticks=min(scenario.ticks, 2),
        faults=min(scenario.faults, 1),
        changes_max=min(scenario.changes_max, 1),
    )
    for scenario in SCENARIOS
    if scenario.name in {"two faults", "at most once", "stop", "proposals", "people"}
)


@pytest.mark.parametrize("scenario", SMALL, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_steps_whose_order_is_no_matter_may_be_taken_first(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced = reached(scenario)
    monkeypatch.setattr(Explorer, "_of_no_matter", lambda *_: False)
    assert reached(scenario) == reduced


def test_what_is_forgotten_is_no_matter() -> None:
    """`carry_on` of the engine as one program, which forgets nothing between its parts, leads to
    the same.
    """
    scenario = Scenario("two workers", "two workers", SCENARIOS[0].setup, (W, W), ticks=2, faults=1)
    whole = replace(scenario, slots=(carries_on_whole(), carries_on_whole()))
    assert reached(scenario) == reached(whole)


def test_the_page_names_every_scenario_and_counts_the_faults() -> None:
    text = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}
    named = {name for row in rows for name in row.split(", ")}
    assert {scenario.name for scenario in SCENARIOS} <= named
    assert f"{len(VARIANTS)} faults are put in on purpose" in text
