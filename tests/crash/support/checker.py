"""The checker: what a run left behind, held against the promises of Clearance.

It reads, and changes nothing.

Each promise is a function of one tenant's evidence that yields what breaks it. No promise looks at
a wall clock: clocks are set wrong during a run. What came before what is known from ledger
positions, which are handed out in commit order, and from how long the ledger was when a call
arrived at the tool server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from clearance.core.canonical import canonical, digest
from clearance.core.record import STEPS, IntentStatus
from clearance.core.revalidation import ATTEMPTS_MAX
from tests.crash.support.evidence import Evidence
from tests.crash.support.story import Case, Fact, Story, Violation

Found: TypeAlias = Iterator[tuple[str | None, str]]
"""What breaks a promise: the intent's id (None: it is about the tenant), and a sentence."""

FIRST = {
    "ACTION_BLOCKED": IntentStatus.BLOCKED,
    "APPROVAL_REQUESTED": IntentStatus.AWAITING_APPROVAL,
    "ACTION_APPROVED": IntentStatus.APPROVED,
}
STATUSES: Mapping[str, set[str]] = {
    "ACTION_BLOCKED": {"BLOCKED"},
    "APPROVAL_REQUESTED": {"AWAITING_APPROVAL"},
    "ACTION_APPROVED": {"APPROVED"},
    "ACTION_REJECTED": {"REJECTED"},
    "ACTION_EXPIRED": {"EXPIRED"},
    "ACTION_CANCELLED": {"CANCELLED"},
    "EXECUTION_STARTED": {"RUNNING"},
    "OUTCOME_RECORDED": {"SUCCEEDED", "FAILED", "CANCELLED", "UNKNOWN"},
    "OUTCOME_RECONCILED": {"SUCCEEDED", "FAILED"},
}
NEVER_SENT = {"BLOCKED", "AWAITING_APPROVAL", "APPROVED", "REJECTED", "EXPIRED", "CANCELLED"}
"""An intent in one of these states was never sent, and the ledger says so."""

EXPECTED_REFUSALS = {
    "propose": {"TOO_MANY_WAITING"},
    "approve": {
        "OWN_PROPOSAL",
        "APPROVAL_CLOSED",
        "APPROVAL_EXPIRED",
        "DIGEST_MISMATCH",
        "ILLEGAL_STEP",
    },
    "reject": {
        "OWN_PROPOSAL",
        "APPROVAL_CLOSED",
        "APPROVAL_EXPIRED",
        "DIGEST_MISMATCH",
        "ILLEGAL_STEP",
    },
    "edit": {
        "OWN_PROPOSAL",
        "APPROVAL_CLOSED",
        "APPROVAL_EXPIRED",
        "DIGEST_MISMATCH",
        "ILLEGAL_STEP",
    },
    "cancel": {"ALREADY_STARTED", "ALREADY_CLOSED", "ILLEGAL_STEP"},
    "reconcile": {"NOT_UNKNOWN", "LEASE_NOT_OVER"},
    "stop": {"VERSION_MISMATCH", "NO_SUCH_STOP_SWITCH"},
    "settings": {"VERSION_MISMATCH"},
    "read": set(),
}
ALWAYS_EXPECTED = {"UNREACHABLE", "UNAVAILABLE", "IN_DOUBT"}


# --- The ledger and the tables ---


def ledger_is_whole(case: Case) -> Found:
    """Positions from 1 without a gap, canonical bytes, the
    tenant's own entries and nobody else's.
    """
    for number, entry in enumerate(case.evidence.entries, start=1):
        if entry.position != number:
            yield None, f"entry {number} of the ledger has position {entry.position}"
            return
        if canonical(entry.fields) != entry.body:
            yield None, f"entry {number} is not canonical JSON"
        if entry.fields["tenant_id"] != case.tenant_id:
            yield None, f"entry {number} is of the tenant {entry.fields['tenant_id']}"
    if case.evidence.ledger_size != len(case.evidence.entries):
        yield (
            None,
            (
                f"the ledger counts {case.evidence.ledger_size} entries and has "
                f"{len(case.evidence.entries)}"
            ),
        )


