"""The types that policy can express, and the Cedar schema that they make."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from textwrap import indent

from clearance.core.canonical import Json
from clearance.core.policy_form import Form
from clearance.core.policy_reading import RECORD_MEMBERS_MAX, CallReading, Read

_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "like", "has", "is"})
BESIDE_PARAMETERS = ("nulls", "counts")
"""The attributes of the context that say more of the parameters."""


def as_it_is(value: Json, _reading: CallReading) -> Json:
    """Reads a value as it is."""
    return value


class TypeKind(StrEnum):
    """What a type of policy is."""

    STRING = "STRING"
    LONG = "LONG"
    DECIMAL = "DECIMAL"
    BOOL = "BOOL"
    SET = "SET"
    RECORD = "RECORD"


@dataclass(frozen=True, slots=True)
class RecordField:
    """An attribute of a record. Without a `type`, the schema declares it and policy cannot read it:
    `problem` says why.

    `required`: always in the Cedar record. `given`: in every valid call, read or not. `never_null`:
    no valid call has null there. `waived`: the owner says that policy need not read it.
    """

    type: ParameterType | None
    required: bool = False
    problem: str | None = None
    waived: bool = False
    never_null: bool = False
    given: bool = False

    @property
    def reader(self) -> Read | None:
        """What reads its values, if policy can."""
        return None if self.type is None else self.type.read


@dataclass(frozen=True, slots=True)
class ParameterType:
    """A type that policy can express: as text of a Cedar schema, and how a value becomes one of it.

    `fields` are those of a RECORD, `item` is that of a SET. `others` stands for the names that a
    record lets in without a field; `hides` says why a rule would not see one of them. `values` are
    the only ones that the schema allows, if it says which. `lists` are the paths of the lists in it
    that are not in lists, with the lengths that they can have, `several` those of the values of
    several types. `counts` says in words what a number counts, if the schema does: `hundredths
    (EUR)`.
    """

    cedar: str
    kind: TypeKind
    fields: Mapping[str, RecordField] = field(default_factory=dict)
    item: ParameterType | None = None
    values: Collection[Json] | None = None
    form: Form | None = None
    others: RecordField | None = None
    hides: str | None = None
    lists: Mapping[str, range] = field(default_factory=dict)
    several: frozenset[str] = frozenset()
    counts: str = ""
    read: Read = field(default=as_it_is, repr=False, compare=False)
    never_fails: bool = field(default=False, repr=False, compare=False)
    members_max: int | None = field(default=1, repr=False, compare=False)  # for one value
    room: int = field(default=RECORD_MEMBERS_MAX, repr=False, compare=False)


# --- The Cedar schema ---


def schema_text(
    types: Mapping[str, ParameterType], beside: Collection[str] = BESIDE_PARAMETERS
) -> str:
    """The Cedar schema in which each action type has the context that its parameters give it, with
    these attributes beside them.
    """
    parts = ["entity Agent;\nentity Account;\n"]
    for action_type, parameters in sorted(types.items()):
        counts = "".join(f"{_quoted(path)}?: Long, " for path in parameters.lists).rstrip(", ")
        parts.append(
            f"action {_quoted(action_type)} appliesTo {{\n"
            "  principal: Agent,\n"
            "  resource: Account,\n"
            "  context: {\n"
            "    unattended: Bool,\n"
            "    confidence_bp: Long,\n"
            "    confidence_stated: Bool,\n"
            "    risk: Long,\n"
            "    mode: String,\n"
            f"    parameters: {indent(parameters.cedar, '    ').lstrip()},\n"
            f"{_beside('nulls', 'Set<String>', beside)}"
            f"{_beside('counts', f'{{{counts}}}', beside)}"
            "  },\n"
            "};\n"
        )
    return "\n".join(parts)


def _beside(name: str, cedar: str, beside: Collection[str]) -> str:
    return f"    {name}: {cedar},\n" if name in beside else ""


def _attribute(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) and name not in _RESERVED else _quoted(name)


def _quoted(text: str) -> str:
    """A Cedar string literal; its escapes are not JSON's."""
    return (
        '"'
        + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text)
        + '"'
    )


def record_text(fields: Mapping[str, RecordField]) -> str:
    """The Cedar type of a record with these attributes."""
    lines = [
        f"  {_attribute(name)}{'' if attribute.required else '?'}: "
        f"{indent(attribute.type.cedar, '  ').lstrip()},\n"
        for name, attribute in fields.items()
        if attribute.type
    ]
    return f"{{\n{''.join(lines)}}}" if lines else "{}"
