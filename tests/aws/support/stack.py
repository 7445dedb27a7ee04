"""What tests of the aws profile need of a deployment, whoever made it: in this process on moto, or
from the template on MiniStack.

A stack has the eight functions of `clearance.running.functions` under their own names, one table,
the bus with its rule and queue, the state machine, and one tool server on 127.0.0.1 that this
process runs (`tests.aws.support.toolserver`). `settle` configures its tenants.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clearance.configuration.document import parse_document
from clearance.core.principal import Role
from clearance.core.record import IntentRecord
from clearance.flow.context import Context
from clearance.profiles import choose
from clearance.profiles.aws import aws
from clearance.profiles.parts import NoTools, operator
from clearance.profiles.place import Table
from tests.support import sample

if TYPE_CHECKING:
    from tests.aws.support.toolserver import Tool

T = TypeVar("T")

FUNCTIONS = ("gate", "api", "launcher", "starter", "invoker", "recorder", "sweeper", "aborted")
"""The names of the functions, without whatever a deployment puts around them."""

TENANTS = ("northwind", "contoso")
SOURCES = {
    "northwind.agents": {"tenant_id": "northwind", "actor": "agent-ada"},
    "contoso.agents": {"tenant_id": "contoso", "actor": "agent-carl"},
    "northwind-service": {"tenant_id": "northwind", "actor": "service-nora"},
}
"""`CLEARANCE_SOURCES` of the functions `gate`."""

SECRET_NAME = "CRM_TOKEN"
SECRET_VALUE = "hunter2-and-more-of-it"
SECRET = {SECRET_NAME: SECRET_VALUE}
"""What the secret of `CLEARANCE_SECRET` holds."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of the state machine.

    `status` is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    """

    name: str
    status: str
    tenant_id: str
    action_intent_id: str


class FunctionFailed(Exception):
    """A function raised: the name of the class, as Step Functions matches it, and its message."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message


class Stack(Protocol):
    """A deployment. Every method blocks, and is bounded; every name is one of FUNCTIONS."""

    @property
    def table(self) -> str:
        """The name of the table; AWS_ENDPOINT_URL and the credentials in the environment lead to
        it.
        """

    @property
    def tool(self) -> Tool:
        """The tool server: what it was asked, and what it answers next."""

    @property
    def keys(self) -> Mapping[tuple[str, str], str]:
        """API keys by tenant and role, as `settle` made them."""

    def propose_by_event(self, detail: Mapping[str, Any], source: str) -> None:
        """Hands an ActionIntent to the function `gate` as EventBridge would: nobody waits for the
        answer.
        """

    def invoke(self, function: str, payload: Any) -> Any:
        """Invokes a function and waits for its answer. Raises FunctionFailed."""

    def api(self, method: str, path: str, key: str | None, body: Any = None) -> tuple[int, Any]:
        """One request to the HTTP API: the status and the JSON of the answer.

        A PUT goes with `If-Match: *`.
        """

    def sweep(self) -> None:
        """Invokes the function `sweeper`, as its schedule does; returns when what it published has
        reached the launcher.
        """

    def quiet(self) -> None:
        """Returns when no hint waits and no execution runs: what has not begun by then does not
        begin by itself.
        """

    def executions(self) -> list[Execution]:
        """Every execution, oldest first."""

    def start_execution(self, name: str, tenant_id: str, action_intent_id: str) -> None:
        """Starts an execution by hand, with the launcher's input; returns when it has ended."""

    def abort(self, execution: str) -> None:
        """Stops an execution by its name; the function `aborted`
        hears of it as of any other end.
        """

    def kill(self, function: str) -> None:
        """Ends the invocation of a function that is under way, as a crash would: it answers
        nothing, and does nothing more.
        """

    def losing_events(self) -> AbstractContextManager[None]:
        """Until the block ends, whatever is published on the bus reaches nobody."""

    def until(self, moment_ms: int) -> None:
        """Returns when the functions' clock has passed a moment: a stack that has its own clock
        sets it, another one waits.
        """


def document(url: str) -> dict[str, Any]:
    """The settings of every tenant: `sample`'s, with the tool server at an address, which wants the
    secret in a header.
    """
    said = sample.document()
    said["tool_servers"] = {
        "crm": {
            "url": url,
            "headers": {"Authorization": f"Bearer ${{{SECRET_NAME}}}"},
            "deadline_seconds": 2,
        }
    }
    return said


def settle(table: str, url: str) -> dict[tuple[str, str], str]:
    """Configures every tenant on a table as its operator does, and makes a key for each role: by
    tenant and role.

    `{tenant}` in the url is the tenant's name.
    """

    async def settled() -> dict[tuple[str, str], str]:
        keys = {}
        async with choose.opened(Table(table)) as control:
            for tenant in TENANTS:
                actor = operator(tenant)
                await control.apply(actor, parse_document(document(url.format(tenant=tenant))))
                for role in Role:
                    agent = role is Role.AGENT  # the one who proposes in these tests
                    name = sample.AGENT.actor_id if agent else f"the-{role.value}"
                    keys[tenant, role.value] = await choose.new_api_key(control, tenant, name, role)
        return keys

    return asyncio.run(settled())


def on_table(stack: Stack, work: Callable[[Context], Awaitable[T]]) -> T:
    """Does something to the state itself, with parts of its own that publish nothing."""

    async def done() -> T:
        async with aws(Table(stack.table), NoTools()) as parts:
            return await work(parts.context)

    return asyncio.run(done())


def record_of(stack: Stack, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
    """All that is known of one intent, read from the table."""
    return on_table(stack, lambda context: context.store.intent(tenant_id, action_intent_id))


def record_when(
    stack: Stack,
    tenant_id: str,
    action_intent_id: str,
    there: Callable[[IntentRecord], bool],
    timeout: float = 45,
) -> IntentRecord:
    """The intent as soon as it is as it shall be.

    AssertionError with what it is when the time is over.
    """

    async def waited(context: Context) -> IntentRecord:
        ends = time.monotonic() + timeout
        while True:
            record = await context.store.intent(tenant_id, action_intent_id)
            if record is not None and there(record):
                return record
            assert time.monotonic() < ends, f"{action_intent_id} is still {record}"
            await asyncio.sleep(0.1)

    return on_table(stack, waited)


def outcome_of(
    stack: Stack, tenant_id: str, action_intent_id: str, timeout: float = 45
) -> IntentRecord:
    """The intent as soon as it has an outcome."""
    return record_when(
        stack, tenant_id, action_intent_id, lambda record: record.outcome is not None, timeout
    )


def environment(table: str, bus: str, state_machine: str, secret: str) -> dict[str, str]:
    """What the functions' environment holds beside AWS's own; `state_machine` is for the launcher,
    `secret` for the invoker.
    """
    return {
        "CLEARANCE_TABLE": table,
        "CLEARANCE_BUS": bus,
        "CLEARANCE_STATE_MACHINE": state_machine,
        "CLEARANCE_SECRET": secret,
        "CLEARANCE_SOURCES": json.dumps(SOURCES),
    }
