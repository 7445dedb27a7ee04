"""What the tests of the aws profile may use: a guard before real AWS around each of them, a table
on each emulator, and more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.support.deployed import TEMPLATE
from tests.aws.support.emulators import dynamodb_client, guarded, moto_aws, new_table
from tests.aws.support.steps import afresh
from tests.aws.support.table import Table
from tests.aws.support.template import Template


@pytest.fixture(autouse=True)
def _guard() -> Iterator[None]:
    """No test of this folder can reach real AWS."""
    with guarded():
        yield


@pytest.fixture(params=["ministack", "moto"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """A new table on each of the two emulators."""
    if request.param == "ministack":
        yield request.getfixturevalue("dynamodb_table")
        return
    with moto_aws():
        client = dynamodb_client(None)
        with new_table(client, None) as made:
            yield made
        client.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store in this process, for what is not about tables."""
    return tmp_path / "store.sqlite3"


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of executions begin with no marks, and none of them waits."""
    afresh(monkeypatch)


@pytest.fixture(scope="session")
def template() -> Template:
    """The kept template, as it is for AWS."""
    return Template.read(TEMPLATE)
