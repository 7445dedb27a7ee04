"""The gate: the row of checks that an intent meets, and the one decision that they fold to.

Each check looks at the facts and may only tighten the answer; it asks a person where it cannot read
the settings. BLOCK ends the row, and budget and limits are asked only while everything before them
says AUTO_EXECUTE. Every finding is kept. An empty row blocks. The gate reads no clock and no store.
It cannot know what others use, or reject, meanwhile, so the store checks these again in the
transaction that admits the intent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from clearance.core import limits as counting
from clearance.core import mode as modes
from clearance.core import stop
from clearance.core.accounts import AccountKind, AccountStanding, UnknownAccounts
from clearance.core.arguments import FinalCall, final_arguments
from clearance.core.budget import (
    AMOUNT_MAX,
    Claim,
    Counter,
    Hold,
    hold_for,
    hold_of_read,
    rule_for,
    spent_claim,
)
from clearance.core.canonical import Json
from clearance.core.catalog import Action, Effect
from clearance.core.decision import Answer, Decision, Finding
from clearance.core.errors import InvalidInput
from clearance.core.intent import ActionIntent
from clearance.core.likeness import Rejection
from clearance.core.limits import UNCOUNTABLE, LimitedCounter, LimitKey, Limits, Taking, Who
from clearance.core.mode import AutonomyMode
from clearance.core.moment import as_text, day_in_zone
from clearance.core.money import Money
from clearance.core.policy import PolicyAnswer, Question
from clearance.core.policy_text import NO_POLICY_PERMITS
from clearance.core.settings import Settings, Unreadable
from clearance.core.suggestion import bounded_suggestion
from clearance.core.template import outside


@dataclass(frozen=True, slots=True)
class Facts:
    """The gate's facts: the settings, the known use of the buckets of budget and limits, by the
    place of the claim (unknown: absent), which of the accounts in question an admission made
    known, and the latest no of a person to the same act.
    """

    settings: Settings
    used: Mapping[str, int] = field(default_factory=dict)
    known_accounts: frozenset[str] = frozenset()
    rejected: Rejection | None = None


@dataclass(slots=True)
class _Case:
    """One intent on its way along the row, with the values that a check leaves to later ones."""

    intent: ActionIntent
    facts: Facts
    now: int
    action: Action | None
    policy_answer: PolicyAnswer | None = None
    hold: Hold | None = None
    made: FinalCall | None = None
    unmade: InvalidInput | None = None

    def __post_init__(self) -> None:
        """Makes the final arguments, or keeps why no call can be made."""
        try:
            if self.action is not None:
                arguments = final_arguments(self.action, self.intent)
                self.made = FinalCall(self.action, arguments)
        except InvalidInput as unmade:
            self.unmade = unmade

    @property
    def account(self) -> AccountStanding:
        """How the account of the act stands."""
        facts = self.facts
        return facts.settings.accounts.standing(self.intent.account_id, facts.known_accounts)

    @property
    def arguments(self) -> Mapping[str, Json]:
        """The final arguments; none, if no call can be made."""
        return self.made.arguments if self.made else {}

    def unread(self, check: str) -> Unreadable | None:
        """What of the settings a check cannot read, of all that could be about the intent."""
        return self.facts.settings.unread(check, self.intent.account_id, self.intent.action_type)


class _Seen(NamedTuple):
    """The finding of a check, before the row adds its name."""

    answer: Answer
    code: str
    sentence: str
    inputs: Mapping[str, Json]


def _seen(answer: Answer, code: str, sentence: str, **inputs: Json) -> _Seen:
    return _Seen(answer, code, sentence, inputs)


def _asks(unread: Unreadable) -> _Seen:
    return _seen(Answer.REQUIRE_APPROVAL, unread.code, unread.sentence)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate, as the row, the pages and the documentation read it.

    `name` stands in findings. `question` is for people, and yes is the freest answer. A check with
    `only_unattended` is asked only while every check before it answers AUTO_EXECUTE. One with
    `at_send` is asked again right before the call is sent. One that has nothing to look at finds
    nothing.
    """

    name: str
    title: str
    question: str
    look: Callable[[_Case], _Seen | None]
    only_unattended: bool = False
    at_send: bool = False

    def find(self, case: _Case) -> Finding | None:
        """The finding of this check, if it has one."""
        seen = self.look(case)
        return None if seen is None else Finding(self.name, *seen)


