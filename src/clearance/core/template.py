"""Placeholders such as `{title}` or `{result.task_id}` in the catalog's sentences and argument
templates.

Data replaces a placeholder once; the result is never read as a template again. In a sentence, each
value stays apart from our own words: text stands in quotes that it cannot leave, and pages set it
apart in type as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from clearance.core.canonical import Json
from clearance.core.dialect import as_a_part, with_root_at
from clearance.core.intent import ActionIntent
from clearance.core.money import money_at
from clearance.core.schema import CompiledSchema
from clearance.core.visible import on_one_line

SHOWN_LENGTH_MAX = 80  # characters of one value in a sentence

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*)\}")
_IN_QUOTES = re.compile(rf"(['\"\u2018\u201c]?){_PLACEHOLDER.pattern}(['\"\u2019\u201d]?)")
_PAIRS = frozenset({"''", '""', "\u2018\u2019", "\u201c\u201d"})
# One word of ASCII cannot be taken for words of ours, so it needs no quotes.
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._@:/+#-]*[A-Za-z0-9])?")
# The quote of a sentence, what people could take for it, and the sign that escapes them.
_ENDS_QUOTE = frozenset(
    "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u02f4\u055a"
    "\u05f3\u1fbd\u1fbf\u1ffe\u2018\u2019\u201a\u201b\u2032\u2035\u275b\u275c\ua78c"
    "\uff07\uff40\u0374\u0384\u0559\u05d9\u07f4\u07f5\u144a\u16cc\u1fef\u1ffd\U00016f51"
)
_MISSING = object()
_WHOLE = "parameters"  # what a definition of all parameters is named, once or more in a row
_EXPONENT_FROM = 10**21  # from here on, canonical JSON writes a number with its exponent
_OURS = frozenset({"account_id", "action_intent_id", "action_type"})


def placeholders(text: str) -> list[str]:
    """The names in a template, for example `title` or `result.task_id`, in their order."""
    return _PLACEHOLDER.findall(text)


def stray_brace(text: str) -> str | None:
    """The first brace in a template that belongs to no placeholder; None if there is none."""
    brace = re.search(r"[{}]", _PLACEHOLDER.sub("", text))
    return brace[0] if brace else None


def whole_placeholder(text: str) -> str | None:
    """The name in a template that is one placeholder and nothing else; None for any other."""
    match = _PLACEHOLDER.fullmatch(text)
    return match[1] if match else None


def values_of(
    intent: ActionIntent, arguments: Mapping[str, Json], result: Json = None
) -> dict[str, Json]:
    """The names that a template of an action may use: every argument by its own name, and the
    intent's fields, which win.
    """
    return {
        **arguments,
        "parameters": dict(arguments),
        "account_id": intent.account_id,
        "action_intent_id": intent.action_intent_id,
        "action_type": intent.action_type,
        "target": intent.target,
        "result": result,
    }


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value from outside in a phrase, as it is shown; `number` for amounts and other numbers,
    which never wrap.
    """

    text: str
    number: bool = False

    def __str__(self) -> str:
        return self.text


Phrase: TypeAlias = tuple[str | ShownValue, ...]
"""Words of ours, and the values among them."""


def plain(phrase: Phrase) -> str:
    """A phrase as plain text."""
    return "".join(map(str, phrase))


def phrase(text: str, values: Mapping[str, Json], schema: CompiledSchema | None = None) -> Phrase:
    """The text with every placeholder replaced by its value on one line, cut to a length; a missing
    one reads `?`.

    Text is in single quotes, whatever quotes the template has around it, unless it is one word and
    the template has none. Amounts are written with the unit that `schema` declares.
    """
    return tuple(part for part in _units_once(_parts(text, values, schema)) if part != "")


def _units_once(parts: Iterator[str | ShownValue]) -> Iterator[str | ShownValue]:
    """The parts, where the template names a unit again behind an amount that has it: `{amount}
    {currency}` or `{amount} EUR`.
    """
    unit, space = "", ""
    for part in parts:
        if isinstance(part, str):
            text = part.removeprefix(f" {unit}") if _names_again(part, unit) else part
            space = text if unit and text == " " else ""
            if not space:
                yield text
                unit = ""
        elif not (space and part.text == unit):
            yield space
            yield part
            unit, space = _unit_of(part), ""
        else:
            unit, space = "", ""
    yield space


def _names_again(text: str, unit: str) -> bool:
    again = f" {unit}"
    return bool(unit) and text.startswith(again) and not text[len(again) : len(again) + 1].isalnum()


def _unit_of(value: ShownValue) -> str:
    """The unit of an amount, which stands behind its number."""
    return value.text.partition(" ")[2] if value.number else ""


def _parts(
    text: str, values: Mapping[str, Json], schema: CompiledSchema | None
) -> Iterator[str | ShownValue]:
    done = 0
    for match in _IN_QUOTES.finditer(text):
        before, name, after = match.groups()
        quoted = before + after in _PAIRS
        yield text[done : match.start()] + ("" if quoted else before)
        known = _lookup(name, values)
        yield _shown(known, name.removeprefix("parameters."), schema, quoted=quoted)
        # A quote behind a placeholder may be the one before the next placeholder.
        done = match.end() if quoted else match.end() - len(after)
    yield text[done:]


