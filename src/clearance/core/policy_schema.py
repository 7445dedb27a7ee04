"""What policy can read of an intent: the Cedar schema of a catalog, and the final arguments of a
call as the record that it names.

The type of a record is made from the schema alone. A value is then read into it or, if it does not
fit, is named as not read. Nothing of a call is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.catalog import Catalog
from clearance.core.intent import DEPTH_MAX
from clearance.core.parts import MISSING_PARTS, PARTS, PORT_MAX, parts_of
from clearance.core.policy_form import Form, form_of
from clearance.core.policy_reading import (
    KIND_NAMES,
    RECORD_MEMBERS_MAX,
    UNREAD,
    CallReading,
    Entry,
    Read,
    read_columns,
    read_kinds,
    read_list,
    read_lists,
    read_many_kinds,
    read_map,
    read_maps,
    read_object,
    read_objects,
    read_values,
)
from clearance.core.policy_types import (
    ParameterType,
    RecordField,
    TypeKind,
    as_it_is,
    record_text,
    schema_text,
)
from clearance.core.schema import CompiledSchema, SchemaPlace
from clearance.core.units import whole_units

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DECIMAL_MAX = 922_337_203_685_477  # of Cedar's decimal, and a fraction that no value needs
_PARTS_OF_ONE = {10: "tenths", 100: "hundredths", 1_000: "thousandths"}
_DECIMAL_TEXT = re.compile(r"-?[0-9]+\.[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class RecordRead:
    """What policy reads of the final arguments of a call. Names are paths in the record, with dots.

    `nulls` are null, which reads as absent. `counts` are the lengths of lists. `unread` are in the
    call and not in the record; `waived` are too, and the owner accepts it. `a.*` stands for the
    names in `a` that the schema does not declare: an agent chose them. `unread_paths` are what is
    unread with these names, for rules to be held against; each with what of it may be shown.
    """

    record: dict[str, Json]
    nulls: tuple[str, ...]
    counts: dict[str, int]
    unread: tuple[str, ...]
    waived: tuple[str, ...]
    unread_paths: Mapping[str, str] = field(default_factory=dict, repr=False)


def parameters_type(schema: Mapping[str, Json]) -> ParameterType:
    """The record of a call's final arguments, from their JSON Schema."""
    root = CompiledSchema(schema).root
    build = _Build()
    made = _root(root, build)
    if build.is_bounded:  # which lists always have room is known when all attributes are
        build = _Build(RECORD_MEMBERS_MAX - build.attributes)
        made = _root(root, build)
    room = RECORD_MEMBERS_MAX - build.attributes - build.reserved
    return replace(
        made, lists=dict(sorted(build.lists.items())), several=frozenset(build.several), room=room
    )


def read_parameters(kind: ParameterType, arguments: Mapping[str, Json]) -> RecordRead:
    """What policy reads of a call's final arguments, which fit the schema that `kind` is made
    from.
    """
    reading = CallReading(kind.room)
    record = kind.read(arguments, reading)
    return RecordRead(
        record,
        tuple(sorted(reading.nulls)),
        reading.counts,
        tuple(sorted(set(reading.unread.values()))),
        tuple(sorted(reading.waived)),
        reading.unread,
    )


def whole_of(kind: ParameterType, path: str) -> str:
    """The value that would have to be read to know what is unread at a path: of a value of several
    types, all of it, as a value of another type could stand there.
    """
    above = path.rpartition(".")[0]
    return above if above in kind.several else path


# --- The Cedar schema ---


def cedar_schema(catalog: Catalog) -> str:
    """The Cedar schema of a catalog: an action for each action type, with what policy reads of
    it.
    """
    return schema_text(
        {action_type: parameters_type(catalog[action_type].final_schema) for action_type in catalog}
    )


# --- Types from schemas ---

_TO_WAIVE = "if no rule has to see it, add x-policy: unread"
_WAIVED_NAMES = (
    "it waives the names that it does not declare (x-policy: unread): take the waiver away, or "
    "leave the action out of the rule"
)
_OF_A_MAP = "it is a map there: ask for names and values, or leave the action out of the rule"
_OF_SEVERAL_TYPES = (
    "it can have several types there: ask for object or list, or leave the action out of the rule"
)
_CEDAR = {
    TypeKind.STRING: "String",
    TypeKind.LONG: "Long",
    TypeKind.DECIMAL: "decimal",
    TypeKind.BOOL: "Bool",
}


class _NotRead(Exception):
    """Policy cannot express what stands there; the text says why."""