def decide(intent: ActionIntent, facts: Facts, now: int) -> Decision:
    """The decision on an intent whose parameters fit their schema.

    Pure: the same arguments, the same decision.
    """
    case = _Case(intent, facts, now, facts.settings.catalog.get(intent.action_type))
    findings = _walk(case)
    deciding = _deciding(findings)
    answer = deciding.answer if deciding else Answer.BLOCK
    policy = facts.settings.policy
    permitted = case.policy_answer
    remedy = None
    if answer is Answer.AUTO_EXECUTE and permitted is not None:
        reason, explanation = permitted.reason, permitted.explanation
    elif deciding:
        reason, explanation = deciding.code, deciding.sentence
        remedy = permitted.remedy if permitted and permitted.reason == reason else None
    else:
        reason, explanation = "NOTHING_CHECKED", "No check was made, so nothing is allowed."
    return Decision(
        answer=answer,
        reason=reason,
        explanation=explanation,
        findings=tuple(findings),
        settings_version=facts.settings.version,
        settings_digest=facts.settings.digest,
        policy_version=policy.version if policy else None,
        policy_clause=permitted.clauses if permitted else (),
        remedy=remedy,
        hold=case.hold if answer is Answer.AUTO_EXECUTE else None,
        made=case.made,
    )


def look_again(intent: ActionIntent, settings: Settings, now: int) -> Finding | None:
    """The strictest finding of the checks that are asked again right before the call is sent."""
    case = _Case(intent, Facts(settings), now, settings.catalog.get(intent.action_type))
    findings = (check.find(case) for check in ROW if check.at_send)
    return _deciding([finding for finding in findings if finding])


def _walk(case: _Case) -> list[Finding]:
    findings: list[Finding] = []
    for check in ROW:
        tightened = any(finding.answer is not Answer.AUTO_EXECUTE for finding in findings)
        if check.only_unattended and tightened:
            continue
        finding = check.find(case)
        if finding is None:
            continue
        findings.append(finding)
        if finding.answer is Answer.BLOCK:
            break
    return findings


def _deciding(findings: Sequence[Finding]) -> Finding | None:
    """The first of the strictest findings."""
    return max(findings, key=lambda finding: finding.answer.strictness, default=None)


def _check_stop(case: _Case) -> _Seen:
    switch = stop.strictest(case.facts.settings.stop_switches, case.intent, case.action)
    if switch is None:
        return _seen(Answer.AUTO_EXECUTE, "NOT_STOPPED", "No stop switch covers this.")
    answer = Answer.BLOCK if switch.level is stop.StopLevel.REFUSE else Answer.REQUIRE_APPROVAL
    sentence = switch.reason if switch.unreadable else f"The stop switch for {switch} is on."
    return _seen(
        answer,
        "STOP_SWITCH_UNREADABLE" if switch.unreadable else "STOP_SWITCH_ON",
        sentence,
        scope=switch.scope.value,
        subject=switch.subject,
        level=switch.level.value,
    )


def _check_expiry(case: _Case) -> _Seen:
    expires_at = case.intent.expires_at
    if expires_at is None:
        return _seen(Answer.AUTO_EXECUTE, "NOT_EXPIRED", "The intent does not expire.")
    moment = as_text(expires_at)
    if expires_at <= case.now:
        return _seen(
            Answer.BLOCK,
            "INTENT_EXPIRED",
            f"The intent expired at {moment}.",
            expires_at=moment,
        )
    sentence = f"The intent expires at {moment}."
    return _seen(Answer.AUTO_EXECUTE, "NOT_EXPIRED", sentence, expires_at=moment)


