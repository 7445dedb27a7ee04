"""The engine on procrastinate: a queue in PostgreSQL, for any number of processes that approve and
any number that work.

Each approved intent has one job, which is only a hint where to look. The store's conditional claim
decides what happens there, so a job may be lost, repeated or carried out twice at once. Jobs are
bounded per tool server over all workers and fair between tenants, and intents that a person
approved go first (`queue.sql`). One worker at a time sweeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker as JobWorker
from psycopg import Error as DatabaseError

from clearance.core.errors import Refusal
from clearance.engines.queue.hints import Hints
from clearance.engines.queue.jobs import Jobs
from clearance.engines.worker import CONCURRENCY_DEFAULT, DRAIN_SECONDS
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.sweep import Sweeper

TASK = "carry_on"
SWEEP_SECONDS = 1.0
LEADS_SECONDS = 5.0  # how long the worker that sweeps is left alone after its last sign of life
BEAT_SECONDS = 2.0
STALLED_SECONDS = 10.0  # without a sign of life: then a worker's jobs go to others
POLL_SECONDS = 1.0  # between two looks at the queue, if nothing was heard of
AGAIN_SECONDS = 1.0  # before a worker that ended without being asked to is started again
LEAVE_SECONDS = 5.0  # how long hints may take to leave when the process ends
NEVER_SECONDS = 365 * 86_400.0  # for the work that procrastinate would do by a clock of its own

_AWAY = (ConnectorException, DatabaseError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


class Queue:
    """The queue, for one process: hints leave it while it is open, and jobs are carried out while
    it runs.
    """

    def __init__(self, conninfo: str, *, concurrency: int = CONCURRENCY_DEFAULT) -> None:
        self.name = f"worker-{secrets.token_hex(6)}"
        self._conninfo = conninfo
        self._concurrency = concurrency
        self._hints = Hints(conninfo)
        self._busy: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._context: Context | None = None
        self._jobs: Jobs | None = None
        self._beaten_at: float | None = None  # on the loop's clock

    def hint(self, due: Due) -> None:
        """Queues an intent, unless it waits or is carried out here.

        Never blocks, never raises; may be lost.
        """
        if (due.tenant_id, due.action_intent_id) not in self._busy:
            self._hints.add(due)

    @contextlib.asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[None]:
        """Hints leave for the queue until the block ends, and for a moment longer."""
        flusher = asyncio.create_task(self._hints.run(context))
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._hints.flushed()
            flusher.cancel()
            await asyncio.gather(flusher, return_exceptions=True)

    def ready(self) -> bool:
        """True while this process works: it hears of new jobs, the database answers it, and it was
        not asked to end.
        """
        if self._jobs is None or self._beaten_at is None or not self._jobs.listening:
            return False
        return asyncio.get_running_loop().time() - self._beaten_at < STALLED_SECONDS

    async def run(self, context: Context, stopped: asyncio.Event) -> None:
        """Works until `stopped` is set, then finishes what is under way, for at most DRAIN_SECONDS.
        Needs to be open.
        """
        self._context = context
        stopping = asyncio.create_task(stopped.wait())
        try:
            while not stopped.is_set():
                try:
                    await self._work(context, stopping)
                except _AWAY as error:
                    _log.warning("worker put off", kind=type(error).__name__)
                except Exception:
                    _log.exception("worker ended")
                if not stopped.is_set():
                    await asyncio.wait({stopping}, timeout=AGAIN_SECONDS)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _work(self, context: Context, stopping: asyncio.Task[Any]) -> None:
        """One life of procrastinate's worker: until it is asked to stop, or ends for a reason of
        its own.

        It ends in an order. The sweep goes first and the lead with it, so that another worker
        sweeps while this one drains. The signs of life go last: without them, others would take
        what drains for a dead worker's jobs and carry them out a second time.
        """
        jobs = Jobs(self._conninfo)
        app = App(connector=jobs.connector)
        app.job_manager = jobs
        app.task(name=TASK)(self._carry_on)
        worker = self._worker(app)
        async with app.open_async():
            working = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
            beating = asyncio.create_task(self._beat(jobs))
            sweeping = asyncio.create_task(self._sweep(context, jobs))
            self._jobs = jobs
            try:
                await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._jobs = self._beaten_at = None  # a draining worker is not ready
                sweeping.cancel()
                try:
                    await asyncio.gather(sweeping, return_exceptions=True)
                    await jobs.resign(self.name)
                    await self._drain(worker, working)
                finally:
                    beating.cancel()
                    await asyncio.gather(beating, return_exceptions=True)
            await working  # raises the error that ended it

    def _worker(self, app: App) -> JobWorker:
        return JobWorker(
            app,
            name=self.name,
            concurrency=self._concurrency,
            fetch_job_polling_interval=POLL_SECONDS,
            abort_job_polling_interval=NEVER_SECONDS,  # jobs are never aborted
            # Procrastinate's stops when the drain begins; ours does not
            update_heartbeat_interval=NEVER_SECONDS,
            shutdown_graceful_timeout=DRAIN_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
        )

    async def _drain(self, worker: JobWorker, working: asyncio.Task[Any]) -> None:
        """Begins nothing more, and waits for attempts under way; one that takes too long is
        cancelled and stays RUNNING.
        """
        worker.stop()  # type: ignore[no-untyped-call]
        try:
            await asyncio.wait({working})
        # Also if the wait itself is cancelled: no task may see the tools close, and take that for
        # an answer
        finally:
            for task in list(self._tasks) if not working.done() else ():
                task.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _carry_on(self, tenant_id: str, action_intent_id: str, **_: object) -> None:
        """One job.

        Nothing that happens to one intent may end the worker; the sweep finds any work left undone.
        """
        key = (tenant_id, action_intent_id)
        if self._context is None or key in self._busy:
            return
        with self._under_way(key):
            try:
                await execute.carry_on(self._context, tenant_id, action_intent_id, self.name)
            except Refusal as refusal:
                _log.warning(
                    "execution put off", code=refusal.code, action_intent_id=action_intent_id
                )
            except Exception:
                _log.exception("execution failed", action_intent_id=action_intent_id)

    @contextlib.contextmanager
    def _under_way(self, key: tuple[str, str]) -> Iterator[None]:
        task = asyncio.current_task()
        self._busy.add(key)
        if task is not None:
            self._tasks.add(task)
        try:
            yield
        finally:
            self._busy.discard(key)
            if task is not None:
                self._tasks.discard(task)

    async def _beat(self, jobs: Jobs) -> None:
        while True:
            if await jobs.beat() and self._jobs is jobs:
                self._beaten_at = asyncio.get_running_loop().time()
            await asyncio.sleep(BEAT_SECONDS)

    async def _sweep(self, context: Context, jobs: Jobs) -> None:
        """Sweeps for as long as this worker leads, and stands by otherwise.

        A sweep that fails lets another one try.
        """
        sweeper: Sweeper | None = None
        while True:
            try:
                if await jobs.lead(self.name, LEADS_SECONDS):
                    sweeper = sweeper or Sweeper(
                        context, self.name, alone=False, under_way=self._busy
                    )
                    await self._step(sweeper, jobs)
                else:
                    sweeper = context.swept_at = None
            except _AWAY as error:
                _log.info("sweep put off", kind=type(error).__name__)
            except Refusal as refusal:
                _log.warning("sweep put off", code=refusal.code)
                await jobs.resign(self.name)
            except Exception:
                _log.exception("sweep failed")
                await jobs.resign(self.name)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _step(self, sweeper: Sweeper, jobs: Jobs) -> None:
        """Everything that it finds becomes a job, so that places and turns hold for it as well."""
        await jobs.recover(STALLED_SECONDS)
        for due in (await sweeper.find()).dead:
            self.hint(due)
