"""Who acts: the tenant, the actor and the permissions of the credential.

Every verb takes tenant and actor from here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from clearance.core.errors import Forbidden

SCOPE_NAMES_MAX = 1_000  # accounts, and action types, that one credential is limited to
EVERYWHERE = "*"
"""The tenant whose stop switches hold for every tenant. No credential speaks for it."""


class ActorKind(StrEnum):
    """The kind of actor that a principal is; every ledger entry names it."""

    AGENT = "AGENT"
    PERSON = "PERSON"
    SYSTEM = "SYSTEM"


class Permission(StrEnum):
    """One thing that a credential may allow."""

    PROPOSE = "propose"
    READ = "read"
    READ_OWN = "read_own"
    RULE = "rule"
    RULE_OWN = "rule_own"
    STOP = "stop"
    CONFIGURE = "configure"


class Role(StrEnum):
    """A named set of permissions, given to an API key when it is made."""

    AGENT = "agent"
    APPROVER = "approver"
    AUDITOR = "auditor"
    OWNER = "owner"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset({Permission.PROPOSE, Permission.READ_OWN}),
    Role.APPROVER: frozenset({Permission.READ, Permission.RULE, Permission.STOP}),
    Role.AUDITOR: frozenset({Permission.READ}),
    Role.OWNER: frozenset(Permission),
}
PROPOSERS = frozenset(role for role in Role if Permission.PROPOSE in PERMISSIONS[role])
"""The roles whose credentials may propose."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing that a permission is used on: a tenant as a whole, or one account and action type
    of it.
    """

    tenant_id: str
    account_id: str | None = None
    action_type: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a credential is limited to: these accounts, and these action types.

    None: all of them.
    """

    accounts: frozenset[str] | None = None
    action_types: frozenset[str] | None = None

    def covers(self, subject: Subject) -> bool:
        """True unless the subject names an account or an action type that is not in it."""
        limits = ((self.accounts, subject.account_id), (self.action_types, subject.action_type))
        return all(names is None or name is None or name in names for names, name in limits)

    @property
    def names(self) -> dict[str, list[str] | None]:
        """What it is limited to, in order, with the names of the wire."""
        parts = {"accounts": self.accounts, "action_types": self.action_types}
        return {key: None if names is None else sorted(names) for key, names in parts.items()}


EVERYTHING = Scope()
_OF_THE_TENANT = frozenset({Permission.STOP, Permission.CONFIGURE})
"""What is done to a tenant as a whole: a credential that is limited may not."""
_OF_AN_ACT = frozenset({Permission.PROPOSE, Permission.RULE, Permission.RULE_OWN})
"""What is done about one act. Reading is in neither: a scope limits what is done."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated actor of one tenant.

    `credential` is the id of the API key or of the session that it came with, or the source of its
    events; None for Clearance itself, and for who works on the state itself.
    """

    tenant_id: str
    actor_id: str
    kind: ActorKind
    permissions: frozenset[Permission]
    credential: str | None = None
    scope: Scope = EVERYTHING

    @property
    def tenant(self) -> Subject:
        """The actor's own tenant as a whole."""
        return Subject(self.tenant_id)

    @property
    def sees_own_only(self) -> bool:
        """True for an agent: of intents it may read those that it proposed, and of the answers to
        them no rule and no limit.
        """
        return Permission.READ_OWN in self.permissions and Permission.READ not in self.permissions

    def require_reading(self) -> None:
        """Raises Forbidden unless the credential allows to read intents, its own at least."""
        if not self.sees_own_only:
            self.require(Permission.READ, on=self.tenant)

    def require(self, permission: Permission, *, on: Subject) -> None:
        """Raises Forbidden unless the credential allows `permission` on a subject of its tenant
        (`OUT_OF_SCOPE` if it is limited to other subjects).
        """
        if on.tenant_id != self.tenant_id:
            sentence = f"{self.actor_id} is of another tenant."
            raise Forbidden(sentence)
        if permission not in self.permissions:
            sentence = (
                f"This needs the permission '{permission}', which the credential of "
                f"{self.actor_id} lacks."
            )
            raise Forbidden(sentence)
        if not self.reaches(permission, on):
            sentence = (
                f"The credential of {self.actor_id} is limited, and this is out of its scope."
            )
            raise Forbidden(sentence, code="OUT_OF_SCOPE")

    def reaches(self, permission: Permission, subject: Subject) -> bool:
        """True if the scope of the credential lets it use a permission on a subject."""
        if permission in _OF_THE_TENANT:
            return self.scope == EVERYTHING
        return permission not in _OF_AN_ACT or self.scope.covers(subject)


def system(tenant_id: str) -> Principal:
    """Clearance itself, when a clock or a worker moves an intent without a request."""
    return Principal(tenant_id, "clearance", ActorKind.SYSTEM, frozenset())