def _check_catalog(case: _Case) -> _Seen:
    if unread := case.unread("catalog"):
        return _asks(unread)
    if case.action is None:
        name = case.intent.action_type
        meant = bounded_suggestion(name, case.facts.settings.catalog) or "."
        sentence = f"The catalog has no action {name}{meant}"
        return _seen(Answer.BLOCK, "UNKNOWN_ACTION", sentence)
    if case.unmade is not None:
        return _seen(Answer.BLOCK, case.unmade.code, case.unmade.sentence)
    return _seen(
        Answer.AUTO_EXECUTE,
        "KNOWN_ACTION",
        f"The catalog has this action; the tool is {case.action.tool}.",
        tool=str(case.action.tool),
        effect=case.action.effect.value,
        risk_level_catalog=case.action.risk_level.name,
        risk_level_intent=case.intent.risk_stated,
        risk_level=case.action.effective_risk(case.intent).name,
    )


def _check_account(case: _Case) -> _Seen:
    if unread := case.unread("account"):
        return _asks(unread)
    account, name = case.account, outside(case.intent.account_id)
    match account.kind:
        case AccountKind.KNOWN:
            return _seen(Answer.AUTO_EXECUTE, "ACCOUNT_KNOWN", f"The account {name} is known.")
        case AccountKind.NEW:
            return _new_account(case, account)
        case AccountKind.LOOKS_ALIKE:
            sentence = (
                f"The account {name} is not known, and looks like {outside(account.alike or '')}; "
                f"if it is another one, an owner lists it."
            )
            return _seen(Answer.BLOCK, "ACCOUNT_LOOKS_ALIKE", sentence, alike=account.alike)
        case AccountKind.UNKNOWN:
            return _unknown_account(case.facts.settings.accounts.unknown, str(name))


def _new_account(case: _Case, account: AccountStanding) -> _Seen:
    """The first act about a name that has a listed form."""
    claims, name = account.claims(case.now), outside(case.intent.account_id)
    inputs = {"claims": [_claim_inputs(claim, case.facts.used) for claim in claims]}
    if spent_claim(Hold("", claims), case.facts.used):
        sentence = (
            f"The account {name} is new, and as many new accounts as may appear in one day have "
            f"appeared today."
        )
        return _seen(Answer.REQUIRE_APPROVAL, "NEW_ACCOUNTS_SPENT", sentence, **inputs)
    sentence = f"The account {name} is new, and has a form that is known."
    return _seen(Answer.AUTO_EXECUTE, "ACCOUNT_NEW", sentence, **inputs)


_UNKNOWN_ACCOUNT: Mapping[UnknownAccounts, tuple[Answer, str, str]] = {
    UnknownAccounts.ASK: (Answer.REQUIRE_APPROVAL, "ACCOUNT_NOT_KNOWN", "a person must look"),
    UnknownAccounts.REFUSE: (Answer.BLOCK, "ACCOUNT_NOT_KNOWN", "unknown ones are refused"),
    UnknownAccounts.ALLOW: (
        Answer.AUTO_EXECUTE,
        "UNKNOWN_ACCOUNT_ALLOWED",
        "unknown ones share one budget",
    ),
}


def _unknown_account(unknown: UnknownAccounts, name: str) -> _Seen:
    answer, code, consequence = _UNKNOWN_ACCOUNT[unknown]
    return _seen(answer, code, f"The account {name} is not known: {consequence}.")


def _check_allowlist(case: _Case) -> _Seen:
    action_type = case.intent.action_type
    if unread := case.unread("allowlist"):
        return _asks(unread)
    if case.facts.settings.allowlist.allows(case.intent.account_id, action_type):
        return _seen(Answer.AUTO_EXECUTE, "ALLOWLISTED", f"{action_type} is on the allowlist.")
    sentence = f"{action_type} is not on the allowlist of what may run unattended."
    return _seen(Answer.REQUIRE_APPROVAL, "ACTION_TYPE_NOT_ALLOWLISTED", sentence)


