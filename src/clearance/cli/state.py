"""The state itself, as commands work on it: a data directory, a database or a table.

One idea: an operator can write the state, and so acts as a person of the tenant, in the ledger like
any other. A server on the same state sees a change at once. The state is the data directory that
`--data` names, else the database of `CLEARANCE_DATABASE_URL`, else the table of `CLEARANCE_TABLE`,
else the data directory of `CLEARANCE_DATA`. Commands get the verbs and the acting person, never the
parts behind the verbs.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from clearance.core.principal import Principal
    from clearance.flow.control import Control
    from clearance.profiles.place import Place

T = TypeVar("T")
Work: TypeAlias = "Callable[[Control, Principal], Coroutine[Any, Any, T]]"
"""The act of a command on the verbs, as the operator."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Does it, with the log on standard error: standard output is for the answer."""
    log_aside()
    return asyncio.run(work)


def log_aside() -> None:
    """Sends the log to standard error."""
    from clearance.profiles.environment import Environment
    from clearance.running.logs import configure_logs

    configure_logs(Environment().log_level)


def end_with_a_signal() -> None:
    """Until the process is up, and takes the signals itself."""

    def end(*_: object) -> None:
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def place_of(data: Path | None) -> Place:
    """Where the state is."""
    from clearance.profiles.place import place_of

    return place_of(data)


def for_tenant(data: Path | None, tenant: str | None, work: Work[T]) -> T:
    """Does something for the only tenant of the state, or for the one that is named."""
    from clearance.profiles import choose
    from clearance.profiles.parts import operator

    async def done() -> T:
        async with choose.opened(place_of(data)) as control:
            return await work(control, operator(await _tenant(control, tenant)))

    return run(done())


def for_every_tenant(data: Path | None, work: Work[T]) -> T:
    """Does something for every tenant of the state at once."""
    from clearance.core.principal import EVERYWHERE
    from clearance.profiles import choose
    from clearance.profiles.parts import operator

    async def done() -> T:
        async with choose.opened(place_of(data)) as control:
            return await work(control, operator(EVERYWHERE))

    return run(done())


async def _tenant(control: Control, named: str | None) -> str:
    from clearance.core.errors import Conflict, NotFound
    from clearance.core.principal import EVERYWHERE
    from clearance.profiles.parts import operator

    tenants = await control.tenants(operator(EVERYWHERE))
    if named is not None and named not in tenants:
        sentence = f"There is no tenant {named}: apply its configuration first."
        raise NotFound(sentence, code="NO_TENANT")
    if named is not None:
        return named
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        sentence = "There is no tenant yet: apply a configuration first."
        raise NotFound(sentence, code="NO_TENANT")
    sentence = f"There are {len(tenants)} tenants; name one: --tenant NAME."
    raise Conflict(sentence, code="TENANT_NEEDED")
