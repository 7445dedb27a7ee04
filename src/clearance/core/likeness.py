"""Likeness: which acts are the same, as keyed digests.

The digests are kept beside an intent and compared. They are keyed because what they bind is easy to
guess: an order, a customer, an amount. The catalog says what makes two acts the same (`same_when`);
without that, all final arguments do. Texts are compared as people read them: a likeness only ever
asks a person, and an agent must not pass a no by writing `o9` as `O9` or with letters of
another alphabet.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from clearance.core.canonical import Json, canonical
from clearance.core.catalog import Action
from clearance.core.intent import ActionIntent
from clearance.core.look import look
from clearance.core.moment import HOUR_MS
from clearance.core.template import placeholders

ASKS_FOR_MS_DEFAULT = 30 * 24 * HOUR_MS  # how long a person's no is remembered


@dataclass(frozen=True, slots=True)
class Rejection:
    """A person's no to the same act: the intent that it was about, and when it was given."""

    action_intent_id: str
    at: int


def likeness_key(installation_salt: bytes) -> bytes:
    """The key of an installation's likenesses (32 bytes)."""
    return _keyed(installation_salt, "likeness")


def likeness_of(
    key: bytes, intent: ActionIntent, action: Action | None, arguments: Mapping[str, Json]
) -> bytes:
    """What all acts have in common that are the same: 32 bytes. Account and action type are in it,
    the agent is not.
    """
    names = action.same_when if action else None
    compared = of_the_act(action, arguments)
    if names is not None:
        compared = {name: compared[name] for name in names if name in compared}
    # An argument that may be left out is left out, null or empty: the agent chooses, it is one act.
    folded = {name: _folded(value) for name, value in compared.items()}
    named = {name: value for name, value in folded.items() if value not in (None, "")}
    return _keyed(key, ["like", intent.tenant_id, intent.account_id, intent.action_type, named])


def same_call_of(
    key: bytes, intent: ActionIntent, action: Action | None, arguments: Mapping[str, Json]
) -> bytes:
    """What repeats of one call by one agent have in common, with all final arguments: 32 bytes."""
    call = [intent.tenant_id, intent.proposed_by, intent.account_id, intent.action_type]
    return _keyed(key, ["call", *call, of_the_act(action, arguments)])


def of_the_act(action: Action | None, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The final arguments without those that the catalog makes of the intent's id: it is another
    one for each intent, and the agent chooses it.
    """
    templates = action.arguments if action else {}
    return {
        name: value
        for name, value in arguments.items()
        if not names_its_intent(templates.get(name))
    }


def names_its_intent(template: Json) -> bool:
    """True if what is made of a template has the id of its intent in it."""
    if isinstance(template, str):
        return "action_intent_id" in placeholders(template)
    parts = template.values() if isinstance(template, Mapping) else template
    return isinstance(template, Mapping | list) and any(map(names_its_intent, parts))


def _folded(value: Json) -> Json:
    """A value in which no text differs from another that looks the same."""
    if isinstance(value, str):
        return look(value)
    if isinstance(value, Mapping):
        return {name: _folded(part) for name, part in value.items()}
    return [_folded(part) for part in value] if isinstance(value, list) else value


def _keyed(key: bytes, value: Json) -> bytes:
    return hmac.new(key, canonical(value), sha256).digest()
