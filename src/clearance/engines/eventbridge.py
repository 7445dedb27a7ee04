"""The engine on EventBridge: an outbox.

It publishes approved intents on a bus, where the launcher of executions receives them.

A hint is kept until it is flushed, before a function answers. An event is only a hint too: it may
be lost, repeated or late. The sweep finds any intent whose event a failure or a crash kept from
being published; its budget was held long before.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from clearance.core.approval import ApprovalSource
from clearance.core.canonical import Json
from clearance.core.errors import Refusal
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.ports.due import Due

SOURCE = "clearance"
DETAIL_TYPE = "ACTION_APPROVED"
ENTRIES_MAX = 10  # of one PutEvents
TRIES_MAX = 4  # of publishing one event
BACKOFF_SECONDS = 0.1  # at most, before the second try; doubles with each
WAITING_MAX = 10_000  # hints that wait in one process; one more is left to the sweep

_log = structlog.get_logger(__name__)

Entry = dict[str, str]


class Bus:
    """The outbox of one process. `client` is boto3's for EventBridge."""

    def __init__(self, name: str, client: Any) -> None:
        self._name = name
        self._client = client
        self._waiting: dict[tuple[str, str], Due] = {}
        self._left = 0

    def hint(self, due: Due) -> None:
        """Keeps a hint until the next flush. Never blocks, never raises."""
        if len(self._waiting) < WAITING_MAX:
            self._waiting.setdefault((due.tenant_id, due.action_intent_id), due)
        else:
            self._left += 1

    async def flush(self, context: Context) -> int:
        """Publishes what waits; how many events were.

        What could not be published is logged, and left to the sweep.
        """
        waiting, self._waiting = list(self._waiting.values()), {}
        if self._left:
            _log.warning("events not published", code="TOO_MANY_WAIT", count=self._left)
            self._left = 0
        entries: list[Entry] = []
        for begin in range(0, len(waiting), ENTRIES_MAX):
            looked = await asyncio.gather(
                *(self._entry(context, due) for due in waiting[begin : begin + ENTRIES_MAX])
            )
            entries += [entry for entry in looked if entry is not None]
        published = 0
        for begin in range(0, len(entries), ENTRIES_MAX):
            batch = entries[begin : begin + ENTRIES_MAX]
            left = await self._publish(batch)
            published += len(batch) - left
            if left == len(batch):  # the bus is away: later events would only wait for it again
                _log.warning(
                    "events not published", code="BUS_AWAY", count=len(entries) - published
                )
                break
        return published

    async def _entry(self, context: Context, due: Due) -> Entry | None:
        """The event of a hint.

        What was found again by the sweep may be held or done: then there is none.
        """
        account_id, source = due.account_id, due.approval_source
        if account_id is None:
            try:
                record = await execute.due(context, due.tenant_id, due.action_intent_id)
            except Refusal as refusal:
                _log.warning(
                    "not published", code=refusal.code, action_intent_id=due.action_intent_id
                )
                return None
            if record is None:
                return None
            account_id, source = record.intent.account_id, record.approval_source
        return self._event(due, account_id, source)

    def _event(self, due: Due, account_id: str, source: ApprovalSource | None) -> Entry:
        detail: dict[str, Json] = {
            "tenant_id": due.tenant_id,
            "account_id": account_id,
            "action_intent_id": due.action_intent_id,
            "action_type": due.action_type,
            "approval_source": None if source is None else source.value,
            "auto_executed": source is ApprovalSource.POLICY,
        }
        text = json.dumps(detail, ensure_ascii=False)
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": text,
        }

    async def _publish(self, batch: Sequence[Entry]) -> int:
        """Publishes up to ENTRIES_MAX events; how many could not be.

        Only what failed is sent again, a random moment later.
        """
        left, reason = list(batch), ""
        for tried in range(TRIES_MAX):
            if tried:
                await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS * 2 ** (tried - 1)))  # noqa: S311 - jitter is no secret
            left, reason = await self._put(left)
            if not left:
                return 0
        _log.warning("events not published", code="EVENTS_REFUSED", reason=reason, count=len(left))
        return len(left)

    async def _put(self, entries: list[Entry]) -> tuple[list[Entry], str]:
        """One PutEvents; the events that were not taken, and the code of one of them.

        It does not raise for single events.
        """
        try:
            answer = await asyncio.to_thread(self._client.put_events, Entries=entries)
        except ClientError as error:
            return entries, str(error.response.get("Error", {}).get("Code"))
        except BotoCoreError as error:
            return entries, type(error).__name__
        if not answer.get("FailedEntryCount"):
            return [], ""
        codes = [result.get("ErrorCode") for result in answer["Entries"]]
        left = [entry for entry, code in zip(entries, codes, strict=True) if code]
        return left, next((str(code) for code in codes if code), "")
