"""An approver lifts nothing that an owner's switch does, in however many changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clearance.configuration.switches import Setter, loosened, put_switches, shown_switches

LEVELS = {"HOLD": 1, "REFUSE": 2}
FORMS = st.builds(
    lambda subject, level, reason, lifted_by: {
        "scope": "AGENT" if subject else "TENANT",
        "subject": subject,
        "level": level,
        "reason": reason,
        "lifted_by": lifted_by,
    },
    st.sampled_from([None, "ada"]),
    st.sampled_from(["HOLD", "REFUSE"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from([None, "APPROVER", "OWNER"]),
)


def put(stored: list[Any], forms: list[Any], setter: Setter) -> list[Any]:
    """What is stored then: what was, if the change is refused."""
    before = {"stop_switches": stored}
    _, after = put_switches(forms, before, setter)
    shown = shown_switches({"stop_switches": after})
    refused = not setter.configures and loosened(shown_switches(before), shown)
    return stored if refused else after


def holds_for(own: Any, switches: list[Any]) -> bool:
    """True if an owner's switch that is as strict stands, written by the owner unless stricter."""
    return any(
        (on["scope"], on["subject"], on["lifted_by"]) == (own["scope"], own["subject"], "OWNER")
        and LEVELS[on["level"]] >= LEVELS[own["level"]]
        and (on["set_by"] == own["set_by"] or LEVELS[on["level"]] > LEVELS[own["level"]])
        for on in switches
    )


@given(st.lists(FORMS, max_size=3), st.lists(st.lists(FORMS, max_size=3), max_size=4))
def test_whatever_an_approver_puts_in_whatever_order_an_owners_switch_gets_no_looser(
    owners: list[Any], tries: list[list[Any]]
) -> None:
    stored = put([], owners, Setter("owner", 1, configures=True))
    of_owner = [switch for switch in stored if switch["lifted_by"] == "OWNER"]
    for forms in tries:
        stored = put(stored, forms, Setter("olga", 2, configures=False))
        assert all(holds_for(own, stored) for own in of_owner), (of_owner, stored)


def test_two_switches_never_stand_for_one_together() -> None:
    """The owner's level at one, and the owner's name at the other: then the first was lifted."""
    refuse = {"scope": "TENANT", "subject": None, "level": "REFUSE", "reason": "Fraud."}
    stored = put([], [refuse], Setter("owner", 1, configures=True))
    both = [
        {**refuse, "level": "HOLD", "reason": "x", "lifted_by": "OWNER"},
        {**refuse, "reason": "y", "lifted_by": "APPROVER"},
    ]
    assert put(stored, both, Setter("olga", 2, configures=False)) == stored