class _Build:
    """What is counted while the type of a record is made."""

    def __init__(self, reservable: int = 0) -> None:
        self.attributes = 0
        self.reserved = 0
        self.is_bounded = False
        self.lists: dict[str, range] = {}
        self.several: set[str] = set()
        self._reservable = reservable
        self._open: list[SchemaPlace] = []

    @contextmanager
    def inside(self, place: SchemaPlace) -> Iterator[None]:
        if place in self._open:
            why = "it refers to itself" if place.nodes else "anything can stand in it"
            sentence = f"{why}: {_TO_WAIVE}"
            raise _NotRead(sentence)
        if len(self._open) > DEPTH_MAX:
            sentence = f"it is nested more than {DEPTH_MAX} levels deep: {_TO_WAIVE}"
            raise _NotRead(sentence)
        self._open.append(place)
        try:
            yield
        finally:
            self._open.pop()

    def reserve(self, members: int | None) -> bool:
        """Whether a list of so many members always has room."""
        if members is None:
            return False
        self.is_bounded = True
        if self.reserved + members > self._reservable:
            return False
        self.reserved += members
        return True

    def attribute(
        self, make: Callable[[], ParameterType], *, may_be_required: bool = True
    ) -> RecordField:
        """An attribute of the type that `make` makes, if policy can express it; required, if it
        never fails to be read.
        """
        self.attributes += 1
        if self.attributes > RECORD_MEMBERS_MAX:
            sentence = f"the record has {RECORD_MEMBERS_MAX} attributes without it: {_TO_WAIVE}"
            return RecordField(None, problem=sentence)
        try:
            made = make()
        except _NotRead as reason:
            return RecordField(None, problem=str(reason))
        return RecordField(made, required=may_be_required and made.never_fails)


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in the record that is being made; `many` values stand there together, if it is in a
    list.
    """

    place: SchemaPlace
    path: str
    build: _Build
    many: bool = False

    def at(self, name: str, place: SchemaPlace | None = None) -> _Spot:
        path = f"{self.path}.{name}" if self.path else name
        return replace(self, path=path, place=place or self.place)


def _root(place: SchemaPlace, build: _Build) -> ParameterType:
    with build.inside(place):
        return _record(_Spot(place, "", build))


def _type_of(spot: _Spot) -> ParameterType:
    """The type of what stands there. Raises _NotRead."""
    kinds = spot.place.kinds - {"null"}
    if not kinds:
        sentence = "no value but null can stand there"
        raise _NotRead(sentence)
    numbers = "number" if "fraction" in kinds or spot.place.scale else "integer"
    names = sorted({KIND_NAMES[kind] or numbers for kind in kinds})
    with spot.build.inside(spot.place):
        return _MAKERS[names[0]](spot) if len(names) == 1 else _kinds(spot, names)


def _text(spot: _Spot) -> ParameterType:
    if spot.place.reads_as is not None:
        return _declared_text(spot)
    return _scalar(spot, TypeKind.STRING, _string, never_fails=spot.place.is_checked)


def _truth(spot: _Spot) -> ParameterType:
    return _scalar(spot, TypeKind.BOOL, _bool, never_fails=spot.place.is_checked)


def _integer(spot: _Spot) -> ParameterType:
    # Where nothing but an integer can stand, one beyond 2^53 is refused before it is read.
    certain = spot.place.is_checked and spot.place.is_exact_number
    return _scalar(spot, TypeKind.LONG, partial(_units, scale=1), never_fails=certain)


def _number(spot: _Spot) -> ParameterType:
    place = spot.place
    if place.scale is not None:
        units = partial(_units, scale=place.scale)
        return _scalar(spot, TypeKind.LONG, units, never_fails=place.is_checked)
    numbers = [value for value in place.values or () if _is_number(value)]
    certain = bool(numbers) and UNREAD not in map(_decimal, numbers)
    return _scalar(spot, TypeKind.DECIMAL, _decimal, never_fails=certain)


def _scalar(
    spot: _Spot, kind: TypeKind, reader: Callable[[Json], Json], *, never_fails: bool
) -> ParameterType:
    """The type of a scalar; of many, the set of them. `reader` reads one of them."""
    allowed = [reader(value) for value in spot.place.values or ()]
    readable = [value for value in allowed if value is not UNREAD]
    values: Collection[Json] | None = None
    if readable and kind is not TypeKind.DECIMAL:
        values = frozenset(readable)
    elif kind is TypeKind.LONG:
        values = spot.place.units(spot.place.scale or 1)
    form = form_of(spot.place.certain, kind) if spot.place.scale is None else None
    cedar = _CEDAR[kind]
    single = ParameterType(
        cedar,
        kind,
        values=values,
        form=form,
        counts=_counted(spot.place) if kind is TypeKind.LONG else "",
        read=lambda value, _: reader(value),
        never_fails=never_fails,
    )
    return _set_of(single, read_values(reader)) if spot.many else single


def _set_of(item: ParameterType, read: Read) -> ParameterType:
    return replace(
        item, cedar=f"Set<{item.cedar}>", kind=TypeKind.SET, fields={}, item=item, read=read
    )


def _counted(place: SchemaPlace) -> str:
    """What the integers at a place count, in words; empty if the schema does not say."""
    scale, unit = (
        next((node[key] for node in place.nodes if key in node), None)
        for key in ("x-scale", "x-unit")
    )
    parts = _PARTS_OF_ONE.get(scale, f"1/{scale}") if type(scale) is int and scale > 1 else ""
    of = f"({unit})" if parts and unit else unit
    return " ".join(str(word) for word in (parts, of) if word)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _string(value: Json) -> Json:
    return value if isinstance(value, str) else UNREAD


def _bool(value: Json) -> Json:
    return value if isinstance(value, bool) else UNREAD


def _units(value: Json, *, scale: int) -> Json:
    units = whole_units(value, scale) if _is_number(value) else None
    return UNREAD if units is None else units


def _decimal(value: Json) -> Json:
    """Cedar's decimal, which has one to four digits behind the point."""
    if not _is_number(value) or not -INTEGER_MAX <= value <= INTEGER_MAX:
        return UNREAD
    if isinstance(value, int):
        text = f"{value}.0"
    else:
        text = f"{Decimal(repr(value)):f}"
        if not _DECIMAL_TEXT.fullmatch(text):
            return UNREAD
    if abs(value) > _DECIMAL_MAX:
        return UNREAD
    return {"__extn": {"fn": "decimal", "arg": text}}


