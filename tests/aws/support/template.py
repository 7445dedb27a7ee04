"""The kept template as plain JSON, and the questions that tests have: which resource is meant, and
who may do what with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HASH_CHARACTERS = 8  # that CDK ends its names with


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy, with lists where IAM allows one or many, and resources by their
    short names.
    """

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template."""

    text: str
    body: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Template:
        text = path.read_text(encoding="utf-8")
        return cls(text, json.loads(text))

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a type by their logical ids."""
        return {name: one for name, one in self.body["Resources"].items() if one["Type"] == kind}

    def the(self, kind: str) -> dict[str, Any]:
        """The properties of the only resource of a type."""
        [one] = self.of_type(kind).values()
        return dict(one["Properties"])

    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of functions by the names of their handlers."""
        found = [one["Properties"] for one in self.of_type("AWS::Lambda::Function").values()]
        return {one["Handler"].rpartition(".")[2]: one for one in found}

    def short(self, value: Any) -> str:
        """What a value of the template means, in short: `Table`, `Table/index/open`, or a text as
        it is.
        """
        match value:
            case str():
                return value
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn" | "Id" | "QueueName"]}:
                return self._name(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return f"{self._name(name)}.{attribute}"
            case {"Fn::If": ["IsRestored", _, otherwise]}:
                return self.short(otherwise)
            case {"Fn::Join": ["", list(parts)]}:
                return "".join(self.short(part) for part in parts)
        raise AssertionError(f"not known here: {value}")

    @staticmethod
    def _name(logical: str) -> str:
        tail = logical[-HASH_CHARACTERS:]
        hashed = len(logical) > HASH_CHARACTERS and all(one in "0123456789ABCDEF" for one in tail)
        return logical.removesuffix(tail) if hashed else logical

    def statements(self, role: str) -> list[Statement]:
        """What a role, by its logical id, may do and may not."""
        found = []
        for policy in self.of_type("AWS::IAM::Policy").values():
            properties = policy["Properties"]
            if {"Ref": role} in properties["Roles"]:
                found += [self._statement(one) for one in properties["PolicyDocument"]["Statement"]]
        return found

    def _statement(self, said: Mapping[str, Any]) -> Statement:
        return Statement(
            said.get("Sid", ""),
            said["Effect"],
            tuple(_listed(said["Action"])),
            tuple(self.short(one) for one in _listed(said["Resource"])),
            said.get("Condition", {}),
        )

    def role_of(self, function: str) -> str:
        """The logical id of a function's role."""
        return str(self.functions()[function]["Role"]["Fn::GetAtt"][0])

    def grants(self, function: str) -> list[Statement]:
        """What a function may do and may not."""
        return self.statements(self.role_of(function))

    def may(self, function: str, action: str, key: str, *, transaction: bool) -> bool:
        """Whether a function may read or write one item, as IAM reads the conditions on keys and on
        transactions.
        """
        asked = {
            "dynamodb:LeadingKeys": key,
            "dynamodb:EnclosingOperation": "TransactWriteItems" if transaction else "",
        }
        fitting = [
            one
            for one in self.grants(function)
            if f"dynamodb:{action}" in one.actions
            and "Table" in one.resources
            and _holds(one.conditions, asked)
        ]
        for (
            one
        ) in fitting:  # one key that fits lets a transaction of many through with the wrong one
            wanted = (
                "ForAllValues:StringLike" if one.effect == "Allow" else "ForAnyValue:StringLike"
            )
            assert all(
                name == wanted
                for name, keys in one.conditions.items()
                if "dynamodb:LeadingKeys" in keys
            ), one
        return bool(fitting) and all(one.effect == "Allow" for one in fitting)

    def everything(self) -> Iterator[tuple[str, Statement]]:
        """Every statement of every role, with the role's short name."""
        for role in self.of_type("AWS::IAM::Role"):
            for one in self.statements(role):
                yield self._name(role), one


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holds(conditions: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        assert operator in {
            "ForAllValues:StringLike",
            "ForAnyValue:StringLike",
            "ForAnyValue:StringEquals",
        }, operator
        for name, values in wanted.items():
            if not any(fnmatchcase(asked[name], value) for value in _listed(values)):
                return False
    return True
