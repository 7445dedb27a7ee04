"""Profiles: the place of the state chooses the store, engine and tool runner of a process.

`local`: SQLite, the embedded worker and MCP tools, all in one process, all state under one data
directory. `postgres` and `aws` have files of their own. These three files choose; each function on
AWS also names its own step.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from clearance.core.errors import Conflict, NotFound
from clearance.core.principal import Role
from clearance.engines.worker import Worker
from clearance.flow.control import Control
from clearance.flow.ports.tools import Tools
from clearance.profiles import aws, postgres
from clearance.profiles.local import STORE_FILE, local, only_one
from clearance.profiles.parts import NoTools, Parts, Wrapping, as_it_is, operator
from clearance.profiles.place import Database, Place, Table
from clearance.stores.archive import file as archive
from clearance.stores.sqlite import archive as archive_sqlite

NOTHING_THERE = (
    "serve or apply a configuration first, or name another place (--data, CLEARANCE_DATABASE_URL, "
    "CLEARANCE_TABLE)"
)
DEMO_FOLDER = "data"  # of the folder that a demo keeps its day in


# The parts


@contextlib.asynccontextmanager
async def opened(
    place: Place, *, new: bool = False, tools: Tools | None = None, read_only: bool = False
) -> AsyncIterator[Control]:
    """The verbs on the state, for a command that ends soon.

    NotFound (`NO_DATA`) if there is none in a data directory, unless it may be new.

    `tools`: those of `tools_of`, if tool servers are asked. `read_only`: nothing is changed, not
    even to bring the state of an older version up to date.
    """
    if isinstance(place, Path) and not new:
        _must_have_data(place)
    async with _profile(place, tools or NoTools(), read_only=read_only) as parts:
        yield parts.control


def described(place: Place) -> str:
    """A place in words."""
    match place:
        case Path():
            return f"the data directory {place}"
        case Table():
            return f"the table {place.name}"
        case _:
            return "the database"


def tools_of(place: Place) -> Tools:
    """What asks tool servers what they offer, and calls them.

    The programs of a table's are started nowhere.
    """
    from clearance.tools.mcp import McpTools  # noqa: PLC0415

    return McpTools(programs=not isinstance(place, Table))


def _must_have_data(place: Path) -> None:
    if not (place / STORE_FILE).exists():
        inner = place / DEMO_FOLDER
        there = f"its state is in {inner}" if (inner / STORE_FILE).exists() else NOTHING_THERE
        sentence = f"There is nothing in the data directory {place}: {there}."
        raise NotFound(sentence, code="NO_DATA")


def _profile(
    place: Place, tools: Tools, *, read_only: bool
) -> contextlib.AbstractAsyncContextManager[Parts]:
    if isinstance(place, Path):
        return local(place, tools, read_only=read_only)
    return postgres.postgres(place, tools) if isinstance(place, Database) else aws.aws(place, tools)


def for_serving(
    place: Path | Database, tools: Tools, wrapped: Wrapping = as_it_is
) -> contextlib.AbstractAsyncContextManager[Parts]:
    """The parts of a server: on a data directory with the worker in it, on a database with the
    queue's way in.
    """
    if isinstance(place, Path):
        return local(place, tools, worker=Worker(), wrapped=wrapped)
    return postgres.queueing(place, tools, wrapped)


async def new_api_key(control: Control, tenant_id: str, name: str, role: Role) -> str:
    """Makes a credential of this name, in place of the one that had it; its text."""
    text = await control.new_key_text()
    await control.ensure_api_key(operator(tenant_id), name, role, text)
    return text


# Moving from one place to another


def export(place: Place, file: BinaryIO) -> archive.Summary:
    """Writes everything that is known in a place to a file.

    Conflict (`ALREADY_SERVED`) while a process works on it.
    """
    with contextlib.ExitStack() as ends:
        if isinstance(place, Path):
            _must_have_data(place)
            ends.enter_context(only_one(place))
            return archive.write(
                ends.enter_context(archive_sqlite.reading(place / STORE_FILE)), file
            )
        conninfo = postgres.conninfo_of(_no_table(place))
        from clearance.stores.postgres import archive as archive_postgres  # noqa: PLC0415

        return archive.write(ends.enter_context(archive_postgres.reading(conninfo)), file)


def import_from(file: BinaryIO, place: Place) -> archive.Summary:
    """Puts what `export` wrote into a place that is empty, whole or not at all.

    Conflict (`STORE_NOT_EMPTY`), InvalidInput.
    """
    with contextlib.ExitStack() as ends:
        if isinstance(place, Path):
            ends.enter_context(only_one(place))
            return archive.fill(
                ends.enter_context(archive_sqlite.filling(place / STORE_FILE)), file
            )
        conninfo = postgres.conninfo_of(_no_table(place))
        from clearance.stores.postgres import archive as archive_postgres  # noqa: PLC0415

        return archive.fill(ends.enter_context(archive_postgres.filling(conninfo)), file)


def _no_table(place: Database | Table) -> Database:
    if isinstance(place, Database):
        return place
    sentence = "State moves between a data directory and a database; a table takes no part in that."
    raise Conflict(sentence, code="NOT_MOVABLE")
