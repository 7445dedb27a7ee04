"""What every store must refuse to admit, and what it must count: any subject in any window, what
waits, what a person rejected, and what is the same. Also the accounts and the credentials that the
gate asks for.

A store passes this suite whole and unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clearance.core import revalidation, steps
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter, Hold
from clearance.core.credential import ApiKey, PageSession
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import Role, Scope
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.transitions import (
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    QuotaSpent,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from tests.conformance.test_store import NOT_NOW, admission, admitted, applied, started
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT
from tests.support.world import World

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True),
]
HOUR = 3_600_000
DAY = "2026-11-24"
TENANT_DAY = Counter("{}", DAY)
AGENT_DAY = Counter('{"agent":"support-agent"}', DAY)
AGENT_MINUTE = Counter('{"agent":"support-agent"}', "2026-11-24T12:00")
UNKNOWN_MONTH = Counter('{"accounts":"unknown"}', "2026-11 Europe/Oslo")
EVERY_COUNTER = (TENANT_DAY, AGENT_DAY, AGENT_MINUTE, UNKNOWN_MONTH)
A, B = b"a" * 32, b"b" * 32


def holding(wanted: Admission, *claims: Claim) -> Admission:
    """The admission with these claims instead of the gate's."""
    return replace(wanted, decision=replace(wanted.decision, hold=Hold(DAY, claims)))


def act(counter: Counter | None, limit: int | None = None, *, bucket: str = "actions") -> Claim:
    return Claim(bucket, 1, limit, counter)


async def counted(world: World, *counters: Counter, tenant: str = TENANT) -> dict[Counter, Any]:
    """What is used of counters; what is not used is left out."""
    answer = await world.store.counted(tenant, counters)
    assert set(answer) <= set(counters)
    return {counter: some for counter, use in answer.items() if (some := positive(use))}


def positive(use: Mapping[str, int]) -> dict[str, int]:
    return {bucket: used for bucket, used in use.items() if used}


async def waiting(world: World, name: str, **changes: Any) -> Admission:
    """An admission that waits for a person."""
    wanted = await admission(world, name, confidence_score=0.1, **changes)
    assert wanted.status is IntentStatus.AWAITING_APPROVAL
    return wanted


async def stored(world: World, wanted: Admission) -> IntentRecord:
    answer = await world.store.admit(wanted)
    assert isinstance(answer, Admitted)
    return answer.record


async def rejected(world: World, name: str, at: int, **asked: Any) -> IntentRecord:
    """An intent that a person said no to."""
    record = await stored(world, replace(await waiting(world, name), **asked))
    return await applied(world, steps.rule(record, APPROVER, RulingKind.REJECT, NOT_NOW, now=at))


def edit(record: IntentRecord, edited: Admission) -> Change:
    return steps.rule(record, APPROVER, RulingKind.EDIT, None, now=NOON, edited=edited)


def new_id(wanted: Admission) -> ActionIntent:
    return replace(wanted.intent, action_intent_id="of-its-own")


async def reopened(world: World, record: IntentRecord) -> IntentRecord:
    """An approved intent that has to ask a person after all."""
    await world.autonomy(modes=[{"mode": "APPROVAL_REQUIRED"}])
    settings = await world.context.fresh_settings(TENANT)
    checked = revalidation.revalidate(record, Facts(settings), NOON)
    return await applied(world, steps.reopen(record, checked, settings, actor=AGENT, now=NOON))


async def everything(world: World) -> object:
    """All that an admission could change."""
    return (
        await world.store.ledger_size(TENANT),
        await world.store.count_by_status(TENANT),
        await counted(world, *EVERY_COUNTER),
        positive(await world.used()),
        await world.store.known_accounts(TENANT, ["acme", "globex"]),
    )


