"""The form of an edit: a field for each parameter, as its JSON Schema suggests, and the parameters
read back from it.

Its one idea: a field is only a way to write a JSON value down; the schema decides whether the value
is valid. A value that no plain field can hold (a list, an object, text with hidden characters) is
written as JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, Problem
from clearance.core.money import Money, money_of
from clearance.core.schema import NUMBER, CompiledSchema, SchemaPlace
from clearance.core.visible import visible

LINE_LENGTH_MAX = 80  # characters of a text that is edited on one line
FILLED_SHOWN_MAX = 5  # defaults inside of one value that a form names
PREFIX = "p."  # before a parameter's name in the form
WHOLE = "parameters"  # the field of all parameters as JSON, where the schema names none
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YES_OR_NO = (("true", "yes"), ("false", "no"))
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?")


class Widget(StrEnum):
    """How a field is shown."""

    LINE = "line"
    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    CHECKBOX = "checkbox"
    CHOICE = "choice"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the form, its label, what is written in it, and what is wrong with
    that. `nullable`: it can be null, as which it is read when it is empty and must be there;
    `empty` says what an empty field means.
    """

    name: str
    label: str
    control: Widget
    text: str
    required: bool
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    step: str = "any"
    problems: tuple[str, ...] = ()
    nullable: bool = False
    empty: str = "none"


def fields(
    schema: CompiledSchema,
    parameters: Mapping[str, Json],
    *,
    written: Mapping[str, str] | None = None,
    problems: tuple[Problem, ...] = (),
    filled: Mapping[str, Json] | None = None,
) -> list[Field]:
    """The fields of the parameters; with what was `written` and
    its problems, if it is shown again. `filled` are the defaults that are filled in, by path.
    """
    places = _places(schema, parameters)
    if not places:
        text = _as_json(dict(parameters)) if written is None else written.get(WHOLE, "")
        return [
            Field(
                WHOLE,
                "Parameters",
                Widget.JSON,
                text,
                required=True,
                problems=_about(problems, None),
            )
        ]
    shown = []
    for name, place in places.items():
        field = _field(name, place, parameters, required=name in schema.root.required)
        text = field.text if written is None else written.get(field.name, "")
        helped = _filled_in(name, filled or {}, field.help)
        shown.append(replace(field, text=text, problems=_about(problems, name), help=helped))
    return shown


def read(
    schema: CompiledSchema, parameters: Mapping[str, Json], form: Mapping[str, str]
) -> dict[str, Json]:
    """The parameters in a form.

    Raises InvalidInput (`INVALID_PARAMETERS`) with every field that cannot be read.
    """
    places = _places(schema, parameters)
    if not places:
        return _read_whole(form.get(WHOLE, ""))
    values, problems = {}, []
    for name, place in places.items():
        field = _field(name, place, parameters, required=name in schema.root.required)
        text = form.get(field.name, "")
        if text == "" and _left_out(field, name, parameters):
            continue
        try:
            values[name] = _value(field, text, parameters.get(name))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(("parameters", name), str(error)))
    if problems:
        sentence = "The parameters cannot be read: " + "; ".join(
            str(problem) for problem in problems[:3]
        )
        raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=tuple(problems))
    return values


def _filled_in(name: str, filled: Mapping[str, Json], help_text: str) -> str:
    """The help of a field, with the defaults that are filled in inside of its value."""
    inside = [
        f"{path.removeprefix(name + '.')} = {json.dumps(value, ensure_ascii=False)}"
        for path, value in filled.items()
        if path.startswith(f"{name}.")
    ]
    shown = ", ".join(inside[:FILLED_SHOWN_MAX]) + ("…" if len(inside) > FILLED_SHOWN_MAX else "")
    return " ".join(filter(None, (help_text, shown and f"Filled in where it is left out: {shown}")))


def _places(schema: CompiledSchema, parameters: Mapping[str, Json]) -> dict[str, SchemaPlace]:
    """Each property of the schema, then each parameter that the schema does not name."""
    named = schema.root.names
    if not named:
        return {}
    free = CompiledSchema({}).root
    return named | {name: free for name in parameters if name not in named}


def _field(
    name: str, place: SchemaPlace, parameters: Mapping[str, Json], *, required: bool
) -> Field:
    present, value = name in parameters, parameters.get(name)
    control, choices = _control(place, value, required=required)
    money = money_of(place)
    unit = money.written_in if money else ""
    return Field(
        name=PREFIX + name,
        label=f"{name} ({unit})" if unit else name,
        control=control,
        text=_text(control, value, money) if present else "",
        required=required and control is not Widget.CHECKBOX,
        help=str(_first(place, "description") or ""),
        choices=choices,
        step="1" if place.kinds - {"null"} == {"integer"} else "any",
        nullable="null" in place.kinds,
        empty=_empty(place, money, present=present),
    )


