"""The wire: the shape of every body and every answer, with the names that the wire contract fixes.

Bodies are read strictly: no conversions, no unknown fields. The core owns the limits of an action
intent and words them for every door; here they only inform readers of the schema.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clearance.core.approval import REASON_LENGTH_MAX
from clearance.core.intent import (
    ACTION_INTENT_ID,
    ACTION_TYPE,
    NAME_LENGTH_MAX,
    WHY_COUNT_MAX,
    WHY_LENGTH_MAX,
)
from clearance.core.moment import from_text

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 500

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def moment(text: str) -> str:
    """The text, if it is an RFC 3339 moment with its offset from UTC; ValueError if not."""
    if not _RFC_3339.fullmatch(text):
        sentence = (
            "must be an RFC 3339 moment with its offset from UTC, for example 2026-11-23T06:00:00Z"
        )
        raise ValueError(sentence)
    from_text(text)
    return text


Moment = Annotated[str, AfterValidator(moment), Field(json_schema_extra={"format": "date-time"})]
RiskName = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]
AnswerName = Literal["AUTO_EXECUTE", "REQUIRE_APPROVAL", "BLOCK"]
StatusName = Literal[
    "BLOCKED",
    "AWAITING_APPROVAL",
    "APPROVED",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "UNKNOWN",
    "REJECTED",
    "EXPIRED",
    "CANCELLED",
]
SourceName = Annotated[
    str, Field(description="POLICY or HUMAN; another name is a later version's.")
]
EffectName = Literal["read", "idempotent", "keyed", "at_most_once"]
RoleName = Literal["agent", "approver", "auditor", "owner"]
_ID: dict[str, Any] = {"pattern": f"^{ACTION_INTENT_ID.pattern}$"}
NAME: dict[str, Any] = {"minLength": 1, "maxLength": NAME_LENGTH_MAX}
_REASON: dict[str, Any] = {"minLength": 1, "maxLength": REASON_LENGTH_MAX}


class Body(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ProposalBody(Body):
    """An action intent, as its agent says it. Tenant and proposer come from the credential."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "action_intent_id": "renewal-call-acme-42",
                "account_id": "acme",
                "action_type": "CREATE_CRM_TASK",
                "parameters": {"title": "Renewal call"},
                "confidence_score": 0.93,
                "risk_level": "LOW",
                "why": ["The contract ends in 30 days."],
            }
        }
    )

    account_id: Annotated[
        str | None,
        Field(
            description="May be left out if the catalog finds it in the parameters.",
            json_schema_extra=NAME,
        ),
    ] = None
    action_type: Annotated[str, Field(json_schema_extra={"pattern": f"^{ACTION_TYPE.pattern}$"})]
    action_intent_id: Annotated[
        str | None, Field(description="Chosen by the caller, or made by us.", json_schema_extra=_ID)
    ] = None
    parameters: Annotated[dict[str, Any], Field(description="What the tool is called with.")] = {}
    target: Annotated[Any, Field(description="What the act is aimed at, for people to read.")] = (
        None
    )
    why: Annotated[
        list[Annotated[str, Field(json_schema_extra={"maxLength": WHY_LENGTH_MAX})]],
        Field(json_schema_extra={"maxItems": WHY_COUNT_MAX}),
    ] = []
    expires_at: Moment | None = None
    trace_id: Annotated[str | None, Field(json_schema_extra=NAME)] = None
    confidence_score: Annotated[
        float | None,
        Field(
            description="How sure the agent is. A hint that can only tighten the answer.",
            json_schema_extra={"minimum": 0, "maximum": 1},
        ),
    ] = None
    risk_level: Annotated[
        RiskName | None, Field(description="Counts if it is higher than the catalog's.")
    ] = None
    tenant_id: Annotated[
        str | None, Field(description="Must be the credential's own tenant, if it is sent.")
    ] = None


class RulingBody(Body):
    """A person's ruling.

    `parameters` go with an edit and only with it; a rejection needs a reason.
    """

    ruling: Literal["approve", "reject", "edit"]
    reason: Annotated[str | None, Field(description="Needed for a rejection.")] = None
    parameters: dict[str, Any] | None = None
    digest: Annotated[str | None, Field(description="The digest that the person was shown.")] = None


class CancellationBody(Body):
    """Why an intent is withdrawn."""

    reason: Annotated[str, Field(json_schema_extra=_REASON)]


class ReconciliationBody(Body):
    """A person's finding about an UNKNOWN outcome, and how they know."""

    status: Literal["SUCCEEDED", "FAILED"]
    reason: Annotated[str, Field(json_schema_extra=_REASON)]


class ErasureBody(Body):
    """Why the reasons that people wrote about an intent are erased."""

    reason: Annotated[str, Field(json_schema_extra=_REASON)]