async def test_a_store_looks_in_one_order_and_keeps_nothing_of_what_it_refuses(
    world: World,
) -> None:
    stale = await admission(world, "stale")
    await world.autonomy(budgets=[{"max_per_day": 100}])
    first = await stored(world, replace(await waiting(world, "first"), same_call=A))
    await rejected(world, "no", NOON + 5, likeness=B)
    await stored(world, holding(await admission(world, "full"), act(AGENT_DAY)))
    full = act(AGENT_DAY, 1)
    asked = replace(
        holding(await admission(world, "a"), act(None), act(TENANT_DAY, 9), full),
        same_call=A,
        likeness=B,
        rejected_since=NOON,
        waiting_max=1,
        quota=(act(AGENT_MINUTE, 9), act(AGENT_DAY, 1)),
        knows_account=True,
    )
    before = await everything(world)
    version = stale.decision.settings_version
    known = replace(asked, intent=replace(asked.intent, action_intent_id="first"))
    old = replace(asked, decision=replace(asked.decision, settings_version=version))
    looks: list[tuple[Admission, object]] = [
        (replace(known, decision=old.decision), AlreadyAdmitted(first)),
        (old, SettingsMoved()),
        (asked, SameCallWaits(first)),
        (asked := replace(asked, same_call=None), RejectedBefore("no", NOON + 5)),
        (asked := replace(asked, rejected_since=NOON + 6), TooManyWaiting(1)),
        (asked := replace(asked, waiting_max=2), QuotaSpent(full.place)),
    ]
    for wanted, answer in looks:
        assert await world.store.admit(wanted) == answer
    spent = await world.store.admit(asked := replace(asked, quota=(act(AGENT_MINUTE, 9),)))
    assert isinstance(spent, BudgetSpent)
    assert positive(spent.used) == {full.place: 1}
    assert await everything(world) == before
    record = await stored(world, holding(asked, act(None), act(TENANT_DAY, 9), act(AGENT_DAY, 2)))
    assert await world.record("a") == record
    assert await counted(world, *EVERY_COUNTER) == {
        TENANT_DAY: {"actions": 1},
        AGENT_DAY: {"actions": 2},
        AGENT_MINUTE: {"actions": 1},
    }
    assert positive(await world.used()) == {"actions": 1}
    assert await world.store.known_accounts(TENANT, ["acme", "globex"]) == {"acme"}


class TestCounters:
    async def test_many_at_once_take_exactly_the_limit_whatever_account_they_name(
        self, world: World
    ) -> None:
        wanted = [
            holding(
                await admission(world, f"a{number}", account_id=f"invented-{number}"),
                *(act(None, 5), act(TENANT_DAY, 7), act(AGENT_MINUTE, 30)),
            )
            for number in range(24)
        ]
        answers = await asyncio.gather(*(world.store.admit(one) for one in wanted * 2))
        taken = [answer for answer in answers if isinstance(answer, Admitted)]
        refused = [answer for answer in answers if isinstance(answer, BudgetSpent)]
        place = act(TENANT_DAY).place
        assert (len(taken), {answer.used[place] for answer in refused}) == (7, {7})
        assert await counted(world, *EVERY_COUNTER) == {
            TENANT_DAY: {"actions": 7},
            AGENT_MINUTE: {"actions": 7},
        }

    async def test_what_is_released_goes_back_to_the_very_counter_that_it_was_taken_from(
        self, world: World
    ) -> None:
        new_name = Claim("new_accounts", 1, 20, UNKNOWN_MONTH)
        claims = (act(None), act(TENANT_DAY), act(AGENT_MINUTE, 2), new_name)
        money = Claim("amount:EUR", 3_000_000_000_000, 5 * 10**15, AGENT_DAY)
        quota = Claim("blocked_bytes", 512, 10_000, AGENT_DAY)
        wanted = holding(await admission(world, "a"), *claims, money)
        record = await stored(world, replace(wanted, quota=(quota,)))
        assert record == await world.record("a")
        assert record.hold is not None
        assert record.hold.claims == (*claims, money)
        await stored(world, holding(await admission(world, "b"), act(AGENT_MINUTE, 2)))
        over = await world.store.admit(
            holding(await admission(world, "c"), act(None), act(AGENT_MINUTE, 2))
        )
        assert isinstance(over, BudgetSpent)
        later = NOON + 40 * 24 * HOUR
        cancel = steps.cancel(record, code="X", reason=None, actor=OWNER, now=later)
        await applied(world, cancel)
        assert await counted(world, *EVERY_COUNTER) == {
            AGENT_DAY: {"blocked_bytes": 512},
            AGENT_MINUTE: {"actions": 1},
            UNKNOWN_MONTH: {"new_accounts": 1},
        }
        assert positive(await world.used()) == {}
        await stored(world, holding(await admission(world, "c"), act(AGENT_MINUTE, 2)))

    async def test_claims_of_one_place_are_taken_and_given_back_together(
        self, world: World
    ) -> None:
        twice = (act(None, 2), act(None, 2), act(AGENT_DAY, 2), act(AGENT_DAY, 2))
        record = await stored(world, holding(await admission(world, "a"), *twice))
        assert await counted(world, AGENT_DAY) == {AGENT_DAY: {"actions": 2}}
        await applied(world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON))
        assert (await counted(world, AGENT_DAY), positive(await world.used())) == ({}, {})

    async def test_what_starts_stays_counted(self, world: World) -> None:
        hold = holding(await admission(world, "a"), act(None), act(AGENT_DAY, 3))
        await applied(world, await started(world, await stored(world, hold)))
        assert await counted(world, AGENT_DAY) == {AGENT_DAY: {"actions": 1}}

    async def test_each_tenant_subject_window_and_bucket_is_counted_by_itself(
        self, world: World
    ) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        claims = [act(counter, 1) for counter in EVERY_COUNTER]
        claims += [act(AGENT_DAY, 1, bucket="reads"), act(None, 1)]
        for tenant in (TENANT, "southwind"):
            wanted = await admission(world, "a", tenant_id=tenant)
            await stored(world, holding(wanted, *claims))
            assert await counted(world, *EVERY_COUNTER, tenant=tenant) == {
                **{counter: {"actions": 1} for counter in EVERY_COUNTER},
                AGENT_DAY: {"actions": 1, "reads": 1},
            }
        assert await counted(world, TENANT_DAY, tenant="nobody") == {}
        assert await world.store.counted(TENANT, []) == {}

    async def test_an_empty_hold_takes_nothing_and_starts(self, world: World) -> None:
        record = await stored(world, holding(await admission(world, "a")))
        assert record.hold == Hold(DAY, ())
        assert (await world.record("a")).hold == record.hold
        await applied(world, await started(world, record))
        assert await world.used() == {}


