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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, Problem
from clearance.core.money import money_of
from clearance.core.visible import visible

LINE_LENGTH_MAX = 80  # characters of a text that is edited on one line
PREFIX = "p."  # before a parameter's name in the form
WHOLE = "parameters"  # the field of all parameters as JSON, where the schema names none
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
    that.
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


def fields(
    schema: Mapping[str, Json],
    parameters: Mapping[str, Json],
    *,
    written: Mapping[str, str] | None = None,
    problems: tuple[Problem, ...] = (),
) -> list[Field]:
    """The fields of the parameters; with what was `written` and
    its problems, if it is shown again.
    """
    properties = _properties(schema)
    if not properties:
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
    required = schema.get("required") or ()
    shown = []
    for name, described in _named(properties, parameters):
        field = _field(name, described, parameters, required=name in required)
        text = field.text if written is None else written.get(field.name, "")
        shown.append(_with(field, text, _about(problems, name)))
    return shown


def read(
    schema: Mapping[str, Json], parameters: Mapping[str, Json], form: Mapping[str, str]
) -> dict[str, Json]:
    """The parameters in a form.

    Raises InvalidInput (`INVALID_PARAMETERS`) with every field that cannot be read.
    """
    properties = _properties(schema)
    if not properties:
        return _read_whole(form.get(WHOLE, ""))
    required = schema.get("required") or ()
    values, problems = {}, []
    for name, described in _named(properties, parameters):
        field = _field(name, described, parameters, required=name in required)
        text = form.get(field.name, "")
        if text == "" and _left_out(field, name, parameters):
            continue
        try:
            values[name] = _value(field, text)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(("parameters", name), str(error)))
    if problems:
        sentence = "The parameters cannot be read: " + "; ".join(
            str(problem) for problem in problems[:3]
        )
        raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=tuple(problems))
    return values


def _properties(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _named(
    properties: Mapping[str, Json], parameters: Mapping[str, Json]
) -> Iterator[tuple[str, Json]]:
    """Each property of the schema, then each parameter that the schema does not name."""
    yield from properties.items()
    yield from ((name, {}) for name in parameters if name not in properties)


def _field(name: str, schema: Json, parameters: Mapping[str, Json], *, required: bool) -> Field:
    described = schema if isinstance(schema, Mapping) else {}
    control, choices = _control(described, parameters.get(name), required=required)
    money = money_of(described)
    unit = money.written_in if money else ""
    present = name in parameters
    return Field(
        name=PREFIX + name,
        label=f"{name} ({unit})" if unit else name,
        control=control,
        text=_text(control, parameters[name]) if present else "",
        required=required and control is not Widget.CHECKBOX,
        help=str(described.get("description", "")),
        choices=choices,
        step="1" if described.get("type") == "integer" else "any",
    )


def _control(
    schema: Mapping[str, Json], value: Json, *, required: bool
) -> tuple[Widget, tuple[tuple[str, str], ...]]:
    """The plainest field that can hold the value that is there
    and the ones that the schema allows.
    """
    kind, options = schema.get("type"), schema.get("enum")
    if isinstance(options, list) and all(isinstance(option, str) and option for option in options):
        fits = value is None or value in options
        return (
            (Widget.CHOICE, tuple((option, option) for option in options))
            if fits
            else (Widget.JSON, ())
        )
    if kind == "boolean" and isinstance(value, bool | None):
        return (
            (Widget.CHECKBOX, ())
            if required
            else (Widget.CHOICE, (("true", "yes"), ("false", "no")))
        )
    if (
        kind in {"integer", "number"}
        and isinstance(value, int | float | None)
        and not isinstance(value, bool)
    ):
        return Widget.NUMBER, ()
    if kind == "string" and isinstance(value, str | None) and visible(value or "") == (value or ""):
        return _text_control(schema, value or ""), ()
    return Widget.JSON, ()


def _text_control(schema: Mapping[str, Json], value: str) -> Widget:
    if schema.get("format") == "date":
        return Widget.DATE
    long = (
        len(value) > LINE_LENGTH_MAX
        or "\n" in value
        or schema.get("maxLength", 0) > 4 * LINE_LENGTH_MAX
    )
    return Widget.TEXT if long else Widget.LINE


def _text(control: Widget, value: Json) -> str:
    if control is Widget.JSON:
        return _as_json(value)
    return value if isinstance(value, str) else json.dumps(value)


def _as_json(value: Json) -> str:
    """JSON in which hidden characters stand as escapes; every other character stands for itself."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if visible(text) == text else json.dumps(value, indent=2)


def _left_out(field: Field, name: str, parameters: Mapping[str, Json]) -> bool:
    """Whether an empty field means that there is no such parameter: not if it must be there, or was
    there, empty.
    """
    if field.control is Widget.CHECKBOX:
        return False
    return not field.required and parameters.get(name) != ""


def _value(field: Field, text: str) -> Json:
    match field.control:
        case Widget.CHECKBOX:
            return text == "true"
        case Widget.NUMBER:
            return _number(text)
        case Widget.JSON:
            return _json(text)
        case Widget.CHOICE if dict(field.choices) == {"true": "yes", "false": "no"}:
            return text == "true"
        case _:
            return text


def _number(text: str) -> int | float:
    """A number as JSON writes it; Python alone would also read
    `1_000` and digits of other scripts.
    """
    number: int | float = math.nan
    if _NUMBER.fullmatch(text):
        number = json.loads(text)
    if not math.isfinite(number):
        sentence = "must be a number"
        raise ValueError(sentence)
    return number


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


def _with(field: Field, text: str, problems: tuple[str, ...]) -> Field:
    return Field(
        field.name,
        field.label,
        field.control,
        text,
        field.required,
        field.help,
        field.choices,
        field.step,
        problems,
    )