def one_entry_per_revision(case: Case) -> Found:
    """Every step of an intent is one entry, and every entry is a step."""
    for story in case:
        if story.record is None:
            yield story.action_intent_id, "it is in the ledger and not in the tables"
        elif not story.facts:
            yield story.action_intent_id, "it is in the tables and not in the ledger"
        elif len(story.facts) != story.record.revision:
            yield (
                story.action_intent_id,
                f"it has {len(story.facts)} entries and revision {story.record.revision}",
            )
        elif story.facts[-1].position != story.record.position:
            yield (
                story.action_intent_id,
                f"its latest entry is {story.facts[-1].position}, not {story.record.position}",
            )


def steps_are_legal(case: Case) -> Found:
    """From nothing into one of three states, then only along the diagram; the last entry says what
    the record says.
    """
    for story in case:
        if not story.facts:
            continue
        first = story.facts[0]
        if FIRST.get(first.kind) is None:
            yield story.action_intent_id, f"its first entry is {first.kind}"
        for before, after in zip(story.facts, story.facts[1:], strict=False):
            if after.status not in STEPS.get(IntentStatus(before.status), frozenset()):
                yield story.action_intent_id, f"it went from {before.status} to {after.status}"
        for fact in story.facts:
            if fact.status not in STATUSES.get(fact.kind, set()):
                yield story.action_intent_id, f"the entry {fact.kind} says {fact.status}"
        if story.record is not None and story.facts[-1].status != story.record.status:
            yield (
                story.action_intent_id,
                f"the ledger says {story.facts[-1].status}, the record {story.record.status}",
            )


# --- Nothing runs that may not, and only once ---


def nothing_runs_unapproved(case: Case) -> Found:
    """Before an execution there is an approval: by a decision in which nothing objects, or by a
    person who may.
    """
    for story in case:
        for started in story.started:
            approved = story.approval_before(started.position)
            if approved is None:
                yield (
                    story.action_intent_id,
                    f"it started at {started.position} without an approval",
                )
            elif approved.fields.get("approval_source") == "POLICY":
                yield from _by_policy(story, approved)
            else:
                yield from _by_person(story, approved)
        if story.started and any(fact.kind == "ACTION_BLOCKED" for fact in story.facts):
            yield story.action_intent_id, "it was blocked, and started"


def _by_policy(story: Story, approved: Fact) -> Found:
    decision = approved.fields.get("decision") or {}
    if decision.get("decision") != "AUTO_EXECUTE":
        yield (
            story.action_intent_id,
            f"policy approved what was answered with {decision.get('decision')}",
        )
    objecting = [
        one["check"] for one in decision.get("findings", ()) if one["answer"] != "AUTO_EXECUTE"
    ]
    checks = [one["check"] for one in decision.get("findings", ())]
    if objecting or not {"policy", "budget", "limits"} <= set(checks):
        yield (
            story.action_intent_id,
            f"it was approved although {objecting or 'not every check'} said AUTO_EXECUTE",
        )
    if "hold" not in approved.fields:
        yield story.action_intent_id, "policy approved it without a hold on the budget"


def _by_person(story: Story, approved: Fact) -> Found:
    actor = approved.fields["actor"]
    if actor["kind"] != "PERSON" or approved.fields.get("ruling") != "approve":
        yield story.action_intent_id, f"{actor['kind']} {actor['id']} approved it"
    if actor["id"] == story.facts[0].fields.get("proposed_by"):
        yield story.action_intent_id, f"{actor['id']} approved what they proposed"
    requests = [
        fact for fact in story.of_kind("APPROVAL_REQUESTED") if fact.position < approved.position
    ]
    if not requests or requests[-1].fields.get("digest") != approved.fields.get("digest"):
        yield story.action_intent_id, "what was approved is not what was asked for"