class TestWaiting:
    async def test_only_what_waits_of_this_agent_counts_and_it_counts_no_more_when_it_is_over(
        self, world: World
    ) -> None:
        await stored(world, await waiting(world, "others", proposed_by="another"))
        first = await stored(world, await waiting(world, "first"))
        await stored(world, await admission(world, "runs"))
        second = await stored(world, await waiting(world, "second"))
        third = replace(await waiting(world, "third"), waiting_max=2)
        assert await world.store.admit(third) == TooManyWaiting(2)
        await applied(world, steps.rule(first, APPROVER, RulingKind.REJECT, NOT_NOW, now=NOON))
        assert isinstance(await world.store.admit(third), Admitted)
        fourth = replace(await waiting(world, "fourth"), waiting_max=2)
        assert await world.store.admit(fourth) == TooManyWaiting(2)
        await applied(world, steps.cancel(second, code="X", reason=None, actor=OWNER, now=NOON))
        assert isinstance(await world.store.admit(fourth), Admitted)

    async def test_what_asks_again_counts_again(self, world: World) -> None:
        await reopened(world, await stored(world, await admission(world, "a")))
        wanted = replace(await waiting(world, "b"), waiting_max=1)
        assert await world.store.admit(wanted) == TooManyWaiting(1)

    async def test_many_at_once_leave_exactly_as_many_waiting_as_may(self, world: World) -> None:
        wanted = [replace(await waiting(world, f"w{n}"), waiting_max=5) for n in range(20)]
        answers = await asyncio.gather(*(world.store.admit(one) for one in wanted))
        assert sum(isinstance(answer, Admitted) for answer in answers) == 5
        assert {answer for answer in answers if not isinstance(answer, Admitted)} == {
            TooManyWaiting(5)
        }
        assert len(await world.store.waiting(TENANT, None, 100)) == 5


