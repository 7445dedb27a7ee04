"""The Python client: `Clearance` (blocking) and `AsyncClearance`, for agents that propose and
people who rule.

Every verb is written once, as steps (see `wire`); the two classes only carry the steps out. The
client needs the standard library and httpx2, and knows nothing of how Clearance decides. When no
answer comes it raises `ClearanceUnavailable`, and never makes an answer up.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

import httpx2

from clearance.client import stops
from clearance.client import wire as wire
from clearance.client.wire import Answer, ClearanceError, ClearanceUnavailable, Json

__all__ = ["Answer", "AsyncClearance", "Clearance", "ClearanceError", "ClearanceUnavailable"]

WAIT_SECONDS_DEFAULT = 30.0
PAGE_SIZE_DEFAULT = 100  # items
ID_BYTES = 16
UNDER_WAY = frozenset({"APPROVED", "RUNNING"})
AWAITING_APPROVAL = "AWAITING_APPROVAL"

_A = TypeVar("_A")
_I = TypeVar("_I")


class _Verbs(ABC, Generic[_A, _I]):
    """The verbs of both clients.

    `_A` is an answer or the promise of one; `_I` an iterator over items.
    """

    _http: httpx2.Client | httpx2.AsyncClient

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    @abstractmethod
    def _run(self, steps: wire.Steps) -> _A:
        """Carries the steps out and gives their answer."""

    @abstractmethod
    def _iterate(self, steps: wire.Steps) -> _I:
        """Carries the steps out as far as items are asked for."""

    # Agents

    def propose(
        self,
        *,
        action_type: str,
        account_id: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        action_intent_id: str | None = None,
        target: Json = None,
        why: Sequence[str] = (),
        expires_at: datetime | str | None = None,
        trace_id: str | None = None,
        confidence_score: float | None = None,
        risk_level: str | None = None,
    ) -> _A:
        """Proposes an action; the answer is the intent with the gate's `decision` and its `status`.

        Without an `action_intent_id` one is made here, once, so that a repeat after a lost answer
        cannot act twice. The `account_id` may be left out if the catalog finds it in the
        parameters.
        """
        body: Answer = {
            "action_intent_id": secrets.token_hex(ID_BYTES)
            if action_intent_id is None
            else action_intent_id,
            "action_type": action_type,
            "parameters": dict(parameters or {}),
        }
        given = {
            "account_id": account_id,
            "target": target,
            "why": [why] if isinstance(why, str) else list(why),
            "expires_at": wire.moment(expires_at),
            "trace_id": trace_id,
            "confidence_score": confidence_score,
            "risk_level": risk_level,
        }
        return self._run(
            wire.propose(body | {name: value for name, value in given.items() if value is not None})
        )

    def actions(self) -> _A:
        """The actions that may be proposed, as `items`: type, label, description, and the JSON
        Schema of the parameters.
        """
        return self._run(wire.send(wire.Request("GET", wire.path("actions"))))

    def intent(self, action_intent_id: str) -> _A:
        """One intent as it stands: status, decision, approval, attempt, outcome."""
        return self._run(wire.send(wire.Request("GET", wire.path("intents", action_intent_id))))

    def wait(
        self,
        action_intent_id: str,
        timeout_seconds: float = WAIT_SECONDS_DEFAULT,
        *,
        past_approval: bool = False,
    ) -> _A:
        """The intent once it is finished, or waits for a person, or when the time is over: its
        `status` says which.

        With `past_approval` it also waits for the person.
        """
        unsettled = UNDER_WAY | {AWAITING_APPROVAL} if past_approval else UNDER_WAY
        return self._run(wire.wait(action_intent_id, unsettled, timeout_seconds))

    def explanation(self, action_intent_id: str) -> _A:
        """Why an intent was answered as it was, and what would change the answer."""
        return self._run(
            wire.send(wire.Request("GET", wire.path("intents", action_intent_id, "explanation")))
        )

    def cancel(self, action_intent_id: str, reason: str) -> _A:
        """Withdraws an intent that has not started."""
        where = wire.path("intents", action_intent_id, "cancellation")
        return self._run(wire.send(wire.post("cancel", where, {"reason": reason})))

    # People

    def approvals(self, *, page_size: int = PAGE_SIZE_DEFAULT) -> _I:
        """Everything that needs a person, oldest request first."""
        return self._iterate(wire.pages(wire.path("approvals"), (), page_size))

    def approve(self, name: str, *, reason: str | None = None, digest: str | None = None) -> _A:
        """Approves, by the id of an approval or of an intent (then its latest approval).

        `digest` is that of what was shown: if something else would run by now, the ruling is
        refused.
        """
        return self._run(wire.rule(name, {"ruling": "approve", "reason": reason, "digest": digest}))

    def reject(self, name: str, *, reason: str, digest: str | None = None) -> _A:
        """Rejects, by the id of an approval or of an intent."""
        return self._run(wire.rule(name, {"ruling": "reject", "reason": reason, "digest": digest}))

    def edit(
        self,
        name: str,
        *,
        parameters: Mapping[str, Json],
        reason: str | None = None,
        digest: str | None = None,
    ) -> _A:
        """Closes the approval and proposes a new intent with these parameters: `new_intent` of the
        answer.
        """
        ruling = {
            "ruling": "edit",
            "parameters": dict(parameters),
            "reason": reason,
            "digest": digest,
        }
        return self._run(wire.rule(name, ruling))

    def reconcile(self, action_intent_id: str, *, status: str, reason: str) -> _A:
        """Settles an UNKNOWN outcome as `SUCCEEDED` or `FAILED`."""
        where = wire.path("intents", action_intent_id, "reconciliation")
        body = {"status": status, "reason": reason}
        return self._run(wire.send(wire.post("reconcile", where, body)))

    def erase(self, action_intent_id: str, reason: str) -> _A:
        """Erases the reasons that people wrote about an intent; the ledger keeps their digests."""
        where = wire.path("intents", action_intent_id, "erasure")
        return self._run(wire.send(wire.post("erase", where, {"reason": reason})))

    # Everybody who may read

    def timeline(
        self,
        *,
        account_id: str | None = None,
        action_type: str | None = None,
        auto_executed: bool | None = None,
        status: Sequence[str] = (),
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
    ) -> _I:
        """The timeline, newest first: intents that ran, and intents that did not."""
        query = wire.timeline_query(
            account_id=account_id,
            action_type=action_type,
            auto_executed=auto_executed,
            status=status,
            since=since,
            until=until,
        )
        return self._iterate(wire.pages(wire.path("timeline"), query, page_size))

    def page(
        self,
        name: str,
        *,
        limit: int = PAGE_SIZE_DEFAULT,
        cursor: str | None = None,
        **filters: Json,
    ) -> _A:
        """Up to `limit` items of `approvals`, `timeline` or `ledger`, with the list's own filters;
        `more` says whether others follow, and `next_cursor` where to go on.
        """
        where, query = wire.list_named(name, filters)
        return self._run(wire.page(where, query, limit, cursor))

    def ledger(self, *, after: int = 0, page_size: int = PAGE_SIZE_DEFAULT) -> _I:
        """The ledger's entries in order, from behind a position."""
        return self._iterate(wire.entries(after, page_size))

    @abstractmethod
    def events(self, *, after: int | None = None) -> _I:
        """The ledger's entries as they are made, without end: from behind a position, or from now
        on.

        A lost connection is taken up again behind the last entry that was given.
        """

    def whoami(self) -> _A:
        """Whose credential this is: tenant, actor, permissions."""
        return self._run(wire.send(wire.Request("GET", wire.path("whoami"))))

    def status(self) -> _A:
        """How the tenant stands: what waits and since when, what is unknown, what is stopped."""
        return self._run(wire.send(wire.Request("GET", wire.path("status"))))

    def usage(
        self,
        *,
        agent: str | None = None,
        account: str | None = None,
        action_type: str | None = None,
    ) -> _A:
        """What the tenant has used of its limits now, and what those have used that are named."""
        named = {"agent": agent, "account": account, "action_type": action_type}
        query = tuple((key, name) for key, name in named.items() if name is not None)
        return self._run(wire.send(wire.Request("GET", wire.path("autonomy", "usage"), query)))

    # Owners

    def settings_part(self, part: str) -> _A:
        """One part of the settings, with its `version`: modes, allowlist, budgets, limits,
        stop-switches, policies, catalog.
        """
        return self._run(wire.send(wire.Request("GET", wire.path("autonomy", part))))

    def put_settings_part(self, part: str, value: Mapping[str, Json], *, version: int) -> _A:
        """Replaces one part of the settings, if `version` is still in force."""
        return self._run(wire.send(wire.put(part, value, f'"{version}"')))

    def stop(
        self,
        scope: str,
        subject: str | None = None,
        *,
        level: str = "HOLD",
        reason: str,
        lifted_by: str | None = None,
    ) -> _A:
        """Turns a stop switch on: `TENANT`, or `ACCOUNT`, `ACTION_TYPE`, `TOOL_SERVER`, `AGENT`
        with its name. A name that nothing has is stopped too.

        `HOLD`: nothing starts until it is lifted. `REFUSE`: what waits or comes is cancelled or
        blocked. `lifted_by` is the least role that may lift it, `APPROVER` or `OWNER`.

        The answer is the part of the settings, with the switch's receipt among `receipts`: whether
        the name is `known`, what is held, and the calls that are under way and go on. If no receipt
        could be made, `receipt_problem` says why, and the stop is on all the same.
        """
        switch = {"scope": scope, "subject": subject, "level": level, "reason": reason}
        if lifted_by is not None:
            switch["lifted_by"] = lifted_by
        return self._run(stops.stop(switch))

    def lift(self, scope: str, subject: str | None = None) -> _A:
        """Turns a stop switch off; `NO_SUCH_STOP_SWITCH` if it is not on, `STOP_IS_OWNERS` if only
        an owner may. `starts` of the answer is how many approved intents start because of it.
        """
        return self._run(stops.lift(scope, subject))

    def stop_receipts(self) -> _A:
        """What each stop that is on holds now, and what is under way under it, as `items`."""
        return self._run(wire.send(wire.Request("GET", wire.path("stop-receipts"))))

    def stop_receipt(self, scope: str, subject: str | None = None) -> _A:
        """What one stop holds; if it is not `on`, what it would hold."""
        return self._run(stops.stop_receipt(scope, subject))

    def api_keys(self) -> _A:
        """The tenant's credentials, without their secrets."""
        return self._run(wire.send(wire.Request("GET", wire.path("api-keys"))))

    def create_api_key(
        self,
        name: str,
        role: str,
        *,
        accounts: Sequence[str] | None = None,
        action_types: Sequence[str] | None = None,
        replace: bool = False,
    ) -> _A:
        """Makes a credential (agent, approver, auditor or owner), limited to these accounts and
        action types if any are given; its secret is in this answer and never again.

        To `replace` is to end the valid key of this name in the same step; the new one keeps its
        limits unless others are given.
        """
        limits = {"accounts": accounts, "action_types": action_types}
        scope = {key: list(names) for key, names in limits.items() if names is not None}
        body = {
            "name": name,
            "role": role,
            **({"scope": scope} if scope else {}),
            **({"replace": True} if replace else {}),
        }
        return self._run(wire.send(wire.post("create_api_key", wire.path("api-keys"), body)))

    def revoke_api_key(self, key_id: str) -> _A:
        """Ends a credential."""
        where = wire.path("api-keys", key_id)
        return self._run(wire.send(wire.Request("DELETE", where, operation="revoke_api_key")))


