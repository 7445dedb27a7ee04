"""The marks of attempts in a table: who saw what is there may write, and nobody else; whatever
becomes of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clearance.core.errors import Unavailable
from clearance.core.outcome import Sent
from clearance.flow.ports.marks import Mark, Phase
from clearance.stores.dynamodb import client as dynamodb_client
from clearance.stores.dynamodb.marks import DynamoMarks
from clearance.stores.dynamodb.store import DynamoStore
from tests.aws.support.faults import Faulty, Reply, faulty, lost_answer, lost_question
from tests.aws.support.table import Table

pytestmark = pytest.mark.anyio

ATTEMPT = ("acme", "m1", 1)
PUT = "put_item"


def mark(by: str, phase: Phase = Phase.BEGUN, sent: Sent = Sent.MAYBE) -> Mark:
    return Mark(1, sent, 250, phase, by)


@pytest.fixture
def client(table: Table) -> Faulty:
    with faulty(table.client) as made:
        yield made


@pytest.fixture
async def marks(table: Table, client: Faulty) -> AsyncIterator[DynamoMarks]:
    store = await DynamoStore.open(table.name, client=client)
    yield store.marks
    await store.close()


async def test_a_mark_is_written_by_who_saw_the_one_before_it(marks: DynamoMarks) -> None:
    first, second = mark("a"), mark("b", Phase.OVER, Sent.NOT_SENT)
    assert await marks.mark(*ATTEMPT) is None
    assert await marks.swap(*ATTEMPT, None, first)
    assert not await marks.swap(*ATTEMPT, None, second)
    assert await marks.mark(*ATTEMPT) == first
    assert await marks.swap(*ATTEMPT, first, second)
    assert not await marks.swap(*ATTEMPT, first, mark("c"))
    assert await marks.mark(*ATTEMPT) == second


async def test_marks_of_other_attempts_intents_and_tenants_are_other_marks(
    marks: DynamoMarks,
) -> None:
    assert await marks.swap(*ATTEMPT, None, mark("a"))
    for other in (("acme", "m1", 2), ("acme", "m2", 1), ("contoso", "m1", 1)):
        assert await marks.mark(*other) is None
        assert await marks.swap(*other, None, mark("b"))
    assert await marks.mark(*ATTEMPT) == mark("a")


async def test_of_many_at_once_one_writes(marks: DynamoMarks) -> None:
    written = await asyncio.gather(
        *(marks.swap(*ATTEMPT, None, mark(f"{number}")) for number in range(16))
    )
    assert sum(written) == 1
    assert await marks.mark(*ATTEMPT) == mark(str(written.index(True)))


async def test_a_lost_answer_and_a_lost_question_are_one_write(
    marks: DynamoMarks, client: Faulty
) -> None:
    client.next(PUT, lost_answer)
    assert await marks.swap(*ATTEMPT, None, mark("a"))
    client.next(PUT, lost_question, lost_answer)
    assert await marks.swap(*ATTEMPT, mark("a"), mark("b"))
    client.next(PUT, lost_answer)
    assert not await marks.swap(*ATTEMPT, mark("a"), mark("c"))
    assert await marks.mark(*ATTEMPT) == mark("b")


async def test_a_table_that_stays_busy_writes_no_mark_and_says_so(
    marks: DynamoMarks, client: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_client, "AGAIN_SECONDS_MAX", 0.2)
    client.refuse(PUT, *[Reply("ThrottlingException")] * 50)
    with pytest.raises(Unavailable):
        await marks.swap(*ATTEMPT, None, mark("a"))
    assert await marks.mark(*ATTEMPT) is None
