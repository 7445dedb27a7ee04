"""What the gate costs: ratios to a bare insert-and-commit on the same disk, with the same durability, in the same run.

Variants are interleaved and rotated, each round on files of its own; the answer is the median of the per-round ratios with their
range. Absolute rates are printed for orientation only. Correctness first: a round whose counts are wrong ends the run.

    python bench/gate.py [ROUNDS] [OPERATIONS]
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests import sample
from tests.sample import AGENT, OWNER, TENANT, NoEngine, RecordingTools, task

from clearance.clock import SystemClock
from clearance.core.decision import Answer
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content, digest
from clearance.core.ledger import EntryKind, draft
from clearance.core.record import Admission
from clearance.engines.worker import Worker
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports import Admitted, Cleared, SettingsChange, ToolAnswer, ToolCall
from clearance.flow.submit import admission_of
from clearance.stores.group_commit import GroupCommit
from clearance.stores.sqlite import SqliteStore
from clearance.stores.sqlite_file import connect

CALLERS = (1, 8, 64)
POLICY_SPIN_SECONDS = 40e-6
Variant = Callable[[Path, int, int], Awaitable[float]]


class InstantTools(RecordingTools):
    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        return ToolAnswer({"ok": True})


async def drive(operation: Callable[[int], Awaitable[object]], operations: int, callers: int) -> float:
    """Seconds that `callers` take for all operations together."""
    numbers = iter(range(operations))

    async def caller() -> None:
        for number in numbers:
            await operation(number)

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return time.perf_counter() - begin


async def raw(folder: Path, operations: int, callers: int) -> float:
    """One insert per commit, one connection, WAL and FULL: what anybody would write first."""
    connection = connect(folder / "raw.sqlite3")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE fact (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    body = b"x" * 600
    lock = asyncio.Lock()

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO fact (body) VALUES (?)", (body,))
        connection.execute("COMMIT")

    async def operation(_: int) -> None:
        async with lock:
            await asyncio.get_running_loop().run_in_executor(None, insert)

    seconds = await drive(operation, operations, callers)
    assert connection.execute("SELECT count(*) FROM fact").fetchone()[0] == operations
    connection.close()
    return seconds


async def open_context(folder: Path, name: str, engine: object) -> tuple[SqliteStore, Context]:
    store = await SqliteStore.open(folder / name)
    document = sample.document(budgets=[{"max_per_day": 1_000_000}])
    entry = draft(EntryKind.SETTINGS_CHANGED, 0, OWNER)
    document["tool_pins"] = {"crm.create_task": digest({"type": "object"})}
    await store.configure(SettingsChange(TENANT, 0, document, entry, 0))
    return store, Context(store, InstantTools(), engine, SystemClock())  # type: ignore[arg-type]


async def storage(folder: Path, operations: int, callers: int) -> float:
    """The admission's transaction alone, with 40 us of policy in the caller."""
    store, context = await open_context(folder, "storage.sqlite3", NoEngine())
    settings = await context.fresh_settings(TENANT)

    def admission(number: int) -> Admission:
        intent = ActionIntent(
            TENANT, f"a{number % 1000}", f"i{number:08}", "CREATE_TASK", {"title": "Renewal call"}, 0.95,
            RiskLevel.LOW, "agent",
        )  # fmt: skip
        content = checked_content(intent)
        return admission_of(intent, content, Facts(settings), AGENT, salt=b"s" * 16, now=context.clock.now_ms())

    ready = [admission(number) for number in range(operations)]

    async def operation(number: int) -> None:
        ends = time.perf_counter() + POLICY_SPIN_SECONDS
        while time.perf_counter() < ends:
            pass
        assert isinstance(await store.admit(ready[number]), Admitted)

    seconds = await drive(operation, operations, callers)
    assert await store.ledger_size(TENANT) == operations + 1
    await store.close()
    return seconds