def what_runs_is_what_was_decided_on(case: Case) -> Found:
    """The digest of the approval binds the start, and the call carries the intent's own parameters
    to its own tool.
    """
    for story in case:
        for started in story.started:
            approved = story.approval_before(started.position)
            if approved and not _same_binding(approved, started):
                yield (
                    story.action_intent_id,
                    f"what started at {started.position} is not what was approved",
                )
        for call in story.calls:
            yield from _own_call(case, story, call.tool, call.arguments)


def _same_binding(approved: Fact, started: Fact) -> bool:
    if started.fields.get("digest") == approved.fields.get("digest"):
        return True
    then, now = approved.fields.get("binding") or {}, started.fields.get("binding") or {}
    kept = ("parameters", "tool", "action")
    return (
        "decision" in started.fields
        and bool(now)
        and all(now.get(part) == then.get(part) for part in kept)
    )


def _own_call(case: Case, story: Story, tool: str, arguments: Mapping[str, Any]) -> Found:
    if story.record is None:
        return
    intent = story.record.intent
    expected = {
        **intent.parameters,
        "account": intent.account_id,
        "intent": intent.action_intent_id,
    }
    said = {name: value for name, value in arguments.items() if name != "request_id"}
    if tool != case.evidence.tools.get(intent.action_type) or said != expected:
        yield story.action_intent_id, f"the tool {tool} was called with {said}"


def at_most_one_execution(case: Case) -> Found:
    """One effect for each intent; what may not be repeated is called once."""
    for story in case:
        if len(story.effects) > 1:
            yield story.action_intent_id, f"it had {len(story.effects)} effects"
        if case.effect_of(story) == "at_most_once" and len(story.calls) > 1:
            yield (
                story.action_intent_id,
                f"a tool that may not be repeated was called {len(story.calls)} times",
            )
        numbers = [fact.fields["attempt"] for fact in story.started]
        if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > ATTEMPTS_MAX:
            yield story.action_intent_id, f"its attempts are {numbers}"
        for outcome in story.outcomes:
            current = [fact for fact in story.started if fact.position < outcome.position]
            if not current or current[-1].fields["attempt"] != outcome.fields["attempt"]:
                yield (
                    story.action_intent_id,
                    f"an outcome of attempt {outcome.fields['attempt']} was taken",
                )
        if len(story.outcomes) > 1:
            yield story.action_intent_id, f"it has {len(story.outcomes)} outcomes"


def calls_lie_between_start_and_outcome(case: Case) -> Found:
    """No call arrives before its attempt is durable, nor after an outcome, unless the outcome
    itself leaves room for one.
    """
    for call in case.stray_calls:
        yield None, f"the tool was called with the key {call.key}, which is no intent's"
    for story in case:
        for call in story.calls:
            if not story.started:
                yield story.action_intent_id, "the tool was called, and no attempt is in the ledger"
            elif call.ledger_size is not None and call.ledger_size < story.started[0].position:
                at = (
                    f"the ledger had {call.ledger_size} entries, the attempt is entry "
                    f"{story.started[0].position}"
                )
                yield (
                    story.action_intent_id,
                    f"the tool was called before the attempt was durable: {at}",
                )
        for call, outcome in late_calls(story):
            if not _leaves_room(story, outcome):
                size = call.ledger_size
                yield (
                    story.action_intent_id,
                    f"the tool was called after the outcome ({outcome.position}, at {size})",
                )


def late_calls(story: Story) -> list[tuple[Any, Fact]]:
    """Calls that arrived when their intent's outcome was in the ledger already."""
    return [
        (call, outcome)
        for outcome in story.outcomes[:1]
        for call in story.calls
        if call.ledger_size is not None and call.ledger_size >= outcome.position
    ]


def _leaves_room(story: Story, outcome: Fact) -> bool:
    """True if a request that was given up, and may still have been on its way, explains a late
    call.
    """
    repeated = outcome.fields.get("tries", 0) > 1 or len(story.started) > 1
    return outcome.status == "UNKNOWN" or (outcome.status != "CANCELLED" and repeated)


