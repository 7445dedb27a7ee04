"""Requests and answers: the plain values that doors hand to the verbs and get back.

A door needs these, `Control` and the ports; how a verb does its work is not its business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from clearance.configuration.shape import SettingsDocument
from clearance.configuration.tool_fit import FitFinding, catalog_findings, unused_acceptances
from clearance.core.approval import RulingKind
from clearance.core.budget import Counter
from clearance.core.canonical import Json
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Problem
from clearance.core.intent import RiskLevel
from clearance.core.moment import as_text
from clearance.core.narrative import ShownCall
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.same_acts import SameAct
from clearance.core.stop import StopScope, StopSwitch
from clearance.core.template import Phrase, plain
from clearance.flow.ports.tools import ToolList, offered_of

PAGE_SIZE_MAX = 500  # items of a list that a verb reads at once
NO_WORKER = "NO_WORKER"
ANY_VERSION = -1  # for stop switches: an emergency stop must not lose a race


@dataclass(frozen=True, slots=True)
class NarratedIntent:
    """An intent, the phrase that says how it stands, what people call its action, and the call that
    it makes (None if the catalog does not know it, or makes another call by now).

    `alike`: what else is known of the same act, if a person asked.
    """

    record: IntentRecord
    phrase: Phrase
    label: str
    call: ShownCall | None
    alike: tuple[SameAct, ...] = field(default=(), kw_only=True)

    @property
    def sentence(self) -> str:
        """How it stands, as plain text."""
        return plain(self.phrase)


# Agents


@dataclass(frozen=True, slots=True)
class Proposal:
    """A caller's part of an action intent: tenant and proposer come from the credential, a missing
    id is made, and a missing account is the one that the catalog finds in the parameters.

    `folds`: its door makes a call that the same agent repeats while a person is asked the intent
    that waits already, whatever id comes with it.
    """

    account_id: str | None
    action_type: str
    confidence_score: float | None = None
    risk_level: RiskLevel | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    action_intent_id: str | None = None
    target: Json = None
    why: tuple[str, ...] = ()
    expires_at: int | None = None
    trace_id: str | None = None
    folds: bool = False


ReadingProposal: TypeAlias = Callable[[], Awaitable[Proposal]]
"""How a door reads a proposal, once its caller may make one more."""


@dataclass(frozen=True, slots=True)
class Proposed(NarratedIntent):
    """The answer to a proposal.

    `created` is False if the intent was known: the same answer again.
    """

    created: bool


# People


@dataclass(frozen=True, slots=True)
class RulingRequest:
    """A person's ruling as a request.

    `digest`, if given, is what they saw; `parameters` go with an edit and only with it.
    """

    kind: RulingKind
    reason: str | None = None
    parameters: Mapping[str, Json] | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Ruled(NarratedIntent):
    """The intent after the ruling, and the new intent that an edit proposed."""

    admitted: NarratedIntent | None = None


# Owners


@dataclass(frozen=True, slots=True)
class Erased(NarratedIntent):
    """The intent after an erasure. `reasons` are the ones that went, each by the position of its
    entry and its name. The entries at `in_clear` are of version 0.1.0 and hold a reason themselves,
    which stays.
    """

    reasons: tuple[tuple[int, str], ...]
    in_clear: tuple[int, ...]


class SettingsPart(StrEnum):
    """A part of the settings that is read and replaced by itself.

    Tool servers are none: they come from the file.
    """

    MODES = "modes"
    ALLOWLIST = "allowlist"
    BUDGETS = "budgets"
    STOP_SWITCHES = "stop-switches"
    POLICIES = "policies"
    CATALOG = "catalog"
    ACCOUNTS = "accounts"
    LIMITS = "limits"
    REJECTIONS = "rejections"
    QUOTAS = "quotas"


@dataclass(frozen=True, slots=True)
class ToolChange:
    """A tool (`server.tool`) that is not as it was pinned: all that its server said of it then
    (None: it is not kept) and says now. `called`: it takes the same, so it is called.
    """

    tool: str
    before: Json
    after: Json
    called: bool


@dataclass(frozen=True, slots=True)
class ToolFit:
    """How a catalog fits its tools: each finding, accepted or not, and the acceptances that accept
    nothing.

    `missing` and `unreachable` as PinReport has them: what is not seen is not found. `changes` are
    the tools that are not as they were pinned.
    """

    findings: tuple[FitFinding, ...] = ()
    unused: tuple[Problem, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[ToolChange, ...] = ()

    @classmethod
    def of(
        cls,
        document: SettingsDocument,
        lists: Mapping[str, ToolList],
        unreachable: Mapping[str, str],
    ) -> ToolFit:
        """How a document fits the tools of these lists, by server."""
        offered = offered_of(lists)
        findings = catalog_findings(document, offered, document.catalog)
        missing = {
            named: lists[server].why_missing(tool)
            for named in sorted(document.tools - offered.keys())
            for server, _, tool in [named.partition(".")]
            if server in lists
        }
        unused = tuple(unused_acceptances(document, offered, findings))
        return cls(findings, unused, missing, dict(unreachable))

    @property
    def misfits(self) -> tuple[FitFinding, ...]:
        """The findings that keep an action from being called."""
        return tuple(finding for finding in self.findings if finding.is_misfit)

    @property
    def warnings(self) -> tuple[FitFinding, ...]:
        """The findings that people should look at, though nothing is refused for them."""
        return tuple(
            finding for finding in self.findings if not (finding.refused or finding.accepted)
        )


@dataclass(frozen=True, slots=True)
class PinReport:
    """What is known of the catalog's tools (`server.tool`) after asking their servers.

    `pinned` are new pins, `changed` have another schema than their pin (and are not called).
    `missing` has a sentence for each tool that is not offered or cannot be called, `unreachable`
    one for each server that did not answer. `fit` is how the catalog fits the tools. `reworded`
    have other texts, another output schema or other annotations than at their pin.
    """

    pinned: tuple[str, ...]
    changed: tuple[str, ...]
    missing: Mapping[str, str]
    unreachable: Mapping[str, str]
    fit: ToolFit = field(default_factory=ToolFit)
    reworded: tuple[str, ...] = ()


# Everyone who may read


@dataclass(frozen=True, slots=True)
class BucketUse:
    """The held and settled use of a bucket of a counter, and its limit (None: it has none): acts,
    or smallest units in the finest scale of the catalog. `shown`: both, for people.
    """

    bucket: str
    used: int
    limit: int | None
    shown: str


@dataclass(frozen=True, slots=True)
class CounterUse:
    """The use of a counter in the window that it is now, by bucket."""

    counter: Counter
    buckets: tuple[BucketUse, ...]


@dataclass(frozen=True, slots=True)
class CallUnderWay:
    """A call that has begun and whose outcome is not recorded. Moments are milliseconds since 1970.

    `tool` is `server.tool`; None if the catalog does not have the action any more. By `deadline`
    the call is over: nothing is sent later. `tenant_id`: for a stop of every tenant.
    """

    action_intent_id: str
    attempt: int
    tool: str | None
    since: int
    deadline: int
    tenant_id: str


@dataclass(frozen=True, slots=True)
class StopReceipt:
    """What a stop switch holds, what it came too late for, and what was done before it.

    `on`: the switch is on; else this is a preview, and the switch has no reason. `stop` is the
    position of the ledger entry that turned it on; None for a preview, and for a switch of an
    earlier version. `known`: something has the name that it covers; `near` are names that look like
    it, at most 5. `waiting` and `approved` count the covered intents that have not started.
    `under_way` counts calls, of which `calls` are the first 100. `done` counts, by status, the
    covered intents that ended within a day before `at`. `starts`: the approved ones that start at
    once if this switch is lifted now, because no other covers them. `recorded` is the position of
    the receipt's own entry; None if it is not there yet. `ended` counts, by status, the calls that
    were under way when it was turned on, once the last of them has ended; None until then, and for
    a stop that an earlier version closed. UNKNOWN: the tool may still be at work.
    """

    switch: StopSwitch
    on: bool
    stop: int | None
    known: bool
    near: tuple[str, ...]
    waiting: int
    approved: int
    under_way: int
    calls: tuple[CallUnderWay, ...]
    done: Mapping[IntentStatus, int]
    starts: int
    at: int
    recorded: int | None = None
    closed: bool = False
    ended: Mapping[IntentStatus, int] | None = None


@dataclass(frozen=True, slots=True)
class StopSubject:
    """A name that a stop can cover, and what it would cover now."""

    name: str
    waiting: int
    approved: int
    under_way: int


StopSubjects: TypeAlias = Mapping[StopScope, Sequence[StopSubject]]
"""What a stop can be about, by scope; the names of each in order."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something about a tenant that a person should look at: a stable code and one sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers are alive, how many hints of approved intents no worker has taken up, and
    the last sign of life of any worker, in milliseconds since 1970 (None: none is known).
    """

    alive: int
    hints: int
    seen_at: int | None = None

    def concern(self, approved: int) -> Concern | None:
        """What people must know if no worker is alive, while so many approved intents wait."""
        if self.alive:
            return None
        since = "" if self.seen_at is None else f" since {as_text(self.seen_at)}"
        waits = {0: "approved intents will wait", 1: "1 approved intent waits"}
        wait = waits.get(approved, f"{approved} approved intents wait")
        return Concern(NO_WORKER, f"No worker is alive{since}: {wait} until one starts.")


@dataclass(frozen=True, slots=True)
class RefusedProposals:
    """How many proposals of an agent a process refused within one UTC hour, which begins at `hour`,
    by the code of the refusal.
    """

    agent_id: str
    hour: int
    codes: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(self.codes.values())


@dataclass(frozen=True, slots=True)
class TenantState:
    """How a tenant stands at a moment. Moments are milliseconds since 1970.

    `counts` has every status that is not terminal. `waiting_since`: when the first approval of the
    inbox was asked for. `refused`: the proposals that this process refused within a day.
    """

    tenant_id: str
    at: int
    counts: Mapping[IntentStatus, int]
    waiting_since: int | None
    settings_version: SettingsVersion
    stop_switches: tuple[StopSwitch, ...]
    ledger_size: int
    concerns: tuple[Concern, ...]
    refused: tuple[RefusedProposals, ...] = ()
