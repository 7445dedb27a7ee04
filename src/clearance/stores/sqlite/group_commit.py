"""One writer thread that drains its queue into one commit: many callers share one fsync, and no
caller waits on a timer.

A unit of work is a function of the connection that may run more than once. If one unit of a group
fails, the group is rolled back and each unit is run again in a transaction of its own, so that one
caller's failure harms no other. A `Refusal` is an answer, not a failure; a unit raises it before it
writes. Nothing is answered before it is committed. A failed unit was rolled back, with one
exception: a disk that fails in the middle of a commit may have kept it, and a crash would show.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import structlog

from clearance.core.errors import IN_DOUBT, Refusal, Unavailable

GROUP_MAX = 256  # units in one commit
PRIMARY_CODE = 0xFF  # of SQLite's result codes: the rest says which of its kind

Answer = TypeVar("Answer")
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Unit:
    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    answer: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Runs units of work on one connection, in one thread, many per commit.

    `on_commit` is called in the event loop.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        on_commit: Callable[[], None],
        on_rollback: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Unit | None] = SimpleQueue()
        self._on_commit = on_commit
        self._on_rollback = on_rollback
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clearance-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The unit's answer, once it is committed. Unavailable if it is not, or is in doubt."""
        if self._closed:
            sentence = "The store is closed."
            raise Unavailable(sentence)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._queue.put(_Unit(work, future))
        # A caller that gives up does not undo a unit that may be committed already.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Commits the queued units and ends the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if not group:
                return
            self._commit(group)
            self._loop.call_soon_threadsafe(self._answer, group)

    def _next_group(self) -> list[_Unit]:
        """The waiting units, at least one; empty when the queue was closed."""
        first = self._queue.get()
        group = [] if first is None else [first]
        while group and len(group) < GROUP_MAX:
            try:
                unit = self._queue.get_nowait()
            except Empty:
                break
            if unit is None:
                self._queue.put(None)
                break
            group.append(unit)
        return group

    def _commit(self, group: list[_Unit]) -> None:
        # A failure rolls back the whole group and does not name the unit at fault. So each unit
        # runs again in a transaction of its own, and only one that fails again gets the error. It
        # reads everything anew: what its first run saw of the others' writes is gone.
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            _fail(group, error)
            return
        if not self._finish(group) and len(group) > 1:
            for unit in group:
                self._commit_alone(unit)

    def _commit_alone(self, unit: _Unit) -> None:
        """Runs a unit of a failed group again, which stays in doubt if that fails too.

        It cannot act twice after a commit in doubt: SQLite shows no connection a commit that failed
        before a crash reads the log again, and a commit of the second run writes over it. If the
        first one is seen after all, the unit finds its id, version or revision taken.
        """
        doubt = unit.error
        self._commit([unit])
        if _is_in_doubt(doubt) and isinstance(unit.error, Unavailable):
            unit.error = doubt

    def _finish(self, group: list[_Unit]) -> bool:
        """Runs the units in the open transaction and commits it; False, with each unit's error set,
        if it did not commit.
        """
        asked = False
        try:
            for unit in group:
                self._work(unit)
            asked = True
            self._connection.execute("COMMIT")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            self._on_rollback()
            _fail(group, error, in_doubt=asked and _disk_failed(error))
            return False
        return True

    def _work(self, unit: _Unit) -> None:
        unit.answer = unit.error = None
        before = self._connection.total_changes
        try:
            unit.answer = unit.work(self._connection)
        except Refusal as refusal:
            if self._connection.total_changes != before:
                raise  # it refused with half of its work done, which must not be committed
            unit.error = refusal

    def _answer(self, group: list[_Unit]) -> None:
        self._on_commit()
        for unit in group:
            if unit.future.done():
                continue
            if unit.error is not None:
                unit.future.set_exception(unit.error)
            else:
                unit.future.set_result(unit.answer)


def _is_in_doubt(error: BaseException | None) -> bool:
    return isinstance(error, Unavailable) and error.in_doubt


def _disk_failed(error: Exception) -> bool:
    """True if it is unknown what reached the disk."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & PRIMARY_CODE == sqlite3.SQLITE_IOERR


def _fail(group: list[_Unit], error: Exception, *, in_doubt: bool = False) -> None:
    refusal = error if isinstance(error, Refusal) else _not_committed(in_doubt=in_doubt)
    for unit in group:
        unit.error = refusal
    if refusal is not error:
        # A log that cannot be written must not end the writer.
        with contextlib.suppress(Exception):
            _log.error(
                "commit failed", error=str(error), kind=type(error).__name__, units=len(group)
            )


def _not_committed(*, in_doubt: bool) -> Unavailable:
    if in_doubt:
        sentence = "The disk failed during a commit, so it is not known whether this was stored."
        return Unavailable(sentence, code=IN_DOUBT)
    return Unavailable("The store could not commit; nothing was stored.")
