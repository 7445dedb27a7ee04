"""What every profile is made of: the place where the state is, and the parts of one process.

A profile chooses concrete ones. Nothing here does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from clearance.access import Access
from clearance.clock import SystemClock
from clearance.core.catalog import ToolServer
from clearance.core.errors import InvalidInput
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import PERMISSIONS, ActorKind, Principal, Role
from clearance.environment import Environment
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports import (
    Cleared,
    Due,
    Engine,
    Store,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolDescription,
    Tools,
)


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database: a URL, or a connection string as libpq reads it. It may hold a password.

    `program` is what the database is told of who asks (`application_name`), unless the URL says it.
    """

    url: SecretStr
    program: str = "clearance command"


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table by its name. Account, region and credentials are what AWS's own environment says."""

    name: str


Place: TypeAlias = Path | Database | Table
"""Where the state is: a data directory (profile `local`), a database (profile `postgres`) or a table (profile `aws`)."""


def place(data: Path | None) -> Place:
    """The data directory that was named; else the database, or the table, or the data directory of the environment.

    InvalidInput (`TWO_PLACES`) if the environment names both a database and a table.
    """
    if data is not None:
        return data
    environment = Environment()
    if environment.database_url is not None and environment.table is not None:
        sentence = "CLEARANCE_DATABASE_URL and CLEARANCE_TABLE are both set, and the state is in one place: unset one."
        raise InvalidInput(sentence, code="TWO_PLACES")
    if environment.database_url is not None:
        return Database(environment.database_url)
    return environment.data if environment.table is None else Table(environment.table)


class NoEngine:
    """An engine for processes that only configure: whoever works finds what they approve by its sweep."""

    def hint(self, due: Due) -> None:
        """Does nothing."""


class NoTools:
    """A tool runner for processes that call no tools: whatever asks it learns that nothing was sent."""

    async def describe(self, tenant_id: str, server: ToolServer) -> Mapping[str, ToolDescription]:  # noqa: ARG002
        """Raises ToolCallFailed."""
        raise _no_tools()

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:  # noqa: ARG002
        """Raises ToolCallFailed."""
        raise _no_tools()

    async def close(self) -> None:
        """Does nothing."""


def _no_tools() -> ToolCallFailed:
    sentence = "This process calls no tools."
    return ToolCallFailed(CallError(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="NO_TOOLS_HERE"))


@dataclass(slots=True)
class Parts:
    """The parts of one process."""

    context: Context
    control: Control
    access: Access


def assembled(
    ends: contextlib.AsyncExitStack, store: Store, tools: Tools, engine: Engine, *, programs: bool = True
) -> Parts:
    """The parts of a process; its tools end, then its store, when `ends` does. `programs` as in Context."""
    clock = SystemClock()
    ends.push_async_callback(store.close)
    ends.push_async_callback(tools.close)
    context = Context(store, tools, engine, clock, programs=programs)
    return Parts(context, Control(context), Access(store, clock))


def operator(tenant_id: str) -> Principal:
    """Whoever works on the state itself: they could read and change it in other ways, so they may do anything."""
    return Principal(tenant_id, "operator", ActorKind.PERSON, PERMISSIONS[Role.OWNER])