# --- The budget ---


def budget_is_kept(case: Case) -> Found:
    """Held once when policy approves, within the limit at that moment; given back once if nothing
    was sent; the counters agree.
    """
    used: Counter[tuple[str, str, str]] = Counter()
    held: dict[str, list[tuple[tuple[str, str, str], int]]] = {}
    for fact in case.facts:
        name = str(fact.fields.get("action_intent_id"))
        if "hold" in fact.fields:
            if name in held:
                yield name, "it was charged twice"
            account, hold = fact.fields["account_id"], fact.fields["hold"]
            held[name] = [
                ((account, hold["day"], bucket), amount) for bucket, amount in hold["claims"]
            ]
            used.update(dict(held[name]))
            yield from _within(name, fact, used, dict(held[name]))
        elif name in held and fact.status in {"AWAITING_APPROVAL", "CANCELLED", "EXPIRED"}:
            used.subtract(dict(held.pop(name)))
    yield from _holds_agree(case, held)
    yield from _counters_agree(case, used)


def _within(
    name: str,
    fact: Fact,
    used: Mapping[tuple[str, str, str], int],
    claims: Mapping[tuple[str, str, str], int],
) -> Found:
    findings = (fact.fields.get("decision") or {}).get("findings", ())
    budget = next((one for one in findings if one["check"] == "budget"), {"inputs": {"claims": []}})
    limits = {claim["bucket"]: claim["limit"] for claim in budget["inputs"].get("claims", ())}
    for key in claims:
        limit = limits.get(key[2])
        if limit is not None and used[key] > limit:
            yield name, f"at entry {fact.position} {key} had {used[key]} of {limit} in use"


def _holds_agree(case: Case, held: Mapping[str, object]) -> Found:
    for story in case:
        hold = story.record.hold if story.record else None
        counts = hold is not None and hold.state.counts
        if counts != (story.action_intent_id in held):
            state = hold.state if hold else "none"
            yield story.action_intent_id, f"its hold is {state}, and the ledger says otherwise"
        if hold is not None and counts and (hold.state == "SETTLED") != bool(story.started):
            yield (
                story.action_intent_id,
                f"its hold is {hold.state}, and it has {len(story.started)} attempts",
            )


def _counters_agree(case: Case, used: Mapping[tuple[str, str, str], int]) -> Found:
    counted = {
        (account, day, bucket): amount
        for (account, day), buckets in case.evidence.budget_used.items()
        for bucket, amount in buckets.items()
    }
    for key in sorted(counted.keys() | used.keys()):
        if counted.get(key, 0) != used.get(key, 0):
            yield (
                None,
                f"the budget {key} counts {counted.get(key, 0)}, its holds {used.get(key, 0)}",
            )


# --- The limits ---

Place: TypeAlias = tuple[str, str, str]
"""A subject, a window and a bucket."""


def limits_are_kept(case: Case) -> Found:
    """What runs alone takes from the counters of its tenant and its agent, and of every limit on
    it; none is over its limit after any entry; what was sent stays taken, and the counters agree.
    """
    used: Counter[Place] = Counter()
    held: dict[str, dict[Place, int]] = {}
    for fact in case.facts:
        name = str(fact.fields.get("action_intent_id"))
        yield from _total_is_exact(case, fact, used)
        if "hold" in fact.fields:
            counted = fact.fields["hold"].get("counted", ())
            held[name] = {
                (subject, window, bucket): amount for bucket, amount, subject, window in counted
            }
            used.update(held[name])
            yield from _subjects_counted(case, fact, held[name])
            yield from _under_limits(case, fact, used, held[name])
        elif name in held and fact.status in {"AWAITING_APPROVAL", "CANCELLED", "EXPIRED"}:
            given_back = held.pop(name).items()
            used.subtract({place: took for place, took in given_back if place[2] != "new_accounts"})
    counters = {
        (*counter, bucket): amount
        for counter, buckets in case.evidence.counted.items()
        for bucket, amount in buckets.items()
        if bucket != "blocked_bytes"  # a quota: no hold takes from it
    }
    for place in sorted(counters.keys() | used.keys()):
        if counters.get(place, 0) != used[place]:
            yield None, f"{place} counts {counters.get(place, 0)}, its holds {used[place]}"