class TestLikeness:
    async def test_a_no_is_remembered_since_a_moment_by_its_likeness_and_tenant(
        self, world: World
    ) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        await rejected(world, "older", NOON + 3, likeness=A)
        await rejected(world, "newer", NOON + 9, likeness=A)
        await rejected(world, "other", NOON + 99, likeness=B)
        await rejected(world, "plain", NOON + 99)
        withdrawn = await stored(world, replace(await waiting(world, "w"), likeness=A))
        await applied(
            world, steps.cancel(withdrawn, code="X", reason=None, actor=OWNER, now=NOON + 50)
        )
        asked = replace(await admission(world, "a"), likeness=A, rejected_since=NOON + 9)
        assert await world.store.admit(asked) == RejectedBefore("newer", NOON + 9)
        assert await world.store.admit(replace(asked, rejected_since=0)) == RejectedBefore(
            "newer", NOON + 9
        )
        elsewhere = await admission(world, "a", tenant_id="southwind")
        elsewhere = replace(elsewhere, likeness=A, rejected_since=0)
        assert isinstance(await world.store.admit(elsewhere), Admitted)
        assert isinstance(
            await world.store.admit(replace(asked, rejected_since=NOON + 10)), Admitted
        )
        plain = replace(await admission(world, "b"), rejected_since=0)
        assert isinstance(await world.store.admit(plain), Admitted)

    async def test_a_no_is_as_old_as_it_was_when_its_reason_is_erased(self, world: World) -> None:
        await rejected(world, "no", NOON + 3, likeness=A)
        world.clock.now = NOON + 1_000
        await world.control.erase(OWNER, "no", "Asked by the person.")
        asked = replace(await admission(world, "a"), likeness=A, rejected_since=0)
        assert await world.store.admit(asked) == RejectedBefore("no", NOON + 3)
        later = replace(asked, rejected_since=NOON + 4)
        assert isinstance(await world.store.admit(later), Admitted)

    async def test_what_is_alike_is_listed_the_latest_fact_first(self, world: World) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        wanted = [replace(await admission(world, f"a{n}"), likeness=A) for n in range(4)]
        records = [await stored(world, one) for one in wanted]
        await stored(world, replace(await admission(world, "b"), likeness=B))
        await stored(world, await admission(world, "none"))
        other = await admission(world, "a0", tenant_id="southwind")
        await stored(world, replace(other, likeness=A))
        assert {record.likeness for record in records} == {A}
        moved = await applied(
            world, steps.cancel(records[1], code="X", reason=None, actor=OWNER, now=NOON)
        )
        latest = [moved, records[3], records[2], records[0]]
        assert await world.store.alike(TENANT, A, 10) == latest
        assert await world.store.alike(TENANT, A, 2) == latest[:2]
        assert await world.store.alike(TENANT, b"c" * 32, 10) == []
        assert (await world.record("none")).likeness is None

    async def test_the_same_call_is_answered_with_the_one_that_waits(self, world: World) -> None:
        wanted = [
            replace(await waiting(world, f"w{number}"), likeness=A, same_call=B)
            for number in range(8)
        ]
        answers = await asyncio.gather(*(world.store.admit(one) for one in wanted))
        [first] = [answer.record for answer in answers if isinstance(answer, Admitted)]
        assert [a for a in answers if not isinstance(a, Admitted)] == [SameCallWaits(first)] * 7
        runs = replace(await admission(world, "runs"), same_call=B)
        assert await world.store.admit(runs) == SameCallWaits(first)
        await stored(world, replace(await waiting(world, "unfolded"), likeness=A))
        await stored(world, replace(await waiting(world, "another"), likeness=A, same_call=A))
        await applied(world, steps.rule(first, APPROVER, RulingKind.REJECT, NOT_NOW, now=NOON))
        assert isinstance(await world.store.admit(runs), Admitted)
        again = await stored(world, replace(await waiting(world, "again"), same_call=B))
        assert await world.store.admit(replace(wanted[0], intent=new_id(wanted[0]))) == (
            SameCallWaits(again)
        )

    async def test_two_that_wait_for_the_same_call_are_answered_with_one_of_them(
        self, world: World
    ) -> None:
        first = await stored(world, replace(await admission(world, "ran"), same_call=B))
        second = await stored(world, replace(await waiting(world, "waits"), same_call=B))
        first = await reopened(world, first)
        answer = await world.store.admit(replace(await waiting(world, "new"), same_call=B))
        assert isinstance(answer, SameCallWaits)
        assert answer.record in (first, second)


