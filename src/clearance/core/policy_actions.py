"""The actions of a catalog as rules see them: what is in the context of each, by its path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from clearance.core.canonical import Json
from clearance.core.intent import CONFIDENCE_BP_MAX, RiskLevel
from clearance.core.mode import AutonomyMode
from clearance.core.policy_types import ParameterType, RecordField, TypeKind
from clearance.core.policy_values import ANYTHING, Domain, Mask, Operand, Path, Truth, union

ACTIONS_NAMED_MAX = 3  # actions that one problem names

_WITH_NULLS = frozenset({TypeKind.SET, TypeKind.RECORD})
_NOWHERE: tuple[Mask, Domain] = (0, Domain(""))


@dataclass(slots=True)
class Attribute:
    """An attribute of the context: in which actions it is, and what it can be there.

    `always` are the actions in which it is never absent, and `open` those whose calls can have it
    undeclared, which no record shows. `lacking` says why the record of an
    action lacks what the action declares. `hidden` says why a call of an action can have something
    there that the record does not show there.
    """

    types: list[tuple[Mask, ParameterType]] = field(default_factory=list)
    here: Mask = 0
    always: Mask = 0
    open: Mask = 0
    lacking: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    operand: Operand = ANYTHING

    @property
    def is_record(self) -> bool:
        """True if in some action it has attributes of its own."""
        return any(kind.kind is TypeKind.RECORD for _, kind in self.types)


class Actions:
    """The actions of a catalog, as rules see them."""

    def __init__(self, types: Mapping[str, ParameterType]) -> None:
        self.bit: dict[str, Mask] = {name: 1 << place for place, name in enumerate(types)}
        self.every: Mask = (1 << len(types)) - 1
        self.waived = [
            (self.bit[action_type], name)
            for action_type, kind in types.items()
            for name, each in fields_of(kind)
            if each.waived
        ]
        self.null_names: dict[str, Mask] = {}
        for action_type, kind in types.items():
            for name in _null_names(kind):
                bits = self.null_names.get(name, 0) | self.bit[action_type]
                self.null_names[name] = bits
        self._places: dict[Path, Attribute] = {}
        self._answers: dict[tuple[object, ...], Truth] = {}
        for name, place in _OF_ALL.items():
            self._places[(name,)] = self._settled((name,), [(self.every, place)], self.every)
        for name, make in _OF_ACTIONS.items():
            kinds = [(self.bit[action_type], make(kind)) for action_type, kind in types.items()]
            self._places[(name,)] = self._settled((name,), kinds, self.every)

    def names(self, mask: Mask) -> list[str]:
        """The actions of a set."""
        return [name for name, bit in self.bit.items() if bit & mask]

    def listed(self, mask: Mask) -> str:
        """The actions of a set, for a sentence."""
        names = self.names(mask)
        more = len(names) - ACTIONS_NAMED_MAX
        shown = ", ".join(names[:ACTIONS_NAMED_MAX])
        return f"{shown} and {more} more" if more > 0 else shown

    def at(self, path: Path) -> Attribute:
        """The attribute at a path."""
        if path not in self._places:
            self._places[path] = self._attribute(path) if len(path) > 1 else Attribute()
        return self._places[path]

    def _attribute(self, path: Path) -> Attribute:
        above, name = self.at(path[:-1]), path[-1]
        types: list[tuple[Mask, ParameterType]] = []
        always: Mask = 0
        lacking: dict[str, str] = {}
        is_open, hidden = above.open, dict(above.hidden)
        if path[0] == "counts":
            is_open |= self._let_in(name)
        for mask, kind in above.types:
            each = kind.fields.get(name)
            if each is None:
                is_open |= mask if kind.others else 0
                hidden.update(dict.fromkeys(self.names(mask), kind.hides) if kind.hides else {})
                continue
            if each.type is None:
                lacking.update(dict.fromkeys(self.names(mask), _why(each)))
                continue
            types.append((mask, each.type))
            always |= mask if each.required else 0
        place = self._settled(path, types, always)
        place.open, place.lacking, place.hidden = is_open, lacking, hidden
        return place

    def _let_in(self, dotted: str) -> Mask:
        """The actions whose calls can have a parameter undeclared. A name may have dots of its own:
        it could stand at any depth.
        """
        names = dotted.split(".")
        return union(
            self.at(("parameters", *names[:depth], ".".join(names[depth:]))).open
            for depth in range(len(names))
        )

    def _settled(
        self, path: Path, types: list[tuple[Mask, ParameterType]], always: Mask
    ) -> Attribute:
        """A place with its operand: a group for each type and set of values."""
        merged: dict[object, tuple[Mask, Domain]] = {}
        here: Mask = 0
        for mask, kind in types:
            here |= mask
            domain = Domain(kind.cedar, _RANGES.get(path[:1]) or kind.values, kind.form)
            key = (domain.kind, domain.values, domain.form)
            merged[key] = (merged.get(key, _NOWHERE)[0] | mask, domain)
        groups = (*merged.values(), (self.every & ~here, Domain("")))
        return Attribute(types, here, always, operand=Operand(groups, path))

    def once(self, question: object, operand: Operand, answer: Callable[[], Truth]) -> Truth:
        """The answer to a question about an operand, worked out once if it is read from a place."""
        if operand.origin is None:
            return answer()
        key = (question, operand.origin)
        if key not in self._answers:
            self._answers[key] = answer()
        return self._answers[key]

    def beside(self, path: Path) -> set[str]:
        """The names of the attributes beside a path."""
        above = self.at(path[:-1]).types if len(path) > 1 else ()
        return {name for _, kind in above for name in kind.fields if name != path[-1]}


def close_to(name: str, known: Iterable[str]) -> str:
    """A hint at what was perhaps meant by a name."""
    by_case = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), by_case, 1)
    return f"; did you mean {by_case[close[0]]}?" if close else ""


def fields_of(kind: ParameterType, above: Path = ()) -> Iterator[tuple[str, RecordField]]:
    """Every field of a record and of the records in it, by its dotted path."""
    for name, each in kind.fields.items():
        path = (*above, name)
        yield ".".join(path), each
        if each.type is not None:
            yield from fields_of(each.type, path)
    if kind.others is not None:
        yield ".".join((*above, "*")), kind.others


def _why(each: RecordField) -> str:
    if each.waived:
        return "it is waived (x-policy: unread): take the waiver away, or the rule"
    return each.problem or "policy cannot read it"


def _nulls(parameters: ParameterType) -> ParameterType:
    """The names that can be among the nulls of an action: any, if it lets in others. One of these
    is not read, but a rule can depend on it.
    """
    is_open = parameters.others or any(
        each.type and each.type.others for _, each in fields_of(parameters)
    )
    names = None if is_open else frozenset(_null_names(parameters))
    return ParameterType("Set<String>", TypeKind.SET, values=names)


def _null_names(parameters: ParameterType) -> set[str]:
    """The declared names that can be among the nulls of an action; `tags[]` says that an item is
    null.
    """
    fields = list(fields_of(parameters))
    names = {name for name, each in fields if _may_be_null(name, each)}
    return names | {
        f"{name}[]" for name, each in fields if each.type and each.type.kind in _WITH_NULLS
    }


def _may_be_null(name: str, each: RecordField) -> bool:
    """What is never absent is never null; other names are the agent's."""
    if name.rpartition(".")[2] == "*":
        return False
    return not each.never_null and (each.type is None or not each.required)


def _counts(parameters: ParameterType) -> ParameterType:
    fields = {
        path: RecordField(ParameterType("Long", TypeKind.LONG, values=lengths))
        for path, lengths in parameters.lists.items()
    }
    return ParameterType("counts", TypeKind.RECORD, fields=fields)


def _text(values: Collection[str]) -> ParameterType:
    return ParameterType("String", TypeKind.STRING, values=frozenset(values))


_LONG = ParameterType("Long", TypeKind.LONG)
_RANGES: Mapping[Path, Collection[Json]] = {
    ("confidence_bp",): range(CONFIDENCE_BP_MAX + 1),
    ("risk",): range(max(RiskLevel) + 1),
}
_OF_ALL = {
    "unattended": ParameterType("Bool", TypeKind.BOOL),
    "confidence_bp": _LONG,
    "confidence_stated": ParameterType("Bool", TypeKind.BOOL),
    "risk": _LONG,
    "mode": _text([mode.value for mode in AutonomyMode]),
}
"""What the context of every action has."""
_OF_ACTIONS: Mapping[str, Callable[[ParameterType], ParameterType]] = {
    "parameters": lambda parameters: parameters,
    "nulls": _nulls,
    "counts": _counts,
}
"""What the context of each action has by its parameters."""
