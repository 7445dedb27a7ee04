"""The shape of the settings document: the mappings and lists that its values stand in.

One class for each kind of entry, with the keys of the configuration file. Whether entries fit each
other is not known here.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    model_serializer,
    model_validator,
)

from clearance.configuration.values import (
    ACCOUNTS_MAX,
    ARGUMENTS_SAME_MAX,
    CONCURRENCY_MAX,
    RATE_MAX,
    SIGNS_MAX,
    UNIT_MS,
    VARIABLES_MAX,
    Acceptance,
    ActionType,
    ActionTypes,
    Address,
    Amount,
    Count,
    Description,
    Duration,
    HeaderName,
    HeaderValue,
    Label,
    Name,
    NamePattern,
    Pin,
    Pointer,
    SecretNames,
    Sentence,
    ServerName,
    ToolReference,
    Value,
    VariableName,
    VariableNames,
    Zone,
    at_most,
    integer,
    scalar,
    some,
    word,
    wrong,
)
from clearance.core.accounts import UnknownAccounts
from clearance.core.budget import AMOUNT_MAX, COUNT_MAX
from clearance.core.canonical import Json
from clearance.core.catalog import (
    CONCURRENCY_DEFAULT,
    DEADLINE_SECONDS_DEFAULT,
    DEADLINE_SECONDS_MAX,
    Effect,
)
from clearance.core.intent import RiskLevel
from clearance.core.likeness import ASKS_FOR_MS_DEFAULT
from clearance.core.limits import LimitKey, Per
from clearance.core.mode import AutonomyMode
from clearance.core.outcome import OutcomeStatus
from clearance.core.quota import (
    BLOCKED_BYTES_PER_DAY_DEFAULT,
    PROPOSALS_PER_MINUTE_DEFAULT,
    PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT,
    WAITING_EACH_AGENT_DEFAULT,
)
from clearance.core.stop import Lifter, StopLevel, StopScope
from clearance.core.template import final_schema, whole_placeholder


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ToolServerShape(_Shape):
    """A tool server: an MCP server over stdio (`command`) or streamable HTTP (`url`)."""

    command: list[Value] = []
    url: Address | None = None
    environment: dict[VariableName, Value] = {}
    headers: dict[HeaderName, HeaderValue] = {}
    inherit: Annotated[VariableNames, at_most(VARIABLES_MAX)] = []
    secrets: Annotated[SecretNames, at_most(VARIABLES_MAX)] | None = None
    deadline_seconds: Annotated[int, integer(1, DEADLINE_SECONDS_MAX)] = DEADLINE_SECONDS_DEFAULT
    concurrency_max: Annotated[int, integer(1, CONCURRENCY_MAX)] = CONCURRENCY_DEFAULT


class ApprovalShape(_Shape):
    """What approvals of an action are like."""

    expires_after: Duration = "72h"
    editors_rule: bool = False


class UndoShape(_Shape):
    """How an action is taken back."""

    tool: ToolReference
    arguments: dict[str, Json] = {}
    within: Duration | None = None


def _as_list(value: Json) -> Json:
    """One entry is a list of it."""
    return value if isinstance(value, list) else [value]


class FailedWhenShape(_Shape):
    """One sign that a tool's answer means failed."""

    pointer: Pointer | None = None
    equals: Annotated[str | int | float | bool | None, PlainValidator(scalar)] = None
    text_starts_with: Annotated[list[Sentence], BeforeValidator(_as_list)] = []

    @model_validator(mode="after")
    def _one_of_two(self) -> FailedWhenShape:
        if (self.pointer is None) != bool(self.text_starts_with):
            sentence = "needs either a pointer or text_starts_with"
            raise wrong(sentence)
        if self.equals is not None and self.pointer is None:
            sentence = "equals belongs to a pointer"
            raise wrong(sentence)
        return self


class AnswerShape(_Shape):
    """The meaning of a tool's answers that do not say themselves that they mean failed."""

    failed_when: Annotated[
        list[FailedWhenShape], BeforeValidator(_as_list), at_most(SIGNS_MAX)
    ] = []


