"""What becomes of a state if every task dies in it: a new worker sweeps; nothing may be left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clearance.core.record import IntentStatus
from clearance.flow.sweep import SweepSummary
from tests.model.support.keeping import KeptIntent
from tests.model.support.promises import Broken, Promise
from tests.model.support.tasks import carries_on, sweeps

if TYPE_CHECKING:
    from tests.model.support.exploring import Explorer, World

AFTERWARDS = "Every task dies here, a stop is lifted, and one new worker sweeps, a tick at a time."
# Sweeps after which everything must be settled: three attempts, each two ticks, and some more
ROUNDS_MAX = 12


class Aftermath:
    """What becomes of the states of one exploration."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._settling: set[World] = set()
        self._settled: set[tuple[int, ...]] = set()

    def unsettled(self, world: World) -> Broken | None:
        """Kills every task, lifts the stops, and lets one worker sweep: what is neither ended nor
        before a person then?
        """
        key = (world.ticks, world.offset, world.settings, world.kept, world.seen)
        if key in self._settled:
            return None
        self._settled.add(key)
        world = self._calmed(world)
        way = []
        for _ in range(ROUNDS_MAX):
            if world in self._settling:
                break
            way.append(world)
            if all(map(self._at_rest, self._intents(world))):
                break
            world, broken = self._round(world)
            if broken:
                return broken
        else:
            return Broken(
                Promise.SETTLES,
                f"After {ROUNDS_MAX} sweeps, a tick apart, it still is: {self._statuses(world)}.",
            )
        self._settling.update(way)
        return None

    def _calmed(self, world: World) -> World:
        """The world in which nothing happens any more but that one worker sweeps."""
        explorer = self._explorer
        names = explorer.settings.values[world.settings]
        if explorer.compiled(names).stop_switches:
            world = world._replace(settings=explorer.settings.of((*names, "calm")))
        return world._replace(faults=0, changes=0, process=explorer.scenario.processes)

    def _intents(self, world: World) -> tuple[KeptIntent, ...]:
        intents: tuple[KeptIntent, ...] = self._explorer.kept.values[world.kept].intents
        return intents

    def _status(self, intent: KeptIntent) -> IntentStatus:
        return self._explorer.keeper.records[intent.number].status

    def _at_rest(self, intent: KeptIntent) -> bool:
        return self._status(intent) not in {IntentStatus.APPROVED, IntentStatus.RUNNING}

    def _statuses(self, world: World) -> str:
        return ", ".join(f"{intent.name} {self._status(intent)}" for intent in self._intents(world))

    def _round(self, world: World) -> tuple[World, Broken | None]:
        """One step of a sweep, what it claimed, what it hinted; then a tick."""
        explorer = self._explorer
        alone = explorer.scenario.alone
        slot = sweeps(alone=alone)
        world, done, broken = explorer.to_the_end(world, explorer.begun(slot), slot)
        assert isinstance(done.result, SweepSummary), done
        hinted = [*done.hints, *(due.action_intent_id for due in done.result.dead)]
        for program in [carries_on(intent, "rescuer", alone=alone).program for intent in hinted]:
            if broken is None:
                begun = program if program.known else replace(program, known=explorer.known)
                place = explorer.places.begin(begun)
                world, _, broken = explorer.to_the_end(world, place, slot)
        return world._replace(ticks=world.ticks + 1), broken
