"""Canonical JSON: the same bytes as RFC 8785, and no bytes for a value without a canonical form."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clearance.core.canonical import canonical, digest
from clearance.core.errors import InvalidInput

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_the_fast_path_writes_the_same_bytes_as_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@examples(max_examples=1000)
@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**6), 10**6, places=4).map(float)
    | st.floats(1e-5, 1e-3)
    | st.floats(2**52, 2**54)
)
def test_a_fraction_is_written_as_ecmascript_writes_it(value: float) -> None:
    """Money, confidences, and the numbers around which the two ways of writing part."""
    for each in (value, -value):
        assert canonical([each]) == rfc8785.dumps([each])


@given(
    st.dictionaries(
        st.text(st.characters(max_codepoint=127)),
        st.integers() | st.text(st.characters()),
        max_size=5,
    )
)
def test_what_has_no_canonical_form_is_refused_and_never_written(value: dict[str, Any]) -> None:
    try:
        expected = rfc8785.dumps(value)
    except ValueError:
        with pytest.raises(InvalidInput):
            canonical(value)
    else:
        assert canonical(value) == expected


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), st.integers(0, 9), max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_names(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_values_that_python_holds_equal_have_digests_of_their_own() -> None:
    values: list[Any] = [1, True, "1", [1], {"1": 1}, None, 0, False, "", [], {}]
    assert len({digest(value) for value in values}) == len(values)
