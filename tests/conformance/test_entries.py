"""The format of ledger entries: what stands in one, what stands beside it, what can be erased, and
what another version wrote. Every store keeps this suite.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import ANY

import pytest

from clearance.configuration.fitting import STOP_SWITCHES_MAX
from clearance.configuration.values import SENTENCE_LENGTH_MAX
from clearance.core import revalidation, steps
from clearance.core.approval import RulingKind
from clearance.core.canonical import canonical, digest
from clearance.core.errors import Conflict, Forbidden, Refusal
from clearance.core.gate import Facts
from clearance.core.ledger import ENTRY_BYTES_MAX, PARTS, Draft, Entry, EntryKind, Reason
from clearance.core.outcome import CallError, ErrorClass, OutcomeStatus, Sent
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.settings import TOOL_SECTIONS, document_digest
from clearance.flow import execute, observe
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.ports.transitions import Admitted, Applied
from clearance.flow.requests import RulingRequest, SettingsPart
from tests.aws.support.table import Table
from tests.conformance.test_store import HOUR, admission, admitted, applied, long, long_findings
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT, mail, task
from tests.support.world import World

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True),
]
DAY = 24 * HOUR
REJECT = RulingRequest(RulingKind.REJECT, "Ann asked for it: ann@example.com \0 \u2028")


async def about(world: World, name: str) -> list[Entry]:
    return await world.store.entries_about(TENANT, name)


async def rejected(world: World, name: str = "a") -> Entry:
    """An intent that a person rejected with a reason: the entry of the ruling."""
    await world.propose(task(name, confidence_score=0.1))
    await world.control.rule(APPROVER, f"{name}.1", REJECT)
    return (await about(world, name))[-1]


async def reconciled(world: World) -> Entry:
    """A mail of which no answer came, and which a person settled."""

    async def silent(_: ToolCall) -> Any:
        raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, "No answer came.", Sent.MAYBE))

    world.tools.behave = silent
    await world.propose(mail("m"))
    await world.run("m")
    world.clock.forward(DAY)
    await world.control.reconcile(OWNER, "m", OutcomeStatus.SUCCEEDED, "Seen in Ann's inbox.")
    return (await about(world, "m"))[-1]


class TestWhoAndWhat:
    async def test_an_entry_names_its_revision_its_credential_and_the_settings(
        self, world: World
    ) -> None:
        stored = await world.store.settings(TENANT)
        own = document_digest(stored.document, stored.salt)
        agent, person = replace(AGENT, credential="key-1"), replace(APPROVER, credential="key-2/ab")
        await world.propose(task("a", confidence_score=0.1), agent)
        await world.control.rule(person, "a.1", RulingRequest(RulingKind.APPROVE))
        await world.run("a")
        entries = [entry.fields for entry in await about(world, "a")]
        assert [entry["revision"] for entry in entries] == [1, 2, 3, 4]
        known = [entry.get("credential") for entry in entries]
        assert known == ["key-1", "key-2/ab", None, None]
        assert {entry["format"] for entry in entries} == {2}
        assert entries[0]["decision"]["settings_digest"] == [own, None]
        assert (await world.record("a")).decision.settings_digest == (own, None)

    async def test_a_change_of_settings_has_a_digest_for_each_part(self, world: World) -> None:
        _, version = await world.control.settings_part(OWNER, SettingsPart.MODES)
        modes = {"modes": [{"mode": "APPROVAL_REQUIRED"}]}
        await world.control.put_settings_part(OWNER, SettingsPart.MODES, modes, version=version)
        entry = (await world.entries())[-1]
        stored = await world.store.settings(TENANT)
        document, salt = stored.document, stored.salt
        assert salt is not None
        parts = {name: digest(document[name]) for name in ("policy", "catalog", "autonomy")}
        servers = {"salt": salt.hex(), "part": document["tool_servers"]}
        parts |= {"tool_servers": digest(servers), "stop_switches": None}
        parts |= dict.fromkeys(TOOL_SECTIONS)
        assert entry["parts"] == parts
        assert entry["digest"] == digest(parts) == document_digest(document, salt)
        assert entry["changed"] == ["modes"]
        decided = await world.propose(task("a"))
        assert decided.decision.settings_digest.tenant == entry["digest"]

    async def test_what_version_0_1_stored_has_the_digest_that_it_wrote(self, world: World) -> None:
        stored = await world.store.settings(TENANT)
        assert stored.salt is None
        decided = await world.propose(task("a"))
        assert decided.decision.settings_digest.tenant == digest(dict(stored.document))


class TestReasons:
    async def test_a_reason_stands_beside_its_entry_which_binds_it(self, world: World) -> None:
        entry = await rejected(world)
        [text] = entry.texts
        assert b"ann@example.com" not in entry.body
        assert text.salt is not None
        bound = "sha256:" + sha256(text.salt + text.text.encode()).hexdigest()
        assert entry.fields["reason_digest"] == bound
        assert json.loads(text.text) == REJECT.reason == entry.in_full["reason"]
        assert (await world.store.entries(TENANT, entry.position - 1, 1)) == [entry]

    async def test_an_erased_reason_is_gone_and_its_entry_keeps_its_digest(
        self, world: World
    ) -> None:
        before = await rejected(world)
        record = await world.record("a")
        erased = await world.control.erase(OWNER, "a", "Ann asked for it.")
        assert erased.reasons == ((before.position, "/reason"),)
        *earlier, after, last = await about(world, "a")
        assert (after.body, after.texts) == (before.body, ())
        assert after.in_full == {**before.fields, "erased": ["/reason"]}
        assert (last.fields["kind"], last.fields["revision"]) == ("CONTENT_ERASED", 3)
        assert last.fields["erases"] == [{"position": before.position, "text": "/reason"}]
        assert last.in_full["reason"] == "Ann asked for it."
        found = await world.record("a")
        assert found == erased.record
        assert (found.status, found.revision, len(earlier)) == (record.status, 3, 1)
        assert found.approval is not None
        assert found.approval.decisive is not None
        assert (found.approval.decisive.reason, found.approval.decisive.erased) == (None, True)
        with pytest.raises(Conflict) as again:
            await world.control.erase(OWNER, "a", "Ann asked for it.")
        assert again.value.code == "NOTHING_TO_ERASE"

    async def test_the_reason_of_a_reconciliation_goes_from_the_outcome_too(
        self, world: World
    ) -> None:
        entry = await reconciled(world)
        outcome = (await world.record("m")).outcome
        assert outcome is not None
        assert outcome.sentence == "Reconciled by owner: Seen in Ann's inbox."
        await world.control.erase(OWNER, "m", "Ann asked for it.")
        record = await world.record("m")
        assert record.outcome == replace(
            outcome, sentence="Reconciled by owner; the reason was erased."
        )
        assert record.status is IntentStatus.SUCCEEDED
        after = next(one for one in await about(world, "m") if one.position == entry.position)
        assert (after.body, after.texts) == (entry.body, ())

    async def test_what_an_erased_intent_waits_for_still_comes(self, world: World) -> None:
        await world.propose(task("a", confidence_score=0.1, expires_at=NOON + DAY))
        await world.control.rule(APPROVER, "a.1", RulingRequest(RulingKind.APPROVE, "For Ann."))
        await world.control.erase(OWNER, "a", "Ann asked for it.")
        assert [due.action_intent_id for due in await world.store.expired(NOON + DAY, 10)] == ["a"]
        done = await world.run("a")
        assert done is not None
        assert (done.status, done.revision) == (IntentStatus.SUCCEEDED, 5)

    async def test_only_an_owner_erases_and_only_what_is_there(self, world: World) -> None:
        await world.propose(task("a", confidence_score=0.1))
        with pytest.raises(Conflict) as nothing:
            await world.control.erase(OWNER, "a", "For no reason.")
        assert nothing.value.code == "NOTHING_TO_ERASE"
        await rejected(world, "b")
        size = await world.store.ledger_size(TENANT)
        with pytest.raises(Forbidden):
            await world.control.erase(APPROVER, "b", "To hide it.")
        assert await world.store.ledger_size(TENANT) == size
        assert (await about(world, "b"))[-1].texts

    async def test_reasons_of_stop_switches_stand_beside_their_entry(self, world: World) -> None:
        for switches in (["TENANT"], ["TENANT", "GLOBAL"][:1], []):
            listed = [{"scope": scope, "level": "HOLD", "reason": "Ann."} for scope in switches]
            content = {"stop_switches": listed}
            await world.control.put_settings_part(
                OWNER, SettingsPart.STOP_SWITCHES, content, version=-1
            )
        on, off = (await changes_of_switches(world))[-2:]
        for entry, name in ((on, "after"), (off, "before")):
            [bound] = entry.fields[name]
            assert b"Ann." not in entry.body
            [text] = entry.texts
            assert text.salt is not None
            assert bound["reason_digest"] == Reason("Ann.", text.salt).digest
            assert entry.in_full[name][0]["reason"] == "Ann."


class TestLongEntries:
    async def test_what_is_too_long_stands_beside_the_entry_and_is_read_with_it(
        self, world: World
    ) -> None:
        wanted = await long(world)
        assert len(wanted.entry.body) <= ENTRY_BYTES_MAX < len(str(wanted.decision.findings))
        answer = await world.store.admit(wanted)
        assert isinstance(answer, Admitted)
        assert answer.record.decision == wanted.decision
        assert await world.record("a") == answer.record
        assert await world.store.waiting(TENANT, None, 10) == [answer.record]
        [entry] = await about(world, "a")
        [text] = entry.texts
        assert (entry.body, text.name, text.salt) == (wanted.entry.body, PARTS, None)
        findings = json.loads(text.text)["/decision/findings"]
        assert entry.fields["beside"] == {"/decision/findings": digest(findings)}
        assert entry.in_full["decision"]["findings"] == findings
        assert len(findings) == 200

    async def test_a_step_that_decided_anew_may_be_long_too(self, world: World) -> None:
        record = await admitted(world, "a")
        await world.autonomy(modes=[{"mode": "APPROVAL_REQUIRED"}])
        settings = await world.context.fresh_settings(TENANT)
        checked = revalidation.revalidate(record, Facts(settings), NOON)
        decision = replace(checked.decision, findings=long_findings())
        change = steps.reopen(
            record, replace(checked, decision=decision), settings, actor=AGENT, now=NOON
        )
        after = await applied(world, change)
        assert after.decision.findings == decision.findings
        assert await world.record("a") == after

    async def test_it_is_not_erased(self, world: World) -> None:
        answer = await world.store.admit(await long(world))
        assert isinstance(answer, Admitted)
        await world.control.rule(APPROVER, "a.1", REJECT)
        await world.control.erase(OWNER, "a", "Ann asked for it.")
        record = await world.record("a")
        assert record.decision == answer.record.decision
        [first, *_] = await about(world, "a")
        assert [text.name for text in first.texts] == [PARTS]

    async def test_every_difference_of_large_settings_is_kept(self, world: World) -> None:
        _, version = await world.control.settings_part(OWNER, SettingsPart.BUDGETS)
        many = [{"account": f"a{number}", "max_per_day": number} for number in range(2_000)]
        content = {"budgets": many}
        await world.control.put_settings_part(OWNER, SettingsPart.BUDGETS, content, version=version)
        entry = (await world.store.entries(TENANT, 0, 100))[-1]
        assert len(entry.body) <= ENTRY_BYTES_MAX
        assert "differences" not in entry.fields
        assert len(entry.in_full["differences"]) == entry.fields["differences_count"] > 2_000


def many_switches(generation: int) -> list[Any]:
    """As many stop switches as a tenant may have, each with a reason that is as long as it may be
    and that does not compress.
    """
    letters = random.Random(generation)
    return [
        {
            "scope": "ACCOUNT",
            "subject": f"acme-{generation}-{number}",
            "level": "HOLD",
            "reason": "".join(
                chr(letters.randrange(0x20000, 0x2A000)) for _ in range(SENTENCE_LENGTH_MAX)
            ),
        }
        for number in range(STOP_SWITCHES_MAX)
    ]


async def changes_of_switches(world: World) -> list[Entry]:
    """Behind each are the entries of its receipts."""
    entries = await world.store.entries(TENANT, 0, 1_000)
    return [one for one in entries if one.fields["kind"] == "STOP_SWITCHES_CHANGED"]


async def stop(world: World, switches: list[Any]) -> None:
    content = {"stop_switches": switches}
    await world.control.put_settings_part(OWNER, SettingsPart.STOP_SWITCHES, content, version=-1)


class TestManyReasons:
    async def test_every_stop_switch_there_may_be_is_replaced_at_once(self, world: World) -> None:
        before, after = many_switches(1), many_switches(2)
        await stop(world, before)
        await stop(world, after)
        entry = (await changes_of_switches(world))[-1]
        assert len(entry.body) <= ENTRY_BYTES_MAX
        assert (entry.in_full["before"], entry.in_full["after"]) == (
            [_in_full(switch) for switch in before],
            [_in_full(switch) for switch in after],
        )
        assert "erased" not in entry.in_full

    async def test_one_more_switch_copies_no_reason_of_another(self, world: World) -> None:
        *others, last = many_switches(1)
        await stop(world, others)
        await stop(world, [*others, last])
        entry = (await changes_of_switches(world))[-1]
        place = len(others)
        assert [text.name for text in entry.texts if text.erasable] == [f"/after/{place}/reason"]
        *stay, thrown = entry.in_full["after"]
        assert thrown == _in_full(last)
        assert {switch["subject"] for switch in stay} == {switch["subject"] for switch in others}
        assert all("reason" not in switch for switch in stay)


def _in_full(switch: dict[str, Any]) -> dict[str, Any]:
    made = dict.fromkeys(("set_by", "set_at", "lifted_by", "reason_digest"), ANY)
    return {**switch, **made}


def of_format_1(draft: Draft) -> Draft:
    """The entry as version 0.1.0 would have written it."""
    fields = json.loads(draft.body)
    for name in ("revision", "credential"):
        fields.pop(name, None)
    fields.get("decision", {}).pop("settings_digest", None)
    return Draft(draft.kind, canonical({**fields, "format": 1}))


class TestOtherVersions:
    async def test_entries_of_format_1_stay_to_the_byte_beside_format_2(self, world: World) -> None:
        wanted = await admission(world, "a", confidence_score=0.1)
        old = replace(wanted, entry=of_format_1(wanted.entry))
        assert isinstance(await world.store.admit(old), Admitted)
        record = await world.record("a")
        assert record.decision == replace(wanted.decision, settings_digest=(None, None))
        rejects = steps.rule(
            record, APPROVER, RulingKind.REJECT, Reason("No.", b"r" * 16), now=NOON
        )
        in_clear = {**json.loads(of_format_1(rejects.entry).body), "reason": "No."}
        del in_clear["reason_digest"]
        body = canonical(in_clear)
        old_ruling = replace(rejects, entry=Draft(EntryKind.ACTION_REJECTED, body))
        assert isinstance(await world.store.advance(old_ruling), Applied)
        await rejected(world, "b")
        first, second = await about(world, "a")
        assert (first.body, second.body) == (old.entry.body, body)
        assert (first.in_full, second.in_full) == (first.fields, second.fields)
        assert [entry.fields["format"] for entry in await about(world, "b")] == [2, 2]
        with pytest.raises(Conflict) as nothing:
            await world.control.erase(OWNER, "a", "Ann asked for it.")
        assert nothing.value.code == "NOTHING_TO_ERASE"

    @pytest.mark.parametrize("status", ["AWAITING_APPROVAL", "APPROVED", "RUNNING"])
    @pytest.mark.parametrize("column", ["approval_source", "executor"])
    async def test_what_a_later_version_wrote_is_shown_and_starts_nothing(
        self, world: World, column: str, status: str
    ) -> None:
        record = await at(world, status)
        await written_by_a_later_version(world, "a", column)
        world.clock.forward(2 * DAY)
        size = await world.store.ledger_size(TENANT)
        shown = await world.record("a")
        later = {"approval_source": "GRANT"} if column == "approval_source" else {}
        assert (shown.status, shown.revision) == (record.status, record.revision)
        assert shown.foreign == (
            "the executor caller" if not later else "the approval source GRANT"
        )
        assert shown.approval_source == (later.get("approval_source") or record.approval_source)
        assert not later or not shown.auto_executed
        [line] = await observe.timeline(world.context, OWNER, TimelineQuery())
        assert line.record == shown
        assert await world.control.explain(OWNER, "a")
        calls = len(world.tools.calls)
        assert await world.store.approved(10) == []
        assert await world.store.expired(world.clock.now_ms(), 10) == []
        assert await world.store.dead_leases(world.clock.now_ms(), 10, living_worker="x") == []
        await world.sweep("worker-2", alone=True)
        assert await execute.carry_on(world.context, TENANT, "a", "worker-2", alone=True) is None
        assert await execute.due(world.context, TENANT, "a") is None
        for refused in (
            world.control.cancel(OWNER, "a", "Never."),
            world.control.rule(APPROVER, "a.1", RulingRequest(RulingKind.APPROVE)),
        ):
            with pytest.raises(Refusal):
                await refused
        assert len(world.tools.calls) == calls
        assert await world.record("a") == shown
        assert await world.store.ledger_size(TENANT) == size
        assert world.engine.hints == []


async def at(world: World, status: str) -> IntentRecord:
    """An intent in one state, which expires in a day."""
    sure = 0.1 if status == "AWAITING_APPROVAL" else 0.95
    record = await world.propose(task("a", confidence_score=sure, expires_at=NOON + DAY))
    world.engine.hints.clear()
    if status != "RUNNING":
        return record
    started = await execute.start(world.context, TENANT, "a", "worker-1")
    assert started is not None
    return started.record


async def written_by_a_later_version(world: World, name: str, column: str) -> None:
    """Changes an intent's row, as only another version would."""
    value = {"approval_source": "GRANT", "executor": "caller"}[column]
    if isinstance(world.place, Table):
        rewrite(world.place, name, {column: value})
    else:
        world.sql(f"UPDATE intent SET {column} = '{value}' WHERE action_intent_id = '{name}'")


def rewrite(place: Table, name: str, values: dict[str, str]) -> None:
    """The item with other values, in the indexes that it belongs in then."""
    from clearance.stores.dynamodb import items, table  # noqa: PLC0415
    from clearance.stores.dynamodb.client import decode_item, encode_item  # noqa: PLC0415

    key = encode_item(table.intent(TENANT, name)._asdict())
    found = place.client.get_item(TableName=place.name, Key=key)["Item"]
    item = items.indexed({**decode_item(found), **values})
    place.client.put_item(TableName=place.name, Item=encode_item(item))
