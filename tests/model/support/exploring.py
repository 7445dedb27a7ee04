"""The checker: every order in which the steps of a scenario can be taken, each state once, shortest
ways first.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from clearance.configuration.document import StoredSettings
from clearance.core import stop
from clearance.core.canonical import digest
from clearance.core.catalog import Effect
from clearance.core.decision import SettingsVersion
from clearance.core.record import Admission, IntentRecord
from clearance.core.settings import Settings
from clearance.flow.ports.tools import ToolCall
from clearance.flow.requests import NarratedIntent, Ruled
from tests.model.support import narrating, promises, totals
from tests.model.support.driving import (
    Answer,
    Ask,
    Done,
    Places,
    composed_once,
    last_learned,
    unavailable,
)
from tests.model.support.keeping import Guard, Keeper, Kept
from tests.model.support.promises import Broken, Doer, Effects, Promise
from tests.model.support.records import key_of
from tests.model.support.scenarios import KEY_ENDS, Scenario
from tests.model.support.settling import AFTERWARDS, Aftermath
from tests.model.support.tasks import TICK_MS, Slot
from tests.support.sample import AGENT, TENANT

ANSWERED = frozenset({"busy", "no", "lost", "swallowed"})  # how a call that was sent can go wrong
LOOKS = frozenset({"settings", "settings_version", "api_key_ended"})


class World(NamedTuple):
    """All that is not inside a task.

    Numbers name what is interned: settings, what is kept, what the tools saw.
    """

    ticks: int
    offset: int
    process: int
    settings: int
    faults: int
    changes: int
    kept: int
    seen: int

    @classmethod
    def of(cls, state: State) -> World:
        """The world of a state."""
        return cls(*state[:WORLD])


State = tuple[int, ...]  # the world's numbers, and the place of each slot
WORLD = len(World._fields)


class Move(NamedTuple):
    """One atomic step: who (a slot's number, or None for the world), what, and where it leads."""

    slot: int | None
    choice: str
    world: World
    place: int
    broken: tuple[Broken, ...] = ()


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration found; `trace` leads to the first broken promise."""

    states: int
    transitions: int
    depth: int
    seconds: float
    places: int
    broken: Broken | None = None
    trace: tuple[str, ...] = ()

    def summary(self, scenario: Scenario) -> str:
        """One line on what was explored."""
        return (
            f"{scenario.name}: {self.states} states, {self.transitions} transitions, depth "
            f"{self.depth}, "
            f"{self.places} places in the code, {self.seconds:.1f} s of one core"
        )


@dataclass(slots=True)
class Search:
    """The states found so far, from which each was found first, and what ended the search."""

    states: list[State]
    parents: list[int] = field(default_factory=lambda: [0])
    depths: list[int] = field(default_factory=lambda: [0])
    transitions: int = 0
    at: int = 0
    broken: Broken | None = None
    last: Move | None = None


class Numbers:
    """Values by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Hashable, int] = {}

    def of(self, value: Any) -> int:
        number = self._known.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class Explorer:
    """One scenario, explored."""

    world_size = WORLD

    def __init__(self, scenario: Scenario, without: frozenset[Guard] = frozenset()) -> None:
        self.scenario = scenario
        documents = scenario.documents()
        self.keeper = Keeper(documents, with_worker=scenario.alone, without=without)
        self.places = Places(torn=scenario.torn)
        self.settings, self.kept, self.seen = Numbers(), Numbers(), Numbers()
        self._compiled: dict[tuple[int, str], Settings] = {}
        self.slots = scenario.slots
        self.repeatable = Effect(scenario.effect).repeatable
        self._steps: dict[Hashable, list[tuple[str, Answer, int, tuple[Broken, ...]]]] = {}
        self.known = {TENANT: self.compiled((scenario.settings,))}
        self._beginnings = [self.begun(slot) for slot in self.slots]
        # Slots with the same program stand side by side, and which of them stands where is no
        # matter.
        self._groups = [(slot.program.key, slot.process) for slot in self.slots]
        runs = [(key, len(list(run))) for key, run in itertools.groupby(self._groups)]
        assert len({key for key, _ in runs}) == len(runs), (
            "interchangeable slots stand side by side"
        )
        ends = list(itertools.accumulate(length for _, length in runs))
        self.sorted_runs = [
            (end - length, end) for end, (_, length) in zip(ends, runs, strict=True) if length > 1
        ]

    def compiled(self, names: tuple[str, ...], version: int | None = None) -> Settings:
        """The settings of a version."""
        version = len(names) if version is None else version
        key = (version, names[version - 1])
        if key not in self._compiled:
            stored = StoredSettings(SettingsVersion(version, 0), self.keeper.documents[key[1]], {})
            self._compiled[key] = composed_once(None, TENANT, stored)
        return self._compiled[key]

    def begun(self, slot: Slot) -> int:
        """The place at which a slot begins: its process compiled the first settings."""
        return self.places.begin(replace(slot.program, known=self.known))

    def first(self, witness: Callable[[World, Ask], None] = lambda _world, _ask: None) -> State:
        """The state after the setup; `witness` is told of every question that it asks."""
        world = World(
            0,
            0,
            0,
            self.settings.of((self.scenario.settings,)),
            0,
            0,
            self.kept.of(Kept()),
            self.seen.of(()),
        )
        for slot in self.scenario.setup:
            world, done, broken = self.to_the_end(world, self.begun(slot), slot, witness)
            assert not isinstance(done.result, Exception), (slot.name, done.result)
            assert broken is None, (slot.name, broken)
            world = world._replace(ticks=world.ticks + self.scenario.waits)
        world = world._replace(faults=self.scenario.faults, changes=self.scenario.changes_max)
        return (*world, *(self.begun(slot) for slot in self.slots))

    # Successors

    def moves(self, state: State) -> Iterator[Move]:
        """Every step that can be taken.

        A step that no other can see or hinder is taken alone, for its order is no matter.
        """
        world = World.of(state)
        places = state[WORLD:]
        for number, place in enumerate(places):
            if self._of_no_matter(world, self.places.asks[place]) and self._lives(world, number):
                yield from self.moves_of(world, places, number)
                return
        previous = (None, None)
        for number, place in enumerate(places):
            same = (self._groups[number], place)
            if same == previous or not self._lives(world, number):
                continue  # its twin stands at the same place
            previous = same
            yield from self.moves_of(world, places, number)
        yield from self._moves_of_the_world(world, places)

    def _lives(self, world: World, slot: int) -> bool:
        return self.slots[slot].process == world.process

    def _of_no_matter(self, world: World, ask: Ask | Done) -> bool:
        if isinstance(ask, Done):
            return False
        if ask.verb == "sleep":
            return True
        if ask.verb == "clock":
            return world.ticks == self.scenario.ticks and (
                world.offset != 0 or not self.scenario.jumps
            )
        if ask.verb in LOOKS:
            keys_stay = ask.verb == "api_key_ended" and KEY_ENDS not in self.scenario.changes
            still = world.changes == 0 or keys_stay
            return still and (world.faults == 0 or "down" not in self.scenario.faulty)
        return ask.verb == "place" and (world.faults == 0 or "refused" not in self.scenario.faulty)

    def _moves_of_the_world(self, world: World, places: tuple[int, ...]) -> Iterator[Move]:
        scenario = self.scenario
        sending = any(
            isinstance(ask, Ask) and ask.verb == "send" and self._lives(world, number)
            for number, ask in enumerate(map(self.places.asks.__getitem__, places))
        )
        if (
            scenario.pauses or not sending
        ):  # what lies between the last look and the send is less than the lease's margin
            if world.ticks < scenario.ticks:
                yield Move(None, "tick", world._replace(ticks=world.ticks + 1), 0)
            for jump in scenario.jumps if world.offset == 0 else ():
                yield Move(None, f"jump {jump}", world._replace(offset=jump), 0)
        if world.changes:
            names = self.settings.values[world.settings]
            for name in scenario.changes:
                if name == KEY_ENDS:
                    kept = self.kept.values[world.kept]
                    ended = self.kept.of(kept._replace(ended=frozenset({AGENT.actor_id})))
                    if ended != world.kept:
                        after = world._replace(kept=ended, changes=world.changes - 1)
                        yield Move(None, name, after, 0)
                elif name != names[-1]:
                    settings = self.settings.of((*names, name))
                    yield Move(
                        None, name, world._replace(settings=settings, changes=world.changes - 1), 0
                    )
        if world.process + 1 < scenario.processes:
            yield Move(None, "kill", world._replace(process=world.process + 1), 0)

    def moves_of(
        self, world: World, places: tuple[int, ...], number: int, slot: Slot | None = None
    ) -> Iterator[Move]:
        """The steps of one slot: what it asks, with every answer that it may get."""
        place = places[number]
        ask = self.places.asks[place]
        if isinstance(ask, Done):
            return
        if ask.verb == "clock":
            now = self._now(world)
            looked = {"wall": now + world.offset * TICK_MS, "monotonic": now}
            yield self._move(
                number, "", world, place, Answer(("clock", world.ticks, world.offset), looked)
            )
        elif ask.verb == "sleep":
            yield self._move(number, "", world, place, Answer(("slept",), None))
        elif ask.verb == "under_way":
            busy = self._busy(places, number)
            yield self._move(number, "", world, place, Answer(("under_way", busy), busy))
        elif ask.verb == "place":
            yield self._move(number, "ok", world, place, Answer(("ok",), "ok"))
            if world.faults and "refused" in self.scenario.faulty:
                world = world._replace(faults=world.faults - 1)
                yield self._move(number, "refused", world, place, Answer(("refused",), "refused"))
        elif ask.verb == "send":
            yield from self._sends(world, number, place, ask)
        else:
            yield from self._asks_the_store(world, number, place, slot or self.slots[number])

    def _now(self, world: World) -> int:
        """The time, as a clock shows it that is never set."""
        return self.scenario.begins + world.ticks * TICK_MS

    def _move(
        self,
        slot: int,
        choice: str,
        world: World,
        place: int,
        answer: Answer,
        broken: tuple[Broken, ...] = (),
    ) -> Move:
        after = self.places.after(place, answer)
        ended = self.places.asks[after]
        if isinstance(ended, Done) and ended.result is not None:
            broken = (*broken, *self._unkept(ended.result, world))
        return Move(slot, choice, world, after, broken)

    def _busy(self, places: tuple[int, ...], number: int) -> bool:
        """True if another task of the same worker is under way."""
        me = self.slots[number]
        return any(
            slot.worker == me.worker
            and self.scenario.alone
            and other != number
            and places[other] != self._beginnings[other]
            and not isinstance(self.places.asks[places[other]], Done)
            for other, slot in enumerate(self.slots)
        )

    def _asks_the_store(self, world: World, number: int, place: int, slot: Slot) -> Iterator[Move]:
        now = (
            world.ticks if self.scenario.jumps else 0
        )  # else no check needs more than the times in the step itself
        key = (world.settings, world.kept, world.seen, place, now)
        found = self._steps.get(key)
        if found is None:
            found = self._steps[key] = list(self._answers(world, place, slot))
        for choice, answer, kept, broken in found:
            if not choice:
                yield self._move(number, choice, world._replace(kept=kept), place, answer, broken)
            elif world.faults and choice in self.scenario.faulty:
                after = world._replace(kept=kept, faults=world.faults - 1)
                yield self._move(number, choice, after, place, answer, broken)

    def _answers(
        self, world: World, place: int, slot: Slot
    ) -> Iterator[tuple[str, Answer, int, tuple[Broken, ...]]]:
        """What the store may answer: as it should; that it cannot be reached; or nothing, after it
        committed.
        """
        ask = self.places.asks[place]
        assert isinstance(ask, Ask)
        names = self.settings.values[world.settings]
        before = self.kept.values[world.kept]
        answer, kept, steps = self.keeper.ask(ask, before, names)
        latest = self._now(world) if self.scenario.jumps else 0
        doer = Doer(self.places.started[place], slot.worker, latest, alone=self.scenario.alone)
        seen = dict(self.seen.values[world.seen])
        broken = [
            broken
            for step in steps
            for broken in promises.check_step(
                step,
                doer,
                self.compiled(names),
                self.scenario.limits,
                seen.get(step.after.intent.action_intent_id, Effects()),
            )
        ]
        for step in steps:
            if isinstance(step.made, Admission):
                broken += promises.check_memory(
                    step.made, before, self.keeper.records, self.scenario
                )
        if kept is not before:
            broken += totals.check_kept(kept, self.keeper.records, self.scenario)
        number = self.kept.of(kept)
        yield "", answer, number, tuple(broken)
        cut = Answer(("unavailable",), unavailable, raised=True)
        yield "down", cut, world.kept, ()
        if steps:
            yield "cut", cut, number, tuple(broken)

    def _sends(self, world: World, number: int, place: int, ask: Ask) -> Iterator[Move]:
        started, call = self.places.started[place], ask.arguments[0]
        intent = started.record.intent.action_intent_id
        record = self.keeper.record(self.kept.values[world.kept], intent)
        assert record is not None
        now = self._now(world)
        broken = [
            *promises.check_send(record, started, call, now + world.offset * TICK_MS, now),
            *self._check_look(world, place, record),
        ]
        saw = dict(self.seen.values[world.seen])
        before = saw.get(intent, Effects())
        for choice in (
            "ok",
            *(name for name in self.scenario.faulty if name in ANSWERED and world.faults),
        ):
            effects = before.effects
            if choice in {"ok", "lost"}:
                effects |= {self._identity(call, before)}
            after = Effects(before.sends + 1, effects)
            seen = self.seen.of(
                tuple(sorted({**saw, intent: after}.items(), key=lambda item: item[0]))
            )
            faults = world.faults - (choice != "ok")
            also = promises.check_effects(after, repeatable=self.repeatable)
            moved = world._replace(seen=seen, faults=faults)
            yield self._move(
                number, choice, moved, place, Answer((choice,), choice), (*broken, *also)
            )

    def _identity(self, call: ToolCall, before: Effects) -> str:
        """What the tool server tells effects apart by: the key that it was given, what it was
        asked, or each call.
        """
        if not self.repeatable:
            return f"call {before.sends + 1}"
        return (
            str(call.arguments.get("request_id"))
            if self.scenario.effect == "keyed"
            else digest(dict(call.arguments))
        )

    def _check_look(self, world: World, place: int, record: IntentRecord) -> Iterator[Broken]:
        """The last that a task learns before it sends must let the call be sent."""
        looked = last_learned(self.places.histories[place])
        if looked.settings is None:
            yield Broken(Promise.STOP, "It was sent without a last look at the stop switches.")
            return
        if looked.agent_key is None or looked.agent_key[1]:
            yield Broken(Promise.LOOK, "It was sent although the last look saw no valid key.")
        names = self.settings.values[world.settings]
        then, now = self.compiled(names, looked.settings[1].tenant), self.compiled(names)
        yield from promises.check_look(record, then)
        if self.scenario.no_gap and stop.strictest(now.stop_switches, record.intent, None):
            yield Broken(
                Promise.STOP, "It was sent while a stop was on that came behind the last look."
            )

    def _unkept(self, result: Any, world: World) -> Iterator[Broken]:
        """What was acknowledged and is not kept."""
        records: list[IntentRecord | None] = []
        match result:
            case IntentRecord():
                records = [result]
            case Ruled(record=record, admitted=admitted):
                records = [record, admitted.record if admitted else None]
            case NarratedIntent(record=record):
                records = [record]
        for said in records:
            if said is None:
                continue
            kept = self.keeper.record(self.kept.values[world.kept], said.intent.action_intent_id)
            if (
                kept is None
                or kept.revision < said.revision
                or kept.fingerprint != said.fingerprint
            ):
                yield Broken(
                    Promise.ACKNOWLEDGED,
                    f"{said.intent.action_intent_id} was acknowledged and is not kept.",
                )

    def first_that_counts(self, broken: tuple[Broken, ...]) -> Broken | None:
        """The first broken promise that the scenario does not break as everybody knows."""
        return next((one for one in broken if one.promise not in self.scenario.ignoring), None)

    def to_the_end(
        self,
        world: World,
        place: int,
        slot: Slot,
        witness: Callable[[World, Ask], None] = lambda _world, _ask: None,
    ) -> tuple[World, Done, Broken | None]:
        """Runs one program from a place to its end, with nobody beside it."""
        broken = None
        while isinstance(ask := self.places.asks[place], Ask):
            witness(world, ask)
            move = next(self.moves_of(world, (place,), 0, slot))
            world, place = move.world, move.place
            broken = broken or self.first_that_counts(move.broken)
        return world, ask, broken

    # Exploration

    def kept_in_words(self, world: World) -> Hashable:
        """What the store holds, without the numbers of this explorer."""
        kept: Kept = self.kept.values[world.kept]
        records = [
            (key_of(self.keeper.records[intent.number]), intent[2:]) for intent in kept.intents
        ]
        return tuple(records), kept[1:]

    def world_of(self, state: State) -> World:
        """The part of a state that is not inside a task."""
        return World.of(state)

    def store_answer(self, world: World, ask: Ask) -> Answer:
        """What the store answers."""
        answer, _, _ = self.keeper.ask(
            ask, self.kept.values[world.kept], self.settings.values[world.settings]
        )
        return answer

    def explore(self) -> Explored:
        """Every state that can be reached, until one breaks a promise."""
        began = time.process_time()
        search = Search([self.first()])
        self._search(search)
        if search.broken is None:
            aftermath = Aftermath(self)
            for at, state in enumerate(search.states):
                if broken := aftermath.unsettled(World.of(state)):
                    search.at, search.broken = at, broken
                    break
        return Explored(
            states=len(search.states),
            transitions=search.transitions,
            depth=search.depths[-1],
            seconds=time.process_time() - began,
            places=len(self.places.asks),
            broken=search.broken,
            trace=tuple(self._trace(search)) if search.broken else (),
        )

    def states(self) -> list[State]:
        """Every state that can be reached."""
        search = Search([self.first()])
        self._search(search)
        return search.states

    def _search(self, search: Search) -> None:
        number_of = {search.states[0]: 0}
        states, parents, depths = search.states, search.parents, search.depths
        at = 0
        while at < len(states):
            state = states[at]
            for move in self.moves(state):
                search.transitions += 1
                if broken := self.first_that_counts(move.broken):
                    search.at, search.broken, search.last = at, broken, move
                    return
                after = self.after(state, move)
                if after not in number_of:
                    number_of[after] = len(states)
                    states.append(after)
                    parents.append(at)
                    depths.append(depths[at] + 1)
            at += 1

    def _trace(self, search: Search) -> Iterator[str]:
        """The shortest way to the broken promise, in sentences."""
        way = [search.at]
        while way[-1]:
            way.append(search.parents[way[-1]])
        moves: list[tuple[State, Move]] = []
        for here, there in itertools.pairwise(search.states[number] for number in reversed(way)):
            moves.append(
                (here, next(move for move in self.moves(here) if self.after(here, move) == there))
            )
        if search.last is not None:
            moves.append((search.states[search.at], search.last))
        yield from narrating.sentences(self, moves)
        if search.last is None:
            yield AFTERWARDS
        if search.broken is not None:
            yield search.broken.sentence

    def after(self, state: State, move: Move) -> State:
        """The state to which a move leads."""
        places = list(state[WORLD:])
        if move.slot is not None:
            places[move.slot] = move.place
            for first, last in self.sorted_runs:
                places[first:last] = sorted(places[first:last])
        return (*move.world, *places)
