"""The defaults of a JSON Schema, which are filled in before anything is decided.

A tool fills in its own defaults unseen. The defaults that the catalog declares are
part of the call instead: policy reads them, people are shown them, and the tool gets them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.dialect import as_validated
from clearance.core.errors import Problem
from clearance.core.intent import DEPTH_MAX
from clearance.core.misfits import misfits_at
from clearance.core.schema import REFERENCES, CompiledSchema, Node, Path, mapping, node_of

_HERE = "urn:clearance:parameters"


class Defaults:
    """The defaults of a schema, compiled."""

    def __init__(self, schema: CompiledSchema) -> None:
        self.schema = schema
        self.filler = _filler(schema, schema.schema)


def with_defaults(defaults: Defaults, value: Json) -> Json:
    """`value` with the defaults of declared parameters that are left out, in the objects and lists
    that are there. `value` itself is not changed.

    No default under `anyOf`, `oneOf` or `allOf` is filled in, none of null, and none in a list
    whose positions have schemas of their own.
    """
    return value if defaults.filler is None else defaults.filler.filled(value, 1)


def default_problems(schema: CompiledSchema) -> list[Problem]:
    """Every default that does not fit its own schema, or would fill itself in without end; by its
    path in the schema.
    """
    resource = {key: part for key, part in schema.schema.items() if key not in {"$id", "id"}}
    registry = jsonschema_rs.Registry([(_HERE, dict(as_validated(resource)))])
    draft = {key: schema.schema[key] for key in ("$schema",) if key in schema.schema}
    problems = []
    for path, node in _declared(schema, schema.schema, (), set()):
        default = node.get("default")
        if default is None:
            continue
        validator = jsonschema_rs.validator_for(
            dict(as_validated({**draft, "allOf": [_absolute(node)]})),
            registry=registry,
            validate_formats=True,
            offline=True,
        )
        sentences = [" ".join(error.message.split()) for error in validator.iter_errors(default)]
        if not sentences:
            place = schema.place([node], [])
            sentences = [misfit.sentence for misfit in misfits_at(place, default)]
        filler = _filler(schema, node)
        if filler and _levels(filler.filled(default, 1)) >= DEPTH_MAX:
            sentences.append("it fills itself in without end")
        problems += [
            Problem((*path, "default"), f"does not fit its own schema: {sentence[:300]}")
            for sentence in sentences
        ]
    return problems


@dataclass(frozen=True)
class _Filler:
    """The defaults of an object's parameters, and what fills in those inside."""

    defaults: dict[str, Json]
    inside: dict[str, _Filler]
    items: list[_Filler]

    def filled(self, value: Json, depth: int) -> Json:
        """The value with its defaults; itself, if there is nothing to fill in."""
        if depth > DEPTH_MAX:
            return value
        if isinstance(value, Mapping):
            return self._filled_object(value, depth)
        if isinstance(value, list | tuple) and self.items:
            return [self.items[0].filled(item, depth + 1) for item in value]
        return value

    def _filled_object(self, value: Mapping[str, Json], depth: int) -> Json:
        filled = dict(value)
        for name, default in self.defaults.items():
            if name not in filled:
                filled[name] = deepcopy(default)
        for name, filler in self.inside.items():
            if isinstance(filled.get(name), Mapping | list | tuple):
                filled[name] = filler.filled(filled[name], depth + 1)
        return filled


def _filler(schema: CompiledSchema, node: Node) -> _Filler | None:
    """What fills in the defaults at a node; None if there are none at any depth."""
    fillers: dict[int, _Filler] = {}
    first = _make_filler(schema, node, fillers)
    useful = {id(filler) for filler in fillers.values() if filler.defaults}
    count = -1
    while count != len(useful):
        count = len(useful)
        useful |= {
            id(filler)
            for filler in fillers.values()
            if any(id(part) in useful for part in (*filler.inside.values(), *filler.items))
        }
    for filler in fillers.values():
        for name in [name for name, part in filler.inside.items() if id(part) not in useful]:
            del filler.inside[name]
        filler.items[:] = [part for part in filler.items if id(part) in useful]
    return first if id(first) in useful else None


def _make_filler(schema: CompiledSchema, node: Node, fillers: dict[int, _Filler]) -> _Filler:
    if id(node) in fillers:
        return fillers[id(node)]
    filler = fillers[id(node)] = _Filler({}, {}, [])
    links = chain(schema, node, ())
    for part, _ in links:
        for name, inside in mapping(part, "properties").items():
            if not isinstance(inside, Mapping) or name in filler.inside:
                continue
            filler.inside[name] = _make_filler(schema, inside, fillers)
            defaults = (link.get("default") for link, _ in chain(schema, inside, ()))
            if (default := next((d for d in defaults if d is not None), None)) is not None:
                filler.defaults[name] = default
        if isinstance(part.get("items"), Mapping) and _alike(links) and not filler.items:
            filler.items.append(_make_filler(schema, part["items"], fillers))
    return filler


def _alike(links: Sequence[tuple[Node, Path]]) -> bool:
    """True if the items of a list have one schema, at whatever position."""
    return not any("prefixItems" in part for part, _ in links)


def chain(schema: CompiledSchema, node: Node, path: Path = ()) -> list[tuple[Node, Path]]:
    """A node and the nodes that it refers to, each with its path as far as it is known."""
    links = [(node, path)]
    reference = node.get("$ref")
    while isinstance(reference, str):
        node = node_of(schema.target(reference))
        if any(node is link for link, _ in links):
            break
        path = tuple(reference.split("/")[1:]) if reference.startswith("#/") else path
        links.append((node, path))
        reference = node.get("$ref")
    return links


def _declared(
    schema: CompiledSchema, node: Node, path: Path, seen: set[int]
) -> Iterator[tuple[Path, Node]]:
    """Every property whose default could be filled in, with its path in the schema."""
    links = chain(schema, node, path)
    for part, at in links:
        if id(part) in seen:
            continue
        seen.add(id(part))
        for name, inside in mapping(part, "properties").items():
            if isinstance(inside, Mapping):
                for link, where in chain(schema, inside, (*at, "properties", name)):
                    yield where, link
                yield from _declared(schema, inside, (*at, "properties", name), seen)
        if isinstance(part.get("items"), Mapping) and _alike(links):
            yield from _declared(schema, part["items"], (*at, "items"), seen)


def _absolute(node: Json) -> Json:
    """A part of the schema that can be compiled by itself: its references name the schema."""
    if isinstance(node, list | tuple):
        return [_absolute(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    return {
        key: _HERE + part if key in REFERENCES and isinstance(part, str) else _absolute(part)
        for key, part in node.items()
    }


def _levels(value: Json) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_levels, value), default=0) if isinstance(value, list | tuple) else 0
