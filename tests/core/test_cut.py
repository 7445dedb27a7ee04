"""What is cut fits, is valid JSON, and keeps what is small."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clearance.core.cut import cut, json_bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=8)
    ),
    max_leaves=40,
)


def within(part: Any, whole: Any) -> bool:
    """True if a part is a value with texts, lists and mappings cut."""
    if isinstance(whole, dict) and isinstance(part, dict):
        in_order = [name for name in whole if name in part] == list(part)
        return in_order and all(within(part[name], whole[name]) for name in part)
    if isinstance(whole, list) and isinstance(part, list):
        shared = zip(part, whole, strict=False)
        return len(part) <= len(whole) and all(within(one, other) for one, other in shared)
    if isinstance(whole, str) and isinstance(part, str) and part != whole:
        return part.endswith("…") and whole.startswith(part[:-1])
    return bool(part == whole)


@given(VALUES, st.integers(8, 400))
def test_a_cut_value_fits_and_is_a_part_of_the_whole(value: Any, bytes_max: int) -> None:
    kept = cut(value, bytes_max)
    assert json_bytes(kept) <= bytes_max
    assert json.loads(json.dumps(kept)) == kept
    assert within(kept, value)
    if json_bytes(value) <= bytes_max:
        assert kept == value


@given(st.permutations(["id", "log", "items", "state"]))
def test_small_members_stay_whole_wherever_they_stand(order: list[str]) -> None:
    whole = {"id": "T-1", "log": '"é\x01' * 5_000, "items": [{"n": n} for n in range(5_000)]}
    value = {name: ({"state": {"code": 7}} | whole)[name] for name in order}
    kept = cut(value, 4_000)
    assert list(kept) == order
    assert (kept["id"], kept["state"]) == ("T-1", {"code": 7})
    assert len(kept["log"]) > 200
    assert kept["items"][100] == {"n": 100}
    assert json_bytes(kept) > 3_500  # what the small ones do not need is for the others