def _check_mode(case: _Case) -> _Seen:
    resolved = modes.resolve(
        case.facts.settings.modes, case.intent.account_id, case.intent.action_type
    )
    if (unread := case.unread("mode")) and resolved.mode is not AutonomyMode.DISABLED:
        return _asks(unread)
    answer, code, sentence = {
        AutonomyMode.DISABLED: (
            Answer.BLOCK,
            "ACTION_TYPE_DISABLED",
            "The autonomy mode is DISABLED",
        ),
        AutonomyMode.PROPOSE_ONLY: (
            Answer.REQUIRE_APPROVAL,
            "MODE_PROPOSE_ONLY",
            "The autonomy mode is PROPOSE_ONLY",
        ),
        AutonomyMode.APPROVAL_REQUIRED: (
            Answer.REQUIRE_APPROVAL,
            "MODE_APPROVAL_REQUIRED",
            "The autonomy mode is APPROVAL_REQUIRED",
        ),
        AutonomyMode.AUTO_EXECUTE: (
            Answer.AUTO_EXECUTE,
            "MODE_AUTO_EXECUTE",
            "The autonomy mode is AUTO_EXECUTE",
        ),
    }[resolved.mode]
    sentence = f"{sentence} (from: {resolved.source})."
    return _seen(answer, code, sentence, mode=resolved.mode.value, source=resolved.source)


def _check_policy(case: _Case) -> _Seen:
    policy, action, intent = case.facts.settings.policy, case.action, case.intent
    unread = case.unread("policy") or (case.unread("catalog") if action is None else None)
    if unread and (policy is None or action is None):
        return _asks(unread)
    if policy is None or action is None:
        return _seen(Answer.BLOCK, "POLICY_NOT_CONFIGURED", "The tenant has no policy.")
    question = Question(
        agent_id=intent.proposed_by,
        account_id=intent.account_id,
        action_type=intent.action_type,
        confidence_bp=intent.confidence_bp,
        risk=int(action.effective_risk(intent)),
        mode=modes.resolve(
            case.facts.settings.modes, intent.account_id, intent.action_type
        ).mode.value,
        parameters=case.arguments,
        confidence_stated=intent.confidence_stated,
    )
    answered = policy.decide(question)
    case.policy_answer = answered
    if answered.answer is Answer.BLOCK and answered.reason != NO_POLICY_PERMITS:
        unread = None  # a clause that is read forbids it, whatever the others say
    return _seen(
        Answer.REQUIRE_APPROVAL if unread else Answer(answered.answer),
        unread.code if unread else answered.reason,
        unread.sentence if unread else answered.explanation,
        confidence_bp=question.confidence_bp,
        confidence_stated=question.confidence_stated,
        risk=question.risk,
        mode=question.mode,
        policy_version=policy.version,
        clauses=list(answered.clauses),
        errors=len(answered.errors),  # their texts may quote parameters
        **{
            name: list(names)
            for name, names in (("unread", answered.unread), ("waived", answered.waived))
            if names
        },
    )


def _check_edit(case: _Case) -> _Seen | None:
    editor = case.intent.edited_by
    if editor is None:
        return None
    sentence = f"{editor} edited this, so a person must approve what it is now."
    return _seen(Answer.REQUIRE_APPROVAL, "EDITED", sentence, edited_by=editor)


def _check_rejection(case: _Case) -> _Seen:
    if unread := case.unread("rejection"):
        return _asks(unread)
    rejection = case.facts.rejected
    until = rejection.at + case.facts.settings.rejections_ask_for_ms if rejection else 0
    if rejection is None or until <= case.now:
        return _seen(Answer.AUTO_EXECUTE, "NOT_REJECTED", "No person said no to the same lately.")
    at, ends = as_text(rejection.at), as_text(until)
    return _seen(
        Answer.REQUIRE_APPROVAL,
        "REJECTED_BEFORE",
        f"A person said no to the same at {at}; until {ends} it needs a person.",
        action_intent_id=rejection.action_intent_id,
        rejected_at=at,
        asks_until=ends,
    )