def _subjects_counted(case: Case, fact: Fact, taken: Mapping[Place, int]) -> Found:
    """What is counted of an act whose names its agent chose: the agent and the tenant."""
    name = str(fact.fields["action_intent_id"])
    agent = canonical({"agent": case.stories[name].facts[0].fields["proposed_by"]}).decode()
    read = case.evidence.effects.get(str(fact.fields.get("action_type"))) == "read"
    bucket, subjects = ("reads", {agent}) if read else ("actions", {agent, "{}"})
    missing = subjects - {subject for subject, _, name in taken if name == bucket}
    if missing:
        yield name, f"at entry {fact.position} it took no {bucket} from {sorted(missing)}"


def _under_limits(
    case: Case, fact: Fact, used: Mapping[Place, int], taken: Mapping[Place, int]
) -> Found:
    name = str(fact.fields["action_intent_id"])
    record = case.stories[name].record
    for claim in record.hold.claims if record and record.hold else ():
        if claim.counter is None or claim.limit is None:
            continue
        place = claim.counter.subject, claim.counter.window, claim.bucket
        if place in taken and used[place] > claim.limit:
            yield name, f"at entry {fact.position} {place} had {used[place]} of {claim.limit}"


def _total_is_exact(case: Case, fact: Fact, used: Mapping[Place, int]) -> Found:
    """A counter that had no room for one more act is at its limit, to the last one."""
    name = str(fact.fields.get("action_intent_id"))
    for full in case.evidence.full:
        if full.action_intent_id == name and fact is case.stories[name].facts[0]:
            total = used[full.subject, full.window, full.bucket]
            if total != full.limit:
                yield name, f"{full} had no room at {total}"


# --- People ---


def a_no_is_remembered(case: Case) -> Found:
    """Policy approves nothing that a person rejected before, whichever agent proposes it again."""
    rejected: dict[tuple[str, str, bytes], str] = {}
    for fact in case.facts:
        name = str(fact.fields.get("action_intent_id"))
        story = case.stories.get(name)
        if story is None or story.record is None:
            continue
        intent = story.record.intent
        act = intent.account_id, intent.action_type, canonical(dict(intent.parameters))
        if fact.kind == "ACTION_REJECTED":
            rejected[act] = name
        alone = fact.fields.get("approval_source") == "POLICY" and fact is story.facts[0]
        if alone and act in rejected:
            yield name, f"it runs alone, and {rejected[act]}, the same, was rejected"


def few_enough_wait(case: Case) -> Found:
    """No proposal waits for people that finds as many of its agent waiting as may."""
    waiting: dict[str, str] = {}
    for fact in case.facts:
        name, agent = str(fact.fields.get("action_intent_id")), fact.fields.get("proposed_by")
        others = sum(each == agent for each in waiting.values())
        first = fact.fields.get("revision") == 1 and "edited_by" not in fact.fields
        if fact.kind == "APPROVAL_REQUESTED" and first and others >= case.evidence.waiting_max:
            yield name, f"at entry {fact.position} {others} of {agent} waited already"
        if fact.status == "AWAITING_APPROVAL" and name in case.stories:
            waiting[name] = str(case.stories[name].facts[0].fields["proposed_by"])
        else:
            waiting.pop(name, None)


# --- What was said is true ---