def fill(template: Json, values: Mapping[str, Json]) -> Json:
    """The template with its placeholders filled.

    A string that is one placeholder becomes the value itself, of its own type.

    KeyError names a placeholder without a value.
    """
    if isinstance(template, str):
        if name := whole_placeholder(template):
            return _required(name, values)
        return fill_text(template, values)
    if isinstance(template, Mapping):
        return {name: fill(part, values) for name, part in template.items()}
    if isinstance(template, list):
        return [fill(part, values) for part in template]
    return template


def fill_text(template: str, values: Mapping[str, Json]) -> str:
    """The same, always as text."""
    return _PLACEHOLDER.sub(lambda match: _plain(_required(match[1], values)), template)


# --- What a template becomes, as a JSON Schema ---


def final_schema(parameters: Mapping[str, Json], arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The JSON Schema of the final arguments: the parameters' own, with one required property for
    each of the catalog's arguments.
    """
    if not arguments:
        return dict(parameters)
    properties, required = parameters.get("properties"), parameters.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    made = {name: _schema_of(template, parameters) for name, template in arguments.items()}
    needed = required if isinstance(required, list) else []
    final = {
        **parameters,
        "properties": {**known, **made},
        "required": [*needed, *(name for name in made if name not in needed)],
    }
    return _apart_from(parameters, final)


def _apart_from(parameters: Mapping[str, Json], final: dict[str, Json]) -> dict[str, Json]:
    """The final schema, in which what refers to the parameters as a whole does not ask for the
    catalog's arguments there too.
    """
    defined = parameters.get("$defs", {})
    name = next(name for name in (_WHOLE * times for times in count(1)) if name not in defined)
    redirected = with_root_at(final, f"#/$defs/{name}")
    if redirected == final:
        return final
    whole = as_a_part(with_root_at(parameters, f"#/$defs/{name}"))
    return {**redirected, "$defs": {**redirected.get("$defs", {}), name: whole}}


def _schema_of(template: Json, parameters: Mapping[str, Json]) -> Json:
    """The schema of what a template becomes."""
    if isinstance(template, Mapping):
        made = {name: _schema_of(part, parameters) for name, part in template.items()}
        return {
            "type": "object",
            "properties": made,
            "required": list(made),
            "additionalProperties": False,
        }
    if isinstance(template, list):
        kinds = [_schema_of(part, parameters) for part in template]
        same = all(kind == kinds[0] for kind in kinds)
        return {"type": "array", "items": kinds[0] if kinds and same else {}}
    if not isinstance(template, str) or not placeholders(template):
        return {"const": template}
    name = whole_placeholder(template)
    return schema_at(name, parameters) if name else {"type": "string"}


def schema_at(name: str, parameters: Mapping[str, Json]) -> Json:
    """The schema of the value that a placeholder stands for; `{}` for one that has none."""
    first, *rest = name.split(".")
    if first in _OURS:
        return {"type": "string"}
    if first in {"target", "result"}:
        return {}
    path = rest if first == "parameters" else [first, *rest]
    node: Json = parameters if path or "$defs" not in parameters else {}
    for part in path:
        properties = node.get("properties") if isinstance(node, Mapping) else None
        node = properties.get(part, {}) if isinstance(properties, Mapping) else {}
    return node


def _lookup(name: str, values: Mapping[str, Json]) -> Json:
    value: Json = values
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _required(name: str, values: Mapping[str, Json]) -> Json:
    value = _lookup(name, values)
    if value is _MISSING:
        raise KeyError(name)
    return value


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXPONENT_FROM:
        return str(int(value))  # as it reads once it is stored: JSON knows no 1000.0
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _shown(value: Json, name: str, schema: CompiledSchema | None, *, quoted: bool) -> ShownValue:
    if value is _MISSING or value is None:
        return ShownValue("?")
    if isinstance(value, bool | int | float):
        money = money_at(schema, name) if schema else None
        text = (money and money.value(value)) or _plain(value)
        return ShownValue(f"'{text}'" if quoted else text, number=True)
    return outside(value, quoted=quoted)


def outside(value: Json, *, quoted: bool = False) -> ShownValue:
    """A text, list or object from outside: in quotes, unless it is one word and needs none."""
    if isinstance(value, list | tuple) and value and all(map(_is_plain, value)):
        return ShownValue(_listed(value, quoted=quoted))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    cut = text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
    if _WORD.fullmatch(cut) and not quoted:
        return ShownValue(cut)
    return ShownValue(f"'{_escaped(on_one_line(cut))}'")


def _is_plain(value: Json) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _listed(values: Sequence[Json], *, quoted: bool) -> str:
    """Texts and numbers one after the other, each apart from the others, cut to a length."""
    shown: list[str] = []
    length = 0
    for value in values:
        text = outside(value, quoted=quoted).text if isinstance(value, str) else _plain(value)
        length += len(text) + len(", ")
        if shown and length > SHOWN_LENGTH_MAX:
            return ", ".join([*shown, "…"])
        shown.append(text)
    return ", ".join(shown)


def _escaped(text: str) -> str:
    """The text with a backslash before each quote that could seem to end it: one that does not
    stand within a word.
    """
    parts = []
    for position, character in enumerate(text):
        within = _in_word(text, position - 1) and _in_word(text, position + 1)
        escape = character == "\\" or (character in _ENDS_QUOTE and not within)
        parts.append(f"\\{character}" if escape else character)
    return "".join(parts)


def _in_word(text: str, position: int) -> bool:
    character = text[position : position + 1] if position >= 0 else ""
    return character.isalnum() and character not in _ENDS_QUOTE
