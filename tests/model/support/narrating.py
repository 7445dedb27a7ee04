"""A way through the states, told in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from clearance.configuration.document import StoredSettings
from clearance.core.decision import SettingsVersion
from clearance.core.record import IntentRecord
from clearance.flow.ports.transitions import (
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    QuotaSpent,
    RecordMoved,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from tests.model.support.driving import Ask
from tests.model.support.scenarios import KEY_ENDS
from tests.model.support.tasks import TICK_MS

if TYPE_CHECKING:
    from tests.model.support.exploring import Explorer, Move, State

SENT = {
    "ok": "The tool acts and answers.",
    "lost": "The tool acts; its answer is lost.",
    "swallowed": "The call is lost on its way, and so there is no answer.",
    "busy": "The tool answers that it is busy, and does nothing.",
    "no": "The tool answers that it will not, and does nothing.",
}


def sentences(explorer: Explorer, moves: Iterable[tuple[State, Move]]) -> Iterator[str]:
    """One sentence per step."""
    names = [slot.name for slot in explorer.slots]
    taken: dict[str, int] = {}
    for number, name in enumerate(names):
        taken[name] = taken.get(name, 0) + 1
        names[number] = (
            f"{name} ({taken[name]})" if names.count(name) > 1 or taken[name] > 1 else name
        )
    for state, move in moves:
        places = list(state[explorer.world_size :])
        if move.slot is None:
            yield _of_the_world(explorer, move)
            continue
        before = places[move.slot]
        yield f"{names[move.slot]}: {_told(explorer, state, before, move)}"
        places[move.slot] = move.place
        for first, last in explorer.sorted_runs:
            order = sorted(range(first, last), key=places.__getitem__)
            names[first:last] = [names[number] for number in order]


def _of_the_world(explorer: Explorer, move: Move) -> str:
    if move.choice == "tick":
        return f"Time goes on: it is {move.world.ticks * TICK_MS // 1000} s now."
    if move.choice == "kill":
        return "The process is killed, and another one starts."
    if move.choice.startswith("jump"):
        return f"The wall clock is set by {move.world.offset * TICK_MS // 1000} s."
    if move.choice == KEY_ENDS:
        return "The agent's key ends."
    names = explorer.settings.values[move.world.settings]
    return f"Somebody changes the settings to '{names[-1]}', version {len(names)}."


def _told(explorer: Explorer, state: State, before: int, move: Move) -> str:
    ask = explorer.places.asks[before]
    assert isinstance(ask, Ask)
    if move.choice == "down":
        return f"asks the store ({ask.verb}), which cannot be reached."
    if move.choice == "cut":
        return f"commits {_status(ask)}; the connection is cut before the answer."
    match ask.verb:
        case "clock":
            return "looks at the clock."
        case "sleep":
            return "waits before it tries again."
        case "place":
            return (
                "gets a connection to the tool."
                if move.choice == "ok"
                else "gets no connection to the tool."
            )
        case "send":
            return f"SENDS the call. {SENT[move.choice]}"
        case "under_way":
            return "looks whether it is busy with this itself."
    return (
        f"{_asked(ask)}: {_answered(explorer.store_answer(explorer.world_of(state), ask).value)}."
    )


def _asked(ask: Ask) -> str:
    if ask.verb in {"advance", "admit"}:
        return f"commits {_status(ask)}"
    return {
        "intent": "reads the intent",
        "settings_version": "looks at the settings",
        "settings": "reads the settings whole",
        "dead_leases": "asks for dead leases",
        "expired": "asks for what has expired",
        "approved": "asks for what is approved",
        "open_stops": "asks for receipts that are open",
        "budget_used": "reads what is used of the budget",
        "counted": "reads what is used of the limits",
        "known_accounts": "asks which accounts are known",
        "alike": "asks for what is alike",
        "api_key_ended": "asks whether the agent's key has ended",
    }[ask.verb]


def _status(ask: Ask) -> str:
    made = ask.arguments[0]
    attempt = getattr(made, "attempt", None)
    return f"{made.status}{f', attempt {attempt.number}' if attempt else ''}"


def _answered(value: Any) -> str:
    match value:
        case IntentRecord():
            return _state(value)
        case Applied(record) | Admitted(record):
            return f"done, {_state(record)}"
        case AlreadyAdmitted(record):
            return f"it is known, {_state(record)}"
        case SameCallWaits(record):
            return f"the same call waits, {_state(record)}"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(due.action_intent_id for due in value) or "there is none"
        case StoredSettings(version) | (SettingsVersion() as version):
            return f"version {version.tenant}"
    return _PLAIN.get(type(value), str(value))


_PLAIN = {
    RecordMoved: "refused, it has moved",
    SettingsMoved: "refused, the settings have moved",
    BudgetSpent: "refused, the budget is spent",
    RejectedBefore: "refused, a person rejected the same",
    TooManyWaiting: "refused, too many wait",
    QuotaSpent: "refused, a quota is spent",
    type(None): "there is none",
}


def _state(record: IntentRecord) -> str:
    parts = [f"{record.intent.action_intent_id} is {record.status} (revision {record.revision}"]
    if record.attempt is not None:
        parts.append(f"attempt {record.attempt.number}")
    return ", ".join(parts) + ")"