def what_was_answered_is_kept(case: Case) -> Found:
    """Whatever a caller was told is in the ledger, unchanged."""
    for one in case.evidence.answered:
        story = case.stories.get(one.action_intent_id or "")
        if one.verb == "propose" and (story is None or not story.facts):
            yield one.action_intent_id, "a proposal was acknowledged, and is lost"
        elif one.verb == "propose" and story is not None:
            known = [
                _answer(fact.fields["decision"])
                for fact in story.facts
                if "decision" in fact.fields
            ]
            if _answer(one.said) not in known:
                yield (
                    one.action_intent_id,
                    f"it was answered {_answer(one.said)}, and the ledger has {known}",
                )
        elif one.verb in {"approve", "reject", "edit"}:
            yield from _ruling_kept(one.verb, one.said, story, one.action_intent_id)
        elif one.verb in {"cancel", "reconcile"}:
            kind = "ACTION_CANCELLED" if one.verb == "cancel" else "OUTCOME_RECONCILED"
            if story is None or not story.of_kind(kind):
                yield one.action_intent_id, f"{one.verb} was acknowledged, and is lost"
    yield from _settings_kept(case)


def _answer(decision: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        decision["decision"],
        decision["reason"],
        tuple(decision["settings_version"]),
    )


def _ruling_kept(
    verb: str, said: Mapping[str, Any], story: Story | None, name: str | None
) -> Found:
    found = [
        fact
        for fact in (story.facts if story else ())
        if fact.fields.get("ruling") == verb
        and fact.fields.get("approval_id") == said["approval_id"]
    ]
    if not found or found[0].fields["actor"]["id"] != said["by"]:
        yield name, f"the ruling '{verb}' of {said['by']} was acknowledged, and is lost"
    elif verb == "edit" and found[0].fields.get("superseded_by") != said["new_intent"]:
        yield (
            name,
            (
                f"the edit proposed {said['new_intent']}, the ledger says "
                f"{found[0].fields.get('superseded_by')}"
            ),
        )


def _settings_kept(case: Case) -> Found:
    versions = [fact.fields["version"] for fact in case.about_tenant if "version" in fact.fields]
    if versions != list(range(1, len(versions) + 1)):
        yield None, f"the settings had the versions {versions[:20]}..."
    told = max(
        (one.said["version"] for one in case.evidence.answered if one.verb in {"stop", "settings"}),
        default=0,
    )
    if told > len(versions):
        yield (
            None,
            (
                f"version {told} of the settings was acknowledged, and the ledger ends at "
                f"{len(versions)}"
            ),
        )


def outcomes_are_true(case: Case) -> Found:
    """SUCCEEDED: the tool did it.

    FAILED: it did not. Blocked, rejected, expired or cancelled: nothing was sent.
    """
    for story in case:
        status = str(story.record.status) if story.record else story.facts[-1].status
        if status == "SUCCEEDED" and not story.effects:
            yield story.action_intent_id, "it succeeded, and the tool did nothing"
        if status == "FAILED" and story.effects:
            yield story.action_intent_id, "it failed, and the tool did it"
        if status in NEVER_SENT and story.calls:
            yield story.action_intent_id, f"it is {status}, and the tool was called"
        if (
            status == "SUCCEEDED"
            and not story.of_kind("OUTCOME_RECONCILED")
            and not _answered_well(story)
        ):
            yield story.action_intent_id, "it succeeded, and the tool never answered so"


def _answered_well(story: Story) -> bool:
    return any(call.answered == "ok" for call in story.calls)


def unknown_only_where_allowed(case: Case) -> Found:
    """A call may have been sent and no answer came; and it could not, or could no more, be
    repeated.
    """
    for story in case:
        for outcome in story.outcomes:
            if outcome.status != "UNKNOWN":
                continue
            error = outcome.fields.get("error") or {}
            if error.get("sent") != "MAYBE":
                yield (
                    story.action_intent_id,
                    f"it is unknown, although the call was {error.get('sent')}",
                )
            elif case.effect_of(story) != "at_most_once" and not _given_up(case, story, outcome):
                yield (
                    story.action_intent_id,
                    f"it was left unknown after attempt {outcome.fields['attempt']}",
                )


