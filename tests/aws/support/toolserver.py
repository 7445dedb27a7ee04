"""The tool server of a stack: that of the torture, told what to answer, wanting its secret, and
with its record in memory.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clearance.core.catalog import idempotency_key
from tests.aws.support.stack import SECRET_VALUE
from tests.crash.support import toolserver
from tests.crash.support.toolserver import Arrived, Record, ToolServer

BEHAVIOURS = toolserver.CHANCES.keys() | {"prompt"}


@dataclass
class Called:
    """One call that arrived: with which key, and whether it did
    something that had not been done.
    """

    tenant: str
    tool: str
    key: str
    arguments: dict[str, Any]
    behaviour: str
    acted: bool = False


@dataclass
class Tool(Record):
    """What the tool server was asked, and what it answers next: `prompt` unless `will` says
    otherwise.
    """

    calls: list[Called] = field(default_factory=list)
    refused: int = 0
    """Requests without the secret."""

    def __post_init__(self) -> None:
        self._planned: dict[str, deque[str]] = defaultdict(deque)
        self._changed = threading.Condition()

    def will(self, tenant_id: str, action_intent_id: str, *behaviours: str) -> None:
        """What the next calls for an intent meet, one after the other; names of
        `tests.crash.support.toolserver`.
        """
        assert BEHAVIOURS.issuperset(behaviours)
        self._planned[idempotency_key(tenant_id, action_intent_id)].extend(behaviours)

    def calls_of(self, tenant_id: str, action_intent_id: str) -> list[Called]:
        """The calls for an intent, in order."""
        key = idempotency_key(tenant_id, action_intent_id)
        with self._changed:
            return [call for call in self.calls if call.key == key]

    def effects(self, tenant_id: str, action_intent_id: str) -> int:
        """How often the world changed because of an intent."""
        return sum(call.acted for call in self.calls_of(tenant_id, action_intent_id))

    def wait_for_call(
        self, tenant_id: str, action_intent_id: str, count: int = 1, timeout: float = 20
    ) -> None:
        """Returns when so many calls for an intent have arrived."""
        ends = time.monotonic() + timeout
        while len(self.calls_of(tenant_id, action_intent_id)) < count:
            with self._changed:
                assert self._changed.wait(max(ends - time.monotonic(), 0)), (
                    "the call did not arrive"
                )

    def wait_for_effect(self, tenant_id: str, action_intent_id: str, timeout: float = 20) -> None:
        """Returns when the world has changed because of an intent."""
        ends = time.monotonic() + timeout
        while not self.effects(tenant_id, action_intent_id):
            with self._changed:
                assert self._changed.wait(max(ends - time.monotonic(), 0)), "nothing was done"

    # What the server asks its record

    def arrived(self, tenant: str, tool: str, key: str, arguments: dict[str, Any]) -> Arrived:
        with self._changed:
            planned = self._planned[key]
            call = Called(tenant, tool, key, arguments, planned.popleft() if planned else "prompt")
            self.calls.append(call)
            self._changed.notify_all()
            return Arrived(
                len(self.calls) - 1,
                tenant,
                tool,
                arguments.get("request_id"),
                arguments,
                call.behaviour,
            )

    def act(self, call: Arrived) -> dict[str, Any]:
        """A task or a refund once for each `request_id`, a mail each time."""
        with self._changed:
            mine = self.calls[call.seq]
            mine.acted = call.request_id is None or not any(
                one.acted and one.key == mine.key for one in self.calls
            )
            self._changed.notify_all()
            return {"done": call.request_id or call.seq, "new": mine.acted}

    def answered(self, call: Arrived, said: str) -> None:
        pass


class _Locked(toolserver._Handler):
    """Answers nobody who does not bring the secret."""

    def do_POST(self) -> None:  # noqa: N802 - the name that the standard library calls
        if self.headers.get("authorization") == f"Bearer {SECRET_VALUE}":
            super().do_POST()
            return
        record = self.server.record
        assert isinstance(record, Tool)
        record.refused += 1
        self.rfile.read(int(self.headers["content-length"]))
        self._send(401)


@contextmanager
def serving() -> Iterator[tuple[Tool, str]]:
    """A tool server on 127.0.0.1 in a thread of this process, and its url, in which `{tenant}` is
    to be filled in.
    """
    tool = Tool()
    server = ToolServer(0, tool)
    server.RequestHandlerClass = _Locked
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield tool, f"http://127.0.0.1:{server.server_address[1]}/{{tenant}}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
