"""What the validator does not look at: names that no subschema declares, numbers with more decimals
than their scale, and integers that not every JSON reader carries exactly.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.errors import Problem
from clearance.core.schema import CompiledSchema, Path, SchemaPlace
from clearance.core.units import POWERS_OF_TEN, in_units, whole_units

_UNDECLARED = "is not declared by the schema, which does not say that it takes other names"
_MISFITS_MAX = 20  # of one value that are looked for


def misfits(schema: CompiledSchema, value: Json) -> list[Problem]:
    """The first faults of a value that the validator accepts: names that are not declared, numbers
    that are no whole units of their scale, and integers beyond 2^53 - 1.
    """
    return misfits_at(schema.root, value)


def misfits_at(place: SchemaPlace, value: Json) -> list[Problem]:
    """The same of a value at a place in a schema."""
    problems: list[Problem] = []
    _look(place, value, (), problems)
    return problems[:_MISFITS_MAX]


def _look(place: SchemaPlace, value: Json, path: Path, problems: list[Problem]) -> None:
    if isinstance(value, dict):
        takes_all = place.takes(value)  # asked once: to find the place of each name takes longer
        for name, part in value.items():
            if (takes_all and part.__class__ in _FREE) or len(problems) >= _MISFITS_MAX:
                continue
            inside = place.names.get(name) or place.other(name)
            if inside is None:
                problems.append(Problem((*path, name), _UNDECLARED))
            elif part.__class__ not in _FREE:
                _look(inside, part, (*path, name), problems)
    elif isinstance(value, list | tuple):
        for position, part in enumerate(value):
            if part.__class__ not in _FREE and len(problems) < _MISFITS_MAX:
                _look(place.items, part, (*path, position), problems)
    elif place.is_exact_number and (sentence := _number_problem(value, place.scale)):
        problems.append(Problem(path, sentence))


_FREE = frozenset({str, bool, type(None)})  # kinds of values that have none of these faults


def _number_problem(value: float, scale: int | None) -> str | None:
    if whole_units(value, scale or 1) is not None:
        return None
    if not -INTEGER_MAX <= value * (scale or 1) <= INTEGER_MAX:
        return f"is beyond {INTEGER_MAX}" + (" units" if scale else "")
    meant = in_units(value, scale or 1).to_integral_value(ROUND_HALF_UP) / (scale or 1)
    return f"{_too_fine(scale or 1)}; {meant.normalize():f} was probably meant"


def _too_fine(scale: int) -> str:
    if scale not in POWERS_OF_TEN:
        return f"is no whole number of parts of which {scale} make one"
    count = len(str(scale)) - 1
    return f"has more than {count} decimal{'s' * (count > 1)}" if count else "has decimals"
