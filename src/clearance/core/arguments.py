"""The final arguments of a call: what the tool gets.

Everything that is decided about a call, counted, shown or bound is made from these, because these
run. Our idempotency key is no part of them: it is ours, and says nothing about the act.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import ActionIntent
from clearance.core.template import fill, fill_text, placeholders, values_of, whole_placeholder

ARGUMENT_MISSING = "ARGUMENT_MISSING"
ARGUMENT_UNFIT = "ARGUMENT_UNFIT"
ACCOUNT_CONTRADICTED = "ACCOUNT_CONTRADICTED"
ACCOUNT_REQUIRED = "ACCOUNT_REQUIRED"

_ENDS_A_SEGMENT = re.compile(r"""[/\\?#&%'"<>]|\.\.""")
_SEGMENT = re.compile(r"""(%?)([^/\\?#&%'"<>]+)""")
_NOTHING_OR_DOTS = re.compile(r"[.\s]*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNFIT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def account_in(action: Action | None, parameters: Mapping[str, Json]) -> str:
    """The account of an act whose caller names none: the catalog says which parameter has it.

    InvalidInput: `ACCOUNT_REQUIRED` if it does not say so, `INVALID_PARAMETERS` if they do not fit.
    """
    if action is None or action.account is None:
        sentence = "is required: the catalog does not say which parameter names the account"
        raise _refusal(("account_id",), sentence, ACCOUNT_REQUIRED)
    action.check_parameters(parameters)
    return str(parameters[action.account])


def _check_account(action: Action, intent: ActionIntent) -> None:
    """Refuses an act that is counted on one account, and whose tool works on another."""
    name = action.account
    if name is not None and intent.parameters.get(name) != intent.account_id:
        sentence = f"is not the account of the act, and the catalog says that {name} names it"
        raise _refusal(("parameters", name), sentence, ACCOUNT_CONTRADICTED)


def final_arguments(action: Action, intent: ActionIntent) -> dict[str, Json]:
    """What the tool gets: the parameters with the defaults of their schema, and the catalog's own
    arguments over them.

    InvalidInput: `INVALID_PARAMETERS` for a parameter with the name of what we fill in,
    `ARGUMENT_MISSING` for a placeholder without a value, `ARGUMENT_UNFIT` for a value that could
    end the place in a longer text that it is put into, `ACCOUNT_CONTRADICTED` for the parameter
    that names the account, if it names another one than the intent.
    """
    _check_account(action, intent)
    return _laid_on(action, intent, action.with_defaults(intent.parameters))


@dataclass(frozen=True, slots=True)
class FinalCall:
    """The final arguments of a call, and the action that made them."""

    action: Action
    arguments: Mapping[str, Json]


def arguments_without_defaults(action: Action, intent: ActionIntent) -> dict[str, Json]:
    """What versions that sent no defaults would call the tool with."""
    return _laid_on(action, intent, intent.parameters)


def _laid_on(
    action: Action, intent: ActionIntent, parameters: Mapping[str, Json]
) -> dict[str, Json]:
    for name in (action.idempotency_argument, *action.arguments):
        if name is not None and name in parameters:
            sentence = "is filled in by Clearance, and the agent cannot set it"
            raise _refusal(("parameters", name), sentence, "INVALID_PARAMETERS")
    if not action.arguments:
        return dict(parameters)
    values = values_of(intent, parameters)
    return {**parameters, **_filled(action, values)}


def _filled(action: Action, values: Mapping[str, Json]) -> dict[str, Json]:
    filled = {}
    for name, template in action.arguments.items():
        try:
            if name not in action.prose:
                _check_segments(("arguments", name), template, values)
            filled[name] = fill(template, values)
        except KeyError as missing:
            sentence = f"needs {missing.args[0]}, which the intent does not have"
            raise _refusal(("arguments", name), sentence, ARGUMENT_MISSING) from None
    return filled


def _check_segments(
    path: tuple[str | int, ...], template: Json, values: Mapping[str, Json]
) -> None:
    """Refuses a value that is put into a longer text and holds what could end its place there: a
    path, an address, a query or a quotation would become another one.
    """
    if isinstance(template, Mapping | list):
        parts = template.items() if isinstance(template, Mapping) else enumerate(template)
        for key, part in parts:
            _check_segments((*path, key), part, values)
    elif isinstance(template, str) and not whole_placeholder(template):
        for name in placeholders(template):
            if not fits_a_segment(fill(f"{{{name}}}", values)):
                sentence = (
                    f"cannot hold this {name}: it has characters that end its place in a text"
                )
                raise _refusal(path, sentence, ARGUMENT_UNFIT)
        if unfit := _unfit_segment(template, values):
            names = " and ".join(placeholders(unfit))
            sentence = (
                f"cannot hold this {names}: a part of the text would be empty, or mean another one"
            )
            raise _refusal(path, sentence, ARGUMENT_UNFIT)


def _unfit_segment(template: str, values: Mapping[str, Json]) -> str | None:
    """The first segment of a template that its values make empty, or with the text around them
    into a step up or an escape; None if there is none.
    """
    for percent, segment in _SEGMENT.findall(template):
        if not placeholders(segment):
            continue
        filled = fill_text(segment, values)
        steps_up = filled.count("..") > segment.count("..")
        escapes = _ESCAPE.match(percent + filled) and not _ESCAPE.match(percent + segment)
        if steps_up or escapes or _NOTHING_OR_DOTS.fullmatch(filled):
            return str(segment)
    return None


def fits_a_segment(value: Json) -> bool:
    """True if nothing in a value can end the place in a longer text that it is put into."""
    if isinstance(value, str):
        return not _ENDS_A_SEGMENT.search(value) and not any(
            unicodedata.category(character) in _UNFIT_CATEGORIES for character in value
        )
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _refusal(path: tuple[str | int, ...], sentence: str, code: str) -> InvalidInput:
    problem = Problem(path, sentence)
    return InvalidInput(f"The call cannot be made: {problem}.", code=code, problems=(problem,))