def _check_budget(case: _Case) -> _Seen:
    intent, action = case.intent, case.action
    if action is not None and action.effect is Effect.READ:
        case.hold = hold_of_read(case.now)
        sentence = "It changes nothing, so it takes nothing from a budget."
        return _seen(Answer.AUTO_EXECUTE, "NO_BUDGET_NEEDED", sentence)
    if unread := case.unread("budget"):
        return _asks(unread)
    rule = rule_for(case.facts.settings.budgets, intent.account_id)
    if rule is None or action is None:
        sentence = f"No autonomy budget is configured for {outside(intent.account_id)}."
        return _seen(Answer.REQUIRE_APPROVAL, "BUDGET_NOT_CONFIGURED", sentence)
    own = hold_for(rule, intent.action_type, action.amount_spent(case.arguments), case.now)
    hold = case.account.hold(own, rule.zone, case.now)
    account = outside(intent.account_id)
    inputs = {
        "day": hold.day,
        "zone": rule.zone,
        "claims": [_claim_inputs(claim, case.facts.used) for claim in hold.claims],
    }
    claim = spent_claim(hold, case.facts.used)
    if claim and claim.amount > AMOUNT_MAX:
        sentence = _why_not_counted(action, case.arguments, "the budget")
        return _seen(Answer.REQUIRE_APPROVAL, "AMOUNT_NOT_COUNTED", sentence, **inputs)
    if claim:
        room = _room(claim, case.facts.used, money_of_bucket(claim.bucket, action))
        sentence = f"The autonomy budget of {account} for {hold.day} {room}."
        return _seen(Answer.REQUIRE_APPROVAL, "BUDGET_EXCEEDED", sentence, **inputs)
    case.hold = hold
    sentence = f"The autonomy budget of {account} for {hold.day} has room."
    return _seen(Answer.AUTO_EXECUTE, "BUDGET_HELD", sentence, **inputs)


def _claim_inputs(claim: Claim, used: Mapping[str, int]) -> dict[str, Json]:
    """A claim, and the use of its bucket where it was read."""
    known = {"used": used[claim.place]} if claim.place in used else {}
    return {"bucket": claim.bucket, "amount": claim.amount, "limit": claim.limit, **known}


def _why_not_counted(action: Action, arguments: Mapping[str, Json], counter: str) -> str:
    """Why a budget or a limit of amounts cannot count what an act spends."""
    value = arguments.get(action.spends) if action.spends else None
    shown = action.spent_in.value(value)
    if shown is None or not isinstance(value, int | float):
        why = "The amount is not known"
    elif value < 0:
        why = f"The amount {shown} is negative"
    else:
        why = f"The amount {shown} is no whole number of units, or too large"
    return f"{why}, so {counter} cannot count it; a person must look."


def _room(claim: Claim, used: Mapping[str, int], money: Money) -> str:
    """How a claim does not fit: beside what is used, where that was read."""
    limit, needed = claim.limit or 0, money.amount(claim.amount)
    if claim.place not in used:
        return f"is {money.amount(limit)} ({claim.bucket}); this needs {needed}"
    use = money.used_of(used[claim.place], limit)
    return f"has {use} used ({claim.bucket}); this needs {needed} more"


def who_acts(intent: ActionIntent) -> Who:
    """Whose act an intent is, as limits see it."""
    return {
        LimitKey.AGENT: intent.proposed_by,
        LimitKey.ACCOUNT: intent.account_id,
        LimitKey.ACTION_TYPE: intent.action_type,
    }


def counters_of(
    intent: ActionIntent, settings: Settings, known_accounts: frozenset[str], now: int
) -> set[Counter]:
    """Every counter that an act of this intent would be counted in now, beside its account's own
    of the day.
    """
    standing = settings.accounts.standing(intent.account_id, known_accounts)
    rule = rule_for(settings.budgets, intent.account_id)
    own = standing.counters(rule.zone if rule else "UTC", now)
    return {*own, *(each.counter for each in _counters(intent, settings, standing, now))}


def _counters(
    intent: ActionIntent, settings: Settings, standing: AccountStanding, now: int
) -> tuple[LimitedCounter, ...]:
    known = standing.kind is not AccountKind.UNKNOWN
    return counting.limited_counters(settings.limits, who_acts(intent), now, known=known)


