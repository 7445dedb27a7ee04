"""Stop switches as people see and change them, while some of those that are stored are not accepted
by this version.

One that is not accepted is shown as what stands for it, and stays as it is stored for as long as
that is put back unchanged: it must neither prevent another stop nor be lifted by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clearance.configuration.document import Reading, parse_document, read_document
from clearance.configuration.shape import SettingsDocument, StopSwitchShape
from clearance.core.canonical import Json
from clearance.core.stop import Lifter, StopLevel, StopScope, StopSwitch

Place: TypeAlias = tuple[Json, Json]
"""The scope and subject of a switch: the name under which people stop and lift."""

_ABOUT_IT = frozenset({"set_by", "set_at", "lifted_by"})
"""What a form says about a switch beside what it does."""


@dataclass(frozen=True, slots=True)
class Setter:
    """Who changes switches, at what moment (milliseconds since 1970), and whether they may change
    the other settings too.
    """

    actor_id: str
    at: int
    configures: bool


def shown_switches(stored: Mapping[str, Json]) -> list[Json]:
    """The stop switches of a stored document, as they are in force."""
    reading, readable = _read(stored)
    if not isinstance(stored.get("stop_switches", []), list):
        return [form for forms in _standing(reading).values() for form in forms]
    shown: list[Json] = []
    standing = _standing(reading)
    for place in range(len(stored.get("stop_switches", []))):
        own = None if ("stop_switches", place) in reading.lost else next(readable)
        shown += standing.get(place, [own])
    return shown


def switches_in_force(stored: Mapping[str, Json]) -> list[StopSwitch]:
    """The same, as what they are."""
    return [
        StopSwitch(
            StopScope(form["scope"]),
            form["subject"],
            StopLevel(form["level"]),
            form["reason"],
            set_by=form["set_by"],
            set_at=form["set_at"],
            lifted_by=Lifter(form["lifted_by"]),
        )
        for form in shown_switches(stored)
    ]


def put_switches(
    content: Json, stored: Mapping[str, Json], setter: Setter
) -> tuple[SettingsDocument, list[Json]]:
    """The switches to store so that these are on, and a document of those of them that stand for
    none that is stored.

    A stored switch that is not accepted stays as it is, once, until a change lifts something that
    stands for it and nothing else in that place: another stop there does not replace it, and
    lifting that stop does not lift it. InvalidInput (`INVALID_SETTINGS`) if one of these is not
    accepted.
    """
    listed = content if isinstance(content, list) else []
    content = [_as_written(switch) for switch in listed] if listed else content
    listed = content if listed else []
    reading, readable = _read(stored)
    standing = {n: forms for n, forms in _standing(reading).items() if n is not None}
    touched = {_place(switch) for switch in (*listed, *readable)}
    stay = {
        number
        for number, forms in standing.items()
        if all(_place(form) in touched for form in forms)
    }
    number_of = [(_words(form), number) for number, forms in standing.items() for form in forms]
    new = [switch for switch in listed if all(_words(switch) != form for form, _ in number_of)]
    parsed = parse_document({"stop_switches": new if listed else content})
    shown = shown_switches(stored)
    accepted = (stamped(shape, shown, setter) for shape in parsed.stop_switches)
    after: list[Json] = []
    left = [number for number in standing if number in stay]
    for switch in listed:
        numbers = [number for form, number in number_of if form == _words(switch)]
        if not numbers and (form := next(accepted)) not in after:
            after.append(form)
        for number in numbers:
            if number in left:
                left.remove(number)
                after.append(stored["stop_switches"][number])
    return parsed, after + [stored["stop_switches"][number] for number in left]


def _as_written(switch: Json) -> Json:
    """A switch as a person writes it: who set it, and when, is never theirs to say."""
    if not isinstance(switch, Mapping):
        return switch
    return {name: value for name, value in switch.items() if name not in {"set_by", "set_at"}}


def _words(switch: Json) -> Json:
    """What says whether two forms are the same switch."""
    if not isinstance(switch, Mapping):
        return switch
    return {name: value for name, value in switch.items() if name not in _ABOUT_IT}


def stamped(shape: StopSwitchShape, before: Sequence[Json], setter: Setter) -> dict[str, Json]:
    """A switch as it is stored: one that was on keeps who set it and when, and who may lift it as
    far as its setter does not say that. One of an earlier version stays as that wrote it.

    Who may not lift an owner's switch does not write it anew either: the same stop with another
    reason leaves the owner's as it is.
    """
    form: dict[str, Json] = shape.model_dump(mode="json")
    same = [other for other in before if _words(other) == _words(form)]
    there = [other for other in before if _place(other) == _place(form)]
    if not same and not setter.configures and shape.lifted_by != Lifter.APPROVER:
        for other in there:
            owners = other["lifted_by"] == Lifter.OWNER and other["set_by"] is not None
            if owners and other["level"] == shape.level:
                return dict(other)
    owners = setter.configures and shape.level == StopLevel.REFUSE
    if same:
        form |= {name: same[0][name] for name in _ABOUT_IT}
    else:
        owners = owners or any(other["lifted_by"] == Lifter.OWNER for other in there)
        lifter = Lifter.OWNER if owners else Lifter.APPROVER
        form |= {"set_by": setter.actor_id, "set_at": setter.at, "lifted_by": lifter.value}
    form["lifted_by"] = shape.lifted_by or form["lifted_by"]
    of_before = form["set_at"] is None and form["lifted_by"] == Lifter.APPROVER
    return {name: form[name] for name in form if not (of_before and name in _ABOUT_IT)}


def stricter(before: Sequence[Json], after: Sequence[Json]) -> list[dict[str, Json]]:
    """The switches that are on or refuse now, and were not or did not before, by what they do."""
    strict = _strictness(before)
    return [
        {name: switch[name] for name in ("scope", "subject", "level")}
        for switch in after
        if _LEVELS[switch["level"]] > strict.get(_place(switch), 0)
    ]


def loosened(before: Sequence[Json], after: Sequence[Json]) -> Json:
    """A switch that only an owner may lift, and in whose place no other one of an owner's is as
    strict now; None if there is none. Two switches never stand for it together.
    """
    owners = _strictness([switch for switch in after if switch["lifted_by"] == Lifter.OWNER])
    for switch in before:
        strict = owners.get(_place(switch), 0)
        if switch["lifted_by"] == Lifter.OWNER and strict < _LEVELS[switch["level"]]:
            return switch
    return None


_LEVELS: Mapping[str, int] = {StopLevel.HOLD.value: 1, StopLevel.REFUSE.value: 2}


def _strictness(switches: Sequence[Json]) -> dict[Place, int]:
    """The level of the strictest switch in each place."""
    strict: dict[Place, int] = {}
    for switch in switches:
        level = _LEVELS[switch["level"]]
        strict[_place(switch)] = max(strict.get(_place(switch), 0), level)
    return strict


def _place(switch: Json) -> Place:
    if not isinstance(switch, Mapping):
        return None, None
    return str(switch.get("scope")), str(switch.get("subject"))


def switches_of(document: SettingsDocument) -> list[Json]:
    """The stop switches of a document, as they are stored."""
    switches: list[Json] = document.as_json().get("stop_switches", [])
    return switches


def _read(stored: Mapping[str, Json]) -> tuple[Reading, Iterator[Json]]:
    reading = read_document({"stop_switches": stored.get("stop_switches", [])})
    return reading, iter(switches_of(reading.document))


def _standing(reading: Reading) -> dict[int | None, list[Json]]:
    """What stands for each switch that is not accepted, by its position; None: for all of them."""
    return {
        int(place[1]) if len(place) > 1 else None: [_form(switch) for switch in switches]
        for place, switches in reading.reach.stop_switches.items()
    }


def _form(switch: StopSwitch) -> Json:
    return {
        "scope": switch.scope.value,
        "subject": switch.subject,
        "level": switch.level.value,
        "reason": switch.reason,
        "set_by": switch.set_by,
        "set_at": switch.set_at,
        "lifted_by": switch.lifted_by.value,
    }
