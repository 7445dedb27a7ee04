"""What every test may use: asyncio as the only loop, and a tenant on a store of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.aws.support.table import Table
from tests.support.postgres import folder_of, migrated_database
from tests.support.world import Place, World, opened

settings.register_profile(
    "clearance",
    deadline=None,
    max_examples=60,  # of each property; `deep` looks at many more
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.register_profile("deep", settings.get_profile("clearance"), max_examples=1_000)
settings.register_profile("quick", settings.get_profile("clearance"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "clearance"))


SERVERS = frozenset({"database", "postgres_folder", "ministack_endpoint"})
"""Fixtures that start a server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that starts a server: `make check` does without them."""
    for item in items:
        named = set(getattr(item, "fixturenames", ()))
        asked = getattr(getattr(item, "callspec", None), "params", {}).get("place", "sqlite")
        if named & SERVERS or asked != "sqlite":
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_folder() -> Path:
    """Where the PostgreSQL server of this run lives; the processes of one run share it."""
    return folder_of(
        os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}-{secrets.token_hex(4)}")
    )


@pytest.fixture
def database(postgres_folder: Path) -> Iterator[str]:
    """A PostgreSQL database that has the schema, and nothing else yet."""
    with migrated_database(postgres_folder) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of the MiniStack of this test process: AWS over its wire protocols, on
    127.0.0.1.
    """
    from tests.aws.support.emulators import ministack  # noqa: PLC0415 - most tests need no AWS

    with ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ministack_dynamodb(ministack_endpoint: str) -> Iterator[Any]:
    """A client of MiniStack's DynamoDB."""
    from tests.aws.support.emulators import dynamodb_client  # noqa: PLC0415

    client = dynamodb_client(ministack_endpoint)
    yield client
    client.close()


@pytest.fixture
def dynamodb_table(ministack_dynamodb: Any, ministack_endpoint: str) -> Iterator[Table]:
    """A new DynamoDB table on MiniStack."""
    from tests.aws.support.emulators import new_table  # noqa: PLC0415

    with new_table(ministack_dynamodb, ministack_endpoint) as table:
        yield table


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a store lives: on SQLite, on PostgreSQL, and where a module or a test asks for it, on
    DynamoDB.
    """
    match request.param:
        case "sqlite":
            return tmp_path / "store.sqlite3"
        case "postgres":
            return str(request.getfixturevalue("database"))
        case _:
            table: Table = request.getfixturevalue("dynamodb_table")
            return table


@pytest.fixture
async def world(place: Place) -> AsyncIterator[World]:
    """A configured tenant on a new store."""
    async with opened(place) as made:
        yield made
