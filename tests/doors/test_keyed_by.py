"""A caller does not choose what it is limited by: an agent that varies everything that it may write
passes no limit of the table in `docs/security.md`.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from clearance.core.likeness import ASKS_FOR_MS_DEFAULT
from clearance.core.principal import Role
from tests.doors.conftest import Door
from tests.support import sample
from tests.tidy.pages import page

pytestmark = pytest.mark.anyio
TRIES = 40  # proposals of the agent, each with other values than those before
TABLE = re.compile(r"^\| ([^|*]+?) \| ([^|]+?) \| ([^|]+?) \|", re.MULTILINE)


def varied(**fixed: Any) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Bodies and headers, in which the agent varies all that the attack does not fix."""
    for number in itertools.count():
        body = {
            "action_intent_id": f"try-{number}",
            "account_id": ("acme", "globex", "initech", "hooli")[number % 4],
            "action_type": "CREATE_TASK",
            "parameters": {"title": f"Call {number}"},
            "confidence_score": 1 - number / 1000,
            "risk_level": ("MINIMAL", "LOW")[number % 2],
            "target": {"try": number},
            "why": [f"Reason {number}."],
            "trace_id": f"run-{number}",
        }
        body |= fixed
        headers = {
            "X-Forwarded-For": f"10.0.0.{number}",
            "Forwarded": f"for=10.0.0.{number}",
            "X-Real-IP": f"10.0.0.{number}",
            "User-Agent": f"agent/{number}",
            "Idempotency-Key": body["action_intent_id"] or f"key-{number}",
        }
        yield body, headers


async def tried(door: Door, times: int = TRIES, **fixed: Any) -> Counter[str]:
    """How the agent's tries were answered: the gate's answers, or the code of the refusal."""
    answers: Counter[str] = Counter()
    for body, headers in itertools.islice(varied(**fixed), times):
        given = {name: part for name, part in body.items() if part is not None}
        answer = (await door.agent.post("/v1/intents", json=given, headers=headers)).json()
        answers[answer.get("decision") or answer["code"]] += 1
    return answers


async def configured(door: Door, **autonomy: Any) -> None:
    await door.world.configure(sample.document(**autonomy))


async def of_invented_accounts(door: Door, form: str) -> int:
    """How many acts run alone, each about an account that nobody heard of."""
    answers: Counter[str] = Counter()
    for number in range(TRIES):
        name = form.format(number)
        answers += await tried(door, 1, action_intent_id=f"for-{name}", account_id=name)
    return answers["AUTO_EXECUTE"]


async def test_a_budget_binds_whatever_account_is_named(door: Door) -> None:
    budgets = [{"max_per_day": 5}]
    await configured(door, accounts=["acme"], budgets=budgets)
    assert await of_invented_accounts(door, "cus_{:06}") == 0, "what is not known asks"
    await configured(door, accounts={"known": [], "unknown": "allow"}, budgets=budgets)
    assert await of_invented_accounts(door, "other_{:06}") == 5, "they share one budget"


async def test_a_pattern_lets_in_so_many_new_names_a_day(door: Door) -> None:
    await configured(door, accounts=[{"match": "cus_[0-9]{6}", "new_per_day": 3}])
    assert await of_invented_accounts(door, "cus_{:06}") == 3


@pytest.mark.parametrize(
    "limit",
    [
        {"for": "tenant", "per": "day", "actions": 6},
        {"for": "each agent", "per": "day", "actions": 6},
        {"for": "each agent", "per": "minute", "actions": 6},
        {"for": "each action_type", "per": "month", "actions": 6},
        {"agent": "agent-ada", "action_type": "CREATE_TASK", "per": "hour", "actions": 6},
    ],
    ids=lambda limit: f"{limit.get('for', 'named')} per {limit['per']}",
)
async def test_a_limit_binds_whatever_is_written(door: Door, limit: dict[str, Any]) -> None:
    await configured(door, budgets=[{"max_per_day": 1000}], limits=[limit])
    answers = await tried(door)
    assert answers == {"AUTO_EXECUTE": 6, "REQUIRE_APPROVAL": TRIES - 6}


