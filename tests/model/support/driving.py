"""The real coroutines of the flow, one step at a time: where each of them stands, and where an
answer takes it.

The model does not describe the flow again: it runs it. A coroutine of `clearance.flow` is given a
context whose store, clock and tools do nothing but ask; every question ends an atomic step. What
the coroutine does next depends on nothing but the answers that it got, so a place in it is the
program and its answers so far, and a place is replayed once and remembered.

What a function of the flow learned on its way does not matter once it has returned: of its answers,
only what it returned (or raised) and the settings that it left compiled are kept (`FORGETFUL`). So
tasks that differ in nothing but the times at which they looked are the same.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest import mock

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings
from clearance.core.errors import Refusal, Unavailable
from clearance.core.outcome import CallError, ErrorClass, Outcome, Sent
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings
from clearance.flow import execute, sweep
from clearance.flow.context import Context
from clearance.flow.execute import Started
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from clearance.flow.requests import NarratedIntent, Proposed, Ruled

SALT_KEY = b"the same for every replay, as replays must be the same"


class Ask(NamedTuple):
    """What a coroutine asks the world for: a verb of a port, and its arguments."""

    verb: str
    arguments: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()


class Answer(NamedTuple):
    """What the world answered.

    Answers with equal keys are the same answer. `value` makes the error if it is `raised`.
    """

    key: tuple[Any, ...]
    value: Any
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A coroutine has ended: what it returned, or the refusal that it raised, and the hints that it
    gave.
    """

    result: Any
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A coroutine of the flow that can be begun. Programs with equal keys are the same program.

    `known`: the settings that its process compiled before. `then`: what the same task carries on
    with."""

    key: Hashable
    begin: Callable[[Context, Replay], Coroutine[Any, Any, Any]]
    known: Mapping[str, Settings] = field(default_factory=dict)
    then: Callable[[Any], Program | None] = lambda _result: None


class _Unanswered(BaseException):
    """A question that needs an answer before the replay can go on, asked where nothing can be
    awaited.
    """

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.ask = ask


@dataclass(frozen=True, slots=True)
class Ended:
    """What is kept of a function that has ended: its result or what it raised, and the settings
    that were compiled then.
    """

    result: Any
    error: Exception | None
    compiled: tuple[tuple[str, Settings], ...]

    def again(self, context: Context) -> Any:
        """Ends it again in the same way."""
        context._compiled.update(self.compiled)
        if isinstance(self.error, ToolCallFailed):
            raise ToolCallFailed(self.error.error)
        if self.error is not None:
            raise unavailable()
        return self.result


class Replay:
    """One run of a program along the answers that it got.

    `taken` are those, without what may be forgotten.

    `started`: the attempt that it holds, once it does.
    """

    def __init__(self, history: tuple[Answer, ...], *, torn: bool) -> None:
        self._history = history
        self._torn = torn
        self._looked: dict[str, int] = {}
        self._at = 0
        self.taken: list[Answer] = []
        self.hints: list[str] = []
        self.started: Started | None = None

    def next_answer(self) -> Answer | None:
        if self._at == len(self._history):
            return None
        answer = self._history[self._at]
        self._at += 1
        self._looked = {}
        self.taken.append(answer)
        return answer

    def _clock(self, which: str) -> int:
        """A clock's time.

        Both clocks that are read one right after the other show the same moment, unless that is
        `torn`.
        """
        if which in self._looked and not self._torn:
            return self._looked.pop(which)
        looked: Mapping[str, int] = self.at_once("clock")
        self._looked = {name: time for name, time in looked.items() if name != which}
        return looked[which]

    def at_once(self, verb: str, *arguments: Any) -> Any:
        """An answer to a question that is not awaited: the time, or
        what the own process is doing.
        """
        answer = self.next_answer()
        if answer is None:
            raise _Unanswered(Ask(verb, arguments))
        assert answer.key[0] == verb
        return answer.value

    async def forgetting(
        self, context: Context, name: str, function: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        """What the function returns; once it has ended, its answers are replaced by its end."""
        if self._at < len(self._history) and self._history[self._at].key[:2] == ("ended", name):
            answer = self.next_answer()
            assert answer is not None
            return answer.value.again(context)
        begins = len(self.taken)
        try:
            result, error = await function(), None
        except (ToolCallFailed, Unavailable) as failed:
            result, error = None, failed
        compiled = tuple(context._compiled.items())
        key = (
            "ended",
            name,
            last_learned(self.taken[begins:]),
            _shown(result),
            _shown(error),
            _versions(compiled),
        )
        ended = Ended(result, error, compiled)
        self.taken[begins:] = [Answer(key, ended)]
        self._looked = {}  # as it is when it ends again
        return ended.again(context)

    # The ports of a context: a clock, an engine, and what the own worker is busy with

    def now_ms(self) -> int:
        return self._clock("wall")

    def monotonic_ms(self) -> int:
        return self._clock("monotonic")

    def new_id(self) -> str:
        return "edited"

    def hint(self, due: Due) -> None:
        self.hints.append(due.action_intent_id)

    def __contains__(self, intent: object) -> bool:
        return self.at_once("under_way", intent)


@types.coroutine
def _ask(verb: str, *arguments: Any, **named: Any) -> Generator[Ask, Any, Any]:
    return (yield Ask(verb, arguments, tuple(sorted(named.items()))))


class _Store:
    """Every method asks."""

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *arguments, **named: _ask(verb, *arguments, **named)


ERRORS = {
    "refused": CallError(ErrorClass.DOWNSTREAM, "No connection.", Sent.NOT_SENT),
    "busy": CallError(ErrorClass.RATE_LIMIT, "Later.", Sent.ANSWERED),
    "no": CallError(ErrorClass.VALIDATION, "No.", Sent.ANSWERED),
    "lost": CallError(ErrorClass.TIMEOUT, "No answer.", Sent.MAYBE),
    "swallowed": CallError(ErrorClass.TIMEOUT, "No answer.", Sent.MAYBE),
}
"""How a call can go wrong; `lost` has had its effect, `swallowed` has not."""


class ModelTools:
    """A tool runner: waits for a place, looks a last time, sends."""

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        if await _ask("place") == "refused":
            raise ToolCallFailed(ERRORS["refused"])
        await cleared()
        return answered(await _ask("send", call))


def answered(said: str) -> ToolAnswer:
    """What became of a call that was sent. ToolCallFailed if it did not succeed."""
    if said in ERRORS:
        raise ToolCallFailed(ERRORS[said])
    return ToolAnswer({"ok": True})


class Learned(NamedTuple):
    """The keys of the last answers that were not the time: of any, about the settings, and about
    the agent's key.
    """

    last: tuple[Any, ...] | None = None
    settings: tuple[Any, ...] | None = None
    agent_key: tuple[Any, ...] | None = None


def last_learned(answers: Sequence[Answer]) -> Learned:
    """What was learned last."""
    learned = Learned()
    for answer in answers:
        kind = answer.key[0]
        if kind == "ended":
            found = {name: key for name, key in answer.key[2]._asdict().items() if key is not None}
            learned = learned._replace(**found)
        elif kind in {"settings", "version"}:
            learned = learned._replace(last=answer.key, settings=answer.key)
        elif kind == "bool":
            learned = learned._replace(last=answer.key, agent_key=answer.key)
        elif kind != "clock":
            learned = learned._replace(last=answer.key)
    return learned


def _shown(value: Any) -> Hashable:
    """What a result differs by from others of the same function."""
    match value:
        case Outcome():
            return value.status, value.error and (value.error.code, value.error.sent)
        case ToolCallFailed():
            return value.error.error_class, value.error.code, value.error.sent
        case Unavailable():
            return value.code
        case IntentRecord():
            return value.status, value.revision
        case None | str():
            return value
    raise TypeError(value)


def _claimed(result: Any) -> Hashable:
    """What a caller was told when a task ended: of which intents, at which revision; or the
    refusal.
    """
    match result:
        case IntentRecord():
            return result.intent.action_intent_id, result.revision, result.fingerprint
        case Proposed(record=record, created=created):
            return _claimed(record), created
        case Ruled(record=record, admitted=admitted):
            return _claimed(record), _claimed(admitted)
        case NarratedIntent(record=record):
            return _claimed(record)
        case Refusal():
            return type(result).__name__, result.code
        case None:
            return None
    return object()  # like no other


def _versions(compiled: tuple[tuple[str, Settings], ...]) -> Hashable:
    return tuple((tenant, id(settings)) for tenant, settings in compiled)


FORGETFUL = ("_cleared", "pin_for_call", "_call_once", "record_once")
"""Functions of `clearance.flow.execute` that leave nothing behind but their result."""


def _forgetful(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    function = getattr(execute, name)

    async def forgetful(context: Context, *arguments: Any, **named: Any) -> Any:
        replay: Any = context.clock
        return await replay.forgetting(
            context, name, lambda: function(context, *arguments, **named)
        )

    return forgetful


HOLDING = ("invoke", "record")
"""Functions of `clearance.flow.execute` that are called with an attempt that was claimed."""


def _holding(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    function = getattr(execute, name)

    def holding(
        context: Context, started: Started, *arguments: Any, **named: Any
    ) -> Coroutine[Any, Any, Any]:
        replay: Any = context.clock
        replay.started = started
        coroutine: Coroutine[Any, Any, Any] = function(context, started, *arguments, **named)
        return coroutine

    return holding


def play(program: Program, replay: Replay) -> Ask | Done:
    """Runs a program along its answers: the question that it asks behind them, or its end."""
    context = Context(_Store(), ModelTools(), replay, replay, dict(program.known), SALT_KEY[:32])
    context._likeness_key = SALT_KEY[:32]  # else the first to ask would read a salt for it
    coroutine = program.begin(context, replay)
    try:
        ask = coroutine.send(None)
        while answer := replay.next_answer():
            ask = coroutine.throw(answer.value()) if answer.raised else coroutine.send(answer.value)
    except _Unanswered as unanswered:
        return unanswered.ask
    except StopIteration as done:
        return Done(done.value, tuple(replay.hints))
    except Refusal as refusal:
        return Done(refusal, tuple(replay.hints))
    coroutine.close()
    return ask


class Places:
    """Every place in every program that was reached, by number. Places are replayed once.

    `torn`: time may pass between the readings of two clocks that stand side by side in the code.
    """

    def __init__(self, *, torn: bool) -> None:
        self._torn = torn
        self.programs: list[Program] = []
        self.histories: list[tuple[Answer, ...]] = []
        self.asks: list[Ask | Done] = []
        self.started: list[Started | None] = []
        self._known: dict[Hashable, int] = {}
        self._after: dict[tuple[int, Hashable], int] = {}

    def begin(self, program: Program) -> int:
        """Where a program begins."""
        return self._place(program, ())

    def after(self, place: int, answer: Answer) -> int:
        """Where an answer leads from a place; behind a program's end, where the one that follows it
        begins.
        """
        key = (place, answer.key)
        found = self._after.get(key)
        if found is None:
            found = self._after[key] = self._place(
                self.programs[place], (*self.histories[place], answer)
            )
        return found

    def _place(self, program: Program, history: tuple[Answer, ...]) -> int:
        replay = Replay(history, torn=self._torn)
        ask = play(program, replay)
        assert replay.next_answer() is None, (
            "what is replayed takes every answer that it took before"
        )
        history = tuple(replay.taken)
        key: Hashable = (program.key, tuple(answer.key for answer in history))
        if isinstance(ask, Done):
            following = None if isinstance(ask.result, Refusal) else program.then(ask.result)
            if following is not None:
                return self._place(following, ())
            key = (_claimed(ask.result), ask.hints)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.asks)
            self.programs.append(program)
            self.histories.append(history)
            self.asks.append(ask)
            self.started.append(replay.started)
        return found


def unavailable() -> Unavailable:
    """What a store says that cannot answer."""
    return Unavailable("The store cannot be reached now.")


async def _sleep(_seconds: float) -> None:
    await _ask("sleep")


_COMPOSED: dict[Hashable, Settings] = {}


def composed_once(_context: object, tenant_id: str, stored: StoredSettings) -> Settings:
    """The settings that a document means, always the same for the same one."""
    key = (tenant_id, stored.version, id(stored.document))
    if key not in _COMPOSED:
        _COMPOSED[key] = compile_settings(tenant_id, stored)
    return _COMPOSED[key]


@contextlib.contextmanager
def stepwise() -> Iterator[None]:
    """The flow without what no step of the model is: logs, timers, and compiling the same settings
    again.
    """
    _COMPOSED.clear()
    with contextlib.ExitStack() as stack:
        for name in FORGETFUL:
            stack.enter_context(mock.patch.object(execute, name, _forgetful(name)))
        for name in HOLDING:
            stack.enter_context(mock.patch.object(execute, name, _holding(name)))
        for module, name, stand_in in (
            (execute, "asyncio", types.SimpleNamespace(sleep=_sleep)),
            (execute, "_log", mock.MagicMock()),
            (sweep, "_log", mock.MagicMock()),
            (Context, "_composed", composed_once),
        ):
            stack.enter_context(mock.patch.object(module, name, stand_in))
        yield
