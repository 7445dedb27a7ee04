"""What binds an approval to what runs: which facts are in it, what each does when it differs, and
what an earlier format of it is still good for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings
from clearance.core import binding as bindings
from clearance.core import gate, steps
from clearance.core.approval import ApprovalSource, RulingKind
from clearance.core.binding import Binding, bind
from clearance.core.canonical import digest
from clearance.core.decision import SettingsVersion
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.record import IntentRecord, IntentStatus, admitted
from clearance.core.revalidation import Revalidation, Verdict, revalidate
from clearance.core.settings import Settings
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, TENANT

SALT = bytes(16)
PIN = "sha256:" + "1" * 64
OTHER = "sha256:" + "0" * 64
START, REOPEN, CANCEL = Verdict.START, Verdict.REOPEN, Verdict.CANCEL
INTENT = ActionIntent(
    TENANT, "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.5, RiskLevel.LOW, "agent-ada"
)
NAMES = [field.name for field in fields(Binding)]
AIDS = {"entry_0_1", "without_defaults"}
"""What is not written: it only serves to compare with earlier formats."""


def document(policy: str = sample.POLICY, **catalog: Any) -> dict[str, Any]:
    made = {**sample.document(), "policy": policy, "tool_pins": {"crm.create_task": PIN}}
    made["catalog"] |= catalog
    return made


def settings(made: dict[str, Any] | None = None, version: int = 1) -> Settings:
    stored = StoredSettings(SettingsVersion(version, 0), made or document(), {})
    return compile_settings(TENANT, stored)


SETTINGS = settings()
LATER = settings(version=2)
"""The same settings, written again."""


def bound(intent: ActionIntent = INTENT, under: Settings = SETTINGS, salt: bytes = SALT) -> Binding:
    made = bind(intent, gate.decide(intent, Facts(under), NOON), under, salt)
    assert made is not None
    return made


def changed(before: Binding, after: Binding) -> set[str]:
    """The names of what differs; the digest is of all of it."""
    names = {name for name in NAMES if getattr(before, name) != getattr(after, name)}
    assert ("digest" in names) == bool(names - AIDS)
    return names - AIDS - {"digest"}


def approved(intent: ActionIntent = INTENT, under: Settings = SETTINGS) -> IntentRecord:
    """An intent that may start: by policy if the agent is sure of it, else by a person."""
    decision = gate.decide(intent, Facts(under), NOON)
    content = checked_content(intent)
    record = admitted(
        steps.admit(intent, content, decision, under, salt=SALT, actor=AGENT, now=NOON), 1
    )
    if record.approval is None:
        return record
    ruled = steps.rule(record, APPROVER, RulingKind.APPROVE, None, now=NOON)
    human = ApprovalSource.HUMAN
    approval, status = ruled.approval, IntentStatus.APPROVED
    return replace(record, status=status, approval=approval, approval_source=human)


def as_bound(record: IntentRecord, binding: Binding | None) -> IntentRecord:
    """The record with another binding, which its approval agrees with."""
    assert binding is not None
    approval = record.approval and replace(record.approval, digest=binding.digest)
    return replace(record, binding=binding, approval=approval)


def checked(record: IntentRecord, under: Settings) -> Revalidation:
    return revalidate(record, Facts(under), NOON)


# What is in it


def test_what_an_intent_is_bound_to_is_all_that_makes_its_call() -> None:
    """Each field of an intent, changed alone."""
    others: dict[str, Any] = {
        "tenant_id": "southwind",
        "account_id": "globex",
        "action_intent_id": "i2",
        "action_type": "SEND_MAIL",
        "parameters": {"title": "y"},
        "confidence_score": 0.4,
        "risk_level": RiskLevel.HIGH,
        "proposed_by": "agent-bob",
        "target": {"id": "7"},
        "why": ("because",),
        "expires_at": NOON + 1,
        "trace_id": "t",
        "supersedes": "i0",
        "edited_by": "olga",
        "content_kept": False,
    }
    parts = {
        name: changed(bound(), bound(replace(INTENT, **{name: others[name]})))
        for name in (field.name for field in fields(ActionIntent))
    }
    assert {name: others for name, others in parts.items() if others} == {
        "account_id": {"parameters", "final"},
        "parameters": {"parameters", "final"},
        "target": {"parameters", "final"},
        "action_type": {"tool", "tool_schema", "entry", "shown", "clauses"},
    }
    assert changed(bound(), bound(salt=bytes(15) + b"1")) == {"parameters", "final"}


# What each part does when it differs


@dataclass(frozen=True)
class Differs:
    """What becomes of an approved intent whose binding has something else in one field: by a person
    under the same settings and under others, by policy under others; whether it is the same call.
    """

    other: Any
    same_settings: Verdict
    other_settings: Verdict
    by_policy: Verdict
    same_call: bool


CALL = Differs(OTHER, CANCEL, REOPEN, START, same_call=False)
RULES = Differs(OTHER, START, START, START, same_call=True)
CASES = {
    "format": replace(CALL, other=bindings.FORMAT + 1),
    "digest": RULES,
    "parameters": replace(CALL, other_settings=CANCEL, by_policy=CANCEL),
    "final": CALL,
    "tool": CALL,
    "tool_schema": CALL,
    "entry": CALL,
    "shown": replace(CALL, same_settings=START, same_call=True),
    "policy_version": RULES,
    "clauses": replace(RULES, other=(("other", OTHER),)),
    "beside": replace(RULES, other={"guards": OTHER}),
    "entry_0_1": RULES,
    "without_defaults": RULES,
}
CASES_0_1 = {
    "parameters": CASES["parameters"],
    "tool": CALL,
    "tool_schema": CALL,
    "action": CALL,
    "policy_version": RULES,
}


def check(differs: Differs, change: Any) -> None:
    by_person, by_policy = approved(), approved(replace(INTENT, confidence_score=0.9))
    record = as_bound(by_person, change(by_person))
    assert checked(record, SETTINGS).verdict is differs.same_settings
    assert checked(record, LATER).verdict is differs.other_settings
    assert checked(as_bound(by_policy, change(by_policy)), LATER).verdict is differs.by_policy
    assert bindings.same_call(record.binding, bound()) is differs.same_call


@pytest.mark.parametrize("name", NAMES)
def test_each_part_of_a_binding_is_compared_as_it_must_be(name: str) -> None:
    differs = CASES[name]
    check(differs, lambda record: replace(record.binding, **{name: differs.other}))


@pytest.mark.parametrize("name", CASES_0_1)
def test_each_part_of_a_binding_of_version_0_1_is_compared_as_it_must_be(name: str) -> None:
    check(CASES_0_1[name], lambda record: bindings.read(entry_0_1(record, **{name: OTHER})))


def test_rules_that_decide_are_compared_only_if_the_rules_are_others() -> None:
    record = approved()
    before = record.binding
    assert before is not None
    others = replace(before, policy_version=OTHER, clauses=(("sure-enough", OTHER),))
    asked = checked(as_bound(record, others), LATER)
    assert (asked.verdict, asked.code) == (REOPEN, "APPROVAL_OUTDATED")
    assert asked.differences == ("The policy changed what it says in: sure-enough.",)
    many = tuple((f"rule-{number}", OTHER) for number in range(8))
    others = replace(before, policy_version=OTHER, clauses=many)
    [sentence] = checked(as_bound(record, others), LATER).differences
    named = "rule-0, rule-1, rule-2, rule-3, rule-4 and 3 more"
    assert sentence == f"Other rules decide: sure-enough; before: {named}."


def test_a_ruling_stands_while_the_rules_do_whatever_else_has_them_decide() -> None:
    """A rule on the autonomy mode, which is another one by now.

    Version 0.1.0 did not keep what says that the rules are the same: there, people are asked again.
    """
    made = document(
        sample.POLICY
        + '@id("mode") @reason("MODE") @explanation("Mode.") forbid(principal, action, resource)'
        ' when { context.unattended && context.mode == "APPROVAL_REQUIRED" };'
    )
    record = approved(under=settings(made))
    made["autonomy"]["modes"] = [{"mode": "APPROVAL_REQUIRED"}]
    later = settings(made, version=2)
    assert gate.decide(INTENT, Facts(later), NOON).policy_clause == ("mode", "sure-enough")
    earlier = as_bound(record, bindings.read(entry_0_1(record, under=settings(made))))
    assert checked(record, later).verdict is START
    assert checked(earlier, later).verdict is REOPEN


def test_a_tool_schema_that_is_seen_for_the_first_time_is_no_difference() -> None:
    record = approved(under=settings({**document(), "tool_pins": {}}))
    assert checked(record, LATER).verdict is START
    unpinned = settings({**document(), "tool_pins": {}}, version=2)
    assert checked(approved(), unpinned).verdict is REOPEN


def test_a_person_is_not_asked_again_where_no_one_would_be_asked_now() -> None:
    lenient = settings(document(sample.POLICY.replace("< 8000", "< 4000")), version=2)
    checked_anew = checked(approved(), lenient)
    assert checked_anew.verdict is START
    assert checked_anew.decision == approved().decision  # a person approved it all the same


@examples(max_examples=25)
@given(
    st.sets(st.sampled_from(["SEND_FAX", "DELETE_TASK", "A", "Z"])),
    st.sets(st.sampled_from(["faxes", "a", "zz"])),
    st.booleans(),
)
def test_what_is_not_about_an_intent_is_nothing_to_it(
    actions: set[str], rules: set[str], sure: bool
) -> None:
    """Other actions, and rules that do not decide on it, for a person and for policy."""
    other = sample.DOCUMENT["catalog"]["SEND_MAIL"]
    added = "".join(
        f'@id("{name}") @reason("MORE") @explanation("More.") forbid(principal, '
        f'action == Action::"SEND_MAIL", resource) when {{ context.risk > {len(rules)} }};'
        for name in sorted(rules)
    )
    later = settings(document(sample.POLICY + added, **dict.fromkeys(actions, other)), version=2)
    record = approved(replace(INTENT, confidence_score=0.9 if sure else 0.5))
    assert record.auto_executed is sure
    assert checked(record, later).verdict is START


# The formats


def entry_of(record: IntentRecord, under: Settings = SETTINGS) -> dict[str, Any]:
    """The ledger entry of a decision, as it is read."""
    made = steps.admit(
        record.intent,
        checked_content(record.intent),
        record.decision,
        under,
        salt=SALT,
        actor=AGENT,
        now=NOON,
    )
    entry: dict[str, Any] = json.loads(made.entry.body)
    return entry


def entry_0_1(record: IntentRecord, under: Settings = SETTINGS, **others: Any) -> dict[str, Any]:
    """The same entry as version 0.1.0 writes it, with others of its five values."""
    entry = entry_of(record, under)
    ours, action = entry["binding"], under.catalog[record.intent.action_type]
    known = {name: ours[name] for name in ("parameters", "tool", "tool_schema")}
    known |= {"action": action.digest_0_1, "policy_version": OTHER, **others}
    return {**entry, "binding": known, "digest": digest(known)}


def entry_2(record: IntentRecord, under: Settings = SETTINGS) -> dict[str, Any]:
    """The same entry with a binding of format 2."""
    entry = entry_0_1(record, under)
    names = ("entry", "shown", "clauses")
    parts = {name: entry_of(record, under)["binding"][name] for name in names}
    return {**entry, "binding_parts": {"format": 2, **parts}}


def test_a_binding_is_read_back_from_its_entry() -> None:
    record = approved()
    entry = entry_of(record)
    assert bindings.read(entry) == record.binding
    assert entry["binding"]["format"] == bindings.FORMAT
    assert entry["digest"] == digest(entry["binding"])


def test_what_another_version_binds_beside_it_is_kept_and_is_in_its_digest() -> None:
    entry = entry_of(approved())
    entry["binding"] |= {"guards": {"since_noon": 3}, "session": "s1"}
    read = bindings.read(entry)
    assert read is not None
    assert read.digest == digest(entry["binding"]) != entry["digest"]
    assert read.facts()["binding"] == entry["binding"]


@pytest.mark.parametrize("earlier", [entry_0_1, entry_2])
def test_what_an_earlier_version_decided_still_starts(earlier: Any) -> None:
    for record in (approved(), approved(replace(INTENT, confidence_score=0.9))):
        old = as_bound(record, bindings.read(earlier(record)))
        assert old.binding is not None
        assert old.binding.digest == earlier(record)["digest"]
        assert checked(old, SETTINGS).verdict is checked(old, LATER).verdict is START


def test_a_binding_of_a_later_format_is_shown_and_never_runs() -> None:
    record = approved()
    entry = entry_of(record)
    entry["binding"] = {"format": bindings.FORMAT + 1, "whole": OTHER}
    later = as_bound(record, bindings.read(entry))
    assert checked(later, SETTINGS).verdict is CANCEL
    assert checked(later, LATER).verdict is CANCEL
    assert not bindings.same_call(later.binding, bound())


FROZEN: dict[str, Any] = {
    "tool_servers": {"crm": {"url": "http://127.0.0.1:1/mcp"}},
    "tool_pins": {"crm.note": PIN},
    "catalog": {
        "ADD_NOTE": {
            "tool": "crm.note",
            "risk_level": "MEDIUM",
            "effect": "keyed",
            "idempotency_argument": "key",
            "spends": "cost",
            "parameters": {
                "type": "object",
                "required": ["text", "cost"],
                "properties": {
                    "text": {"type": "string"},
                    "cost": {"type": "number", "x-scale": 100},
                    "pages": {"type": "integer"},
                    "is": {"type": "boolean"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "of": {"type": "object", "properties": {'id "1"': {"type": "string"}}},
                    "any": {},
                },
                "additionalProperties": False,
            },
            "arguments": {"account": "{account_id}", "by": ["{target.by}", 1]},
            "sentence": "noted {text}",
            "undo": {"tool": "crm.note", "arguments": {}, "within": "24h"},
        }
    },
    "policy": """
        @id("notes") @reason("NOTES") @explanation("Notes may be added.")
        permit(principal, action == Action::"ADD_NOTE", resource);
        @id("dear") @reason("DEAR") @explanation("A person looks at \\"dear\\" notes.")
        forbid(principal, action, resource == Account::"acme")
        when { context.unattended && context.parameters.cost >= 100 } // hundredths
        unless { context.parameters has tags && context.parameters.tags.contains("ok") };""",
}
NOTE = ActionIntent(
    *(TENANT, "acme", "i1", "ADD_NOTE", {"text": "é", "cost": 1.5}, 0.9, RiskLevel.LOW, "ada"),
    target={"by": "é", "n": 1},
)


def test_this_format_stays_what_it_is() -> None:
    """Other values for the same settings need another format, or an upgrade has people asked again.

    The undo of an action, its risk and its wording have their own values here, and each rule has.
    """
    made = bound(NOTE, settings(FROZEN))
    action = settings(FROZEN).catalog["ADD_NOTE"]
    assert action.digest_0_1 == (
        "sha256:9ac0a6f6ff3c61cdc6cd10fea4008eb3e8221065cef8ee73aae0a52570ac8093"
    )
    assert made.facts()["binding"] == {
        "format": 3,
        "parameters": "sha256:5e21982dcee9781fa62adb7cf5807474fa6ea8a511e0ddf2192477e32a0b0383",
        "final": "sha256:3c1df4160cb039916c1c81f5af459a6e3a19fedddb6a26db31241cdcda2aa33c",
        "tool": "crm.note",
        "tool_schema": PIN,
        "entry": "sha256:a7fc3c6a666b26d1e9d23f18afb61b9935a0c75f5bea96290c0b64ce53d37d21",
        "shown": "sha256:522a543d968624461f2a91c67fc3aa9ef66a6394877ca9f795d2e40e779ae234",
        "policy_version": "sha256:ee23295887bdf649641a833df06c2bbd569b4d90f6536e00cb42eb31a19cd2a8",
        "clauses": {
            "dear": "sha256:5132ec1cc63f3f9bc1bf032f2130066f748c8f37baca6ebabbc809103ae3367d"
        },
    }
