"""The form that values have at a place: rules that compare them with a literal of another form can
never match.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.parts import SPELLED, may_be_like, spelling
from clearance.core.validation import schema_validator

FORMS_KEPT_MAX = 1_000  # validators of one process
_KEYWORDS = {
    "STRING": ("format", "maxLength", "minLength", "pattern"),
    "LONG": ("multipleOf",),
}


@dataclass(frozen=True, slots=True)
class Form:
    """The form of scalars: the part of a text that they are, such as `url.host`, and the keywords
    of their schema as JSON.
    """

    part: str = ""
    keywords: str = ""

    def takes(self, value: Json) -> bool:
        """True if a value of this form could be this one."""
        if self.part and isinstance(value, str) and spelling(self.part, value) != value:
            return False
        validator = _validator(self.keywords) if self.keywords else None
        return validator is None or validator.is_valid(value)

    def takes_like(self, pieces: Sequence[str]) -> bool:
        """True if a text of this form could be these pieces with any text between them."""
        return not self.part or may_be_like(self.part, pieces)

    def hint(self, value: Json) -> str:
        """What was perhaps meant by a value that does not have the form, for a sentence."""
        meant = spelling(self.part, value) if self.part and isinstance(value, str) else None
        if meant and meant != value:
            return f": write {json.dumps(meant, ensure_ascii=False)}"
        return self.words

    @property
    def words(self) -> str:
        """The form, for a sentence."""
        if self.keywords:
            return f" (its schema has {self.keywords})"
        return f": {SPELLED[self.part]}" if self.part in SPELLED else ""


def form_of(schemas: Iterable[Mapping[str, Json]], kind: str) -> Form | None:
    """The form of the scalars of a type (STRING, LONG) that fit all these schemas; None if they
    leave it open.
    """
    names = _KEYWORDS.get(kind, ())
    asked = [{name: schema[name] for name in names if name in schema} for schema in schemas]
    narrowed = [schema for schema in asked if schema]
    if not narrowed:
        return None
    whole = narrowed[0] if len(narrowed) == 1 else {"allOf": narrowed}
    return Form(keywords=json.dumps(whole, sort_keys=True))


@lru_cache(FORMS_KEPT_MAX)
def _validator(keywords: str) -> jsonschema_rs.Validator | None:
    try:
        return schema_validator(json.loads(keywords))
    except ValueError:
        return None
