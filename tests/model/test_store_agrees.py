"""The model's store answers what the real ones answer: random ways through the scenarios, walked on
every store.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearance.configuration.document import StoredSettings
from clearance.core.budget import Counter
from clearance.core.credential import ApiKey
from clearance.core.decision import SettingsVersion
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import Role
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.store import Store
from tests.model.support.driving import Ask, stepwise
from tests.model.support.exploring import WORLD, Explorer, State, World
from tests.model.support.records import key_of
from tests.model.support.scenarios import SCENARIOS, Scenario
from tests.support.postgres import migrated_database
from tests.support.sample import AGENT, NOON, OWNER, TENANT
from tests.support.world import Place, open_store

pytestmark = pytest.mark.anyio

WAYS = {"sqlite": 4, "postgres": 2, "dynamodb": 2}  # per scenario
MOVES_MAX = 150
AGENT_KEY = ApiKey("k1", TENANT, AGENT.actor_id, Role.AGENT, b"h" * 32, NOON)
NOT_THE_STORE = frozenset({"clock", "sleep", "place", "send", "under_way"})


class Walk:
    """One way through a scenario, on the model and on a store side by side."""

    def __init__(self, explorer: Explorer, store: Store, chance: random.Random) -> None:
        self.explorer, self.store, self.chance = explorer, store, chance
        self.asked = 0

    async def go(self) -> World:
        """Walks; the world at the end."""
        await self._configure(self.explorer.scenario.settings, 0)
        made = draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        await self.store.add_api_key(AGENT_KEY, made)
        asked: list[tuple[World, Ask]] = []
        state = self.explorer.first(lambda world, ask: asked.append((world, ask)))
        for world, ask in asked:
            await self._ask(world, ask)
        for _ in range(MOVES_MAX):
            moves = list(self.explorer.moves(state))
            if not moves:
                break
            who = self.chance.choice(
                sorted({-1 if move.slot is None else move.slot for move in moves})
            )
            move = self.chance.choice(
                [move for move in moves if move.slot == (None if who < 0 else who)]
            )
            await self._follow(state, move.slot, move.choice, move.world)
            state = self.explorer.after(state, move)
        return World.of(state)

    async def _follow(self, state: State, slot: int | None, choice: str, after: World) -> None:
        before = World.of(state)
        if slot is not None:
            ask = self.explorer.places.asks[state[WORLD + slot]]
            if isinstance(ask, Ask) and choice != "down":
                await self._ask(before, ask)
        elif after.kept != before.kept:
            ended = draft(EntryKind.API_KEY_REVOKED, NOON, OWNER)
            assert await self.store.revoke_api_key(TENANT, AGENT_KEY.key_id, NOON, ended)
        elif after.settings != before.settings:
            names = self.explorer.settings.values[after.settings]
            await self._configure(names[-1], len(names) - 1)

    async def _ask(self, world: World, ask: Ask) -> None:
        if ask.verb in NOT_THE_STORE:
            return
        expected = self.explorer.store_answer(world, ask).value
        got = await getattr(self.store, ask.verb)(*ask.arguments, **dict(ask.named))
        assert self._comparable(got) == self._comparable(expected), ask
        self.asked += 1

    def _comparable(self, value: Any) -> Any:
        if isinstance(value, SettingsVersion | StoredSettings):
            return value
        return self.explorer.keeper.answer(value).key

    async def _configure(self, name: str, version: int) -> None:
        document = self.explorer.keeper.documents[name]
        entry = draft(EntryKind.SETTINGS_CHANGED, NOON, OWNER, version=version + 1)
        answer = await self.store.configure(SettingsChange(TENANT, version, document, entry, NOON))
        assert answer == version + 1


@pytest.fixture(params=WAYS)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Place]]:
    """An empty store for each way: SQLite's files, PostgreSQL's databases, or DynamoDB's tables."""
    ways = range(WAYS[request.param])
    if request.param == "sqlite":
        yield [tmp_path / f"{way}.sqlite3" for way in ways]
        return
    with contextlib.ExitStack() as stack:
        if request.param == "dynamodb":
            from tests.aws.support.emulators import new_table  # noqa: PLC0415

            client, endpoint = (
                request.getfixturevalue(f"ministack_{name}") for name in ("dynamodb", "endpoint")
            )
            yield [stack.enter_context(new_table(client, endpoint)) for _ in ways]
            return
        folder = request.getfixturevalue("postgres_folder")
        yield [stack.enter_context(migrated_database(folder)) for _ in ways]


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-")
)
async def test_a_store_answers_as_the_model_says(scenario: Scenario, places: list[Place]) -> None:
    asked = 0
    for way, place in enumerate(places):
        store = await open_store(place)
        try:
            with stepwise():
                explorer = Explorer(scenario)
                walk = Walk(explorer, store, random.Random(f"{scenario.name} {way}"))
                world = await walk.go()
            await check_what_is_kept(explorer, world, store)
        finally:
            await store.close()
        asked += walk.asked
    assert asked > 3 * len(places)  # else the ways were too short to mean anything


async def check_what_is_kept(explorer: Explorer, world: World, store: Store) -> None:
    """Records, counters, and the ledger: one entry per
    revision, the last of which tells the state.
    """
    kept = explorer.kept.values[world.kept]
    for subject, window in {place[:2] for place, _ in kept.used}:
        if subject.startswith("{"):
            counter = Counter(subject, window)
            used = (await store.counted(TENANT, {counter})).get(counter, {})
        else:
            used = await store.budget_used(TENANT, subject, window)
        assert {bucket: n for bucket, n in used.items() if n} == kept.used_at(subject, window)
    for intent in kept.intents:
        record = await store.intent(TENANT, intent.name)
        assert record is not None
        assert key_of(record) == key_of(explorer.keeper.records[intent.number])
        entries = await store.entries_about(TENANT, intent.name)
        assert len(entries) == record.revision
        assert entries[-1].fields["status"] == record.status
