"""What every store must do, whatever it is made of.

A store passes this suite whole and unchanged.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import replace
from typing import Any

import pytest

from clearance.core import revalidation, steps
from clearance.core.approval import ApprovalSource, ApprovalState, RulingKind
from clearance.core.budget import HoldState
from clearance.core.credential import ApiKey, PageSession
from clearance.core.decision import Answer, Finding
from clearance.core.errors import Conflict
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.ledger import EntryKind, Reason, draft
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Principal, Role, system
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus
from clearance.flow.ports.credentials import Credentials, ReplacedKey
from clearance.flow.ports.due import Due, DueReads
from clearance.flow.ports.intents import IntentReads, TimelineQuery
from clearance.flow.ports.ledger import LedgerReads
from clearance.flow.ports.settings import SettingsChange, SettingsStore
from clearance.flow.ports.totals import Backlog, Totals
from clearance.flow.ports.transitions import (
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    RecordMoved,
    SettingsMoved,
)
from clearance.flow.submit import admission_of
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT
from tests.support.world import World

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True),
]
HOUR = 3_600_000
NOT_NOW = Reason("not now", b"r" * 16)
COMMITS = {"configure", "keep_tools", "add_api_key", "revoke_api_key", "add_session", "end_session"}


async def admission(
    world: World,
    name: str,
    *,
    now: int = NOON,
    by: Principal = AGENT,
    approves: bool = False,
    **changes: Any,
) -> Admission:
    """What the gate makes of a task, by default AUTO_EXECUTE with a hold on one action."""
    said: dict[str, Any] = {
        "tenant_id": TENANT,
        "account_id": "acme",
        "action_intent_id": name,
        "action_type": "CREATE_TASK",
        "parameters": {"title": "Renewal call"},
        "confidence_score": 0.9,
        "risk_level": RiskLevel.LOW,
        "proposed_by": AGENT.actor_id,
    }
    intent = ActionIntent(**(said | changes))
    settings = await world.context.fresh_settings(intent.tenant_id)
    return admission_of(
        intent,
        checked_content(intent),
        Facts(settings),
        replace(by, tenant_id=intent.tenant_id),
        salt=b"s" * 16,
        now=now,
        approves=approves,
    )


async def admitted(world: World, name: str, **changes: Any) -> IntentRecord:
    answer = await world.store.admit(await admission(world, name, **changes))
    assert isinstance(answer, Admitted)
    return answer.record


async def started(world: World, record: IntentRecord) -> Change:
    settings = await world.context.fresh_settings(TENANT)
    checked = revalidation.revalidate(record, Facts(settings), NOON)
    return steps.start_attempt(record, checked, settings, worker="w", actor=AGENT, now=NOON)


async def applied(world: World, change: Change) -> IntentRecord:
    answer = await world.store.advance(change)
    assert isinstance(answer, Applied)
    return answer.record


def long_findings(count: int = 200) -> tuple[Finding, ...]:
    """Some 90 kB."""
    return tuple(
        Finding(f"check-{number}", Answer.REQUIRE_APPROVAL, "LONG", "x" * 400, {"n": number})
        for number in range(count)
    )


async def long(world: World, name: str = "a", *, now: int = NOON) -> Admission:
    """An admission whose decision is longer than an entry may be."""
    asked = await admission(world, name, now=now, confidence_score=0.1)
    settings = await world.context.fresh_settings(TENANT)
    decision = replace(asked.decision, findings=long_findings())
    content = checked_content(asked.intent)
    return steps.admit(
        asked.intent, content, decision, settings, salt=asked.salt, actor=AGENT, now=now
    )


class TestAdmit:
    async def test_what_is_admitted_is_read_back_as_it_was(self, world: World) -> None:
        record = await admitted(
            world,
            "a",
            target={"deal": "D-1"},
            why=("because",),
            expires_at=NOON + HOUR,
            trace_id="run-1",
            parameters={"title": "ünïcode \u202e 'quotes' \\ 1e3"},
        )
        assert await world.store.intent(TENANT, "a") == record
        assert (record.revision, record.status, record.hold and record.hold.state) == (
            1,
            IntentStatus.APPROVED,
            HoldState.HELD,
        )

    async def test_a_known_id_is_answered_with_its_record_before_anything_else(
        self, world: World
    ) -> None:
        first = await admitted(world, "a")
        stale = await admission(world, "a", parameters={"title": "Other"})
        await world.autonomy(budgets=[])
        assert await world.store.admit(stale) == AlreadyAdmitted(first)

    async def test_settings_that_moved_are_noticed_and_nothing_is_stored(
        self, world: World
    ) -> None:
        decided = await admission(world, "a")
        await world.autonomy(modes=[])
        size = await world.store.ledger_size(TENANT)
        assert await world.store.admit(decided) == SettingsMoved()
        assert await world.store.intent(TENANT, "a") is None
        assert (await world.store.ledger_size(TENANT), await world.used()) == (size, {})

    async def test_a_switch_that_holds_everywhere_moves_the_settings_of_every_tenant(
        self, world: World
    ) -> None:
        decided = await admission(world, "a")
        await world.configure({"stop_switches": []}, tenant_id="*")
        assert await world.store.admit(decided) == SettingsMoved()

    async def test_nothing_starts_under_a_switch_that_came_between_look_and_claim(
        self, world: World
    ) -> None:
        record = await admitted(world, "a")
        settings = await world.context.fresh_settings(TENANT)
        checked = revalidation.revalidate(record, Facts(settings), world.clock.now_ms())
        claim = steps.start_attempt(
            record, checked, settings, worker="w", actor=system(TENANT), now=world.clock.now_ms()
        )
        await world.configure({"stop_switches": []}, tenant_id="*")
        assert await world.store.advance(claim) == SettingsMoved()
        assert (await world.record("a")).status is IntentStatus.APPROVED

    async def test_all_buckets_of_a_hold_are_taken_or_none(self, world: World) -> None:
        for number in range(2):
            await admitted(world, f"m{number}", **_mail())
        wanted = await admission(world, "m2", **_mail())
        assert wanted.decision.hold is not None
        places = {claim.place for claim in wanted.decision.hold.claims}
        assert await world.store.admit(wanted) == BudgetSpent(dict.fromkeys(places, 2))
        assert await world.used() == {"actions": 2, "actions:SEND_MAIL": 2}

    async def test_many_at_once_take_exactly_the_limit_and_a_repeat_takes_nothing(
        self, world: World
    ) -> None:
        wanted = [await admission(world, f"a{number}") for number in range(40)]
        shuffled = wanted * 3
        random.Random(1).shuffle(shuffled)
        answers = await asyncio.gather(*(world.store.admit(one) for one in shuffled))
        assert sum(isinstance(answer, Admitted) for answer in answers) == 10
        assert await world.used() == {"actions": 10, "actions:CREATE_TASK": 10}
        assert len(await world.store.entries(TENANT, 0, 1_000)) == 1 + 10

    async def test_each_account_and_each_day_has_its_own_budget(self, world: World) -> None:
        await admitted(world, "a")
        await admitted(world, "b", account_id="globex")
        await admitted(world, "c", now=NOON + 24 * HOUR)
        assert await world.used("acme") == {"actions": 1, "actions:CREATE_TASK": 1}
        assert await world.used("globex") == {"actions": 1, "actions:CREATE_TASK": 1}
        assert await world.used("acme", "2026-11-25") == {"actions": 1, "actions:CREATE_TASK": 1}

    async def test_the_same_id_in_another_tenant_is_another_intent(self, world: World) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        await admitted(world, "a")
        await admitted(world, "a", tenant_id="southwind")
        assert await world.store.budget_used("southwind", "acme", "2026-11-24") == {
            "actions": 1,
            "actions:CREATE_TASK": 1,
        }
        assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


class TestAdvance:
    async def test_a_change_needs_the_revision_that_it_was_made_from(self, world: World) -> None:
        record = await admitted(world, "a")
        change = await started(world, record)
        after = await applied(world, change)
        assert (after.status, after.revision, after.attempt) == (
            IntentStatus.RUNNING,
            2,
            change.attempt,
        )
        assert after.hold is not None
        assert after.hold.state is HoldState.SETTLED
        assert await world.store.advance(change) == RecordMoved()
        assert (
            await world.store.advance(replace(change, action_intent_id="nothing")) == RecordMoved()
        )
        assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}

    async def test_only_one_of_many_equal_changes_is_applied(self, world: World) -> None:
        change = await started(world, await admitted(world, "a"))
        answers = await asyncio.gather(*(world.store.advance(change) for _ in range(20)))
        assert sum(isinstance(answer, Applied) for answer in answers) == 1
        assert len(await world.store.entries_about(TENANT, "a")) == 2

    async def test_a_change_that_depends_on_the_settings_needs_them_in_force(
        self, world: World
    ) -> None:
        change = await started(world, await admitted(world, "a"))
        await world.autonomy(modes=[])
        assert await world.store.advance(change) == SettingsMoved()
        assert (await world.record("a")).status is IntentStatus.APPROVED

    async def test_a_released_hold_gives_back_what_it_took_on_its_own_day(
        self, world: World
    ) -> None:
        record = await admitted(world, "m", **_mail())
        now = NOON + 30 * HOUR
        after = await applied(
            world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=now)
        )
        assert (after.status, await world.used()) == (
            IntentStatus.CANCELLED,
            {"actions": 0, "actions:SEND_MAIL": 0},
        )

    async def test_a_ruling_closes_the_approval_and_keeps_who_and_why(self, world: World) -> None:
        record = await admitted(world, "a", confidence_score=0.1)
        change = steps.rule(record, APPROVER, RulingKind.REJECT, NOT_NOW, now=NOON + 1)
        approval = (await applied(world, change)).approval
        assert approval is not None
        assert approval.state is ApprovalState.REJECTED
        assert approval.decisive is not None
        assert (approval.decisive.ruled_by, approval.decisive.reason) == ("olga", "not now")
        assert (await world.record("a")).approval == approval

    async def test_a_step_that_decided_anew_is_read_back_with_its_own_decision(
        self, world: World
    ) -> None:
        record = await admitted(world, "a")
        await world.autonomy(modes=[{"mode": "APPROVAL_REQUIRED"}])
        settings = await world.context.fresh_settings(TENANT)
        checked = revalidation.revalidate(record, Facts(settings), NOON)
        after = await applied(world, steps.reopen(record, checked, settings, actor=AGENT, now=NOON))
        assert after.status is IntentStatus.AWAITING_APPROVAL
        assert after.decision.reason == checked.decision.reason != record.decision.reason
        assert after.binding == checked.binding
        assert await world.record("a") == after
        assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}

    async def test_an_edit_is_applied_with_its_new_intent_or_not_at_all(self, world: World) -> None:
        waiting = await admitted(world, "a", confidence_score=0.1)
        for number in range(10):
            await admitted(world, f"b{number}")
        edited = await admission(world, "e", supersedes="a")
        change = steps.rule(waiting, APPROVER, RulingKind.EDIT, None, now=NOON, edited=edited)
        assert isinstance(await world.store.advance(change), BudgetSpent)
        assert await world.record("a") == waiting
        assert await world.store.intent(TENANT, "e") is None
        elsewhere = await admission(world, "e", supersedes="a", account_id="globex")
        change = steps.rule(waiting, APPROVER, RulingKind.EDIT, None, now=NOON, edited=elsewhere)
        answer = await world.store.advance(change)
        assert isinstance(answer, Applied)
        assert answer.admitted == await world.record("e")

    async def test_an_edit_that_its_editor_approved_is_kept_with_their_ruling(
        self, world: World
    ) -> None:
        waiting = await admitted(world, "a", confidence_score=0.1)
        editor = OWNER.actor_id
        made = await admission(
            world, "e", supersedes="a", edited_by=editor, by=OWNER, approves=True
        )
        change = steps.rule(waiting, OWNER, RulingKind.EDIT, None, now=NOON, edited=made)
        answer = await world.store.advance(change)
        assert isinstance(answer, Applied)
        kept = await world.record("e")
        assert answer.admitted == kept
        assert (kept.status, kept.approval_source) == (IntentStatus.APPROVED, ApprovalSource.HUMAN)
        assert kept.approval is not None
        assert kept.binding is not None
        assert (kept.approval.state, kept.approval.digest) == (
            ApprovalState.APPROVED,
            kept.binding.digest,
        )
        assert [ruling.ruled_by for ruling in kept.approval.rulings] == [editor]
        assert "e" in {due.action_intent_id for due in await world.store.approved(10)}
        assert await world.store.waiting(TENANT, None, 10) == []


class TestLedger:
    async def test_positions_count_from_one_without_gaps_for_each_tenant(
        self, world: World
    ) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        await asyncio.gather(
            *[
                world.store.admit(
                    await admission(world, f"a{number}", tenant_id=tenant, account_id=f"x{number}")
                )
                for number in range(30)
                for tenant in (TENANT, "southwind")
            ]
        )
        for tenant in (TENANT, "southwind"):
            entries = await world.store.entries(tenant, 0, 1_000)
            assert [entry.position for entry in entries] == list(range(1, 32))
            assert {entry.fields["tenant_id"] for entry in entries} == {tenant}
        assert [entry.position for entry in await world.store.entries(TENANT, 10, 5)] == [
            11,
            12,
            13,
            14,
            15,
        ]

    async def test_a_reader_that_waits_is_told_of_the_next_entry_at_once(
        self, world: World
    ) -> None:
        size = await world.store.ledger_size(TENANT)
        reader = asyncio.create_task(world.store.wait_for_entries(TENANT, size, 60_000))
        await asyncio.sleep(0.01)
        await admitted(world, "a")
        assert await asyncio.wait_for(reader, 1) is True
        assert await world.store.wait_for_entries(TENANT, size + 1, 10) is False


class TestReads:
    async def test_another_tenant_sees_nothing(self, world: World) -> None:
        await admitted(world, "a", confidence_score=0.1)
        other = "southwind"
        assert await world.store.intent(other, "a") is None
        assert await world.store.timeline(other, TimelineQuery()) == []
        assert await world.store.waiting(other, None, 10) == []
        assert await world.store.entries(other, 0, 10) == []
        assert await world.store.entries_about(other, "a") == []
        assert await world.store.budget_used(other, "acme", "2026-11-24") == {}
        assert await world.store.count_by_status(other) == {}
        assert await world.store.api_keys(other) == []

    async def test_the_timeline_is_filtered_and_paged_by_the_latest_fact(
        self, world: World
    ) -> None:
        first = await admitted(world, "a")
        await admitted(world, "b", account_id="globex", confidence_score=0.1, now=NOON + 1_000)
        await admitted(world, "m", now=NOON + 2_000, **_mail())
        await applied(world, await started(world, first))
        names = await _timeline(world, TimelineQuery())
        assert names == ["a", "m", "b"]
        assert await _timeline(world, TimelineQuery(limit=1)) == ["a"]
        before = (await world.record("a")).position
        assert await _timeline(world, TimelineQuery(before=before)) == ["m", "b"]
        assert await _timeline(world, TimelineQuery(account_id="globex")) == ["b"]
        assert await _timeline(world, TimelineQuery(action_type="SEND_MAIL")) == ["m"]
        assert await _timeline(world, TimelineQuery(auto_executed=False)) == ["b"]
        assert await _timeline(world, TimelineQuery(auto_executed=True)) == ["a", "m"]
        assert await _timeline(world, TimelineQuery(statuses=(IntentStatus.RUNNING,))) == ["a"]
        assert await _timeline(world, TimelineQuery(since=NOON + 500, until=NOON + 1_500)) == ["b"]

    async def test_what_waits_is_paged_oldest_first(self, world: World) -> None:
        for name in ("c", "a", "b"):
            await admitted(world, name, confidence_score=0.1)
        assert [
            one.intent.action_intent_id for one in await world.store.waiting(TENANT, None, 2)
        ] == ["c", "a"]
        assert [
            one.intent.action_intent_id for one in await world.store.waiting(TENANT, "a", 2)
        ] == ["b"]
        assert await world.store.count_by_status(TENANT) == {IntentStatus.AWAITING_APPROVAL: 3}

    async def test_the_sweeper_finds_what_is_due_and_nothing_else(self, world: World) -> None:
        for name in ("a", "b"):
            await admitted(world, name)
        running = await applied(world, await started(world, await admitted(world, "r")))
        await admitted(world, "w", confidence_score=0.1)
        await admitted(world, "x", expires_at=NOON + HOUR)
        assert running.attempt is not None
        lease = running.attempt.lease_until
        approved = [_due(name) for name in ("a", "b", "x")]
        assert await world.store.approved(10) == approved
        assert await world.store.approved(10, approved[0]) == approved[1:]
        assert await world.store.expired(NOON + HOUR - 1, 10) == []
        assert await world.store.expired(NOON + HOUR, 10) == [_due("x")]
        assert await world.store.expired(NOON + 73 * HOUR, 10) == [_due("x"), _due("w", None)]
        assert await world.store.dead_leases(lease - 1, 10) == []
        assert await world.store.dead_leases(lease, 10) == [_due("r")]
        assert await world.store.dead_leases(NOON, 10, living_worker="other") == [_due("r")]
        assert await world.store.dead_leases(NOON, 10, living_worker="w") == []
        assert await world.store.dead_leases(lease, 10, _due("r")) == []


class TestTotals:
    async def test_what_is_open_and_due_is_added_up_over_all_tenants(self, world: World) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        await world.configure({"stop_switches": []}, tenant_id="*")
        before = await world.store.totals(NOON)
        assert (dict(before.open), before.ledger_entries) == ({}, 3)
        assert (before.expired_since, before.lease_over_since) == (None, None)
        assert {name: version for name, version in before.settings_versions.items() if version} == {
            TENANT: 1,
            "southwind": 1,
            "*": 1,
        }
        await admitted(world, "w", confidence_score=0.1, now=NOON + 9)
        await admitted(world, "w", confidence_score=0.1, now=NOON + 8, tenant_id="southwind")
        await admitted(world, "x", expires_at=NOON + HOUR)
        running = await applied(world, await started(world, await admitted(world, "r")))
        await admitted(world, "b", action_type="NO_SUCH_THING")
        assert running.attempt is not None
        lease = running.attempt.lease_until
        assert (await world.store.totals(lease)) == Totals(
            open={
                IntentStatus.AWAITING_APPROVAL: Backlog(2, NOON + 8),
                IntentStatus.APPROVED: Backlog(1, NOON),
                IntentStatus.RUNNING: Backlog(1, NOON),
            },
            expired_since=None,
            lease_over_since=lease,
            ledger_entries=3 + 6,
            settings_versions=before.settings_versions,
        )
        assert (await world.store.totals(lease - 1)).lease_over_since is None
        assert (await world.store.totals(NOON + HOUR - 1)).expired_since is None
        unknown = Outcome(OutcomeStatus.UNKNOWN, "No answer came.")
        await applied(
            world, steps.record_outcome(running, 1, unknown, tries=1, actor=AGENT, now=NOON + 7)
        )
        after = await world.store.totals(NOON + 2 * HOUR)
        assert after.open[IntentStatus.UNKNOWN] == Backlog(1, NOON + 7)
        assert IntentStatus.RUNNING not in after.open
        assert (after.expired_since, after.lease_over_since) == (NOON + HOUR, None)
        assert after.ledger_entries == 3 + 7

    async def test_a_backlog_is_counted_up_to_its_bound(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(4):
            await admitted(world, f"w{number}", confidence_score=0.1, now=NOON + number)
        for back_end in ("sqlite", "postgres", "dynamodb"):
            monkeypatch.setattr(f"clearance.stores.{back_end}.totals.COUNTED_MAX", 3)
        monkeypatch.setattr("clearance.stores.dynamodb.totals.LOOKED_AT_MAX", 2)
        found = await world.store.totals(NOON)
        assert found.open == {IntentStatus.AWAITING_APPROVAL: Backlog(3, NOON)}


class TestSettings:
    async def test_a_change_needs_the_version_that_it_was_made_from(self, world: World) -> None:
        entry = draft(EntryKind.SETTINGS_CHANGED, NOON, OWNER)
        change = SettingsChange(TENANT, 1, {"policy": "x"}, entry, NOON)
        answers = await asyncio.gather(*(world.store.configure(change) for _ in range(5)))
        assert sum(answer == SettingsMoved() for answer in answers) == 4
        stored = await world.store.settings(TENANT)
        assert (stored.version.tenant, stored.document) == (2, {"policy": "x"})
        assert await world.store.settings_version(TENANT) == stored.version
        assert len(await world.store.entries(TENANT, 0, 10)) == 2

    async def test_nobody_configured_anything(self, world: World) -> None:
        stored = await world.store.settings("nobody")
        assert (stored.version, stored.document) == ((0, 0), {})
        assert await world.store.tenants() == [TENANT]


class TestCredentials:
    def key(self, name: str = "ops", secret: bytes = b"h" * 32, tenant_id: str = TENANT) -> ApiKey:
        return ApiKey(f"key-{name}-{tenant_id}", tenant_id, name, Role.APPROVER, secret, NOON)

    async def test_a_key_is_found_by_its_hash_until_it_is_revoked_and_its_sessions_end_with_it(
        self, world: World
    ) -> None:
        entry = draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        key = self.key()
        await world.store.add_api_key(key, entry)
        assert await world.store.api_key(b"h" * 32) == key
        assert await world.store.api_key(b"x" * 32) is None
        await world.store.add_session(PageSession(b"t" * 32, key.key_id, NOON, NOON + HOUR))
        assert await world.store.session_key(b"t" * 32, NOON) == key
        assert await world.store.session_key(b"t" * 32, NOON + HOUR) is None
        assert await world.store.revoke_api_key("southwind", key.key_id, NOON, entry) is False
        assert await world.store.revoke_api_key(TENANT, key.key_id, NOON + 1, entry) is True
        assert await world.store.revoke_api_key(TENANT, key.key_id, NOON + 1, entry) is False
        assert await world.store.api_key(b"h" * 32) is None
        assert await world.store.session_key(b"t" * 32, NOON) is None
        assert await world.store.api_keys(TENANT) == [replace(key, revoked_at=NOON + 1)]

    async def test_names_and_secrets_of_valid_keys_are_unique(self, world: World) -> None:
        entry = draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        await world.store.add_api_key(self.key(), entry)
        size = await world.store.ledger_size(TENANT)
        for taken in (
            self.key(secret=b"i" * 32),
            self.key(name="other"),
            self.key(tenant_id="southwind"),
        ):
            with pytest.raises(Conflict):
                await world.store.add_api_key(taken, entry)
        assert await world.store.ledger_size(TENANT) == size

    @pytest.mark.parametrize(
        "secret",
        [b"i" * 32, b"h" * 32, b"\x02" + b"i" * 32],
        ids=["new secret", "same secret", "quick hash"],
    )
    async def test_a_key_takes_the_place_of_another_in_one_step(
        self, world: World, secret: bytes
    ) -> None:
        store = world.store
        created = draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        ended = draft(EntryKind.API_KEY_REVOKED, NOON, OWNER)
        old, new = self.key(), replace(self.key(secret=secret), key_id="new", created_at=NOON + 1)
        await store.add_api_key(old, created)
        await store.add_session(PageSession(b"t" * 32, old.key_id, NOON, NOON + HOUR))
        await store.add_api_key(new, created, ReplacedKey(old.key_id, ended))
        kinds = [entry["kind"] for entry in await world.entries()]
        assert kinds[-3:] == ["API_KEY_CREATED", "API_KEY_REVOKED", "API_KEY_CREATED"]
        assert await store.api_keys(TENANT) == [replace(old, revoked_at=NOON + 1), new]
        assert await store.api_key(secret) == new
        assert secret == old.key_hash or await store.api_key(old.key_hash) is None
        assert await store.session_key(b"t" * 32, NOON) is None
        assert await store.revoke_api_key(TENANT, "new", NOON + 2, ended) is True
        assert await store.api_key(secret) is None

    async def test_what_cannot_be_replaced_changes_nothing(self, world: World) -> None:
        store = world.store
        created = draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        old, other = self.key(), self.key(name="other", secret=b"o" * 32)
        theirs = self.key(tenant_id="southwind", secret=b"s" * 32)
        for key in (old, other, theirs):
            await store.add_api_key(key, created)
        size = await store.ledger_size(TENANT)

        async def refused(key: ApiKey, replaces: str) -> str:
            new = replace(key, key_id="new")
            with pytest.raises(Conflict) as caught:
                await store.add_api_key(new, created, ReplacedKey(replaces, created))
            return caught.value.code

        assert await refused(self.key(secret=b"o" * 32), old.key_id) == "API_KEY_EXISTS"
        assert await refused(self.key(secret=b"n" * 32), theirs.key_id) == "API_KEY_ENDED"
        assert await refused(self.key(secret=b"n" * 32), "none") == "API_KEY_ENDED"
        assert await store.ledger_size(TENANT) == size
        assert await store.api_keys(TENANT) == [old, other]
        await store.revoke_api_key(TENANT, old.key_id, NOON, created)
        assert await refused(self.key(secret=b"n" * 32), old.key_id) == "API_KEY_ENDED"
        assert await store.ledger_size(TENANT) == size + 1

    async def test_a_browser_that_signs_out_is_out(self, world: World) -> None:
        await world.store.add_api_key(self.key(), draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
        await world.store.add_session(PageSession(b"t" * 32, self.key().key_id, NOON, NOON + HOUR))
        await world.store.end_session(b"t" * 32)
        assert await world.store.session_key(b"t" * 32, NOON) is None

    async def test_the_salt_stays_the_same(self, world: World) -> None:
        salt = await world.store.installation_salt()
        assert len(salt) == 16
        assert await world.store.installation_salt() == salt


async def test_what_is_committed_is_answered_without_another_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, entry = world.store, draft(EntryKind.SETTINGS_CHANGED, NOON, OWNER)
    wanted = await admission(world, "a")
    key = ApiKey("key-1", TENANT, "ops", Role.APPROVER, b"h" * 32, NOON)
    session = PageSession(b"t" * 32, key.key_id, NOON, NOON + HOUR)
    ports = (IntentReads, LedgerReads, SettingsStore, Credentials, DueReads)
    reads = {name for port in ports for name in vars(port) if not name.startswith("_")} - COMMITS
    assert {"intent", "settings", "settings_version", "api_keys", "ledger_size"} <= reads

    async def gone(*_: object, **__: object) -> Any:
        raise AssertionError

    for name in reads:
        monkeypatch.setattr(store, name, gone)
    admitted_now = await store.admit(wanted)
    assert isinstance(admitted_now, Admitted)
    cancel = steps.cancel(admitted_now.record, code="X", reason=None, actor=OWNER, now=NOON)
    assert isinstance(await store.advance(cancel), Applied)
    assert await store.configure(SettingsChange(TENANT, 1, {"policy": "x"}, entry, NOON)) == 2
    await store.add_api_key(key, entry)
    await store.add_session(session)
    await store.end_session(session.token_hash)
    assert await store.revoke_api_key(TENANT, key.key_id, NOON, entry) is True


async def test_a_tool_is_kept_once_by_its_digest_and_by_its_tenant(world: World) -> None:
    store, most = world.store, {"description": secrets.token_hex(400_000), "\0": 2**70}
    await store.keep_tools(TENANT, {"a": {"name": "a"}, "b": most})
    await store.keep_tools(TENANT, {"a": {"name": "another"}})
    await store.keep_tools("other", {"c": {"name": "c"}})
    assert await store.kept_tools(TENANT, ["a", "b", "c", "d"]) == {"a": {"name": "a"}, "b": most}
    assert await store.kept_tools("other", ["a", "c"]) == {"c": {"name": "c"}}
    assert await store.kept_tools("nobody", ["a"]) == {}
    assert await store.kept_tools(TENANT, []) == {}
    assert (await store.settings(TENANT)).version.tenant == 1


async def _timeline(world: World, query: TimelineQuery) -> list[str]:
    return [record.intent.action_intent_id for record in await world.store.timeline(TENANT, query)]


def _due(name: str, approval_source: ApprovalSource | None = ApprovalSource.POLICY) -> Due:
    return Due(TENANT, name, "CREATE_TASK", approval_source)


def _mail() -> dict[str, Any]:
    return {
        "action_type": "SEND_MAIL",
        "parameters": {"to": "a@example.com", "subject": "s", "body": "b"},
    }