def _declared_text(spot: _Spot) -> ParameterType:
    """The record of a text that the owner declares to be a URL, an address or a path."""
    declared = str(spot.place.reads_as)
    if declared not in PARTS:
        sentence = f"x-read must be one of {', '.join(PARTS)}"
        raise _NotRead(sentence)
    fields, entries = {}, {}
    for name, of in PARTS[declared].items():
        kind = TypeKind.LONG if of is int else TypeKind.STRING
        ports = range(1, PORT_MAX + 1) if of is int else None
        form = Form(f"{declared}.{name}")
        single = ParameterType(_CEDAR[kind], kind, values=ports, form=form, never_fails=True)
        made = _set_of(single, read_values(lambda part: part)) if spot.many else single
        required = name not in MISSING_PARTS
        fields[name] = spot.build.attribute(partial(_itself, made), may_be_required=required)
        entries[name] = (spot.at(name).path, made.read, False)
    reader = partial(_read_parts, declared)
    read = _read_many_parts(reader, entries) if spot.many else (lambda value, _: reader(value))
    return _record_of(fields, read, never_fails=False)


def _itself(made: ParameterType) -> ParameterType:
    return made


def _read_parts(declared: str, value: Json) -> Json:
    parts = parts_of(declared, value) if isinstance(value, str) else None
    return UNREAD if parts is None else parts


def _read_many_parts(reader: Callable[[Json], Json], entries: Mapping[str, Entry]) -> Read:
    def read(values: Json, reading: CallReading) -> Json:
        records = [reader(value) for value in values]
        if UNREAD in records:
            return UNREAD
        columns = {name: [record[name] for record in records if name in record] for name in entries}
        whole = {name: columns[name] for name in entries if len(columns[name]) == len(records)}
        # The set of what only some of them have would seem to be that of all.
        for name in columns.keys() - whole:
            if columns[name]:
                reading.lacks(entries[name][0])
        return read_columns(whole, {name: entries[name] for name in whole}, reading)

    return read


def _record_of(
    fields: Mapping[str, RecordField],
    read: Read,
    *,
    never_fails: bool,
    others: RecordField | None = None,
    hides: str | None = None,
) -> ParameterType:
    counts = [attribute.type.members_max for attribute in fields.values() if attribute.type]
    return ParameterType(
        record_text(fields),
        TypeKind.RECORD,
        fields=fields,
        others=others,
        hides=hides,
        read=read,
        never_fails=never_fails,
        members_max=None if None in counts else sum(count for count in counts if count is not None),
    )


def _kinds(spot: _Spot, names: Sequence[str]) -> ParameterType:
    """The record of a value of several types."""
    fields, entries = {}, {}
    for name in names:
        inside = spot.at(name)
        make = partial(_MAKERS[name], inside)
        fields[name] = made = spot.build.attribute(make, may_be_required=spot.many)
        entries[name] = (inside.path, made.reader, False)
    spot.build.several.add(spot.path)
    read = read_many_kinds if spot.many else read_kinds
    hides = _OF_SEVERAL_TYPES if {"object", "list"}.intersection(names) else None
    return _record_of(fields, read(entries, spot.path), never_fails=True, hides=hides)


