"""What every test may use: asyncio as the only loop, and a tenant on a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.world import World, opened

settings.register_profile(
    "clearance", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("clearance")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A configured tenant on a new SQLite store."""
    async with opened(tmp_path / "store.sqlite3") as made:
        yield made
