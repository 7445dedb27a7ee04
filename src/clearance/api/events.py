"""The ledger live: a stream with one event per entry, resumable by the ledger position. An agent
gets the entries about its own intents.

The ledger is the only source: an interrupted stream continues where it was, and misses nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from clearance.api import problems, resources
from clearance.core.errors import Refusal
from clearance.doors.streams import HEARTBEAT_MS, RECONNECT_MS

if TYPE_CHECKING:
    from clearance.core.agents_view import ShownEntry
    from clearance.core.principal import Principal
    from clearance.doors.access import Access
    from clearance.flow.control import Control

ENTRIES_MAX = 100  # entries that are read at once


class EntryFeed:
    """The entries of one tenant behind a position, as text, for as long as a key is valid."""

    def __init__(
        self, control: Control, access: Access, key: str | None, caller: Principal, after: int
    ) -> None:
        self._control = control
        self._access = access
        self._key = key
        self._after = after
        self.caller = caller

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """A problem."""
        return problems.of_refusal(request, refusal)

    async def texts(self) -> AsyncIterator[str]:
        """Events as they come, and a comment when there are none.

        Ends when the credential is no longer valid.
        """
        # The place is known even if nothing comes before a break
        yield f"retry: {RECONNECT_MS}\nid: {self._after}\n\n"
        while True:
            there_are = await self._control.wait_for_entries(
                self.caller, after=self._after, timeout_ms=HEARTBEAT_MS
            )
            # Asked again each time: a stream ends with the revoked key that opened it.
            self.caller = await self._access.authenticate(self._key)
            if not there_are:
                yield ": still here\n\n"
                continue
            entries, reached = await self._control.events(
                self.caller, after=self._after, limit=ENTRIES_MAX
            )
            for entry in entries:
                yield event(entry)
            if not entries or entries[-1].position < reached:
                # What is not shown is not looked at again after a break
                yield f"id: {reached}\n\n"
            self._after = reached


def event(entry: ShownEntry) -> str:
    """One entry as an event: its position is the id, its kind the event's name."""
    resource = resources.entry(entry)
    data = json.dumps(resource.model_dump(), ensure_ascii=False, separators=(",", ":"))
    return f"id: {entry.position}\nevent: {resource.kind}\ndata: {data}\n\n"
