"""The shape of the settings document: what each of its values may be, and the mappings and lists
that they stand in.

One class for each kind of entry, with the keys of the configuration file. A value that is refused
is told what would be right. Whether entries fit each other is not known here.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Annotated, Any, TypeAlias
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from clearance.core.accounts import PATTERN_LENGTH_MAX, UnknownAccounts, pattern_problem
from clearance.core.budget import AMOUNT_MAX, COUNT_MAX
from clearance.core.canonical import Json
from clearance.core.catalog import (
    CONCURRENCY_DEFAULT,
    DEADLINE_SECONDS_DEFAULT,
    DEADLINE_SECONDS_MAX,
    Effect,
)
from clearance.core.intent import ACTION_TYPE, RiskLevel, name_problem
from clearance.core.likeness import ASKS_FOR_MS_DEFAULT
from clearance.core.limits import LimitKey, Per
from clearance.core.mode import AutonomyMode
from clearance.core.moment import HOUR_MS, SECOND_MS
from clearance.core.outcome import OutcomeStatus
from clearance.core.quota import (
    BLOCKED_BYTES_PER_DAY_DEFAULT,
    PROPOSALS_PER_MINUTE_DEFAULT,
    PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT,
    WAITING_EACH_AGENT_DEFAULT,
)
from clearance.core.stop import StopLevel, StopScope
from clearance.core.suggestion import suggestion
from clearance.core.template import final_schema, whole_placeholder
from clearance.core.tool_pin import PIN

CONCURRENCY_MAX = 64  # calls at once to one tool server
ACCOUNTS_MAX = 20_000  # names and patterns of known accounts
PATTERNS_MAX = 50  # of them
SENTENCE_LENGTH_MAX = 300  # characters
LABEL_LENGTH_MAX = 60  # characters
DESCRIPTION_LENGTH_MAX = 1_000  # characters
SIGNS_MAX = 20  # by which an action's answers mean failed
VALUE_LENGTH_MAX = 4_096  # characters of a command's word, an address, a variable or a header
DURATION_DAYS_MAX = 366
ARGUMENTS_SAME_MAX = 32  # arguments that make two acts the same
RATE_MAX = 1_000_000_000  # proposals a minute

_UNIT_MS = {"s": SECOND_MS, "m": 60 * SECOND_MS, "h": HOUR_MS, "d": 24 * HOUR_MS}
_SERVER_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TOOL_REFERENCE = rf"{_SERVER_NAME}\.[A-Za-z0-9_./:-]{{1,128}}"


# --- What one value may be. Each check says what would be right. ---


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("said", "{sentence}", {"sentence": sentence})


def _integer(low: int, high: int) -> PlainValidator:
    def check(value: Json) -> int:
        if type(value) is not int or not low <= value <= high:
            sentence = f"must be an integer from {low} to {high}"
            raise _wrong(sentence)
        return value

    return PlainValidator(check)


def _matching(pattern: str, sentence: str) -> PlainValidator:
    compiled = re.compile(pattern)

    def check(value: Json) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            refusal = f"must be {sentence}"
            raise _wrong(refusal)
        return value

    return PlainValidator(check)


def _word(*words: str) -> PlainValidator:
    def check(value: Json) -> str:
        if value not in words or not isinstance(value, str):
            sentence = f"must be one of {', '.join(words)}{suggestion(value, words)}"
            raise _wrong(sentence)
        return value

    return PlainValidator(check)


def _text(value: Json, *, length_max: int) -> str:
    if not isinstance(value, str):
        sentence = "must be text; put it in quotes"
        raise _wrong(sentence)
    if not value.strip() or len(value) > length_max or "\0" in value:
        sentence = f"must be 1 to {length_max} characters of text"
        raise _wrong(sentence)
    return value


def _name(value: Json) -> str:
    if not isinstance(value, str):
        sentence = "must be text; put it in quotes"
        raise _wrong(sentence)
    if problem := name_problem(value):
        raise _wrong(problem)
    return value


def _name_pattern(value: Json) -> str:
    text = _text(value, length_max=PATTERN_LENGTH_MAX)
    if problem := pattern_problem(text):
        raise _wrong(problem)
    return text


def _scalar(value: Json) -> str | int | float | bool:
    if not isinstance(value, str | int | float | bool):
        sentence = "must be text, a number, true or false"
        raise _wrong(sentence)
    return value


def _at_most(count: int) -> AfterValidator:
    def check(value: list[Any]) -> list[Any]:
        if len(value) > count:
            sentence = f"has {len(value)} entries; the limit is {count}"
            raise _wrong(sentence)
        return value

    return AfterValidator(check)


def _some(noun: str) -> AfterValidator:
    def check(value: list[Any]) -> list[Any]:
        if not value:
            sentence = (
                f"must name at least one {noun}; leave the key out if there is nothing to say"
            )
            raise _wrong(sentence)
        return value

    return AfterValidator(check)


def _duration(value: Json) -> str:
    fits = isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,8}[smhd]", value)
    if not fits or duration_ms(value) > DURATION_DAYS_MAX * _UNIT_MS["d"]:
        sentence = (
            f"must be a duration such as 90s, 30m, 72h or 7d, of at most {DURATION_DAYS_MAX} days"
        )
        raise _wrong(sentence)
    return str(value)


def _zone(value: Json) -> str:
    if not isinstance(value, str) or value not in _zones():
        sentence = (
            f"must be an IANA time zone such as UTC or Europe/Berlin{suggestion(value, _zones())}"
        )
        raise _wrong(sentence)
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(
        available_timezones() - {"localtime"}
    )  # which means something else on every machine


def _address(value: Json) -> str:
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"https?://[^\s/?#]+\S*", value)
        or len(value) > VALUE_LENGTH_MAX
    ):
        sentence = "must be an address that starts with http:// or https://"
        raise _wrong(sentence)
    if "${" in value:
        sentence = (
            "must be written out: ${NAME} is for the environment, the headers and the command"
        )
        raise _wrong(sentence)
    if "@" in value.split("/")[2]:
        sentence = "must not hold a user or password: use headers, with ${NAME} for the secret"
        raise _wrong(sentence)
    return value


def _in_order(values: list[str]) -> list[str]:
    return sorted(set(values))


def as_sentence(text: str) -> str:
    """A text with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def duration_ms(text: str) -> int:
    """The milliseconds of a duration such as `72h`."""
    return int(text[:-1]) * _UNIT_MS[text[-1]]


