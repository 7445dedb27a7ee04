"""The callers of a run: agents that propose each intent three times through different processes,
people who rule, an owner.

They use the Python client as anybody would, and write down what they were told: what Clearance
acknowledged it must keep.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearance.client import AsyncClearance, ClearanceError, ClearanceUnavailable
from clearance.core.canonical import canonical
from tests.crash.support import company
from tests.crash.support.company import Plan
from tests.crash.support.evidence import Answered, Full, Refused

SENDINGS = 3  # of each intent
UNDER_WAY_MAX = 400  # approved and running intents, beyond which the agents wait
TIMEOUT_SECONDS = 8.0  # of one request: a process that stands still is asked no longer
ROUNDS_MAX = 40  # of asking again for an answer that did not come
LOOK_SECONDS = 1.0


@dataclass
class Told:
    """What the callers were told, in the order in which they were."""

    answered: list[Answered] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    first_answers: list[float] = field(default_factory=list)
    unanswered: list[tuple[str, str]] = field(default_factory=list)

    def keep(
        self, verb: str, tenant_id: str, action_intent_id: str | None, said: Mapping[str, Any]
    ) -> None:
        self.answered.append(Answered(verb, tenant_id, action_intent_id, said, time.monotonic()))

    async def ask(
        self,
        verb: str,
        tenant_id: str,
        action_intent_id: str | None,
        asking: Awaitable[Mapping[str, Any]],
    ) -> Mapping[str, Any] | None:
        """The answer, or None if it was refused or did not come; both are noted."""
        try:
            return await asking
        except ClearanceError as error:
            self.refused.append(
                Refused(verb, tenant_id, action_intent_id, error.code, error.sentence)
            )
            return None


class Doors:
    """Clients of every API process, for every person and agent."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._clients = {
            (number, tenant, name): AsyncClearance(
                url, company.key_of(tenant, name), timeout_seconds=TIMEOUT_SECONDS
            )
            for number, url in enumerate(urls)
            for tenant in company.TENANTS
            for name in company.PEOPLE
        }
        self.count = len(urls)

    def through(self, number: int, tenant_id: str, name: str) -> AsyncClearance:
        """The client of somebody at one of the processes."""
        return self._clients[number % self.count, tenant_id, name]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


