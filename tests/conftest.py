"""What every test may use: asyncio as the only loop, and a tenant on a store of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import migrated_database
from tests.world import World, opened

settings.register_profile(
    "clearance", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("clearance")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the PostgreSQL server of this run lives; the processes of one run share it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "postgres"


@pytest.fixture
def database(postgres_folder: Path) -> Iterator[str]:
    """A PostgreSQL database that has the schema, and nothing else yet."""
    with migrated_database(postgres_folder) as conninfo:
        yield conninfo


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store lives, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "store.sqlite3"
    return str(request.getfixturevalue("database"))


@pytest.fixture
async def world(place: Path | str) -> AsyncIterator[World]:
    """A configured tenant on a new store."""
    async with opened(place) as made:
        yield made
