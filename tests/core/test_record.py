"""The states of an intent: which are terminal, and that every other one leads to an end."""

from __future__ import annotations

from clearance.core.record import STEPS, IntentStatus

TERMINAL = {"BLOCKED", "REJECTED", "EXPIRED", "CANCELLED", "SUCCEEDED", "FAILED"}


def test_the_terminal_states_are_those_without_a_step() -> None:
    assert {status.value for status in IntentStatus} - {
        status.value for status in STEPS
    } == TERMINAL


def test_no_path_leads_from_a_block_or_a_rejection_to_a_run() -> None:
    def reachable(status: IntentStatus) -> set[IntentStatus]:
        seen, ahead = {status}, [status]
        while ahead:
            for after in STEPS.get(ahead.pop(), frozenset()) - seen:
                seen.add(after)
                ahead.append(after)
        return seen

    for status in IntentStatus:
        assert reachable(status) & {IntentStatus(name) for name in TERMINAL}, status
    assert IntentStatus.RUNNING not in reachable(IntentStatus.UNKNOWN)
    assert IntentStatus.AWAITING_APPROVAL not in reachable(IntentStatus.RUNNING)


def test_only_an_approved_or_running_intent_runs() -> None:
    before = {status for status, afters in STEPS.items() if IntentStatus.RUNNING in afters}
    assert before == {IntentStatus.APPROVED, IntentStatus.RUNNING}
