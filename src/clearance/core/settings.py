"""A tenant's settings: everything that people have set about what its agents may do, as one
versioned value, and the stored parts of it that this version does not accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

from clearance.core.accounts import NO_ACCOUNTS, Accounts
from clearance.core.budget import BudgetRule
from clearance.core.canonical import Json, digest
from clearance.core.catalog import Action, ToolServer
from clearance.core.decision import NO_DIGEST, SettingsDigest, SettingsVersion
from clearance.core.likeness import ASKS_FOR_MS_DEFAULT
from clearance.core.limits import Limits
from clearance.core.mode import Allowlist, ModeRule
from clearance.core.policy import PolicySet
from clearance.core.quota import QUOTAS_DEFAULT, Quotas
from clearance.core.stop import StopSwitch

TOOL_SECTIONS = ("tool_pins", "tool_descriptions")
"""The parts of a settings document about tools as they were when a person looked at them."""
PARTS = ("policy", "catalog", "autonomy", "stop_switches", *TOOL_SECTIONS, "tool_servers")
"""The parts of a settings document. Each has a digest of its own, so that one can be shown without
the others.
"""

_UNSALTED = frozenset({"policy", "catalog", "autonomy", *TOOL_SECTIONS})
"""The parts whose digest anybody can compute. The others may hold values that are secret or are a
person's words, and could be guessed.
"""


def part_digests(document: Mapping[str, Json], salt: bytes) -> dict[str, str | None]:
    """The digest of each part of a document, in which the salt hides what could be guessed; None
    for a part that it does not have.
    """
    return {
        name: _part_digest(name, document[name], salt) if name in document else None
        for name in (*PARTS, *sorted(document.keys() - set(PARTS)))
    }


def _part_digest(name: str, part: Json, salt: bytes) -> str:
    return digest(part if name in _UNSALTED else {"salt": salt.hex(), "part": part})


def document_digest(document: Mapping[str, Json], salt: bytes | None) -> str:
    """What binds an entry to a whole document: the digest of its parts' digests. Version 0.1.0,
    which had no salt, took the digest of the document itself.
    """
    return digest(document if salt is None else part_digests(document, salt))


Reached: TypeAlias = tuple[str, str | None, str | None]
"""A check of the gate, an account (None: each) and an action type (None: each)."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored part of the settings that this version does not accept, and what it reaches.

    `check` names the check of the gate that asks a person because of it, about one account and
    action type (None: about each).
    """

    check: str
    code: str
    sentence: str
    account: str | None = None
    action_type: str | None = None

    @property
    def reached(self) -> Reached:
        """Which check it makes ask, and about what."""
        return self.check, self.account, self.action_type


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force for a tenant at one version. `tool_pins` are what tools take, and
    `tool_descriptions` digests of all that servers say of them, by `server.tool`.

    Without a policy nothing is permitted: a tenant that never configured anything can do nothing.
    What is `unreadable` is in no other field, or is there in a form that asks a person.
    `rejections_ask_for_ms` is for how long a person's no to an act makes the same act ask.
    """

    tenant_id: str
    version: SettingsVersion
    catalog: Mapping[str, Action] = field(default_factory=dict)
    tool_servers: Mapping[str, ToolServer] = field(default_factory=dict)
    tool_pins: Mapping[str, str] = field(default_factory=dict)
    tool_descriptions: Mapping[str, str] = field(default_factory=dict)
    allowlist: Allowlist = field(default_factory=Allowlist)
    modes: tuple[ModeRule, ...] = ()
    budgets: tuple[BudgetRule, ...] = ()
    policy: PolicySet | None = None
    stop_switches: tuple[StopSwitch, ...] = ()
    unreadable: Mapping[Reached, Unreadable] = field(default_factory=dict)
    digest: SettingsDigest = NO_DIGEST
    limits: Limits = field(default_factory=Limits)
    accounts: Accounts = NO_ACCOUNTS
    rejections_ask_for_ms: int = ASKS_FOR_MS_DEFAULT
    quotas: Quotas = QUOTAS_DEFAULT

    def remembers_since(self, now: int) -> int:
        """The first moment of which a person's no is still remembered."""
        return now - self.rejections_ask_for_ms + 1

    def unread(self, check: str, account_id: str, action_type: str) -> Unreadable | None:
        """What makes a check of the gate ask a person about an account and action type."""
        if not self.unreadable:
            return None
        reached = product((check,), (account_id, None), (action_type, None))
        return next(filter(None, map(self.unreadable.get, reached)), None)

    def uncallable(self, account_id: str, action_type: str) -> Unreadable | None:
        """Why an action of the catalog cannot be called as it is stored, whoever approves it: it is
        held until this version accepts its entry.
        """
        if action_type in self.catalog:
            return None
        return self.unread("catalog", account_id, action_type)

    def decided(self, version: SettingsVersion) -> bool:
        """True if what was decided under a version is what would be decided now.

        While something is unreadable, nobody can tell: another version may have read it.
        """
        return self.version == version and not self.unreadable