def _given_up(case: Case, story: Story, outcome: Fact) -> bool:
    """True if a repeatable call had been tried as often as it may be, or might not run any more."""
    if (
        outcome.fields.get("tries", 0) > 0
    ):  # a living worker said so: tries, or the lease, were used up
        return True
    decided = max(fact.position for fact in story.facts if "decision" in fact.fields)
    moved = any(
        decided < fact.position < outcome.position
        for fact in case.about_tenant
        if "version" in fact.fields
    )
    expires = story.record is not None and story.record.intent.expires_at is not None
    return outcome.fields["attempt"] == ATTEMPTS_MAX or moved or expires


def autopilot_is_named_as_such(case: Case) -> Found:
    """`auto_executed` is the same in approval, attempt, outcome, record and API; it is true exactly
    for POLICY.
    """
    for story in case:
        source = None
        for fact in story.facts:
            if fact.kind == "ACTION_APPROVED":
                source = fact.fields.get("approval_source")
            elif fact.kind == "APPROVAL_REQUESTED":
                source = None
            if fact.fields.get("approval_source") != source:
                yield (
                    story.action_intent_id,
                    f"{fact.kind} says {fact.fields.get('approval_source')}, not {source}",
                )
            if source and fact.fields.get("auto_executed") is not (source == "POLICY"):
                yield (
                    story.action_intent_id,
                    f"{fact.kind} says auto_executed {fact.fields.get('auto_executed')}",
                )
        if story.record and story.record.approval_source != source:
            yield (
                story.action_intent_id,
                f"the record says {story.record.approval_source}, the ledger {source}",
            )
        yield from _shown_so(case, story)


def _shown_so(case: Case, story: Story) -> Found:
    record = story.record
    for shown in (
        case.evidence.shown.get(story.action_intent_id),
        case.evidence.seen_whole.get(story.action_intent_id),
    ):
        if record is None or shown is None:
            continue
        if (
            record.status is IntentStatus.EXPIRED
            and shown["status"] == IntentStatus.AWAITING_APPROVAL
        ):
            continue  # its time came after the API was asked, and before the record was read
        said = (shown["status"], shown["auto_executed"], shown["approval_source"])
        if said != (record.status, record.auto_executed, record.approval_source):
            yield story.action_intent_id, f"the API shows {said}, the record is {record.status}"
        outcome = shown.get("outcome")
        if outcome and (outcome["auto_executed"], outcome["status"]) != (
            record.auto_executed,
            record.status,
        ):
            yield (
                story.action_intent_id,
                f"the API shows the outcome {outcome['status']}, {outcome['auto_executed']}",
            )


def tenants_are_apart(case: Case) -> Found:
    """A tenant's records, calls and pages are its own."""
    for story in case:
        if story.record and story.record.intent.tenant_id != case.tenant_id:
            yield story.action_intent_id, f"it is of the tenant {story.record.intent.tenant_id}"
    for name, shown in case.evidence.seen_whole.items():
        if shown["tenant_id"] != case.tenant_id:
            yield name, f"the API showed an intent of {shown['tenant_id']}"
    for name in case.evidence.shown:
        if name not in case.stories:
            yield name, "the API showed an intent that is not the tenant's"


def a_stop_stops(case: Case) -> Found:
    """While a switch is on, nothing that it covers starts: by the order of the ledger."""
    on: list[Mapping[str, Any]] = []
    for fact in case.facts:
        if fact.kind == "STOP_SWITCHES_CHANGED":
            on = fact.fields.get("after") or []
        elif fact.kind == "EXECUTION_STARTED":
            server = str(fact.fields["tool"]).partition(".")[0]
            subjects = {
                "ACCOUNT": fact.fields["account_id"],
                "ACTION_TYPE": fact.fields["action_type"],
                "TOOL_SERVER": server,
                "TENANT": None,
            }
            for switch in on:
                if switch["scope"] in subjects and switch["subject"] == subjects[switch["scope"]]:
                    yield (
                        str(fact.fields["action_intent_id"]),
                        f"it started at {fact.position} under {switch}",
                    )


