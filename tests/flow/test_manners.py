"""What the catalog says of a tool's answers and errors decides how an execution ends."""

from __future__ import annotations

from typing import Any

import pytest

from clearance.configuration.document import parse_document
from clearance.core.call import TRIES_MAX
from clearance.core.narrative import say
from clearance.core.outcome import ErrorClass, OutcomeStatus, Sent
from clearance.core.record import HoldState, IntentRecord
from clearance.tools.function import FunctionTools
from tests.support import sample
from tests.support.sample import mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio


def manners(**keys: Any) -> dict[str, Any]:
    """The sample's settings, as they are kept, with these keys for every action."""
    made = sample.document()
    for action in made["catalog"].values():
        action.update(keys)
    return parse_document(made).as_json()


async def ran(world: World, proposal: Any, *answers: Any, **keys: Any) -> tuple[IntentRecord, int]:
    """A proposal that runs alone, on a tool that gives these answers, the last one for ever; and
    how often it was called.
    """
    calls: list[dict[str, Any]] = []

    async def tool(**arguments: Any) -> Any:
        calls.append(arguments)
        answer = answers[min(len(calls), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def create_task(title: str, account: str, request_id: str) -> Any:
        return await tool(title=title, account=account, request_id=request_id)

    async def send_mail(to: str, subject: str, body: str, account: str) -> Any:
        return await tool(to=to, subject=subject, body=body, account=account)

    functions = FunctionTools({"crm": {"create_task": create_task, "send_mail": send_mail}})
    world.tools = functions  # type: ignore[assignment]
    world.__post_init__()
    await world.configure(manners(**keys))
    await world.propose(proposal)
    done = await world.run("t1")
    await functions.close()
    assert done is not None
    return done, len(calls)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other without a pause."""
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)


async def test_an_answer_that_means_failed_ends_failed_and_is_kept(world: World) -> None:
    answer = {"status": "error", "id": 7}
    sign = {"pointer": "/status", "equals": "error"}
    done, calls = await ran(world, task("t1"), answer, answer={"failed_when": sign})
    outcome = done.outcome
    assert outcome is not None
    assert outcome.error is not None
    assert (done.status.value, calls, outcome.result) == ("FAILED", 1, answer)
    assert "the catalog says that this answer means failed" in outcome.sentence
    assert (outcome.error.code, outcome.error.sent) == ("ANSWER_MEANS_FAILED", Sent.ANSWERED)
    assert "and failed" in str(say(done, None, None))
    assert done.hold is not None
    assert done.hold.state is HoldState.SETTLED  # it was called: what it used of the budget is used
    assert (await world.used())["actions"] == 1


async def test_an_answer_without_the_sign_succeeds_as_before(world: World) -> None:
    signs = [{"text_starts_with": ["Error", "Database error"]}, {"pointer": "/error"}]
    done, _ = await ran(world, task("t1"), "created; no Error", answer={"failed_when": signs})
    assert done.outcome is not None
    assert (done.outcome.status, done.outcome.result) == (
        OutcomeStatus.SUCCEEDED,
        "created; no Error",
    )


@pytest.mark.parametrize(
    ("proposal", "calls"), [(task("t1"), TRIES_MAX), (mail("t1"), 1)], ids=["keyed", "once"]
)
async def test_an_error_that_leaves_it_open_ends_unknown_and_is_repeated_only_where_that_is_safe(
    world: World, proposal: Any, calls: int
) -> None:
    failing = RuntimeError("fetch failed")
    done, called = await ran(world, proposal, failing, error_means="UNKNOWN")
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status.value, called) == ("UNKNOWN", calls)
    assert done.outcome.error.error_class is ErrorClass.DOWNSTREAM
    assert "The catalog says that this error leaves open what was done" in done.outcome.sentence
    assert "fetch failed" in done.outcome.sentence
    assert "its error leaves open what was done" in str(say(done, None, None))


async def test_an_error_that_leaves_it_open_is_not_undone_by_a_later_answer_that_means_failed(
    world: World,
) -> None:
    done, calls = await ran(
        world,
        task("t1"),
        RuntimeError("fetch failed"),
        "Error: no such task",
        error_means="UNKNOWN",
        answer={"failed_when": {"text_starts_with": "Error"}},
    )
    assert (done.status.value, calls) == ("UNKNOWN", 2)


async def test_an_error_means_failed_unless_the_catalog_says_otherwise(world: World) -> None:
    done, calls = await ran(world, task("t1"), RuntimeError("fetch failed"))
    assert (done.status.value, calls) == ("FAILED", 1)