_ACTION_TYPE_SENTENCE = "1 to 64 characters of A-Z 0-9 _, starting with a letter"
ActionType: TypeAlias = Annotated[str, _matching(ACTION_TYPE.pattern, _ACTION_TYPE_SENTENCE)]
ServerName: TypeAlias = Annotated[
    str, _matching(_SERVER_NAME, "1 to 64 characters of A-Z a-z 0-9 _ -")
]
ToolReference: TypeAlias = Annotated[
    str,
    _matching(TOOL_REFERENCE, "SERVER.TOOL, for example crm.create_task"),
]
Pin: TypeAlias = Annotated[str, _matching(PIN, "sha256-2: (or sha256:) and 64 hexadecimal digits")]
Acceptance: TypeAlias = Annotated[
    str,
    _matching(
        r"[A-Z][A-Z_]{0,63}(:[^\s:]\S{0,511})?", "the name of a finding, such as TOOL_DEFAULT:limit"
    ),
]
VariableName: TypeAlias = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of an environment variable")
]
HeaderName: TypeAlias = Annotated[
    str, _matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", "the name of an HTTP header")
]
HeaderValue: TypeAlias = Annotated[
    str,
    _matching(rf"[^\x00-\x1f\x7f]{{1,{VALUE_LENGTH_MAX}}}", "one line of text; put it in quotes"),
]
Name: TypeAlias = Annotated[str, PlainValidator(_name)]
NamePattern: TypeAlias = Annotated[str, PlainValidator(_name_pattern)]
Value: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=VALUE_LENGTH_MAX))]
Sentence: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=SENTENCE_LENGTH_MAX))]
Label: TypeAlias = Annotated[str, PlainValidator(partial(_text, length_max=LABEL_LENGTH_MAX))]
Description: TypeAlias = Annotated[
    str, PlainValidator(partial(_text, length_max=DESCRIPTION_LENGTH_MAX))
]
Duration: TypeAlias = Annotated[str, PlainValidator(_duration)]
Zone: TypeAlias = Annotated[str, PlainValidator(_zone)]
Address: TypeAlias = Annotated[str, PlainValidator(_address)]
Pointer: TypeAlias = Annotated[
    str,
    _matching(
        r"(/([^~/]|~[01]){0,128}){1,16}", "a JSON Pointer, for example /status or /error/code"
    ),
]
Count: TypeAlias = Annotated[int, _integer(0, COUNT_MAX)]
Amount: TypeAlias = Annotated[int, _integer(0, AMOUNT_MAX)]
ActionTypes: TypeAlias = Annotated[list[ActionType], PlainSerializer(_in_order)]


