"""`kill -9` of the server at every commit boundary of the path, and around the tool call; then a new start.

Whatever the point: no intent is lost, none runs twice, budget is charged once, and what may not be repeated ends UNKNOWN.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from clearance.client import Clearance, ClearanceUnavailable
from clearance.core.catalog import idempotency_key
from clearance.demo import crm
from tests import sample
from tests.sample import TENANT

KEY = "a-key-for-crash-tests-only-0000000"
SETTLED = {"SUCCEEDED", "FAILED", "UNKNOWN", "CANCELLED", "BLOCKED", "REJECTED", "EXPIRED"}
COMMITS = 3  # admit, start_attempt, record_outcome
POINTS = [f"commit:{number}:{when}" for number in range(1, COMMITS + 1) for when in ("before", "after")]
POINTS += ["tool:before", "tool:after"]

ACTS: dict[str, dict[str, Any]] = {
    "CREATE_TASK": {"title": "Renewal call"},
    "SEND_MAIL": {"to": "ann@example.com", "subject": "Hello", "body": "Good morning"},
}


class Crashing:
    """A data directory, a CRM, and servers that come and go."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.crm = folder / "crm.sqlite3"
        monkeypatch.setenv("CRM_DB", str(self.crm))
        monkeypatch.setenv("CLEARANCE_BOOTSTRAP_API_KEY", KEY)
        self.config = folder / "clearance.yaml"
        document = sample.document()
        document["tool_servers"]["crm"]["environment"] = {"CRM_DB": "${CRM_DB}"}
        document["tool_servers"]["crm"]["deadline_seconds"] = 10
        policy = document.pop("policy")
        (folder / "policy.cedar").write_text(policy)
        self.config.write_text(yaml.safe_dump({"version": 1, "tenant": TENANT, "policy": "policy.cedar", **document}))

    @contextmanager
    def serving(self, point: str) -> Iterator[tuple[subprocess.Popen[str], Clearance]]:
        command = [sys.executable, "-m", "tests.crash.server", str(self.config), str(self.data), "0", point]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                assert url, "the server did not start"
                with Clearance(url, KEY) as client:
                    yield process, client
            finally:
                process.terminate()
                process.wait(20)

    def settle(self, client: Clearance, name: str) -> dict[str, Any]:
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            intent = dict(client.intent(name))
            if intent["status"] in SETTLED:
                return intent
            time.sleep(0.05)
        pytest.fail(f"{name} is still {intent['status']}")

    def effects(self) -> Counter[str]:
        return Counter(effect["request_id"] or effect["tool"] for effect in crm.effects(self.crm))


def propose(client: Clearance, action_type: str) -> dict[str, Any]:
    return dict(
        client.propose(
            action_intent_id="i1",
            account_id="acme",
            action_type=action_type,
            parameters=ACTS[action_type],
            confidence_score=0.95,
            risk_level="LOW",
        )
    )


@pytest.mark.timeout(90)
@pytest.mark.parametrize("action_type", sorted(ACTS))
@pytest.mark.parametrize("point", POINTS)
def test_kill_dash_nine_loses_nothing_and_repeats_nothing_that_could_hurt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, action_type: str
) -> None:
    world = Crashing(tmp_path, monkeypatch)
    acknowledged = None
    with world.serving(point) as (process, client):
        (world.data / "armed").touch()
        try:
            acknowledged = propose(client, action_type)
        except ClearanceUnavailable:
            acknowledged = None  # it died before the answer was out
        assert process.wait(20) == -9, "the point was never reached"
    (world.data / "armed").unlink()

    with world.serving("never") as (_, client):
        if acknowledged is not None:
            assert client.intent("i1")["decision"] == acknowledged["decision"], "what was acknowledged is there"
        again = propose(client, action_type)
        assert acknowledged is None or again["reason"] == acknowledged["reason"]
        intent = world.settle(client, "i1")
        usage = [entry["kind"] for entry in client.ledger() if entry.get("action_intent_id") == "i1"]

    started_before_the_kill = point in {"commit:2:after", "commit:3:before", "tool:before", "tool:after"}
    expected = "UNKNOWN" if action_type == "SEND_MAIL" and started_before_the_kill else "SUCCEEDED"
    assert intent["status"] == expected
    assert intent["outcome"]["auto_executed"] is True
    assert usage.count("ACTION_APPROVED") == 1
    assert usage.count("OUTCOME_RECORDED") == 1
    assert intent["budget"]["state"] == "SETTLED"

    effect = idempotency_key(TENANT, "i1") if action_type == "CREATE_TASK" else "send_mail"
    sent = 0 if expected == "UNKNOWN" and point in {"commit:2:after", "tool:before"} else 1
    assert world.effects() == Counter({effect: sent} if sent else {})
