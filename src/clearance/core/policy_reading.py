"""How the arguments of a call are read into the record that policy sees.

A reader takes one value or, inside a list, all values that stand at the same place together: the
engine cannot look into the members of a set, so a list of records is read as one record of sets.
What does not fit is named as not read; nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from clearance.core.canonical import Json
from clearance.core.schema import kind_of

RECORD_MEMBERS_MAX = 1_000  # attributes and members of sets of one record

KIND_NAMES = {
    "string": "string",
    "boolean": "boolean",
    "integer": "",
    "fraction": "number",
    "array": "list",
    "object": "object",
}
"""The attribute of a record for each kind of JSON value; an integer is read as `integer` or as
`number`, as the schema has it.
"""


class Unread:
    """Stands for a value that is not in the record."""


UNREAD = Unread()


class _TooMany(Exception):
    """A list has more members than a record has room for."""


class CallReading:
    """What is noted while one call is read."""

    __slots__ = ("counts", "nulls", "room", "unread", "waived")

    def __init__(self, room: int) -> None:
        self.nulls: set[str] = set()
        self.counts: dict[str, int] = {}
        self.unread: dict[str, str] = {}  # by path, as it may be shown
        self.waived: set[str] = set()
        self.room = room

    def lacks(self, path: str) -> None:
        """Notes that what stands at a path is not read."""
        self.unread[path] = path

    def lets_in(self, name: str, others: Entry) -> None:
        """Notes a name that is not declared. An agent chose it: rules are held against it, and only
        `*` is shown.
        """
        shown, _, waived = others
        if waived:
            self.waived.add(shown)
        else:
            self.unread[shown.removesuffix("*") + name] = shown

    def take(self, members: int) -> None:
        """Makes room for members of a set."""
        self.room -= members
        if self.room < 0:
            raise _TooMany

    def without_nulls(self, values: Sequence[Json], path: str) -> Sequence[Json]:
        """The values that are not null; if some are, `path` is noted."""
        if None not in values:
            return values
        self.nulls.add(path)
        return [value for value in values if value is not None]


Read: TypeAlias = Callable[[Json, CallReading], Json]
Entry: TypeAlias = tuple[str, Read | None, bool]  # path, reader, waived


def _note(reading: CallReading, path: str, *, waived: bool) -> None:
    if waived:
        reading.waived.add(path)
    else:
        reading.lacks(path)


def read_values(reader: Callable[[Json], Json]) -> Read:
    """Reads the values of a set."""

    def read(values: Json, reading: CallReading) -> Json:
        reading.take(len(values))
        members = [reader(value) for value in values]
        return UNREAD if UNREAD in members else members

    return read


def read_object(entries: Mapping[str, Entry], others: Entry) -> Read:
    """Reads one object as a record."""

    def read(value: Json, reading: CallReading) -> Json:
        if not isinstance(value, Mapping):
            return UNREAD
        record = {}
        for name, part in value.items():
            if name not in entries:
                reading.lets_in(name, others)
                continue
            path, inner, waived = entries[name]
            if part is None:
                reading.nulls.add(path)
            elif inner is None:
                _note(reading, path, waived=waived)
            elif (result := inner(part, reading)) is UNREAD:
                reading.lacks(path)
            else:
                record[name] = result
        return record

    return read


def read_objects(entries: Mapping[str, Entry], others: Entry) -> Read:
    """Reads many objects as one record: of each attribute, what it is in any of them."""

    def read(values: Json, reading: CallReading) -> Json:
        columns: dict[str, list[Json]] = {name: [] for name in entries}
        for value in values:
            if not isinstance(value, Mapping):
                return UNREAD
            for name, part in value.items():
                if name in columns:
                    columns[name].append(part)
                else:
                    reading.lets_in(name, others)
        return read_columns(columns, entries, reading)

    return read


def read_columns(
    columns: Mapping[str, list[Json]], entries: Mapping[str, Entry], reading: CallReading
) -> dict[str, Json]:
    """The record of many values of each attribute."""
    record = {}
    for name, (path, inner, waived) in entries.items():
        values = reading.without_nulls(columns[name], path)
        if inner is None:
            if values:
                _note(reading, path, waived=waived)
        elif (result := inner(values, reading)) is UNREAD:
            reading.lacks(path)
        else:
            record[name] = result
    return record


def read_kinds(entries: Mapping[str, Entry], path: str) -> Read:
    """Reads a value of several types: an attribute for the type that it has."""
    numbers = "integer" if "integer" in entries else "number"

    def read(value: Json, reading: CallReading) -> Json:
        name = KIND_NAMES[kind_of(value)] or numbers
        at, inner, _ = entries.get(name, (path, None, False))
        result = UNREAD if inner is None else inner(value, reading)
        if result is UNREAD:
            reading.lacks(at)
            return {}
        return {name: result}

    return read


def read_many_kinds(entries: Mapping[str, Entry], path: str) -> Read:
    """Reads many values of several types."""
    numbers = "integer" if "integer" in entries else "number"

    def read(values: Json, reading: CallReading) -> Json:
        columns: dict[str, list[Json]] = {name: [] for name in entries}
        for value in values:
            name = KIND_NAMES[kind_of(value)] or numbers
            if name in columns:
                columns[name].append(value)
            else:
                reading.lacks(path)
        return read_columns(columns, entries, reading)

    return read


def read_list(inner: Read, path: str, *, counted: bool, reserved: bool) -> Read:
    """Reads a list that is in no other list; it is not read if it has too many members."""

    def read(value: Json, reading: CallReading) -> Json:
        if not isinstance(value, list | tuple):
            return UNREAD
        reading.counts[path] = len(value)
        before = reading.room
        if reserved:
            reading.room = RECORD_MEMBERS_MAX
        try:
            record = inner(reading.without_nulls(value, f"{path}[]"), reading)
        except _TooMany:
            reading.room = before
            return UNREAD
        if reserved:
            reading.room = before
        if counted and record is not UNREAD:
            record["count"] = len(value)
        return record

    return read


def read_lists(inner: Read, path: str, *, counted: bool) -> Read:
    """Reads lists that are in a list, as one."""

    def read(values: Json, reading: CallReading) -> Json:
        if not all(isinstance(value, list | tuple) for value in values):
            return UNREAD
        items = [item for value in values for item in value]
        record = inner(reading.without_nulls(items, f"{path}[]"), reading)
        if counted and record is not UNREAD:
            record["count"] = len(items)
        return record

    return read


def read_map(values: Entry) -> Read:
    """Reads one map: the names, and what they have as values."""
    many = read_maps(values)

    def read(value: Json, reading: CallReading) -> Json:
        before = reading.room
        try:
            return many([value], reading)
        except _TooMany:
            reading.room = before
            return UNREAD

    return read


def read_maps(values: Entry) -> Read:
    """Reads many maps as one."""

    def read(maps: Json, reading: CallReading) -> Json:
        if not all(isinstance(value, Mapping) for value in maps):
            return UNREAD
        names = [name for value in maps for name in value]
        reading.take(len(names))
        parts = {"values": [part for value in maps for part in value.values()]}
        return {"names": names} | read_columns(parts, {"values": values}, reading)

    return read