class ActionShape(_Shape):
    """One action of the catalog."""

    tool: ToolReference
    risk_level: Annotated[str, word(*RiskLevel.__members__)]
    effect: Annotated[str, word(*Effect)]
    parameters: dict[str, Json]
    sentence: Sentence
    proposal: Sentence | None = None
    arguments: dict[str, Json] = {}
    idempotency_argument: Name | None = None
    spends: Name | None = None
    approval: ApprovalShape = ApprovalShape()
    undo: UndoShape | None = None
    prose: list[Name] = []
    label: Label | None = None
    description: Description | None = None
    answer: AnswerShape = AnswerShape()
    error_means: Annotated[str, word(OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)] = "FAILED"
    idempotency: Annotated[str, word("meta")] | None = None
    key_kept_for: Duration | None = None
    accepts: list[Acceptance] = []
    same_when: Annotated[list[Name], some("argument"), at_most(ARGUMENTS_SAME_MAX)] | None = None
    account: Sentence | None = None

    @property
    def account_parameter(self) -> str | None:
        """The parameter that its `account` names; None if it has none, or names no parameter."""
        name = whole_placeholder(self.account or "")
        return name.removeprefix("parameters.") if name else None

    @property
    def final_schema(self) -> dict[str, Json]:
        """The JSON Schema of what its tool gets."""
        return final_schema(self.parameters, self.arguments)

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that it needs, as `server.tool`."""
        return (self.tool, self.undo.tool) if self.undo else (self.tool,)

    @property
    def keyless(self) -> bool:
        """True if a key is to make its repeats harmless, and it does not say where the key goes."""
        return (
            self.effect == Effect.KEYED and not self.idempotency_argument and not self.idempotency
        )


class AllowlistShape(_Shape):
    """The action types that may run unattended: for every
    account, and in addition for single ones.
    """

    tenant: ActionTypes = []
    accounts: dict[Name, ActionTypes] = {}


class ModeShape(_Shape):
    """One autonomy mode and its place."""

    mode: Annotated[str, word(*AutonomyMode)]
    account: Name | None = None
    action_type: ActionType | None = None


class BudgetShape(_Shape):
    """One autonomy budget."""

    max_per_day: Count
    zone: Zone = "UTC"
    account: Name | None = None
    max_per_day_by_action_type: dict[ActionType, Count] = {}
    max_amount_per_day_by_action_type: dict[ActionType, Amount] = {}


FOR_TENANT = "tenant"
EACH = "each "


def _subject(value: Json) -> str:
    """Who a limit is for; its keys in one order, as the same limit is the same text."""
    if value == FOR_TENANT:
        return FOR_TENANT
    written = value.removeprefix(EACH) if isinstance(value, str) else ""
    keys = [key for key in LimitKey if key in _keys_in(written)]
    if written == value or len(keys) != len(_keys_in(written)):
        sentence = (
            f"must be {FOR_TENANT}, or each and keys of {', '.join(LimitKey)}: for example each "
            f"agent and account"
        )
        raise wrong(sentence)
    return EACH + " and ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))


def _keys_in(written: str) -> list[str]:
    return re.split(r"\s*,\s*|\s+and\s+", written)


class LimitShape(_Shape):
    """One limit: on the tenant, on each of some keys, or on what it names."""

    subject: Annotated[str, PlainValidator(_subject)] | None = Field(None, alias="for")
    agent: Name | None = None
    account: Name | None = None
    action_type: ActionType | None = None
    per: Annotated[str, word(*Per)]
    zone: Zone = "UTC"
    actions: Count | None = None
    reads: Count | None = None
    amount: dict[Name, Amount] = {}

    @property
    def each(self) -> frozenset[LimitKey]:
        """The keys of which each value is limited by itself."""
        written = _keys_in((self.subject or "").removeprefix(EACH))
        return frozenset(key for key in LimitKey if key in written)

    @property
    def named(self) -> dict[LimitKey, str]:
        """The keys that it names, with their values."""
        named = {key: getattr(self, key) for key in LimitKey}
        return {key: name for key, name in named.items() if name is not None}

    @property
    def keys(self) -> frozenset[LimitKey]:
        """By what it counts together."""
        return self.each.union(self.named)

    @property
    def place(self) -> tuple[str, ...]:
        """What no two limits have in common: whom they are about, and per which window."""
        named = (f"{key} {name}" for key, name in self.named.items())
        subject = () if self.subject is None else (self.subject,)
        return (*subject, *named, f"per {self.per}")


class RejectionsShape(_Shape):
    """For how long a person's no is remembered."""

    asks_for: Duration = f"{ASKS_FOR_MS_DEFAULT // UNIT_MS['d']}d"


class QuotasShape(_Shape):
    """How much agents may propose, leave waiting for people, and leave behind."""

    proposals_per_minute: Annotated[int, integer(1, RATE_MAX)] = PROPOSALS_PER_MINUTE_DEFAULT
    proposals_per_minute_each_credential: Annotated[int, integer(1, RATE_MAX)] = (
        PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT
    )
    waiting_each_agent: Annotated[int, integer(1, COUNT_MAX)] = WAITING_EACH_AGENT_DEFAULT
    blocked_bytes_per_day: Annotated[int, integer(0, AMOUNT_MAX)] = BLOCKED_BYTES_PER_DAY_DEFAULT


