"""The jobs of one worker, as procrastinate's worker fetches them: in our order, and through any
failure of the database.

Procrastinate's worker ends when its database does. Here no failure of the database reaches it:
while the database is away there is nothing to fetch, and when it is back the worker continues. If
the end of a job could not be written, the job is put back and carried out again, and then finds
nothing to do: the truth is in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import psycopg
import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback
from procrastinate.utils import utcnow
from psycopg import AsyncConnection

from clearance.engines.queue.schema import APP_ROLE, SCHEMA, STATEMENT_SECONDS_MAX, address

CONNECTIONS_MAX = 4  # of one worker, beside the one that listens and the one that hints
POOL_SECONDS_MAX = 5.0  # that a statement waits for a connection
AGAIN_SECONDS = 0.5  # between two tries to listen
LISTEN_SECONDS = 5.0  # after which a connection that heard nothing is asked whether it lives
CHANNEL = "procrastinate_any_queue_v1"

_AWAY = (ConnectorException, psycopg.Error, OSError, TimeoutError)
_log = structlog.get_logger(__name__)

_FETCH = f"SELECT * FROM {SCHEMA}.fetch_next(%(worker_id)s)"
_FINISH = f"SELECT {SCHEMA}.finish(%(job_id)s, %(worker_id)s) AS more"
_BEAT = (
    "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker_id)s RETURNING id"
)
_MINE = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %(worker_id)s"
_DROP = "DELETE FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing'"
_NOTIFY = f"""SELECT pg_notify('{CHANNEL}', '{{"type": "job_inserted", "job_id": 0}}')"""
_LEAD = f"SELECT {SCHEMA}.lead(%(worker)s, %(seconds)s) AS leads"
_RESIGN = f"UPDATE {SCHEMA}.sweeping SET until = '-infinity' WHERE worker = %(worker)s"


def connector(conninfo: str) -> PsycopgConnector:
    """A pool whose connections have the queue's schema before them.

    They keep settings: no pooler per transaction between.
    """
    return PsycopgConnector(
        conninfo=address(conninfo),
        min_size=1,
        max_size=CONNECTIONS_MAX,
        timeout=POOL_SECONDS_MAX,
        reconnect_timeout=POOL_SECONDS_MAX,
        configure=_configure,
    )


async def _configure(connection: AsyncConnection) -> None:
    await connection.set_autocommit(True)
    await connection.execute(
        f"""SET search_path = {SCHEMA}; SET synchronous_commit = off;
        SET statement_timeout = '{STATEMENT_SECONDS_MAX}s'; SET ROLE {APP_ROLE}"""
    )


class Jobs(JobManager):
    """Procrastinate's job manager for one worker.

    `listening`: whether new jobs are heard of at once.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(connector(conninfo))
        self.listening = False
        self._conninfo = address(conninfo)
        self._worker_id: int | None = None
        self._mine: set[int] = set()
        self._fetching = asyncio.Lock()
        self._notify: NotificationCallback | None = None
        self._away = False

    # The questions of procrastinate's worker

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:  # noqa: ARG002 - ours may have been renewed
        """The first job in turn that has a place; None if there is none, or no database now."""
        async with self._fetching:
            row = None
            async with self._tried("fetch"):
                rows = await self.connector.execute_query_all_async(
                    query=_FETCH, worker_id=self._worker_id
                )
                row = rows[0] if rows else None
            if row is None:
                return None
            self._mine.add(row["id"])
            return Job.from_row(row)

    async def finish_job_by_id_async(self, job_id: int, status: Status, delete_job: bool) -> None:  # noqa: ARG002, FBT001
        """Deletes the job and frees its place.

        If others wait for that, the worker looks again at once.
        """
        try:
            async with self._tried("finish"):
                row = await self.connector.execute_query_one_async(
                    query=_FINISH, job_id=job_id, worker_id=self._worker_id
                )
                if row["more"]:
                    await self._wake()
        finally:
            self._mine.discard(
                job_id
            )  # if that failed, it is under our name without being ours: the next beat sees it

    async def register_worker(self) -> int:
        """A worker of this name from now on. ConnectorException if the database is away."""
        self._worker_id = await super().register_worker()
        self._mine.clear()
        return self._worker_id

    async def unregister_worker(self, worker_id: int) -> None:  # noqa: ARG002
        """The worker has ended; if it cannot be said now, its row goes stale."""
        mine, self._worker_id = self._worker_id, None
        if mine is not None:
            async with self._tried("unregister"):
                await super().unregister_worker(mine)

    async def listen_for_jobs(
        self,
        *,
        on_notification: NotificationCallback,
        queues: Iterable[str] | None = None,  # noqa: ARG002
    ) -> None:
        """Wakes the worker when jobs come, for ever, over a connection of its own that is opened
        again when it breaks.
        """
        self._notify = on_notification
        while True:
            async with self._tried("listen"):
                try:
                    await self._listen()
                finally:
                    self.listening = False
            await asyncio.sleep(AGAIN_SECONDS)

    # The questions of our worker

    async def beat(self) -> bool:
        """A sign of life, and a look at the jobs under our name; returns whether the database
        answered.
        """
        async with self._tried("heartbeat"), self._fetching:
            await self._say_and_look()
        return not self._away

    async def _say_and_look(self) -> None:
        if self._worker_id is None:
            return
        if not await self.connector.execute_query_all_async(query=_BEAT, worker_id=self._worker_id):
            # We were taken for dead, and our jobs are others' by now.
            self._worker_id = await super().register_worker()
        mine = set(self._mine)  # as of before the look: a job that ends meanwhile is not lost
        rows = await self.connector.execute_query_all_async(query=_MINE, worker_id=self._worker_id)
        for row in rows:
            if row["id"] not in mine:  # fetched by us, or done by us, when the connection broke
                await self._put_back(row["id"])

    async def lead(self, worker: str, seconds: float) -> bool:
        """True if this worker is the one that sweeps, for so many seconds.

        ConnectorException if the database is away.
        """
        row = await self.connector.execute_query_one_async(
            query=_LEAD, worker=worker, seconds=seconds
        )
        return bool(row["leads"])

    async def resign(self, worker: str) -> None:
        """Lets another worker sweep."""
        async with self._tried("resign"):
            await self.connector.execute_query_async(query=_RESIGN, worker=worker)

    async def recover(self, seconds: float) -> int:
        """Puts back the jobs of workers that gave no sign for so many seconds, and forgets those;
        how many jobs.
        """
        stalled = [
            job.id
            for job in await self.get_stalled_jobs(seconds_since_heartbeat=seconds)
            if job.id is not None
        ]
        for job_id in stalled:
            await self._put_back(job_id)
        await self.prune_stalled_workers(seconds)
        if stalled:
            await self.connector.execute_query_async(query=_NOTIFY)
        return len(stalled)

    async def _put_back(self, job_id: int) -> None:
        try:
            await self.retry_job_by_id_async(job_id, retry_at=utcnow())
        except UniqueViolation:  # a further hint waits already
            await self.connector.execute_query_async(query=_DROP, job_id=job_id)
        except ConnectorException as error:
            if not isinstance(error.__cause__, psycopg.errors.RaiseException):
                raise  # else: another worker finished it, or put it back, meanwhile

    async def _listen(self) -> None:
        async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.listening = True
            self._answered()
            await self._wake()  # for jobs that came while we did not listen
            while True:
                async for _ in connection.notifies(timeout=LISTEN_SECONDS):
                    await self._wake()
                async with asyncio.timeout(STATEMENT_SECONDS_MAX):
                    await connection.execute("SELECT 1")

    async def _wake(self) -> None:
        if self._notify is not None:
            await self._notify(channel=CHANNEL, notification={"type": "job_inserted", "job_id": 0})

    @contextlib.asynccontextmanager
    async def _tried(self, what: str) -> AsyncIterator[None]:
        """Every failure of the database ends here, with one line when it goes and one when it is
        back.
        """
        try:
            yield
        except _AWAY as error:
            if not self._away:
                self._away = True
                _log.warning("queue away", tried=what, kind=_kind(error))
        else:
            self._answered()

    def _answered(self) -> None:
        if self._away:
            self._away = False
            _log.warning("queue back")


def _kind(error: BaseException) -> str:
    cause: Any = error.__cause__ or error
    return type(cause).__name__
