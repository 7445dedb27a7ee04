"""A token that a tool shows, wherever a tool can show anything, stands in no file of the data
directory, no log, no page and no reply.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clearance.client import Clearance
from tests.doors.test_serve import POLICY
from tests.tools.support.calling import HERE

TOKEN = "tk-5ecret/0123456789-é"
# What no spelling of it lacks. Its base64 is not read: an image is not kept at all.
PARTS = ("5ecr", "0123456789")
KEY = "a-key-for-this-test-only-of-somebody"
HOWS = ("text", "json", "structure", "cut", "cut-structure", "error", "image", "refuse")
SETTLED = {"SUCCEEDED", "FAILED", "UNKNOWN", "CANCELLED"}
SECONDS_MAX = 40.0

CONFIGURATION = f"""\
version: 1
tenant: northwind
tool_servers:
  leaky:
    command: [{sys.executable}, -I, -S, {HERE / "leaky_server.py"}]
    environment: {{TOKEN: "${{LEAKY_TOKEN}}"}}
    SECRETS
catalog:
  LEAK:
    tool: leaky.leak
    risk_level: LOW
    effect: at_most_once
    parameters:
      type: object
      required: [how]
      properties: {{how: {{type: string}}}}
      additionalProperties: false
    sentence: "leaked {{how}}"
    accepts: [TOOL_DEFAULT:key, ACCOUNT_NOT_SENT, ARGUMENT_NOT_KNOWN]
autonomy:
  allowlist: [LEAK]
  modes: [{{mode: AUTO_EXECUTE}}]
  budgets: [{{max_per_day: 50, zone: UTC}}]
  accounts: [acme]
  limits: [{{for: tenant, per: day, actions: 200}}]
policy: policy.cedar
"""


@contextmanager
def serving(folder: Path, secrets: str) -> Iterator[tuple[Clearance, str]]:
    (folder / "clearance.yaml").write_text(CONFIGURATION.replace("SECRETS", secrets))
    rules = POLICY.partition('@id("sure-enough")')[0].replace("CREATE_TASK", "LEAK")
    (folder / "policy.cedar").write_text(rules)
    words = ["serve", "--config", str(folder / "clearance.yaml"), "--data", str(folder / "data")]
    words += ["--port", "0", "--json"]
    environment = {
        **os.environ,
        "LEAKY_TOKEN": TOKEN,
        "CLEARANCE_LOG_LEVEL": "debug",
        "CLEARANCE_BOOTSTRAP_API_KEY": KEY,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from clearance.cli.main import main; main()", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            address = ""
            for line in process.stdout:
                with (folder / "said").open("a") as announced:
                    announced.write(line)
                if '"url": "' in line:
                    address = line.split('"')[3]
                if line == "}\n":
                    break
            with Clearance(address, KEY) as client:
                yield client, address
        finally:
            process.terminate()
            process.wait(SECONDS_MAX)
            process.stdout.close()


@pytest.mark.parametrize("secrets", ["", "secrets: [TOKEN]", "secrets: [LEAKY_TOKEN]"])
def test_a_token_that_a_tool_shows_is_kept_nowhere(tmp_path: Path, secrets: str) -> None:
    shown: list[str] = []
    with serving(tmp_path, secrets) as (client, address):
        ended: dict[str, Any] = {}
        for how in HOWS:
            client.propose(
                account_id="acme",
                action_type="LEAK",
                risk_level="LOW",
                confidence_score=0.95,
                parameters={"how": how},
                action_intent_id=how,
            )
        until = time.monotonic() + SECONDS_MAX
        while len(ended) < len(HOWS):
            assert time.monotonic() < until, (tmp_path / "log").read_text()[-3000:]
            for how in HOWS:
                intent = client.intent(how)
                if intent["status"] in SETTLED:
                    ended[how] = intent
        shown += [str(ended), *shown_by_doors(client, address)]
    results = {how: ended[how]["outcome"]["result"] for how in HOWS}
    assert results["text"] == 'my token is ***\n{"token": "***"}'
    assert results["json"] == '{"token": "***"}'
    assert results["structure"] == {"a": {"b": ["***", {"***": "***"}]}, "k-***": 1}
    assert {how: ended[how]["status"] for how in HOWS} == dict.fromkeys(HOWS, "SUCCEEDED") | {
        "error": "FAILED",
        "refuse": "FAILED",
    }
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert b"tool_server_stderr" in files[tmp_path / "log"]
    assert b"Failed to validate notification" in files[tmp_path / "log"]
    assert [path for path in files if path.suffix == ".sqlite3"]
    for part in PARTS:
        found = [str(path) for path, content in files.items() if part.encode() in content]
        assert not found, (part, found)
        assert not [text for text in shown if part in text]


def shown_by_doors(client: Clearance, address: str) -> list[str]:
    """What the other doors show of it: the ledger, the stream of events, metrics, the pages."""
    ledger = list(client.ledger())
    events = list(islice(client.events(after=0), len(ledger)))
    shown = [*map(str, ledger), *map(str, events)]
    shown += [str(client.intent(how)) + str(client.explanation(how)) for how in HOWS]
    paths = ["/", "/needs-you", *(f"/intents/{how}" for how in HOWS), "/metrics"]
    with httpx2.Client(base_url=address, trust_env=False, follow_redirects=True) as browser:
        signed_in = browser.post(
            "/sign-in", data={"key": KEY, "next": "/"}, headers={"Origin": address}
        )
        assert signed_in.status_code == 200
        answers = [browser.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    assert "***" in answers[2].text
    return shown + [answer.text for answer in answers]
