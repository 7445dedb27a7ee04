"""Real servers answer errors as text, make errors of their own broken network, and answer with more
than is kept: the catalog says what it means, and what is kept says what is missing.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.manners import (
    ANSWER_MEANS_FAILED,
    AS_IT_SAYS,
    ERROR_MEANS_UNKNOWN,
    FailedWhen,
    Manners,
)
from clearance.core.outcome import ErrorClass, OutcomeStatus, Sent
from clearance.flow.ports.tools import ToolAnswer, ToolCall, ToolCallFailed
from clearance.flow.results import RESULT_BYTES_MAX, keep
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import HERE, cleared

pytestmark = pytest.mark.anyio
FOREIGN = ToolServer("foreign", (sys.executable, str(HERE / "foreign_server.py")))
ERRORS_LEAVE_IT_OPEN = Manners(error_means=OutcomeStatus.UNKNOWN)


def at(pointer: str, equals: Any = None) -> Manners:
    return Manners((FailedWhen(pointer, equals),))


def begins(*prefixes: str) -> Manners:
    return Manners((FailedWhen(prefixes=prefixes),))


async def answer(tools: McpTools, tool: str, manners: Manners = AS_IT_SAYS) -> ToolAnswer:
    call = ToolCall(FOREIGN, tool, {}, "ik_test", 10_000, None, manners)
    return await tools.call("northwind", call, cleared)


@pytest.mark.parametrize(
    ("tool", "manners", "failed"),
    [
        ("write_query", begins("Error", "Database error:"), True),
        ("write_query", begins("database error"), False),
        ("write_query", at("/error"), False),
        ("post_message", at("/ok", equals=False), True),
        ("post_message", at("/ok", equals=0), False),
        ("post_message", at("/error"), True),
        ("post_message_ok", at("/ok", equals=False), False),
        ("post_message_ok", at("/error"), False),
        ("create_charge", at("/status", equals="error"), True),
        ("create_charge", at("/code", equals=7.0), True),
        ("create_charge", at("/charge/id", equals="ch_2"), False),
        ("create_charge", begins("declined"), True),
        ("wrapped", at("/result/1", equals="two"), True),
        ("wrapped", at("/result/2"), False),
        ("long", at("/log/39999"), True),  # in what is cut away
    ],
)
async def test_an_answer_means_failed_if_the_catalog_says_so(
    tools: McpTools, tool: str, manners: Manners, failed: bool
) -> None:
    if not failed:
        assert (await answer(tools, tool, manners)) == (await answer(tools, tool))
        return
    with pytest.raises(ToolCallFailed) as caught:
        await answer(tools, tool, manners)
    error = caught.value.error
    assert (error.code, error.sent) == (ANSWER_MEANS_FAILED, Sent.ANSWERED)
    assert error.sentence.startswith(
        f"The tool foreign.{tool} answered, and the catalog says that this answer means failed"
    )
    assert caught.value.answer == await answer(tools, tool)


@pytest.mark.parametrize(
    ("tool", "words", "error_class"),
    [
        ("kubectl_delete", "connect ECONNREFUSED", ErrorClass.DOWNSTREAM),
        ("list_issues", "fetch failed", ErrorClass.DOWNSTREAM),
        ("busy", "later", ErrorClass.RATE_LIMIT),
    ],
)
async def test_an_error_leaves_open_what_was_done_if_the_catalog_says_so(
    tools: McpTools, tool: str, words: str, error_class: ErrorClass
) -> None:
    with pytest.raises(ToolCallFailed) as caught:
        await answer(tools, tool)
    assert caught.value.error.sent is Sent.ANSWERED
    with pytest.raises(ToolCallFailed) as caught:
        await answer(tools, tool, ERRORS_LEAVE_IT_OPEN)
    error = caught.value.error
    assert (error.sent, error.code, error.error_class) == (
        Sent.MAYBE,
        ERROR_MEANS_UNKNOWN,
        error_class,
    )
    assert words in error.sentence
    known = Manners(
        begins("Error: connect", "fetch failed", "later").failed_when, OutcomeStatus.UNKNOWN
    )
    with pytest.raises(ToolCallFailed) as caught:
        await answer(tools, tool, known)
    assert caught.value.error.sent is Sent.ANSWERED  # this error is known to mean failed


async def test_what_an_answer_had_beside_what_is_kept_is_counted(tools: McpTools) -> None:
    kept = {
        tool: keep(await answer(tools, tool))
        for tool in ("get_tiny_image", "only_links", "both", "repeated", "wrapped", "write_query")
    }
    assert kept["get_tiny_image"].result == "Here is the image:"
    assert kept["get_tiny_image"].sentence.endswith("not kept: 1 image (2049 bytes).")
    assert kept["only_links"].result == ""
    assert kept["only_links"].sentence.endswith(
        "not kept: 2 resource links (126 bytes), 1 embedded resource (268 bytes)."
    )
    assert kept["both"].result == {"id": 7}
    assert kept["both"].sentence.endswith("not kept: 1 text (16 bytes).")
    for tool in ("get_tiny_image", "only_links", "both"):
        assert kept[tool].result_truncated
        assert f"The tool answered {kept[tool].result_bytes} bytes; " in kept[tool].sentence
    for tool in ("repeated", "wrapped", "write_query"):  # nothing is missing
        assert (kept[tool].result_truncated, kept[tool].sentence) == (False, "The tool answered.")


async def test_a_long_answer_keeps_its_structure_and_its_ids(tools: McpTools) -> None:
    outcome = keep(await answer(tools, "long"))
    assert (outcome.result["id"], outcome.result["done"]) == ("T-1", True)
    assert outcome.result["log"][0] == "é" * 100
    assert outcome.result_truncated
    assert RESULT_BYTES_MAX / 2 < len(str(outcome.result).encode()) < 2 * RESULT_BYTES_MAX


async def test_a_tool_may_have_a_colon_in_its_name(tools: McpTools) -> None:
    assert (await answer(tools, "repo:create.issue")).result == "repo:create.issue was called"