def _list(spot: _Spot) -> ParameterType:
    """The set of a list of scalars; of a list of anything else, a record of sets."""
    place, build = spot.place, spot.build
    item = _type_of(replace(spot, place=place.items, many=True))
    each, most = item.members_max, place.items_max
    members = None if each is None or most is None else each * most
    fields = item.fields
    counted = item.kind is TypeKind.RECORD and "count" not in fields
    if counted:
        lengths = range(INTEGER_MAX + 1) if spot.many else place.lengths
        count = RecordField(ParameterType("Long", TypeKind.LONG, values=lengths), required=True)
        fields = {**fields, "count": count}
    never_fails = place.is_checked and item.never_fails
    if spot.many:
        read = read_lists(item.read, spot.path, counted=counted)
    else:
        build.lists[spot.path] = place.lengths
        reserved = build.reserve(members)
        never_fails = never_fails and reserved
        read = read_list(item.read, spot.path, counted=counted, reserved=reserved)
    return replace(
        item,
        cedar=record_text(fields) if counted else item.cedar,
        fields=fields,
        read=read,
        never_fails=never_fails,
        members_max=members,
    )


def _object(spot: _Spot) -> ParameterType:
    return _record(spot) if spot.place.names else _map(spot)


def _record(spot: _Spot) -> ParameterType:
    """The record of the declared properties, sorted: the order in which they were written does not
    matter.
    """
    place = spot.place
    fields, entries = {}, {}
    for name in sorted(place.names):
        inside = spot.at(name, place.names[name])
        is_there = spot.many or (name in place.required and "null" not in inside.place.kinds)
        made = _property(name, inside, may_be_required=is_there)
        never_null = inside.place.is_checked and "null" not in inside.place.kinds
        given = is_there and never_null and not spot.many
        fields[name] = made = replace(made, never_null=never_null, given=given)
        path = spot.at("*").path if _parts_a_path(name) else inside.path
        entries[name] = (path, made.reader, made.waived)
    others = _others(place)
    waived = others is not None and others.waived
    read = read_objects if spot.many else read_object
    return _record_of(
        fields,
        read(entries, (spot.at("*").path, None, waived)),
        never_fails=place.is_checked,
        others=others,
        hides=_WAIVED_NAMES if waived else None,
    )


def _others(place: SchemaPlace) -> RecordField | None:
    """What stands for the names that a record lets in."""
    if not (place.takes_others or place.has_patterns):
        return None
    if place.others.is_waived:
        return RecordField(None, waived=True)
    sentence = f"other names are allowed here, and are not read: {_TO_WAIVE} to their schema"
    return RecordField(None, problem=sentence)


def _property(name: str, spot: _Spot, *, may_be_required: bool) -> RecordField:
    if spot.place.is_waived:
        return RecordField(None, waived=True)
    # `__entity` and `__extn` are escapes of Cedar's JSON.
    if name.startswith("__") or _SURROGATE.search(name) or _parts_a_path(name):
        return RecordField(None, problem=f"policy cannot have this name in a path: {_TO_WAIVE}")
    return spot.build.attribute(partial(_type_of, spot), may_be_required=may_be_required)


def _parts_a_path(name: str) -> bool:
    """True if a path with this name could be that of another parameter: a dot parts the names of a
    path, and `*` stands for those that are not declared.
    """
    return name in {"", "*"} or "." in name


def _map(spot: _Spot) -> ParameterType:
    """The record of a map: the set of its names and, if they are of one scalar type, that of its
    values.
    """
    inside = replace(spot.at("values", spot.place.others), many=True)
    keys = spot.place.keys
    known = frozenset(each for each in keys.values or () if isinstance(each, str)) or None
    name = ParameterType(
        "String",
        TypeKind.STRING,
        values=known,
        form=form_of(keys.certain, TypeKind.STRING),
        never_fails=True,
    )
    names = _set_of(name, as_it_is)
    values = (
        RecordField(None, waived=True)
        if inside.place.is_waived
        else spot.build.attribute(partial(_values_of_map, inside))
    )
    fields = {"names": spot.build.attribute(partial(_itself, names)), "values": values}
    entry = (inside.path, values.reader, values.waived)
    read = read_maps if spot.many else read_map
    certain = spot.many and spot.place.is_checked
    made = _record_of(fields, read(entry), never_fails=certain, hides=_OF_A_MAP)
    return replace(made, members_max=None)


def _values_of_map(spot: _Spot) -> ParameterType:
    made = _type_of(spot)
    if made.kind is not TypeKind.SET:
        sentence = f"the values of the map are not of one scalar type: {_TO_WAIVE}"
        raise _NotRead(sentence)
    return made


_MAKERS = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _truth,
    "list": _list,
    "object": _object,
}