class Crowd:
    """Everybody who asks something.

    `stopped` ends the proposing; whatever was begun is finished.
    """

    def __init__(
        self, doors: Doors, seed: int, clients: int, per_second: float, ceiling: int
    ) -> None:
        self.doors = doors
        self.told = Told()
        self.stopped = asyncio.Event()
        self.proposed = 0
        self._seed = seed
        self._ceiling = ceiling
        self._clients = clients
        self._pause = clients / per_second
        self._asking: set[asyncio.Task[tuple[float, Mapping[str, Any]] | None]] = set()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Everybody at once, until `stopped`; then until every question has its answer, or will
        have none.
        """
        try:
            await self._everybody()
            await asyncio.gather(*self._asking)
        finally:
            for one in self._asking:
                one.cancel()

    async def _everybody(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._clients):
                group.create_task(self._client(number))
            for tenant in company.TENANTS:
                for ruler in company.RULERS:
                    group.create_task(self._ruler(tenant, ruler))
                group.create_task(self._owner(tenant))
            group.create_task(self._look())

    # Agents

    async def _client(self, number: int) -> None:
        drawn = random.Random(f"{self._seed}:client:{number}")
        tenant = company.TENANTS[number % len(company.TENANTS)]
        await self._sleep(drawn.uniform(0, self._pause))
        count = 0
        while not self.stopped.is_set():
            await self._room.wait()
            began = time.monotonic()
            # The other tenant has one of the same name
            name = f"i{number // len(company.TENANTS):03d}-{count:05d}"
            count += 1
            await self._propose(company.plan(self._seed, tenant, name), drawn)
            left = self._pause * drawn.uniform(0.5, 1.5) - (time.monotonic() - began)
            await self._sleep(max(left, 0))

    async def _propose(self, plan: Plan, drawn: random.Random) -> None:
        self.proposed += 1
        door = drawn.randrange(self.doors.count)
        pauses = [0.0, drawn.choice([0.0, drawn.uniform(0, 0.05)]), drawn.uniform(0, 0.5)]
        sendings = 1 if plan.once else SENDINGS
        asking = [
            asyncio.create_task(self._send(plan, door + sending, pauses[sending], sending))
            for sending in range(sendings)
        ]
        self._asking.update(asking)
        for one in asking:
            one.add_done_callback(self._asking.discard)
        first = await _first(asking)
        name = plan.said["action_intent_id"]
        if first is None:
            self.told.unanswered.append((plan.tenant_id, name))
            return
        at, answer = first
        self.told.first_answers.append(at)
        if plan.withdraws and answer["status"] == "AWAITING_APPROVAL":
            client = self.doors.through(door, plan.tenant_id, plan.agent)
            said = await self.told.ask(
                "cancel", plan.tenant_id, name, client.cancel(name, "changed my mind")
            )
            if said is not None:
                self.told.keep("cancel", plan.tenant_id, name, {"status": said["status"]})

    async def _send(
        self, plan: Plan, door: int, pause: float, sending: int
    ) -> tuple[float, Mapping[str, Any]] | None:
        """One of the sendings: again through another process until an answer comes, or the run is
        over.
        """
        await asyncio.sleep(pause)
        name = plan.said["action_intent_id"]
        for again in range(ROUNDS_MAX):
            client = self.doors.through(door + again, plan.tenant_id, plan.agent)
            try:
                said = await client.propose(**plan.said)
            except ClearanceUnavailable:
                if sending > 0 or self.stopped.is_set():
                    return None
                continue
            except ClearanceError as error:
                self.told.refused.append(
                    Refused("propose", plan.tenant_id, name, error.code, error.sentence)
                )
                return None
            kept = ("decision", "reason", "settings_version", "status")
            self.told.keep("propose", plan.tenant_id, name, {part: said[part] for part in kept})
            return time.monotonic(), said
        return None

    # People

    async def _ruler(self, tenant: str, name: str) -> None:
        drawn = random.Random(f"{self._seed}:{tenant}:{name}")
        while not self.stopped.is_set():
            await self._sleep(drawn.uniform(0.5, 1.5))
            client = self.doors.through(drawn.randrange(self.doors.count), tenant, name)
            try:
                items = [item async for item in client.approvals(page_size=200)]
            except ClearanceError as error:
                self.told.refused.append(Refused("read", tenant, None, error.code, error.sentence))
                continue
            for item in drawn.sample(items, min(len(items), 12)):
                if not self.stopped.is_set():
                    verb = drawn.choices(["approve", "reject", "edit"], [70, 18, 12])[0]
                    await self._rule(client, tenant, name, item, verb)

    async def _rule(
        self,
        client: AsyncClearance,
        tenant: str,
        name: str,
        item: Mapping[str, Any],
        verb: str,
    ) -> None:
        approval_id, digest = item["approval_id"], item["digest"]
        asking: Callable[[], Awaitable[Mapping[str, Any]]] = {
            "approve": lambda: client.approve(approval_id, digest=digest),
            "reject": lambda: client.reject(approval_id, reason="not now", digest=digest),
            "edit": lambda: client.edit(
                approval_id, parameters=item["parameters"], reason="as it is", digest=digest
            ),
        }[verb]
        said = await self.told.ask(verb, tenant, item["action_intent_id"], asking())
        if said is not None:
            new = (said.get("new_intent") or {}).get("action_intent_id")
            kept = {"approval_id": approval_id, "by": name, "new_intent": new}
            self.told.keep(verb, tenant, item["action_intent_id"], kept)

    async def _owner(self, tenant: str) -> None:
        """Stops something for a while, lifts it, and changes how much autonomy there is."""
        drawn = random.Random(f"{self._seed}:{tenant}:owner")
        most = 0
        while not self.stopped.is_set():
            await self._sleep(drawn.uniform(3, 9))
            client = self.doors.through(drawn.randrange(self.doors.count), tenant, company.OWNER)
            if drawn.random() < 0.5:
                await self._stop_for_a_while(client, tenant, drawn)
                continue
            most += drawn.randint(5, 60)
            part, value = drawn.choice(
                [
                    ("budgets", {"budgets": company.budgets(200 + most, poor=3 + most // 50)}),
                    ("policies", {"policy": f"{company.POLICY}// {most}\n"}),
                    ("limits", {"limits": company.limits(self._ceiling + most)}),
                ]
            )
            await self._change(client, tenant, part, value)

    async def _change(
        self, client: AsyncClearance, tenant: str, part: str, value: Mapping[str, Any]
    ) -> None:
        now = await self.told.ask("read", tenant, None, client.settings_part(part))
        if now is None:
            return
        said = await self.told.ask(
            "settings", tenant, None, client.put_settings_part(part, value, version=now["version"])
        )
        if said is not None:
            self.told.keep("settings", tenant, None, {"version": said["version"]})

    async def _stop_for_a_while(
        self, client: AsyncClearance, tenant: str, drawn: random.Random
    ) -> None:
        scope, subject = drawn.choice(
            [
                ("ACCOUNT", "hot"),
                ("ACTION_TYPE", "SEND_MAIL"),
                ("TOOL_SERVER", "crm"),
                ("TENANT", None),
            ]
        )
        level = drawn.choice(["HOLD", "HOLD", "REFUSE"])
        said = await self.told.ask(
            "stop",
            tenant,
            None,
            client.stop(scope, subject, level=level, reason="a look at things"),
        )
        if said is not None:
            self.told.keep("stop", tenant, None, {"version": said["version"]})
        await self._sleep(drawn.uniform(0.5, 2.5))
        await self.lift_all(tenant)

    async def lift_all(self, tenant: str) -> bool:
        """Turns every switch of a tenant off, through whichever process answers; False if none
        does.
        """
        for door in range(self.doors.count * 2):
            client = self.doors.through(door, tenant, company.OWNER)
            now = await self.told.ask("read", tenant, None, client.settings_part("stop-switches"))
            if now is None:
                continue
            if not now["stop_switches"]:
                return True
            put = client.put_settings_part(
                "stop-switches", {"stop_switches": []}, version=now["version"]
            )
            if (said := await self.told.ask("stop", tenant, None, put)) is not None:
                self.told.keep("stop", tenant, None, {"version": said["version"]})
                return True
        return False

    async def reject_all(self, tenant: str) -> None:
        """People reject whatever waits, so that no agent has too much waiting."""
        for name in company.RULERS:  # each may have edited some, which the other rules on
            client = self.doors.through(0, tenant, name)
            for item in [item async for item in client.approvals(page_size=500)]:
                await self._rule(client, tenant, name, item, "reject")

    async def fill(self, tenant: str) -> list[Full]:
        """One agent after the other makes accounts up until a limit lets none of its acts run
        alone, through one process after the other; what was full then.
        """
        full: list[Full] = []
        number = 0
        for agent in company.AGENTS:
            decision = "AUTO_EXECUTE"
            while decision == "AUTO_EXECUTE" and number < 2 * self._ceiling + 200:
                said = company.filling(number)
                answer = await self.doors.through(number, tenant, agent).propose(**said)
                decision, number = answer["decision"], number + 1
            # What an agent is told names no number, so an owner looks.
            owner = self.doors.through(number, tenant, company.OWNER)
            full += _full(await owner.intent(said["action_intent_id"]))
        return full

    # Pace

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, but not beyond the end."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        """Lets the agents wait while too much is under way: callers that never wait would only
        measure a queue.
        """
        door = 0
        while not self.stopped.is_set():
            await self._sleep(LOOK_SECONDS)
            waiting = 0
            for tenant in company.TENANTS:
                door += 1
                client = self.doors.through(door, tenant, company.OWNER)
                waiting += await under_way(client, UNDER_WAY_MAX) or 0
            if waiting > UNDER_WAY_MAX:
                self._room.clear()
            else:
                self._room.set()
        self._room.set()


def _full(answer: Mapping[str, Any]) -> list[Full]:
    """The counters of acts that had no room for what an answer is about."""
    findings = [one for one in answer["findings"] if one["code"] == "LIMIT_EXCEEDED"]
    return [
        Full(
            answer["action_intent_id"],
            canonical(claim["counter"]["subject"]).decode(),
            claim["counter"]["window"],
            claim["bucket"],
            claim["limit"],
        )
        for finding in findings
        for claim in finding["inputs"]["claims"]
        if claim["bucket"] == "actions" and claim["used"] + claim["amount"] > claim["limit"]
    ]


async def _first(
    asking: Sequence[asyncio.Task[tuple[float, Mapping[str, Any]] | None]],
) -> tuple[float, Mapping[str, Any]] | None:
    """The first answer; an agent goes on with it, while a process that stands still may owe it the
    others.

    None: none came.
    """
    for answered in asyncio.as_completed(asking):
        if (answer := await answered) is not None:
            return answer
    return None


async def under_way(client: AsyncClearance, most: int) -> int | None:
    """How many intents of the client's tenant a machine has still to do with, up to some more than
    `most`; None: nobody says.
    """
    count = 0
    try:
        async for _ in client.timeline(status=("APPROVED", "RUNNING"), page_size=500):
            count += 1
            if count > most:
                break
    except ClearanceError:
        return None
    return count
