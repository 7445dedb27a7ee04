"""A running server over HTTP: looks, proposals, and the way from a proposal to its outcome.

Three processes on 127.0.0.1 (four on PostgreSQL, which has a worker beside the server): the callers
here, who keep their connections; the server; and the yardstick, which answers a constant over the
same kind of connection. Proposals and outcomes are also measured without HTTP, by `Control` in this
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.sample import AGENT, TENANT, task

from bench.drive import ACCOUNTS_SPREAD, Job, Measured, Timed, drive, must_be
from bench.execution import carried_out, working
from bench.kept_alive import Ask, connections, get, lines, post
from bench.stores import configure, document, new_context, new_store
from clearance.core.ledger import EntryKind
from clearance.core.record import IntentStatus
from clearance.flow.control import Control

ROOT = Path(__file__).parents[1]
LOOKS, ECHOES = 4, 40  # for each proposal: they are so quick that fewer would say little
SURE, UNSURE = 0.95, 0.5  # runs alone; a person must look at it
ENDS_SECONDS = 10
OUTCOME = f"event: {EntryKind.OUTCOME_RECORDED}\n".encode()


async def measure(job: Job) -> Measured:
    async with new_store(job) as (store, where):
        await configure(store, document())
        before = await store.ledger_size(TENANT)
        with _up(job, where) as addresses:
            measured = await _in_turn(job, addresses)
        # The first key; a request for each proposal that waits; three entries for each that ran.
        must_be(await store.ledger_size(TENANT) - before, 1 + job.total + 3 * job.total, "entries")
        waiting = {IntentStatus.AWAITING_APPROVAL: job.total}
        must_be(dict(await store.count_by_status(TENANT)), waiting, "intents under way")
        return measured


async def _in_turn(job: Job, addresses: Addresses) -> Measured:
    """What is compared comes one right after the other."""
    many, very_many = (replace(job, operations=job.operations * times) for times in (LOOKS, ECHOES))
    whoami = get("/v1/whoami", addresses.key)
    return {
        "echo": await _looks(very_many, addresses.echo, whoami),
        "healthz": await _looks(many, addresses.server, get("/healthz", addresses.key)),
        "whoami": await _looks(many, addresses.server, whoami),
        "proposal": await _proposals_over_http(job, addresses),
        "proposal in process": await _proposals(job),
        "outcome": await _outcomes_over_http(job, addresses),
        "outcome in process": await _outcomes(job),
    }


# The processes


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of the yardstick and of the server, and a key for the server."""

    echo: int
    server: int
    key: str


@contextlib.contextmanager
def _up(job: Job, where: str) -> Iterator[Addresses]:
    with contextlib.ExitStack() as ends:
        place = str(Path(where).parent) if job.store == "sqlite" else where
        verbs = [
            ("echo",),
            ("serve", place),
            *([("work", place)] if job.store == "postgres" else []),
        ]
        begun = [ends.enter_context(_process(*words)) for words in verbs]
        echo, server, *_ = [_first_words(process) for process in begun]
        yield Addresses(_port(echo), _port(server), server["key"])


@contextlib.contextmanager
def _process(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-m", "bench.server", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_SECONDS)
            process.kill()


def _first_words(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        sentence = "a process of the server ended before it was up"
        raise ConnectionError(sentence)
    return dict(json.loads(line))


def _port(words: dict[str, Any]) -> int:
    return urlsplit(words["url"]).port or 0


# Over HTTP


async def _looks(job: Job, port: int, request: bytes) -> Timed:
    async with connections(port, job.callers) as ask:

        async def operation(_: int) -> None:
            status, _body = await ask(request)
            must_be(status, 200, "the status")

        return await drive(operation, job)


async def _proposals_over_http(job: Job, addresses: Addresses) -> Timed:
    async with connections(addresses.server, job.callers) as ask:

        async def operation(number: int) -> None:
            answer = await _proposed(ask, addresses.key, secrets.token_hex(16), number, UNSURE)
            must_be(answer["status"], "AWAITING_APPROVAL", "the status")

        return await drive(operation, job)


async def _outcomes_over_http(job: Job, addresses: Addresses) -> Timed:
    async with _recorded(addresses) as outcomes, connections(addresses.server, job.callers) as ask:

        async def operation(number: int) -> None:
            name = secrets.token_hex(16)
            outcome = outcomes[name] = asyncio.Future[str]()
            answer = await _proposed(ask, addresses.key, name, number, SURE)
            must_be(answer["decision"], "AUTO_EXECUTE", "the answer")
            must_be(await outcome, "SUCCEEDED", "the outcome")

        return await drive(operation, job)


async def _proposed(
    ask: Ask, key: str, name: str, number: int, confidence: float
) -> dict[str, Any]:
    body = {
        "action_intent_id": name,
        "account_id": _account(number),
        "action_type": "CREATE_TASK",
        "parameters": {"title": "Renewal call"},
        "confidence_score": confidence,
        "risk_level": "LOW",
    }
    status, answer = await ask(post("/v1/intents", key, body))
    must_be(status, 201, "the status")
    return dict(json.loads(answer))


@contextlib.asynccontextmanager
async def _recorded(addresses: Addresses) -> AsyncIterator[dict[str, asyncio.Future[str]]]:
    """Futures by intent, which are done when the event stream tells the outcome."""
    outcomes: dict[str, asyncio.Future[str]] = {}
    async with lines(addresses.server, get("/v1/events", addresses.key)) as stream:

        async def follow() -> None:
            try:
                async for line in stream:
                    if line == OUTCOME:
                        entry = json.loads((await anext(stream)).removeprefix(b"data: "))
                        outcomes.pop(entry["action_intent_id"]).set_result(entry["status"])
            finally:
                for waiting in outcomes.values():
                    if not waiting.done():
                        waiting.set_exception(ConnectionError("the event stream ended"))

        # From its first words on the stream misses nothing.
        while not (await anext(stream)).startswith(b"retry:"):
            pass
        following = asyncio.create_task(follow())
        try:
            yield outcomes
        finally:
            following.cancel()


# The same in this process


async def _proposals(job: Job) -> Timed:
    async with new_context(job) as context:
        control = Control(context)

        async def operation(number: int) -> None:
            proposed = await control.propose(
                AGENT, task(account_id=_account(number), confidence_score=UNSURE)
            )
            must_be(proposed.record.status, IntentStatus.AWAITING_APPROVAL, "the status")

        return await drive(operation, job)


async def _outcomes(job: Job) -> Timed:
    async with working(job) as (context, watching):
        control = Control(context)

        async def operation(number: int) -> None:
            await carried_out(control, watching, _account(number))

        return await drive(operation, job)


def _account(number: int) -> str:
    return f"a{number * 17 % ACCOUNTS_SPREAD}"