class SettingsPartBody(BaseModel):
    """One part of the settings, under its own name, as it was read; a `version` and `problems` in
    it are passed over.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "budgets": [
                    {"max_per_day": 50, "zone": "UTC"},
                    {"account": "acme", "max_per_day": 20},
                ]
            }
        },
    )


class Resource(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FindingResource(Resource):
    """The answer of one check of the gate, and the facts that it looked at."""

    check: str
    answer: AnswerName
    code: str
    sentence: str
    inputs: dict[str, Any]


class RulingResource(Resource):
    """A person's ruling."""

    ruling: Literal["approve", "reject", "edit"]
    ruled_by: str
    reason: str | None
    erased: Annotated[bool, Field(description="True if it had a reason, which was erased.")]
    ruled_at: Moment


class ApprovalResource(Resource):
    """The latest request to people. `differences` say why it is asked again."""

    approval_id: str
    state: Literal["OPEN", "APPROVED", "REJECTED", "EXPIRED", "WITHDRAWN"]
    number: int
    digest: str
    opened_at: Moment
    expires_at: Moment
    differences: list[str]
    ruling: RulingResource | None
    superseded_by: str | None


class AttemptResource(Resource):
    """The durable claim on carrying out the intent."""

    number: int
    worker: str
    started_at: Moment
    lease_until: Moment
    idempotency_key: str


class OutcomeError(Resource):
    """Why the tool call did not succeed, and whether it is known to have been sent."""

    error_class: Annotated[str, Field(alias="class")]
    code: str
    sentence: str
    sent: Literal["NOT_SENT", "MAYBE", "ANSWERED"]
    retry_at: Annotated[
        Moment | None,
        Field(description="Until then the tool asked not to be called again; null if it did not."),
    ]


class OutcomeResource(Resource):
    """The outcome of an execution."""

    status: Literal["SUCCEEDED", "FAILED", "CANCELLED", "UNKNOWN"]
    sentence: str
    auto_executed: bool
    approval_source: SourceName | None
    result: Any
    result_bytes: Annotated[int, Field(description="Size of the tool's answer before it was cut.")]
    result_truncated: bool
    error: OutcomeError | None


class BudgetClaim(Resource):
    """The intent's claim on one bucket."""

    bucket: str
    amount: int
    limit: int | None


class CounterClaim(BudgetClaim):
    """The intent's claim on one bucket of a counter, in the window that it was taken from. Amounts
    are in millionths of their unit.
    """

    subject: dict[str, str]
    window: str
    zone: str


class BudgetHold(Resource):
    """The intent's claims on its account's budget of one day, and on the counters of limits."""

    day: str
    state: Literal["HELD", "SETTLED", "RELEASED"]
    claims: list[BudgetClaim]
    counted: list[CounterClaim]


class Decided(Resource):
    """The gate's answer and how it came about."""

    decision: AnswerName
    reason: str
    explanation: str
    remedy: Annotated[
        str | None, Field(description="What the rules that decided tell an agent to do.")
    ]
    policy_version: str | None
    policy_clause: list[str]
    settings_version: Annotated[
        list[int], Field(description="The tenant's version, and that of the global switches.")
    ]
    findings: list[FindingResource]


class CallResource(Resource):
    """What the tool gets: the parameters with the defaults of their schema, and the catalog's own
    arguments.

    `arguments` is null if the catalog does not have the action, or makes another call of the intent
    than was decided on. `arguments_set_by` names by its path (`lines.0.quantity`) each value that
    the agent did not write; `amounts` has those with a unit or a scale, by path, as people read
    them.
    """

    parameters: dict[str, Any]
    arguments: Annotated[dict[str, Any] | None, Field(description="Without the idempotency key.")]
    arguments_set_by: dict[str, Literal["catalog", "default"]]
    amounts: dict[str, str]


class Intent(CallResource, Decided):
    """All that is known of one action intent now."""

    action_intent_id: str
    tenant_id: str
    account_id: str
    action_type: str
    action_label: Annotated[str, Field(description="What people call the action.")]
    status: StatusName
    sentence: str
    approval_source: SourceName | None
    auto_executed: Annotated[
        bool, Field(description="True only if nobody approved this but policy and budget.")
    ]
    executor: Annotated[
        str, Field(description="server; another name is a later version's, and is left alone.")
    ]
    proposed_by: str
    target: Any
    confidence_score: float | None
    risk_level: Annotated[RiskName | None, Field(description="As the agent stated it.")]
    why: list[str]
    expires_at: Moment | None
    trace_id: str | None
    supersedes: str | None
    edited_by: str | None
    superseded_by: str | None
    digest: str | None
    created_at: Moment
    changed_at: Moment
    approval: ApprovalResource | None
    attempt: AttemptResource | None
    outcome: OutcomeResource | None
    budget: BudgetHold | None
    content_kept: Annotated[
        bool,
        Field(
            description="False if a quota left no room for the parameters, the target and the "
            "reasons of a blocked intent."
        ),
    ]
    alike: Annotated[
        list[SameActResource],
        Field(description="What else is known of the same act, for people, while it waits."),
    ]