class Clearance(_Verbs[Answer, Iterator[Answer]]):
    """The blocking client.

    Address and key come from `CLEARANCE_URL` and `CLEARANCE_API_KEY` unless given.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        allow_insecure: bool = False,
        timeout_seconds: float = wire.TIMEOUT_SECONDS_DEFAULT,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`allow_insecure` sends the key unencrypted to another
        machine; `transport` is for tests.
        """
        settings = wire.connection(url, api_key, timeout_seconds, allow_insecure=allow_insecure)
        self._http: httpx2.Client = httpx2.Client(transport=transport, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def _run(self, steps: wire.Steps) -> Answer:
        given: wire.Reply | wire.Failure | None = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration as end:
                return dict(end.value)
            given = self._carry_out(step)

    def _iterate(self, steps: wire.Steps) -> Iterator[Answer]:
        given: wire.Reply | wire.Failure | None = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration:
                return
            if isinstance(step, wire.Item):
                yield step.value
            given = self._carry_out(step)

    def _carry_out(
        self, step: wire.Request | wire.Pause | wire.Item
    ) -> wire.Reply | wire.Failure | None:
        match step:
            case wire.Request():
                try:
                    return wire.read_reply(self._http.request(**wire.arguments(step)))
                except httpx2.RequestError as error:
                    return wire.read_failure(error)
            case wire.Pause():
                time.sleep(step.seconds)
        return None

    def events(self, *, after: int | None = None) -> Iterator[Answer]:
        """The ledger's entries as they are made, without end; see `AsyncClearance.events`."""
        subscription = wire.Subscription(after)
        while True:
            try:
                with self._http.stream(**subscription.arguments()) as response:
                    if subscription.accepts(response):
                        for event in httpx2.EventSource(response):
                            yield from subscription.taken(event)
                    else:
                        response.read()
                        subscription.refused(wire.read_reply(response))
            except httpx2.RequestError as error:
                subscription.lost(wire.read_failure(error))
            time.sleep(subscription.pause_seconds)


class AsyncClearance(_Verbs[Coroutine[Any, Any, Answer], AsyncIterator[Answer]]):
    """The asyncio client: the same verbs, awaited; lists are asynchronous iterators."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        allow_insecure: bool = False,
        timeout_seconds: float = wire.TIMEOUT_SECONDS_DEFAULT,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`allow_insecure` sends the key unencrypted to another
        machine; `transport` is for tests.
        """
        settings = wire.connection(url, api_key, timeout_seconds, allow_insecure=allow_insecure)
        self._http: httpx2.AsyncClient = httpx2.AsyncClient(transport=transport, **settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def _run(self, steps: wire.Steps) -> Answer:
        given: wire.Reply | wire.Failure | None = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration as end:
                return dict(end.value)
            given = await self._carry_out(step)

    async def _iterate(self, steps: wire.Steps) -> AsyncIterator[Answer]:
        given: wire.Reply | wire.Failure | None = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration:
                return
            if isinstance(step, wire.Item):
                yield step.value
            given = await self._carry_out(step)

    async def _carry_out(
        self, step: wire.Request | wire.Pause | wire.Item
    ) -> wire.Reply | wire.Failure | None:
        match step:
            case wire.Request():
                try:
                    return wire.read_reply(await self._http.request(**wire.arguments(step)))
                except httpx2.RequestError as error:
                    return wire.read_failure(error)
            case wire.Pause():
                await asyncio.sleep(step.seconds)
        return None

    async def events(self, *, after: int | None = None) -> AsyncIterator[Answer]:
        """The ledger's entries as they are made, without end: from behind a position, or from now
        on.

        A lost connection is taken up again behind the last entry that was given.
        """
        subscription = wire.Subscription(after)
        while True:
            try:
                async with self._http.stream(**subscription.arguments()) as response:
                    if subscription.accepts(response):
                        async for event in httpx2.EventSource(response):
                            for entry in subscription.taken(event):
                                yield entry
                    else:
                        await response.aread()
                        subscription.refused(wire.read_reply(response))
            except httpx2.RequestError as error:
                subscription.lost(wire.read_failure(error))
            await asyncio.sleep(subscription.pause_seconds)
