"""What the tests of the aws profile may use: a guard before real AWS around each of them, and a table on each emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.emulators import dynamodb_client, guarded, moto_aws, new_table
from tests.aws.table import Table


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