def _first(place: SchemaPlace, keyword: str) -> Json:
    """The first that is declared of a keyword, the schema's own before what it refers to."""
    return next((node[keyword] for node in place.nodes if keyword in node), None)


def _empty(place: SchemaPlace, money: Money | None, *, present: bool) -> str:
    """What an empty field means, for people."""
    default = _first(place, "default")
    if present or default is None:
        return "none"
    shown = (money and money.value(default)) or _text(Widget.JSON, default, None)
    return f"default: {default if isinstance(default, str) else shown}"


def _control(
    place: SchemaPlace, value: Json, *, required: bool
) -> tuple[Widget, tuple[tuple[str, str], ...]]:
    """The plainest field that can hold the value that is there
    and the ones that the schema allows.
    """
    kinds = place.kinds - {"null"}
    options = [option for option in place.values or () if option is not None]
    if options and all(isinstance(option, str) and option for option in options):
        fits = value is None or value in options
        choices = tuple((option, option) for option in options)
        return (Widget.CHOICE, choices) if fits else (Widget.JSON, ())
    if kinds == {"boolean"} and isinstance(value, bool | None):
        asked = required and "null" not in place.kinds
        return (Widget.CHECKBOX, ()) if asked else (Widget.CHOICE, _YES_OR_NO)
    if kinds and kinds <= NUMBER and _is_number(value):
        return Widget.NUMBER, ()
    if (
        kinds == {"string"}
        and isinstance(value, str | None)
        and visible(value or "") == (value or "")
    ):
        return _text_control(place, value or ""), ()
    return Widget.JSON, ()


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float | None) and not isinstance(value, bool)


def _text_control(place: SchemaPlace, value: str) -> Widget:
    formats = {node.get("format") for node in place.nodes if node.get("type") == "string"}
    if formats == {"date"} and (value == "" or _DATE.fullmatch(value)):
        return Widget.DATE
    longest = _first(place, "maxLength")
    long = (
        len(value) > LINE_LENGTH_MAX
        or "\n" in value
        or (isinstance(longest, int) and longest > 4 * LINE_LENGTH_MAX)
    )
    return Widget.TEXT if long else Widget.LINE


def _text(control: Widget, value: Json, money: Money | None) -> str:
    if control is Widget.JSON:
        return _as_json(value)
    if value is None:
        return ""
    if control is Widget.NUMBER and money and (digits := money.digits(value)):
        return digits
    return value if isinstance(value, str) else json.dumps(value)


def _as_json(value: Json) -> str:
    """JSON in which hidden characters stand as escapes; every other character stands for itself."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if visible(text) == text else json.dumps(value, indent=2)


def _left_out(field: Field, name: str, parameters: Mapping[str, Json]) -> bool:
    """Whether an empty field means that there is no such parameter: not if it must be there, or was
    there, empty or null.
    """
    if field.control is Widget.CHECKBOX:
        return False
    kept = name in parameters and parameters[name] in ("", None)
    return not field.required and not kept


def _value(field: Field, text: str, before: Json) -> Json:
    if text == "" and field.nullable and before != "" and field.control is not Widget.CHECKBOX:
        return None
    match field.control:
        case Widget.CHECKBOX:
            return text == "true"
        case Widget.NUMBER:
            return _number(text, before)
        case Widget.JSON:
            return _json(text)
        case Widget.CHOICE if field.choices == _YES_OR_NO:
            return text == "true"
        case _:
            return text


def _number(text: str, before: Json) -> int | float:
    """A number as JSON writes it, or as it was `before`; Python alone would also read
    `1_000` and digits of other scripts.
    """
    number: int | float = math.nan
    if _NUMBER.fullmatch(text):
        number = json.loads(text)
    if not math.isfinite(number):
        sentence = "must be a number"
        raise ValueError(sentence)
    return before if _is_number(before) and before == number else number


def _json(text: str) -> Json:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        sentence = f"is not JSON: {error.msg} in line {error.lineno}"
        raise ValueError(sentence) from None


def _refuse_constant(name: str) -> Json:
    sentence = f"{name} is not a JSON value"
    raise ValueError(sentence)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object; a text that names a key twice does not mean the same to every reader."""
    value = dict(pairs)
    if len(value) != len(pairs):
        sentence = "names something twice"
        raise ValueError(sentence)
    return value


def _read_whole(text: str) -> dict[str, Json]:
    try:
        value = _json(text)
    except (ValueError, RecursionError) as error:
        sentence = f"The parameters cannot be read: {error}."
        problem = Problem(("parameters",), str(error))
        raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=(problem,)) from None
    if not isinstance(value, dict):
        sentence = "The parameters must be a JSON object."
        problem = Problem(("parameters",), "must be an object")
        raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=(problem,))
    return value


def _about(problems: tuple[Problem, ...], name: str | None) -> tuple[str, ...]:
    """The problems of one parameter; with no name, all of them."""
    return tuple(
        problem.sentence if name else str(problem)
        for problem in problems
        if name is None or problem.path[1:2] == (name,)
    )
