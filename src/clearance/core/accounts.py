"""Accounts: the ones that a tenant knows, and how an account stands that an agent names.

The agent writes the account of an act, and budgets, modes and rules are keyed by it: a name alone
must open none of them. So a name runs alone only if an owner listed it, or if it has the form that
an owner described and that day's share of new names is not used up. A name that only looks like one
that is known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from functools import cached_property, lru_cache
from hashlib import sha256

import jsonschema_rs

from clearance.core.budget import NEW_ACCOUNTS, Claim, Counter, Hold
from clearance.core.canonical import canonical
from clearance.core.look import look, skeleton
from clearance.core.moment import day_in_zone
from clearance.core.validation import schema_validator

PATTERN_LENGTH_MAX = 200  # characters of the form that names may have


class UnknownAccounts(StrEnum):
    """What is done about an account that is not known.

    `ask`: a person is asked. `refuse`: it is blocked. `allow`: it may run alone, and all unknown
    accounts share one budget.
    """

    ASK = "ask"
    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True)
class AccountPattern:
    """A form that whole names have (a regular expression), and how many names of it may appear in
    one day, of UTC.
    """

    match: str
    new_per_day: int

    def matches(self, name: str) -> bool:
        """True if the whole name has this form."""
        return self._exact.is_valid(name)

    def looks_like(self, name: str) -> bool:
        """True if the name has this form to a person, who takes other letters for those of it."""
        spellings = (skeleton(name), skeleton(name.casefold()))
        return any(map(self._folded.is_valid, spellings)) or any(
            map(self._wide.is_valid, spellings)
        )

    def claim(self, now: int) -> Claim:
        """What the first act about a name of this form takes."""
        subject = canonical({"accounts": self.match}).decode()
        return Claim(NEW_ACCOUNTS, 1, self.new_per_day, Counter(subject, day_in_zone(now, "UTC")))

    @cached_property
    def _exact(self) -> jsonschema_rs.Validator:
        return _whole(self.match)

    @cached_property
    def _folded(self) -> jsonschema_rs.Validator:
        return _whole(self.match, "(?i)")

    @cached_property
    def _wide(self) -> jsonschema_rs.Validator:
        """The form in which a letter may stand for a digit, and a letter for one like it."""
        return _whole(_widened(self.match), "(?i)")

    def compile(self) -> None:
        """Compiles what names are compared with, which takes long."""
        _ = self._exact, self._folded, self._wide


# What one character of a name is compared with, and what is none: groups, counts and anchors.
_PART = re.compile(
    r"""(?P<one> \\[pP]\{[^}]*\} | \\x[0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4} | \\u\{[^}]*\}
    | \\[^bBAzZ] | \[ (?: \\. | [^\\\]] )* \] | \w )
    | \(\?P?<\w+> | \(\?[\w-]*[:)] | \{[\d,]*\} | \\. | .""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_TAKEN_FOR = {"l": "1|i", "i": "1|l", "o": "0", "m": "rn", "w": "vv", "0": "o", "1": "l|i"}
_DIGITS = "01"


def _widened(pattern: str) -> str:
    """A pattern that also takes letters for the digits that they look like, and for a letter that
    stands in it, what looks like that one.

    A set of letters takes no digits: `team1` does not look like `[a-z]+` to a person.
    """
    return _PART.sub(lambda part: _wide_part(part["one"] or "") or part[0], pattern)


@lru_cache(maxsize=1_000)
def _wide_part(part: str) -> str | None:
    """One character of a pattern with what looks like it; None if there is nothing else."""
    others = {_TAKEN_FOR.get(part.casefold(), "")}
    if len(part) > 1:
        takes = _whole(part, "(?i)").is_valid
        others = {_TAKEN_FOR[digit] for digit in _DIGITS if takes(digit)}
    others.discard("")
    return f"(?:{part}|{'|'.join(sorted(others))})" if others else None


def _whole(pattern: str, flags: str = "") -> jsonschema_rs.Validator:
    options = jsonschema_rs.RegexOptions()  # whose engine needs linear time, and never looks ahead
    schema = {"type": "string", "pattern": f"{flags}^(?:{pattern})$"}
    return jsonschema_rs.validator_for(schema, pattern_options=options)


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with the form of names, or None."""
    try:
        schema_validator({"pattern": pattern})  # alone: a bracket must not close one of ours
        AccountPattern(pattern, 0).compile()
    except ValueError:
        return (
            "must be a regular expression that needs no look-ahead and no back reference, "
            "for example cus_[0-9]{6}"
        )
    return None


class AccountKind(Enum):
    """How an account stands: known, new under a pattern, not known, or a name that looks like
    another.
    """

    KNOWN = auto()
    NEW = auto()
    UNKNOWN = auto()
    LOOKS_ALIKE = auto()


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How an account stands; `pattern`: under which it is new, `alike`: what it looks like."""

    kind: AccountKind
    pattern: AccountPattern | None = None
    alike: str | None = None

    def claims(self, now: int) -> tuple[Claim, ...]:
        """What an act takes beside its budget: the first one about a new name, its share of the
        day.
        """
        if self.kind is not AccountKind.NEW or self.pattern is None:
            return ()
        return (self.pattern.claim(now),)

    def counters(self, zone: str, now: int) -> tuple[Counter, ...]:
        """The counters that an act about it takes from instead of its account's own."""
        if self.kind is AccountKind.UNKNOWN:
            return (_shared_counter(day_in_zone(now, zone), zone),)
        return tuple(claim.counter for claim in self.claims(now) if claim.counter)

    def hold(self, own: Hold, zone: str, now: int) -> Hold:
        """What an act holds instead of its account's own share of a budget with a zone."""
        if self.kind is AccountKind.UNKNOWN:
            own = _shared(own, zone)
        return replace(own, claims=(*own.claims, *self.claims(now)))


UNKNOWN_SUBJECT = canonical({"accounts": "unknown"}).decode()
"""The subject that all accounts count on that are not known."""


def _shared(hold: Hold, zone: str) -> Hold:
    """A hold that all accounts share that are not known: the names are the agent's, and would open
    a budget each.
    """
    counter = _shared_counter(hold.day, zone)
    return replace(hold, claims=tuple(replace(claim, counter=counter) for claim in hold.claims))


def _shared_counter(day: str, zone: str) -> Counter:
    return Counter(UNKNOWN_SUBJECT, day if zone == "UTC" else f"{day} {zone}")


@dataclass(frozen=True)
class Accounts:
    """The accounts that a tenant knows: the names and patterns that its owners listed.

    `named` are all accounts that any part of the settings names, which no other name may look like.
    """

    known: frozenset[str] = frozenset()
    patterns: tuple[AccountPattern, ...] = ()
    unknown: UnknownAccounts = UnknownAccounts.ASK
    named: frozenset[str] = frozenset()

    def standing(self, name: str, admitted: Collection[str]) -> AccountStanding:
        """How an account stands; `admitted` are those that an admission made known, among them
        every one that looks like it.
        """
        if name in self.known:
            return AccountStanding(AccountKind.KNOWN)
        pattern = self.pattern_of(name)
        if pattern and name in admitted:
            return AccountStanding(AccountKind.KNOWN, pattern)
        if alike := self._looks_like(name) or _alike(name, admitted):
            return AccountStanding(AccountKind.LOOKS_ALIKE, alike=alike)
        if pattern:
            return AccountStanding(AccountKind.NEW, pattern)
        meant = next((each.match for each in self.patterns if each.looks_like(name)), None)
        if meant is not None:
            return AccountStanding(AccountKind.LOOKS_ALIKE, alike=f"the pattern {meant}")
        return AccountStanding(AccountKind.UNKNOWN)

    def pattern_of(self, name: str) -> AccountPattern | None:
        """The first pattern that a name has, if it is not listed by itself."""
        if name in self.known:
            return None
        return next((each for each in self.patterns if each.matches(name)), None)

    def may_be_admitted(self, name: str) -> bool:
        """True if it matters to how a name stands which names were admitted."""
        return bool(self.patterns) and name not in self.known

    def _looks_like(self, name: str) -> str | None:
        if name in self.named:
            return None
        return self._by_look.get(look(name))

    def compile(self) -> None:
        """Compiles what names are compared with: with many names, that takes long."""
        _ = self._by_look
        for pattern in self.patterns:
            pattern.compile()

    @cached_property
    def _by_look(self) -> Mapping[str, str]:
        return {look(name): name for name in sorted(self.named | self.known)}


NO_ACCOUNTS = Accounts()


def look_digest(name: str) -> bytes:
    """What stores find an account by, and every name that looks like it: 32 bytes."""
    return sha256(look(name).encode()).digest()


def _alike(name: str, others: Collection[str]) -> str | None:
    return next(
        (other for other in sorted(others) if other != name and look(other) == look(name)), None
    )


def makes_known(hold: Hold | None) -> bool:
    """True if what a hold is of makes its account known: a new name took its share of the day.

    Only what runs alone holds anything, so a person's yes to one act opens no budget.
    """
    return hold is not None and any(claim.bucket == NEW_ACCOUNTS for claim in hold.claims)
