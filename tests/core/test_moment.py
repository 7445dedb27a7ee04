"""Moments: text and milliseconds mean the same point in time, and a day belongs to a zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.moment import HOUR_MS, MOMENT_MS_MAX, as_text, day_in_zone, from_text


@given(st.integers(0, MOMENT_MS_MAX))
def test_a_moment_survives_its_text(moment: int) -> None:
    assert from_text(as_text(moment)) == moment


def test_the_last_moment_that_text_can_hold() -> None:
    assert as_text(MOMENT_MS_MAX) == "9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "text", ["2026-11-23T06:00:00Z", "2026-11-23T07:00:00+01:00", "2026-11-22T22:30:00-07:30"]
)
def test_offsets_are_understood(text: str) -> None:
    assert as_text(from_text(text)) == "2026-11-23T06:00:00.000Z"


@pytest.mark.parametrize("text", ["2026-11-23T06:00:00", "2026-11-23", "soon", ""])
def test_a_moment_without_an_offset_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


def test_a_day_follows_the_clock_of_its_zone() -> None:
    # Berlin's clock goes back at 2026-10-25T01:00Z, so this day has 25 hours.
    midnight = from_text("2026-10-25T00:00:00+02:00")
    days = [day_in_zone(midnight + hours * HOUR_MS, "Europe/Berlin") for hours in range(-1, 26)]
    assert days == ["2026-10-24", *["2026-10-25"] * 25, "2026-10-26"]
