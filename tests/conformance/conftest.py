"""Places to move from and to: a history in a data directory, an empty database, and an empty place
of each kind.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from clearance.profiles.place import Database, Place
from tests.conformance.support.moving import History


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("history"))


@pytest.fixture
def base(database: str) -> Database:
    return Database(SecretStr(database))


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind."""
    if request.param == "sqlite":
        return tmp_path / "new"
    found: Database = request.getfixturevalue("base")
    return found