def _check_limits(case: _Case) -> _Seen:
    intent, action, limits = case.intent, case.action, case.facts.settings.limits
    if unread := case.unread("limits"):
        return _asks(unread)
    amount = action.amount_spent(case.arguments) if action else None
    spends = counting.spending_of(action, amount) if action else None
    counters = _counters(intent, case.facts.settings, case.account, case.now)
    taking = Taking(spends, reads=action is not None and action.effect is Effect.READ)
    claims = counting.claims_of(counters, taking)
    held = case.hold or Hold(day_in_zone(case.now, "UTC"), ())
    used = case.facts.used
    limited = [claim for claim in claims if claim.limit is not None]
    inputs: dict[str, Json] = {"claims": [_counted(claim, limits, used) for claim in limited]}
    claim = spent_claim(Hold(held.day, claims), used)
    if claim and claim.amount == UNCOUNTABLE and action:
        sentence = _why_not_limited(action, case.arguments, claim)
        return _seen(Answer.REQUIRE_APPROVAL, "AMOUNT_NOT_COUNTED", sentence, **inputs)
    if claim and claim.counter:
        sentence = f"The limit of {counting.in_words(claim.counter)} {_left(claim, limits, used)}."
        return _seen(Answer.REQUIRE_APPROVAL, "LIMIT_EXCEEDED", sentence, **inputs)
    case.hold = replace(held, claims=counting.together((*held.claims, *claims)))
    sentence = "Every limit has room." if limited else "No limit is set for this."
    return _seen(Answer.AUTO_EXECUTE, "LIMITS_HELD", sentence, **inputs)


def _why_not_limited(action: Action, arguments: Mapping[str, Json], claim: Claim) -> str:
    unit = claim.bucket.partition(":")[2]
    if action.spent_in.unit:
        return _why_not_counted(action, arguments, f"the limit of {unit}")
    spends = f"{action.action_type} spends an amount without a unit"
    return f"{spends}, so the limit of {unit} cannot count it; a person must look."


def _counted(claim: Claim, limits: Limits, used: Mapping[str, int]) -> dict[str, Json]:
    """What an act takes from one bucket of a counter: amounts in smallest units, as limits are
    written; None for one that cannot be counted.
    """
    counts = _claim_inputs(claim, used)
    bucket = counts.pop("bucket")
    return {
        "bucket": bucket,
        **{
            name: None
            if counted is None or counted == UNCOUNTABLE
            else limits.smallest(claim.bucket, counted)
            for name, counted in counts.items()
        },
        **({"counter": counting.as_json(claim.counter)} if claim.counter else {}),
    }


def _left(claim: Claim, limits: Limits, used: Mapping[str, int]) -> str:
    """How a claim does not fit under a limit: beside what is used, where that was read."""
    limit, needed = claim.limit or 0, limits.amount(claim.bucket, claim.amount)
    if claim.place not in used:
        return f"is {limits.amount(claim.bucket, limit)}; this needs {needed}"
    use = limits.used_of(claim.bucket, used[claim.place], limit)
    return f"has {use} used; this needs {needed} more"


def money_of_bucket(bucket: str, action: Action | None) -> Money:
    """How the numbers of a bucket are written: amounts as the action spends them, acts as they
    are.
    """
    return action.spent_in if action and bucket.startswith("amount:") else Money()


ROW: tuple[Check, ...] = (
    Check("stop_switch", "Stop switch", "Is no stop switch on for it?", _check_stop),
    Check(
        "expiry", "Expiry", "Is the intent's own time not over yet?", _check_expiry, at_send=True
    ),
    Check("catalog", "Catalog", "Does the action exist?", _check_catalog),
    Check("account", "Account", "Is the account known?", _check_account),
    Check(
        "allowlist",
        "Allowlist",
        "May this action type run unattended at all?",
        _check_allowlist,
        at_send=True,
    ),
    Check("mode", "Autonomy mode", "Is it AUTO_EXECUTE here?", _check_mode, at_send=True),
    Check("policy", "Policy", "Do the rules permit it unattended?", _check_policy),
    Check("edit", "Edit", "Is it as it was proposed?", _check_edit),
    Check("rejection", "Rejection", "Did no person say no to the same?", _check_rejection),
    Check("budget", "Budget", "Is there room for it?", _check_budget, only_unattended=True),
    Check("limits", "Limits", "Has every limit room for it?", _check_limits, only_unattended=True),
)
"""Every check, in the order in which an intent meets them."""