def _as_sections(value: Json) -> Json:
    """A plain list is the tenant's allowlist."""
    return {"tenant": value} if isinstance(value, list) else value


def _as_account(value: Json) -> Json:
    """A plain name is an account of this name."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        sentence = "must be a name, or a pattern: {match: ..., new_per_day: ...}"
        raise wrong(sentence)
    return value


class AccountShape(_Shape):
    """A known account; or the form of the names that may appear, and how many of them in a day."""

    name: Name | None = None
    match: NamePattern | None = None
    new_per_day: Count | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> AccountShape:
        if (self.name is None) == (self.match is None):
            sentence = "needs either a name or a match"
            raise wrong(sentence)
        if (self.match is None) != (self.new_per_day is None):
            sentence = "a match needs new_per_day, and only a match has it"
            raise wrong(sentence)
        return self

    @model_serializer
    def _short(self) -> Json:
        if self.name is not None:
            return self.name
        return {"match": self.match, "new_per_day": self.new_per_day}


class AccountsShape(_Shape):
    """The accounts that are known, and what is done about others."""

    known: Annotated[
        list[Annotated[AccountShape, BeforeValidator(_as_account)]], at_most(ACCOUNTS_MAX)
    ] = []
    unknown: Annotated[str, word(*UnknownAccounts)] = UnknownAccounts.ASK.value

    @property
    def names(self) -> frozenset[str]:
        """The names that are listed."""
        return frozenset(entry.name for entry in self.known if entry.name is not None)


def _as_known(value: Json) -> Json:
    """A plain list is that of the known accounts."""
    return {"known": value} if isinstance(value, list) else value


class AutonomyShape(_Shape):
    """How much autonomy has been given."""

    allowlist: Annotated[AllowlistShape, BeforeValidator(_as_sections)] = AllowlistShape()
    modes: list[ModeShape] = []
    budgets: list[BudgetShape] = []
    accounts: Annotated[AccountsShape | None, BeforeValidator(_as_known)] = None
    limits: list[LimitShape] = []
    rejections: RejectionsShape = RejectionsShape()
    quotas: QuotasShape = QuotasShape()

    @property
    def accounts_named(self) -> frozenset[str]:
        """The accounts that modes, budgets and the allowlist name."""
        rules: list[ModeShape | BudgetShape] = [*self.modes, *self.budgets]
        named = (rule.account for rule in rules if rule.account is not None)
        return frozenset((*named, *self.allowlist.accounts))

    @property
    def accounts_known(self) -> frozenset[str]:
        """The accounts that are known by their names."""
        return self.accounts_named if self.accounts is None else self.accounts.names


def keys_of(shape: type[BaseModel]) -> list[str]:
    """The keys of a shape, as they are written."""
    return [field.alias or name for name, field in shape.model_fields.items()]


class StopSwitchShape(_Shape):
    """One stop switch that is on.

    Clearance writes `set_by` and `set_at` itself. Without `lifted_by`, an earlier version wrote it.
    """

    scope: Annotated[str, word(*StopScope)]
    subject: Name | None = None
    level: Annotated[str, word(*StopLevel)]
    reason: Sentence
    set_by: str | None = None
    set_at: int | None = None
    lifted_by: Annotated[str, word(*Lifter)] | None = None

    @model_serializer
    def _whole(self) -> dict[str, Json]:
        """Every key, also a subject that is null: who compares switches reads scope and subject of
        each.
        """
        return {
            "scope": self.scope,
            "subject": self.subject,
            "level": self.level,
            "reason": self.reason,
            "set_by": self.set_by,
            "set_at": self.set_at,
            "lifted_by": self.lifted_by or Lifter.APPROVER.value,
        }


class SettingsDocument(_Shape):
    """A whole settings document that has the right shape; `parse_document` also saw that its parts
    fit each other.
    """

    tool_servers: dict[ServerName, ToolServerShape] = {}
    catalog: dict[ActionType, ActionShape] = {}
    autonomy: AutonomyShape = AutonomyShape()
    policy: str = ""
    tool_pins: dict[ToolReference, Pin] = {}
    tool_descriptions: dict[ToolReference, Pin] = {}
    stop_switches: list[StopSwitchShape] = []

    def as_json(self) -> dict[str, Json]:
        """The document as plain JSON, always the same for the same settings: what is a default is
        left out.
        """
        return self.model_dump(mode="json", exclude_defaults=True, by_alias=True)

    @property
    def tools(self) -> frozenset[str]:
        """The tools that the catalog needs, as `server.tool`."""
        return frozenset(tool for action in self.catalog.values() for tool in action.tools)
