"""Placeholders such as `{title}` or `{result.task_id}` in the catalog's sentences and argument
templates.

Data replaces a placeholder once; the result is never read as a template again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from clearance.core.canonical import Json
from clearance.core.intent import ActionIntent

SHOWN_LENGTH_MAX = 80  # characters of one value in a sentence

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*)\}")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_MISSING = object()
_OURS = frozenset({"account_id", "action_intent_id", "action_type"})


def placeholders(text: str) -> list[str]:
    """The names in a template, for example `title` or `result.task_id`, in their order."""
    return _PLACEHOLDER.findall(text)


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


def sentence(text: str, values: Mapping[str, Json]) -> str:
    """The text with every placeholder replaced by its value on one line, cut to a length; a missing
    one reads `?`.
    """
    return _PLACEHOLDER.sub(lambda match: _shown(_lookup(match[1], values)), text)


def fill(template: Json, values: Mapping[str, Json]) -> Json:
    """The template with its placeholders filled.

    A string that is one placeholder becomes the value itself, of its own type.

    KeyError names a placeholder without a value.
    """
    if isinstance(template, str):
        if name := whole_placeholder(template):
            return _required(name, values)
        return _PLACEHOLDER.sub(lambda match: _plain(_required(match[1], values)), template)
    if isinstance(template, Mapping):
        return {name: fill(part, values) for name, part in template.items()}
    if isinstance(template, list):
        return [fill(part, values) for part in template]
    return template


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
    return {
        **parameters,
        "properties": {**known, **made},
        "required": [*needed, *(name for name in made if name not in needed)],
    }


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
    return "" if value is None else str(value)


def _shown(value: Json) -> str:
    if value is _MISSING or value is None:
        return "?"
    text = _INVISIBLE.sub(" ", _plain(value)).strip()
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
