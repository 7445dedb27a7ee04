"""Stop switches as people see and change them, while some of those that are stored are not accepted
by this version.

One that is not accepted is shown as what stands for it, and stays as it is stored for as long as
that is put back unchanged: it must neither prevent another stop nor be lifted by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clearance.configuration.document import Reading, parse_document, read_document
from clearance.configuration.shape import SettingsDocument
from clearance.core.canonical import Json
from clearance.core.stop import StopSwitch


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


def put_switches(content: Json, stored: Mapping[str, Json]) -> tuple[SettingsDocument, list[Json]]:
    """The switches to store so that these are on, and a document of those of them that stand for
    none that is stored.

    A stored switch that is not accepted stays as it is, once, until a change lifts something that
    stands for it and nothing else in that place: another stop there does not replace it, and
    lifting that stop does not lift it. InvalidInput (`INVALID_SETTINGS`) if one of these is not
    accepted.
    """
    listed = content if isinstance(content, list) else []
    reading, readable = _read(stored)
    standing = {n: forms for n, forms in _standing(reading).items() if n is not None}
    touched = {_place(switch) for switch in (*listed, *readable)}
    stay = {
        number
        for number, forms in standing.items()
        if all(_place(form) in touched for form in forms)
    }
    number_of = [(form, number) for number, forms in standing.items() for form in forms]
    new = [switch for switch in listed if all(switch != form for form, _ in number_of)]
    parsed = parse_document({"stop_switches": new if listed else content})
    accepted = iter(switches_of(parsed))
    after: list[Json] = []
    left = [number for number in standing if number in stay]
    for switch in listed:
        numbers = [number for form, number in number_of if form == switch]
        if not numbers:
            after.append(next(accepted))
        for number in numbers:
            if number in left:
                left.remove(number)
                after.append(stored["stop_switches"][number])
    return parsed, after + [stored["stop_switches"][number] for number in left]


def _place(switch: Json) -> tuple[Json, Json]:
    """The scope and subject of a switch: the name under which people stop and lift."""
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
    }
