"""The parts that every profile assembles: the place of the state, and the parts of one process.

A profile chooses concrete parts. Nothing here does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from clearance.clock import SystemClock
from clearance.core.catalog import ToolServer
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import PERMISSIONS, ActorKind, Principal, Role
from clearance.doors.access import Access
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.due import Due
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolList,
    Tools,
)


class NoEngine:
    """An engine for processes that only configure: a worker's sweep finds the intents that they
    approve.
    """

    def hint(self, due: Due) -> None:
        """Does nothing."""


class NoTools:
    """A tool runner for processes that call no tools: every caller learns that nothing was sent."""

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:  # noqa: ARG002
        """Raises ToolCallFailed."""
        raise _no_tools()

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:  # noqa: ARG002
        """Raises ToolCallFailed."""
        raise _no_tools()

    async def close(self) -> None:
        """Does nothing."""


def _no_tools() -> ToolCallFailed:
    sentence = "This process calls no tools."
    return ToolCallFailed(
        CallError(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="NO_TOOLS_HERE")
    )


Wrapping: TypeAlias = Callable[[Store], Store]
"""The wrapper that a process puts around the store of its profile, to see the calls that pass
through it.
"""


def as_it_is(store: Store) -> Store:
    """Nothing is put around it."""
    return store


@dataclass(slots=True)
class Parts:
    """The parts of one process."""

    context: Context
    control: Control
    access: Access


def assembled(
    ends: contextlib.AsyncExitStack,
    store: Store,
    tools: Tools,
    engine: Engine,
    *,
    programs: bool = True,
) -> Parts:
    """The parts of a process; its tools end, then its store, when `ends` does.

    `programs` as in Context.
    """
    clock = SystemClock()
    ends.push_async_callback(store.close)
    ends.push_async_callback(tools.close)
    context = Context(store, tools, engine, clock, programs=programs)
    return Parts(context, Control(context), Access(store, clock))


def operator(tenant_id: str) -> Principal:
    """The operator, who works on the state itself: they could read and change it in other ways, so
    they may do anything.
    """
    return Principal(tenant_id, "operator", ActorKind.PERSON, PERMISSIONS[Role.OWNER])