def receipts_are_exact(case: Case) -> Found:
    """What a stop's receipt says was under way is what the ledger says: begun before the stop, and
    not ended by then. Each stop has one receipt, closed once, with as many ends.
    """
    receipts: dict[int, Fact] = {}
    closed: set[int] = set()
    for fact in case.facts:
        if fact.kind == "STOP_RECORDED":
            if fact.fields["stop"] in receipts:
                yield "", f"the stop at {fact.fields['stop']} has a second receipt"
            receipts[fact.fields["stop"]] = fact
            named = under_way_at(case, fact.fields["stop"], fact.fields["switches"])
            said = (fact.fields["under_way"], fact.fields["under_way_digest"])
            if said != (len(named), digest(named)):
                yield "", f"the receipt at {fact.position} says {said[0]}; it was {named}"
        elif fact.kind == "STOP_CLOSED":
            ends = sum(fact.fields["ended"].values())
            own = receipts.get(fact.fields["stop"])
            if own is None or fact.fields["stop"] in closed or ends != own.fields["under_way"]:
                yield "", f"the receipt that {fact.position} closes is not there, or not so"
            closed.add(fact.fields["stop"])


def under_way_at(
    case: Case, stop: int, switches: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, int]]:
    """The covered attempts that were under way at a position of the ledger."""
    named: set[tuple[str, str, int]] = set()
    for fact in case.facts:
        if fact.position > stop:
            break
        name, attempt = str(fact.fields.get("action_intent_id")), fact.fields.get("attempt", 0)
        if fact.kind in {"EXECUTION_STARTED", "OUTCOME_RECORDED"}:
            named = {known for known in named if known[1] != name}
        if fact.kind == "EXECUTION_STARTED" and covered(case, fact, switches):
            named.add((case.tenant_id, name, attempt))
    return sorted(named)


def covered(case: Case, started: Fact, switches: Sequence[Mapping[str, Any]]) -> bool:
    """True if one of these switches covers what started."""
    story = case.stories[str(started.fields["action_intent_id"])]
    subjects = {
        "ACCOUNT": started.fields["account_id"],
        "ACTION_TYPE": started.fields["action_type"],
        "TOOL_SERVER": str(started.fields["tool"]).partition(".")[0],
        "AGENT": story.record.intent.proposed_by if story.record else None,
    }
    return any(
        switch["scope"] == "TENANT" or switch["subject"] == subjects[switch["scope"]]
        for switch in switches
    )


def refusals_are_expected(case: Case) -> Found:
    """Under faults a caller may hear that nothing was done, or that it is not known; never that
    something unforeseen was.
    """
    for one in case.evidence.refused:
        if one.code not in ALWAYS_EXPECTED | EXPECTED_REFUSALS.get(one.verb, set()):
            yield one.action_intent_id, f"{one.verb} was refused with {one.code}: {one.sentence}"


def nothing_is_left(case: Case) -> Found:
    """After the settling time nothing waits for a machine."""
    for story in case:
        if story.record and story.record.status in {IntentStatus.APPROVED, IntentStatus.RUNNING}:
            yield story.action_intent_id, f"it is still {story.record.status}"


PROMISES: tuple[Callable[[Case], Found], ...] = (
    ledger_is_whole,
    one_entry_per_revision,
    steps_are_legal,
    nothing_runs_unapproved,
    what_runs_is_what_was_decided_on,
    at_most_one_execution,
    calls_lie_between_start_and_outcome,
    budget_is_kept,
    limits_are_kept,
    a_no_is_remembered,
    few_enough_wait,
    what_was_answered_is_kept,
    outcomes_are_true,
    unknown_only_where_allowed,
    autopilot_is_named_as_such,
    tenants_are_apart,
    a_stop_stops,
    receipts_are_exact,
    refusals_are_expected,
    nothing_is_left,
)


def check(
    evidence: Evidence, promises: Iterable[Callable[[Case], Found]] = PROMISES
) -> list[Violation]:
    """Everything that breaks a promise."""
    case = Case(evidence)
    return [
        Violation(promise.__name__, case.tenant_id, name, sentence)
        for promise in promises
        for name, sentence in promise(case)
    ]