async def gate(folder: Path, operations: int, callers: int) -> float:
    """A whole proposal: checks, Cedar, canonical entry, transaction."""
    store, context = await open_context(folder, "gate.sqlite3", NoEngine())
    control = Control(context)

    async def operation(number: int) -> None:
        proposed = await control.propose(AGENT, task(f"i{number:08}", account_id=f"a{number % 1000}"))
        assert proposed.record.decision.answer is Answer.AUTO_EXECUTE

    seconds = await drive(operation, operations, callers)
    assert await store.ledger_size(TENANT) == operations + 1
    await store.close()
    return seconds


async def auto_execution(folder: Path, operations: int, callers: int) -> float:
    """From the proposal to the recorded outcome of an instant tool: three transactions, three ledger entries."""
    worker, stopped = Worker(), asyncio.Event()
    store, context = await open_context(folder, "execution.sqlite3", worker)
    control = Control(context)
    working = asyncio.create_task(worker.run(context, stopped))

    begin = time.perf_counter()

    async def operation(number: int) -> None:
        await control.propose(AGENT, task(f"i{number:08}", account_id=f"a{number % 1000}"))

    await drive(operation, operations, callers)
    while await store.count_by_status(TENANT):  # noqa: ASYNC110 - polling is what a watcher does
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - begin
    assert await store.ledger_size(TENANT) == 3 * operations + 1
    stopped.set()
    await working
    await store.close()
    return seconds


async def pages_per_admission(folder: Path) -> float:
    """WAL pages per admitted intent in groups of 64: deterministic, whatever the disk."""
    store, context = await open_context(folder, "pages.sqlite3", NoEngine())
    connection: sqlite3.Connection = store._writer_connection
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    settings, groups = await context.fresh_settings(TENANT), 40
    writer: GroupCommit = store._writer
    for group in range(-10, groups):
        if group == 0:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ready = []
        for number in range(64):
            name = context.clock.new_id()
            intent = ActionIntent(
                TENANT, f"a{number * 17 % 1000}", name, "CREATE_TASK", {"title": "Renewal call"}, 0.95,
                RiskLevel.LOW, "agent",
            )  # fmt: skip
            content = checked_content(intent)
            ready.append(
                admission_of(intent, content, Facts(settings), AGENT, salt=b"s" * 16, now=context.clock.now_ms())
            )

        def work(connection: sqlite3.Connection, ready: list[Admission] = ready) -> None:
            for admission in ready:
                assert isinstance(store._admit(connection, admission), Admitted)

        await writer.submit(work)
    frames = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    await store.close()
    return float(frames) / (groups * 64)


async def main(rounds: int, operations: int) -> None:
    variants: dict[str, Variant] = {
        "raw": raw,
        "storage + 40 us": storage,
        "gate": gate,
        "auto-execution": auto_execution,
    }
    rates: dict[tuple[str, int], list[float]] = {}
    names = list(variants)
    for round_number in range(-1, rounds):
        order = names[round_number % len(names) :] + names[: round_number % len(names)]
        for callers in CALLERS:
            for name in order:
                count = operations // 4 if callers == 1 else operations
                with tempfile.TemporaryDirectory(dir=".") as folder:
                    seconds = await variants[name](Path(folder), count, callers)
                if round_number >= 0:
                    rates.setdefault((name, callers), []).append(count / seconds)
    print(f"{'':<18}" + "".join(f"{f'{callers} callers':>32}" for callers in CALLERS))
    for name in names:
        cells = []
        for callers in CALLERS:
            mine, bare = rates[name, callers], rates["raw", callers]
            ratios = [one / other for one, other in zip(mine, bare, strict=True)]
            cell = f"{statistics.median(mine):6.0f}/s  {statistics.median(ratios):5.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
            cells.append(f"{cell:>32}")
        print(f"{name:<18}" + "".join(cells))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        print(f"WAL pages per admission in groups of 64: {await pages_per_admission(Path(folder)):.2f}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [7, 1000][len(given) :])))
