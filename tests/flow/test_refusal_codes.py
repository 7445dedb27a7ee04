"""Every code with which a proposal can be refused has a count of its own in the metrics."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from clearance.api import body, proposals
from clearance.core import arguments, canonical, catalog, intent, principal
from clearance.core.errors import Refusal, Unavailable
from clearance.doors import arriving, strict_json
from clearance.flow import rates, submit
from clearance.running import functions
from clearance.running.metrics.families import REFUSAL_CODES
from clearance.stores.postgres import store

ON_THE_WAY = (
    *(proposals, body, arriving, strict_json, functions, submit, rates),
    *(principal, intent, arguments, canonical, catalog, store),
)
"""The modules that a proposal passes, from the doors to the store, and that make refusals."""
CODE = re.compile("[A-Z]+_[A-Z_]+")


def refusals_in(module: ModuleType) -> Iterator[str]:
    """The codes of the refusals that a module makes: a code that a function is called with is
    among the arguments of the module's calls.
    """
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call)
    ]
    for call in calls:
        if kind := _refusal(module, call.func):
            given = {keyword.arg: keyword.value for keyword in call.keywords}.get("code")
            if given is None:
                yield kind.code
            elif code := _code(module, given):
                yield code
            else:
                yield from filter(
                    None, (_code(module, value) for call in calls for value in call.args)
                )


def _code(module: ModuleType, value: ast.expr) -> str | None:
    """The code that an expression is: written out, or a constant of the module."""
    name = value.id if isinstance(value, ast.Name) else ""
    text = value.value if isinstance(value, ast.Constant) else getattr(module, name, None)
    return text if isinstance(text, str) and CODE.fullmatch(text) else None


def _refusal(module: ModuleType, called: ast.expr) -> type[Refusal] | None:
    if isinstance(called, ast.Attribute):  # as of `TooMany.for_seconds`
        called = called.value
    kind = getattr(module, called.id, None) if isinstance(called, ast.Name) else None
    refuses = isinstance(kind, type) and issubclass(kind, Refusal)
    return kind if refuses and not issubclass(kind, Unavailable) else None


def test_every_code_of_a_refused_proposal_is_counted_by_itself() -> None:
    codes = {code for module in ON_THE_WAY for code in refusals_in(module)}
    assert {"INTENT_ID_TAKEN", "OUT_OF_SCOPE", "TOO_MANY_PROPOSALS", "BODY_TOO_LARGE"} <= codes
    assert codes - REFUSAL_CODES == set()
    assert REFUSAL_CODES - codes == set()