class TestEdit:
    async def test_an_edit_that_is_refused_leaves_what_it_was_to_replace(
        self, world: World
    ) -> None:
        record = await stored(world, await waiting(world, "a"))
        other = await stored(world, replace(await waiting(world, "b"), same_call=A))
        await rejected(world, "no", NOON + 5, likeness=B)
        await stored(world, holding(await admission(world, "full"), act(AGENT_DAY)))
        full = act(AGENT_DAY, 1)
        plain = await admission(world, "e", supersedes="a")
        before = await everything(world)
        refusals = [
            (replace(plain, same_call=A), SameCallWaits(other)),
            (replace(plain, likeness=B, rejected_since=NOON), RejectedBefore("no", NOON + 5)),
            (replace(plain, waiting_max=2), TooManyWaiting(2)),
            (replace(plain, quota=(full,)), QuotaSpent(full.place)),
        ]
        for edited, answer in refusals:
            assert await world.store.advance(edit(record, edited)) == answer
        spent = await world.store.advance(edit(record, holding(plain, act(TENANT_DAY), full)))
        assert isinstance(spent, BudgetSpent)
        assert positive(spent.used) == {full.place: 1}
        assert await everything(world) == before
        assert await world.record("a") == record
        taken = replace(
            holding(plain, act(TENANT_DAY, 1)),
            likeness=A,
            same_call=B,
            quota=(act(AGENT_MINUTE),),
            knows_account=True,
        )
        done = await world.store.advance(edit(record, taken))
        assert isinstance(done, Applied)
        assert done.admitted == await world.record("e")
        assert done.admitted.likeness == A
        assert await counted(world, *EVERY_COUNTER) == {
            TENANT_DAY: {"actions": 1},
            AGENT_DAY: {"actions": 1},
            AGENT_MINUTE: {"actions": 1},
        }
        assert await world.store.known_accounts(TENANT, ["acme"]) == {"acme"}


class TestAccounts:
    async def test_an_account_is_known_from_the_admission_that_says_so(self, world: World) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        asked = ["acme", "globex", "initech", "x" * 128, "nobody"]
        await admitted(world, "a")
        for name, account in (("b", "globex"), ("c", "x" * 128), ("d", "globex")):
            wanted = await waiting(world, name, account_id=account)
            await stored(world, replace(wanted, knows_account=True))
        assert await world.store.known_accounts(TENANT, asked) == {"globex", "x" * 128}
        assert await world.store.known_accounts(TENANT, []) == frozenset()
        assert await world.store.known_accounts("southwind", asked) == frozenset()
        assert await world.store.known_accounts("nobody", asked) == frozenset()

    async def test_a_known_account_is_found_by_each_name_that_looks_like_it(
        self, world: World
    ) -> None:
        """Of those that were decided at once, the first alone is known."""
        names = ("umbrella", "Umbrella", "urnbreIla", "stark")
        wanted = [
            replace(await waiting(world, f"a{number}", account_id=name), knows_account=True)
            for number, name in enumerate(names)
        ]
        for each in wanted:
            await stored(world, each)
        for twin in ("umbrella", "UMBRELLA", "umbre1la"):
            assert await world.store.known_accounts(TENANT, [twin]) == {"umbrella"}
        asked = ["acme", *names]
        assert await world.store.known_accounts(TENANT, asked) == {"umbrella", "stark"}
        assert await world.store.known_accounts(TENANT, ["umbrella2", "wayne"]) == frozenset()
        long = "\ufdfa" * 128
        await stored(
            world, replace(await waiting(world, "long", account_id=long), knows_account=True)
        )
        assert await world.store.known_accounts(TENANT, [long]) == {long}

    async def test_the_accounts_of_intents_since_a_moment(self, world: World) -> None:
        await world.configure(sample.DOCUMENT, tenant_id="southwind")
        for number, account in enumerate(["old", "acme", "globex", "acme"]):
            await admitted(world, f"a{number}", account_id=account, now=NOON + number)
        old = await world.record("a0")
        await applied(world, steps.cancel(old, code="X", reason=None, actor=OWNER, now=NOON + 9))
        await admitted(world, "a", account_id="theirs", tenant_id="southwind", now=NOON + 2)
        assert sorted(await world.store.accounts_since(TENANT, NOON + 1, 10)) == ["acme", "globex"]
        assert await world.store.accounts_since(TENANT, NOON + 3, 10) == ["acme"]
        assert len(await world.store.accounts_since(TENANT, 0, 2)) == 2
        assert await world.store.accounts_since(TENANT, NOON + 4, 10) == []

    async def test_the_timeline_of_one_agent(self, world: World) -> None:
        for number in range(6):
            agent = AGENT.actor_id if number % 2 else "another"
            await admitted(world, f"a{number}", proposed_by=agent)
        mine = TimelineQuery(proposed_by="another", limit=2)
        found = await world.store.timeline(TENANT, mine)
        assert [record.intent.action_intent_id for record in found] == ["a4", "a2"]
        rest = await world.store.timeline(TENANT, replace(mine, before=found[-1].position))
        assert [record.intent.action_intent_id for record in rest] == ["a0"]
        of_account = replace(mine, account_id="globex")
        assert await world.store.timeline(TENANT, of_account) == []


