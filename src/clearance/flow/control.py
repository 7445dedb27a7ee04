"""Control: everything that Clearance can do, on one screen. Every door calls only this.

Each verb takes the acting principal, and tenant and actor come from it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearance.configuration.differences import SettingsDifference
from clearance.configuration.shape import SettingsDocument
from clearance.core.agents_view import ShownEntry
from clearance.core.budget import BudgetRule
from clearance.core.canonical import Json
from clearance.core.catalog import Catalog
from clearance.core.credential import ApiKey
from clearance.core.ledger import Entry
from clearance.core.limits import Who
from clearance.core.narrative import Explanation
from clearance.core.outcome import OutcomeStatus
from clearance.core.principal import Principal, Role, Scope
from clearance.core.record import IntentStatus
from clearance.core.settings import Settings
from clearance.core.stop import StopScope, StopSwitch
from clearance.flow import (
    credentials,
    fit,
    installation,
    memory,
    observe,
    pins,
    review,
    settings,
    stops,
    submit,
    usage,
)
from clearance.flow.context import Context
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.tools import ToolList
from clearance.flow.requests import (
    CounterUse,
    Erased,
    NarratedIntent,
    PinReport,
    Proposal,
    Proposed,
    ReadingProposal,
    Ruled,
    RulingRequest,
    SettingsPart,
    StopReceipt,
    StopSubjects,
    TenantState,
    ToolFit,
)


class Control:
    """The verbs of the product, over one context (store, tools, engine, clock).

    A verb that writes returns all that its answer needs: whoever asked reads nothing after it, so
    that no read decides whether what was done is reported.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    # Agents

    async def propose(self, principal: Principal, proposal: Proposal | ReadingProposal) -> Proposed:
        """Proposes an action: the gate's decision and the intent's status.

        The same id and content: the same answer again. A door hands over how it reads the proposal,
        which is not done for a caller who makes too many.
        """
        return await submit.propose(self._context, principal, proposal)

    async def intent(self, principal: Principal, action_intent_id: str) -> NarratedIntent:
        """One intent, as it stands now. NotFound if the tenant has none of this id."""
        return await observe.intent(self._context, principal, action_intent_id)

    # People

    async def waiting(
        self, principal: Principal, *, after: str | None = None, limit: int = 50
    ) -> list[NarratedIntent]:
        """What needs a person, oldest request first."""
        return await observe.waiting(self._context, principal, after=after, limit=limit)

    async def with_alike(
        self, principal: Principal, narrated: Sequence[NarratedIntent]
    ) -> list[NarratedIntent]:
        """Intents that wait, with what else is known of the same act; as they are for an agent."""
        return await memory.with_alike(self._context, principal, narrated)

    async def rule(self, principal: Principal, approval_id: str, request: RulingRequest) -> Ruled:
        """Rules on an approval: approve, reject, or edit (a new intent through the whole gate)."""
        return await review.rule(self._context, principal, approval_id, request)

    async def cancel(
        self, principal: Principal, action_intent_id: str, reason: str
    ) -> NarratedIntent:
        """Withdraws an intent that has not started."""
        return await review.cancel(self._context, principal, action_intent_id, reason)

    async def reconcile(
        self, principal: Principal, action_intent_id: str, status: OutcomeStatus, reason: str
    ) -> NarratedIntent:
        """Says what became of an intent whose outcome is UNKNOWN: SUCCEEDED or FAILED."""
        return await review.reconcile(self._context, principal, action_intent_id, status, reason)

    # Everybody who may read

    async def timeline(self, principal: Principal, query: TimelineQuery) -> list[NarratedIntent]:
        """What was done, and what was not, newest first."""
        return await observe.timeline(self._context, principal, query)

    async def explain(self, principal: Principal, action_intent_id: str) -> Explanation:
        """Why an intent was answered as it was, and what would change the answer."""
        return await observe.explain(self._context, principal, action_intent_id)

    async def history(self, principal: Principal, action_intent_id: str) -> list[ShownEntry]:
        """The ledger entries of one intent, in order."""
        return await observe.history(self._context, principal, action_intent_id)

    async def actions(self, principal: Principal) -> Catalog:
        """The actions that may be proposed."""
        return await observe.actions(self._context, principal)

    async def events(
        self, principal: Principal, *, after: int, limit: int
    ) -> tuple[list[ShownEntry], int]:
        """The ledger entries behind a position that the caller is shown, in order, and the position
        that was read up to.
        """
        return await observe.events(self._context, principal, after=after, limit=limit)

    async def ledger(
        self, principal: Principal, *, after: int = 0, limit: int = 100
    ) -> list[Entry]:
        """The tenant's ledger, in order, from behind a position."""
        return await observe.ledger(self._context, principal, after=after, limit=limit)

    async def ledger_size(self, principal: Principal) -> int:
        """The position of the tenant's latest ledger entry."""
        return await observe.ledger_size(self._context, principal)

    async def wait_for_entries(self, principal: Principal, *, after: int, timeout_ms: int) -> bool:
        """Waits until the ledger has an entry behind a position;
        False if the time is over first.
        """
        return await observe.wait_for_entries(
            self._context, principal, after=after, timeout_ms=timeout_ms
        )

    async def counts(self, principal: Principal) -> Mapping[IntentStatus, int]:
        """How many intents are in each state that is not terminal."""
        return await observe.counts(self._context, principal)

    async def accounts_seen(self, principal: Principal, *, since: int) -> list[str]:
        """The accounts that agents named since a moment, in any order; not all, if there are very
        many.
        """
        return await observe.accounts_seen(self._context, principal, since=since)

    async def state(self, principal: Principal) -> TenantState:
        """How the tenant stands now: what waits, what is unknown, what is stopped."""
        return await observe.state(self._context, principal)

    async def stop_receipt(
        self, principal: Principal, scope: StopScope, subject: str | None = None
    ) -> StopReceipt:
        """What a stop switch holds and what is under way under it now; for one that is not on, what
        it would hold. Unavailable if that cannot be read now: the switch is on all the same.

        The operator of the installation asks with the scope GLOBAL, over all tenants.
        """
        return await stops.stop_receipt(self._context, principal, scope, subject)

    async def stop_receipts(self, principal: Principal) -> list[StopReceipt]:
        """The same of each switch that is on, in their order."""
        return await stops.stop_receipts(self._context, principal)

    async def stop_subjects(self, principal: Principal) -> StopSubjects:
        """The accounts, agents, actions and tool servers that there are, with what a stop of each
        would cover now.
        """
        return await stops.stop_subjects(self._context, principal)

    async def budget(
        self, principal: Principal, account_id: str
    ) -> tuple[BudgetRule | None, str, Mapping[str, int]]:
        """The account's budget rule, today's day in its zone, and what is used of each bucket."""
        return await observe.budget(self._context, principal, account_id)

    async def usage(self, principal: Principal, who: Who) -> list[CounterUse]:
        """What the tenant has used of its limits and counters now, and so the agent, account and
        action type that `who` names.
        """
        return await usage.usage(self._context, principal, who)

    # Owners

    async def settings(self, principal: Principal) -> Settings:
        """The tenant's settings in force."""
        return await observe.settings(self._context, principal)

    async def settings_part(self, principal: Principal, part: SettingsPart) -> tuple[Json, int]:
        """One part of the settings document, and the version to name when changing it."""
        return await settings.settings_part(self._context, principal, part)

    async def put_settings_part(
        self, principal: Principal, part: SettingsPart, value: Json, *, version: int | None
    ) -> tuple[Json, int]:
        """Replaces one part of the settings; the part as it is then, and its version.

        Tool servers are no part: they come only from the file.
        """
        return await settings.put_settings_part(
            self._context, principal, part, value, version=version
        )

    async def compare(
        self, principal: Principal, document: SettingsDocument
    ) -> Sequence[SettingsDifference]:
        """What applying a settings document would change."""
        return await settings.compare(self._context, principal, document)

    async def apply(
        self, principal: Principal, document: SettingsDocument
    ) -> Sequence[SettingsDifference]:
        """Applies a parsed settings document whole, or nothing of it; what it changed (nothing: it
        was in force already).
        """
        return await settings.apply(self._context, principal, document)

    async def check_tools(self, principal: Principal, document: SettingsDocument) -> ToolFit:
        """How the actions of a settings document fit the tools that its servers offer now."""
        return await fit.check_tools(self._context, principal, document)

    async def offered_tools(self, principal: Principal, server: str) -> ToolList:
        """The tools that one of the tenant's tool servers offers now. NotFound if it has none of
        this name; ToolCallFailed if the server does not answer.
        """
        return await pins.offered_tools(self._context, principal, server)

    async def pin_tools(
        self, principal: Principal, *, repin: frozenset[str] = frozenset()
    ) -> PinReport:
        """Pins the schema of each tool of the catalog that has no pin yet or is in `repin`
        (`server.tool`); what is known of all of them.
        """
        return await pins.pin_tools(self._context, principal, repin=repin)

    async def erase(self, principal: Principal, action_intent_id: str, reason: str) -> Erased:
        """Erases the reasons that people wrote about an intent; the ledger keeps their digests."""
        return await review.erase(self._context, principal, action_intent_id, reason)

    async def create_api_key(
        self,
        principal: Principal,
        name: str,
        role: Role,
        scope: Scope | None = None,
        *,
        replace: bool = False,
    ) -> tuple[ApiKey, str]:
        """Makes a credential, or replaces the one of its name in one step; its secret is returned
        here and never again.
        """
        return await credentials.create_api_key(
            self._context, principal, name, role, scope, replace=replace
        )

    async def new_key_text(self) -> str:
        """The text of a key that this installation may have; `ensure_api_key` makes it valid."""
        return await credentials.new_key_text(self._context)

    async def ensure_api_key(
        self, principal: Principal, name: str, role: Role, key_text: str
    ) -> bool:
        """Sees to it that the credential of this name has this secret and role; an older one ends
        in the same step. True if anything changed.
        """
        return await credentials.ensure_api_key(self._context, principal, name, role, key_text)

    async def revoke_api_key(self, principal: Principal, key_id: str) -> None:
        """Ends a credential."""
        await credentials.revoke_api_key(self._context, principal, key_id)

    async def api_keys(self, principal: Principal) -> list[ApiKey]:
        """The tenant's credentials, without their secrets."""
        return await credentials.api_keys(self._context, principal)

    # The operator of the installation, who acts for every tenant at once

    async def tenants(self, operator: Principal) -> list[str]:
        """Every tenant that has settings, by name."""
        return await installation.tenants(self._context, operator)

    async def everywhere_stop(self, operator: Principal) -> tuple[list[Json], int]:
        """The stop switches that hold for every tenant, and their version."""
        return await installation.everywhere_stop(self._context, operator)

    async def put_everywhere_stop(
        self, operator: Principal, switches: Sequence[StopSwitch]
    ) -> tuple[list[Json], int]:
        """Replaces the stop switches that hold for every tenant; as they are then, and their
        version.
        """
        return await installation.put_everywhere_stop(self._context, operator, switches)