async def test_reads_have_a_rate_of_their_agent(door: Door) -> None:
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["effect"] = "read"
    del document["catalog"]["CREATE_TASK"]["idempotency_argument"]
    document["autonomy"]["limits"] = [{"for": "each agent", "per": "minute", "reads": 7}]
    await door.world.configure(document)
    answers = await tried(door)
    assert answers == {"AUTO_EXECUTE": 7, "REQUIRE_APPROVAL": TRIES - 7}


async def test_a_rate_of_proposals_is_the_credentials(door: Door) -> None:
    await configured(door, quotas={"proposals_per_minute_each_credential": 9})
    await tried(door, 1)  # the process learns the settings
    answers = await tried(door)
    assert answers["TOO_MANY_PROPOSALS"] >= TRIES - 9


async def test_so_many_of_an_agent_wait(door: Door) -> None:
    await configured(door, quotas={"waiting_each_agent": 8}, allowlist=[])
    answers = await tried(door)
    assert answers == {"REQUIRE_APPROVAL": 8, "TOO_MANY_WAITING": TRIES - 8}


async def test_blocked_intents_leave_so_many_bytes(door: Door) -> None:
    await configured(door, quotas={"blocked_bytes_per_day": 4_000})
    answers = await tried(door, action_type="UNHEARD_OF", parameters={"text": "x" * 900})
    assert answers == {"BLOCK": TRIES}
    records = [await door.world.record(f"try-{number}") for number in range(TRIES)]
    kept = [record for record in records if record.intent.parameters or record.intent.why]
    assert 1 <= len(kept) <= 4, "of the others the entry stands alone"


async def test_a_no_is_keyed_by_what_the_owner_says_is_the_same(door: Door) -> None:
    document = sample.document()
    document["catalog"]["ISSUE_REFUND"]["same_when"] = ["order_id"]
    await door.world.configure(document)
    first = {"order_id": "ORD-9", "amount_minor": 1_000}
    fixed = {"account_id": "acme", "action_type": "ISSUE_REFUND"}
    await tried(door, 1, **fixed, action_intent_id="no", parameters=first, confidence_score=0.1)
    ruling = {"ruling": "reject", "reason": "Never."}
    assert (await door.approver.post("/v1/approvals/no.1/rulings", json=ruling)).is_success
    for number, order in enumerate(("ORD-9", "ord-9", " ORD-9", "ＯＲＤ-9", "ORD\u00ad-9")):
        parameters = {"order_id": order, "amount_minor": 1_000 + number}
        answers = await tried(
            door, 1, **fixed, action_intent_id=f"y{number}", parameters=parameters
        )
        assert answers["AUTO_EXECUTE"] == 0, order
    door.world.clock.now += ASKS_FOR_MS_DEFAULT + 1
    answers = await tried(door, 1, **fixed, action_intent_id="late", parameters=first)
    assert answers["AUTO_EXECUTE"] == 1


async def test_an_intent_runs_once_and_its_id_is_its_agents(door: Door) -> None:
    _, key = await door.world.control.create_api_key(sample.OWNER, "agent-bob", Role.AGENT)
    await tried(door, 1)
    for body, headers in itertools.islice(varied(action_intent_id="try-0"), TRIES):
        taken = await door.agent.post(
            "/v1/intents", json=body, headers={**headers, "Authorization": f"Bearer {key}"}
        )
        assert (taken.status_code, taken.json()["code"]) == (409, "INTENT_ID_TAKEN")
        assert "agent-ada" not in taken.text


def test_the_table_says_what_each_limit_counts_under() -> None:
    """The keys come from a credential, from people, or have a limit of their own."""
    text = page("docs/security.md").text.split("<!-- keyed by -->")[1].split("\n## ")[0]
    rows = [row for row in TABLE.findall(text) if row[0] not in {"limit", "---"}]
    assert len(rows) > 15
    for limit, _, chosen_by in rows:
        chosen = re.match(r"(the credential|people|Clearance|the connection|the agent)", chosen_by)
        assert chosen, f"{limit}: {chosen_by}"
        if chosen[1] == "the agent":
            assert "bounded by" in chosen_by, f"{limit}: a name that the agent chooses is bounded"
