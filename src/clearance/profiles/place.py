"""The place where the state is: a data directory, a database or a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from clearance.core.errors import InvalidInput
from clearance.profiles.environment import Environment


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database: a URL, or a connection string as libpq reads it.

    It may hold a password.

    `program` names the caller to the database (`application_name`), unless the URL sets it.
    """

    url: SecretStr
    program: str = "clearance command"


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table by its name.

    Account, region and credentials are what AWS's own environment says.
    """

    name: str


Place: TypeAlias = Path | Database | Table
"""Where the state is: a data directory (profile `local`), a database (profile `postgres`) or a
table (profile `aws`).
"""


def place_of(data: Path | None) -> Place:
    """The data directory that was named; else the database, or the table, or the data directory of
    the environment.

    InvalidInput (`TWO_PLACES`) if the environment names both a database and a table.
    """
    if data is not None:
        return data
    environment = Environment()
    if environment.database_url is not None and environment.table is not None:
        sentence = (
            "CLEARANCE_DATABASE_URL and CLEARANCE_TABLE are both set, and the state is in one "
            "place: unset one."
        )
        raise InvalidInput(sentence, code="TWO_PLACES")
    if environment.database_url is not None:
        return Database(environment.database_url)
    return environment.data if environment.table is None else Table(environment.table)