class TestCredentials:
    async def test_a_name_has_ended_when_its_last_valid_key_is_revoked(self, world: World) -> None:
        store, entry = world.store, draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        assert await store.api_key_ended(TENANT, "ops") is False
        first = ApiKey("key-1", TENANT, "ops", Role.AGENT, b"1" * 32, NOON)
        await store.add_api_key(first, entry)
        assert await store.api_key_ended(TENANT, "ops") is False
        await store.revoke_api_key(TENANT, "key-1", NOON, entry)
        assert await store.api_key_ended(TENANT, "ops") is True
        assert await store.api_key_ended("southwind", "ops") is False
        await store.add_api_key(replace(first, key_id="key-2", key_hash=b"2" * 32), entry)
        assert await store.api_key_ended(TENANT, "ops") is False

    async def test_only_keys_that_may_propose_speak_for_a_name(self, world: World) -> None:
        """Else the key of an auditor would bring back what was approved of an agent that ended."""
        store, entry = world.store, draft(EntryKind.API_KEY_CREATED, NOON, OWNER)

        async def made(key_id: str, role: Role) -> bool:
            key = ApiKey(key_id, TENANT, "ops", role, key_id.encode() * 16, NOON)
            await store.add_api_key(key, entry)
            return await store.api_key_ended(TENANT, "ops")

        async def ended(key_id: str) -> bool:
            await store.revoke_api_key(TENANT, key_id, NOON, entry)
            return await store.api_key_ended(TENANT, "ops")

        assert (await made("k1", Role.AUDITOR), await ended("k1")) == (False, False)
        assert (await made("k2", Role.AGENT), await ended("k2")) == (False, True)
        assert (await made("k3", Role.AUDITOR), await ended("k3")) == (True, True)
        assert (await made("k4", Role.APPROVER), await ended("k4")) == (True, True)
        assert (await made("k5", Role.OWNER), await ended("k5")) == (False, True)

    async def test_a_key_keeps_its_scope(self, world: World) -> None:
        store, entry = world.store, draft(EntryKind.API_KEY_CREATED, NOON, OWNER)
        scopes = [
            Scope(),
            Scope(accounts=frozenset({"acme", "größe"})),
            Scope(action_types=frozenset({"CREATE_TASK"})),
            Scope(accounts=frozenset(), action_types=frozenset({"A", "B"})),
        ]
        for number, scope in enumerate(scopes):
            secret = bytes([number]) * 32
            key = ApiKey(f"key-{number}", TENANT, f"n{number}", Role.AGENT, secret, NOON)
            await store.add_api_key(replace(key, scope=scope), entry)
            await store.add_session(PageSession(secret, key.key_id, NOON, NOON + HOUR))
            assert await store.api_key(secret) == replace(key, scope=scope)
            assert await store.session_key(secret, NOON) == replace(key, scope=scope)
        assert [key.scope for key in await store.api_keys(TENANT)] == scopes
