"""What is kept of an answer says truthfully whether it is all of it, whoever cut it."""

from __future__ import annotations

from typing import Any

import pytest

from clearance.flow.ports.tools import LeftOut, ToolAnswer
from clearance.flow.results import RESULT_BYTES_MAX, keep


@pytest.mark.parametrize(
    ("answer", "kept", "size", "truncated"),
    [
        (ToolAnswer({"a": "é"}), {"a": "é"}, 11, False),
        (
            ToolAnswer("x" * (RESULT_BYTES_MAX - 2)),
            "x" * (RESULT_BYTES_MAX - 2),
            RESULT_BYTES_MAX,
            False,
        ),
        (
            ToolAnswer("é" * RESULT_BYTES_MAX),
            "é" * (RESULT_BYTES_MAX // 2),
            2 * RESULT_BYTES_MAX + 2,
            True,
        ),
        (
            ToolAnswer({"id": 7, "log": "x" * RESULT_BYTES_MAX}),  # cut inside its structure
            {"id": 7, "log": "x" * (RESULT_BYTES_MAX - 25) + "…"},
            RESULT_BYTES_MAX + 20,
            True,
        ),
        (ToolAnswer("", left_out=(LeftOut("image", 2, 900),)), "", 902, True),
        # cut by the runner: its size and its word count, however little is left to cut here
        (
            ToolAnswer("beginning", result_bytes=5_000_000, truncated=True),
            "beginning",
            5_000_000,
            True,
        ),
        (ToolAnswer({"task_id": 7}, result_bytes=900, truncated=True), {"task_id": 7}, 900, True),
        (
            ToolAnswer("x" * 100_000, result_bytes=5_000_000, truncated=True),
            "x" * RESULT_BYTES_MAX,
            5_000_000,
            True,
        ),
        (ToolAnswer("short", result_bytes=9), "short", 9, False),
    ],
)
def test_what_is_kept_and_what_is_said_of_it(
    answer: ToolAnswer, kept: Any, size: int, truncated: bool
) -> None:
    outcome = keep(answer)
    assert (outcome.result, outcome.result_bytes, outcome.result_truncated) == (
        kept,
        size,
        truncated,
    )
    assert (str(size) in outcome.sentence) is truncated