class RuledIntent(Intent):
    """The intent after a ruling, and the intent that an edit proposed."""

    new_intent: Intent | None


class ErasedReason(Resource):
    """A reason that was erased: the position of its entry, and its place there."""

    position: int
    text: str


class ErasedIntent(Intent):
    """The intent after an erasure, and what went."""

    reasons_erased: list[ErasedReason]
    reasons_in_clear: Annotated[
        list[int],
        Field(description="Entries of version 0.1.0 that hold a reason themselves, which stays."),
    ]


class NearestChangeResource(Resource):
    """One single change that would have given another answer."""

    sentence: str
    decision: AnswerName


class Knew(Resource):
    """What the gate knew when it decided: the numbers that policy read, and the inputs of every
    check.
    """

    confidence_bp: int
    confidence_stated: bool
    risk_level: RiskName | None
    inputs: dict[str, dict[str, Any]]


class LedgerEntry(BaseModel):
    """An entry of the ledger: its place, the digest of its exact bytes, and its own fields beside
    them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    position: int
    entry_digest: str
    format: int
    kind: str
    at: Moment
    tenant_id: str
    actor: dict[str, Any]


class ExplanationResource(CallResource, Decided):
    """Why an intent was answered as it was, and what would change the answer."""

    action_intent_id: str
    sentence: str
    current: Annotated[
        bool, Field(description="False if the settings have changed since the decision.")
    ]
    nearest_changes: list[NearestChangeResource]
    knew: Knew
    history: list[LedgerEntry]


class TimelineItem(Resource):
    """One intent of the timeline, by its latest fact."""

    position: int
    at: Moment
    action_intent_id: str
    account_id: str
    action_type: str
    action_label: Annotated[str, Field(description="What people call the action.")]
    proposed_by: str
    effect: Annotated[
        EffectName | None,
        Field(description="As the catalog had it when this was decided: `read` changes nothing."),
    ]
    sentence: str
    status: StatusName
    decision: AnswerName
    reason: str
    auto_executed: bool
    approval_source: SourceName | None
    approved_by: str | None
    outcome_status: Literal["SUCCEEDED", "FAILED", "CANCELLED", "UNKNOWN"] | None
    undoable: bool


class SameActResource(Resource):
    """Another intent about the same act: who rejected it and when, that it was done, or that it
    waits too.
    """

    action_intent_id: str
    status: StatusName
    at: Moment
    sentence: str


class ApprovalItem(CallResource):
    """One approval that waits, with what a person rules on.

    Parameters, target and why are the agent's own words.
    """

    approval_id: str
    action_intent_id: str
    account_id: str
    action_type: str
    action_label: Annotated[str, Field(description="What people call the action.")]
    sentence: str
    target: Any
    why: list[str]
    risk_level: Annotated[
        RiskName | None, Field(description="The higher of the catalog's and the intent's.")
    ]
    confidence_score: float | None
    reason: str
    explanation: str
    policy_clause: list[str]
    digest: str
    opened_at: Moment
    expires_at: Moment
    differences: list[str]
    proposed_by: str
    supersedes: str | None
    edited_by: str | None
    undo: Annotated[bool, Field(description="True if the catalog says how to undo it.")]
    tool: str | None
    effect: EffectName | None
    edit_approves: Annotated[
        bool, Field(description="True if an edit by you would be your approval too.")
    ]
    likeness: Annotated[
        str | None, Field(description="Equal for the items that are about the same act.")
    ]
    alike: list[SameActResource]


class TimelinePage(Resource):
    """A page of the timeline."""

    items: list[TimelineItem]
    next_cursor: str | None


class ApprovalPage(Resource):
    """A page of approvals that wait for a person."""

    items: list[ApprovalItem]
    next_cursor: str | None


class LedgerPage(Resource):
    """A page of the ledger."""

    items: list[LedgerEntry]
    next_cursor: str | None


class SettingsPartResource(BaseModel):
    """One part of the settings under its own name, and the version to name in `If-Match` when
    changing it; and `problems`, if this version does not accept all of it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    version: int


class ProblemPart(Resource):
    """One thing that is wrong: where, and what."""

    path: str
    detail: str


class ProblemResource(Resource):
    """An RFC 9457 problem. `code` is stable; `detail` is the one sentence that every door says.

    `action_intent_id`, of a proposal that got a 503: send it again under this id.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:clearance:problem:intent-id-reused",
                "title": "The current state does not allow this",
                "status": 409,
                "detail": "The action intent renewal-call-acme-42 was proposed before with other "
                "content.",
                "code": "INTENT_ID_REUSED",
                "problems": [],
                "instance": "/v1/intents",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    problems: list[ProblemPart]
    instance: str
    action_intent_id: str | None = None


class Health(Resource):
    """The process, or its store, answers."""

    status: Literal["ok"]