# --- The shape of the document ---


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ToolServerShape(_Shape):
    """A tool server: an MCP server over stdio (`command`) or streamable HTTP (`url`)."""

    command: list[Value] = []
    url: Address | None = None
    environment: dict[VariableName, Value] = {}
    headers: dict[HeaderName, HeaderValue] = {}
    deadline_seconds: Annotated[int, _integer(1, DEADLINE_SECONDS_MAX)] = DEADLINE_SECONDS_DEFAULT
    concurrency_max: Annotated[int, _integer(1, CONCURRENCY_MAX)] = CONCURRENCY_DEFAULT


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
    equals: Annotated[str | int | float | bool | None, PlainValidator(_scalar)] = None
    text_starts_with: Annotated[list[Sentence], BeforeValidator(_as_list)] = []

    @model_validator(mode="after")
    def _one_of_two(self) -> FailedWhenShape:
        if (self.pointer is None) != bool(self.text_starts_with):
            sentence = "needs either a pointer or text_starts_with"
            raise _wrong(sentence)
        if self.equals is not None and self.pointer is None:
            sentence = "equals belongs to a pointer"
            raise _wrong(sentence)
        return self


class AnswerShape(_Shape):
    """The meaning of a tool's answers that do not say themselves that they mean failed."""

    failed_when: Annotated[
        list[FailedWhenShape], BeforeValidator(_as_list), _at_most(SIGNS_MAX)
    ] = []


class ActionShape(_Shape):
    """One action of the catalog."""

    tool: ToolReference
    risk_level: Annotated[str, _word(*RiskLevel.__members__)]
    effect: Annotated[str, _word(*Effect)]
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
    error_means: Annotated[str, _word(OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)] = "FAILED"
    idempotency: Annotated[str, _word("meta")] | None = None
    key_kept_for: Duration | None = None
    accepts: list[Acceptance] = []
    same_when: Annotated[list[Name], _some("argument"), _at_most(ARGUMENTS_SAME_MAX)] | None = None
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

    mode: Annotated[str, _word(*AutonomyMode)]
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
        raise _wrong(sentence)
    return EACH + " and ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))


def _keys_in(written: str) -> list[str]:
    return re.split(r"\s*,\s*|\s+and\s+", written)


class LimitShape(_Shape):
    """One limit: on the tenant, on each of some keys, or on what it names."""

    subject: Annotated[str, PlainValidator(_subject)] | None = Field(None, alias="for")
    agent: Name | None = None
    account: Name | None = None
    action_type: ActionType | None = None
    per: Annotated[str, _word(*Per)]
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

    asks_for: Duration = f"{ASKS_FOR_MS_DEFAULT // _UNIT_MS['d']}d"


class QuotasShape(_Shape):
    """How much agents may propose, leave waiting for people, and leave behind."""

    proposals_per_minute: Annotated[int, _integer(1, RATE_MAX)] = PROPOSALS_PER_MINUTE_DEFAULT
    proposals_per_minute_each_credential: Annotated[int, _integer(1, RATE_MAX)] = (
        PROPOSALS_PER_MINUTE_EACH_CREDENTIAL_DEFAULT
    )
    waiting_each_agent: Annotated[int, _integer(1, COUNT_MAX)] = WAITING_EACH_AGENT_DEFAULT
    blocked_bytes_per_day: Annotated[int, _integer(0, AMOUNT_MAX)] = BLOCKED_BYTES_PER_DAY_DEFAULT


def _as_sections(value: Json) -> Json:
    """A plain list is the tenant's allowlist."""
    return {"tenant": value} if isinstance(value, list) else value


def _as_account(value: Json) -> Json:
    """A plain name is an account of this name."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        sentence = "must be a name, or a pattern: {match: ..., new_per_day: ...}"
        raise _wrong(sentence)
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
            raise _wrong(sentence)
        if (self.match is None) != (self.new_per_day is None):
            sentence = "a match needs new_per_day, and only a match has it"
            raise _wrong(sentence)
        return self

    @model_serializer
    def _short(self) -> Json:
        if self.name is not None:
            return self.name
        return {"match": self.match, "new_per_day": self.new_per_day}


class AccountsShape(_Shape):
    """The accounts that are known, and what is done about others."""

    known: Annotated[
        list[Annotated[AccountShape, BeforeValidator(_as_account)]], _at_most(ACCOUNTS_MAX)
    ] = []
    unknown: Annotated[str, _word(*UnknownAccounts)] = UnknownAccounts.ASK.value

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
    """One stop switch that is on."""

    scope: Annotated[str, _word(*StopScope)]
    subject: Name | None = None
    level: Annotated[str, _word(*StopLevel)]
    reason: Sentence

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
