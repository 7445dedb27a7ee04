"""The tests of `test_workflow.py` once more, on the kept template as MiniStack's CloudFormation
deploys it, under its grants.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

pytest.register_assert_rewrite("tests.aws.test_workflow")

from deploy.aws import smoke  # noqa: E402

from clearance.core.record import IntentStatus  # noqa: E402 - after the line before it
from clearance.stores.dynamodb.table import INSTALLATION, intent  # noqa: E402
from tests.aws import test_workflow as workflow  # noqa: E402
from tests.aws.support import recording  # noqa: E402
from tests.aws.support.deployed import NAME, TEMPLATE, Deployed, deployed  # noqa: E402
from tests.aws.support.stack import FUNCTIONS  # noqa: E402
from tests.aws.support.template import Template  # noqa: E402
from tests.support.sample import task  # noqa: E402

globals().update({name: one for name, one in vars(workflow).items() if name.startswith("test_")})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("ministack")) as made:
        yield made


def carried_out(stack: Deployed, action_intent_id: str) -> None:
    """Proposes by event what runs alone, and waits until it did."""
    stack.propose_by_event(workflow.detail(action_intent_id), workflow.SOURCE)
    assert (
        workflow.outcome_of(stack, workflow.NORTHWIND, action_intent_id).status
        is IntentStatus.SUCCEEDED
    )


def test_all_that_functions_read_and_write_fits_the_conditions_of_their_grants(
    stack: Deployed,
) -> None:
    """MiniStack does not look at `dynamodb:LeadingKeys`.

    What the tests above made the functions do is looked at here.
    """
    carried_out(stack, "keys-of-grants")
    template, did = Template.read(TEMPLATE), set()
    for function in FUNCTIONS:
        for one in recording.read(stack.folder, function):
            did.add(function)
            assert template.may(function, one.action, one.key, transaction=one.transaction), (
                function,
                one,
            )
    assert did >= {"gate", "launcher", "starter", "invoker", "recorder"}


def test_grants_are_enforced_here(stack: Deployed) -> None:
    """Else everything above would say nothing about them."""
    iam = stack.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    nobody = boto3.client(
        "dynamodb",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        nobody.get_item(
            TableName=stack.table, Key={"pk": {"S": INSTALLATION.pk}, "sk": {"S": INSTALLATION.sk}}
        )


def test_what_the_gate_refuses_by_event_is_kept_for_somebody_to_look_at(stack: Deployed) -> None:
    """As EventBridge invokes it; MiniStack's EventBridge itself
    tries only once, and keeps nothing.
    """
    stack.invoke_later("gate", workflow.event_of(workflow.detail("from-nobody"), "somebody.else"))
    [message] = stack.dead_letters("FailedEvents")
    said = json.loads(message)
    assert said["requestContext"]["condition"] == "RetriesExhausted"
    assert said["requestPayload"]["detail"]["action_intent_id"] == "from-nobody"
    assert "UNKNOWN_SOURCE" in said["responsePayload"]["errorMessage"]


def test_the_schedule_reaches_the_sweeper(stack: Deployed) -> None:
    workflow.propose_and_crash(stack, task("swept-by-schedule"))
    stack.fire_schedule()
    assert (
        workflow.outcome_of(stack, workflow.NORTHWIND, "swept-by-schedule").status
        is IntentStatus.SUCCEEDED
    )


def test_the_smoke_script_looks_at_everything_and_acts_once(
    stack: Deployed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proposal = workflow.detail("unused")
    del proposal["action_intent_id"]
    (tmp_path / "proposal.json").write_text(json.dumps(proposal), encoding="utf-8")
    monkeypatch.setenv("CLEARANCE_API_KEY", stack.keys[workflow.NORTHWIND, "agent"])
    words = ["--stack", NAME, "--proposal", str(tmp_path / "proposal.json"), "--url", stack.url]
    assert smoke.main(words) == 2
    assert "Say --this-acts-for-real" in capsys.readouterr().err
    before = len(stack.executions())
    assert smoke.main([*words, smoke.FLAG]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "the outcome: SUCCEEDED, auto_executed True" in said
    assert "the dead letters: none" in said
    assert len(stack.executions()) == before + 1


def test_the_smoke_script_says_in_a_sentence_what_is_wrong(
    stack: Deployed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "proposal.json"

    def said(text: str | None, *words: str) -> tuple[int, str]:
        if text is not None:
            path.write_text(text, encoding="utf-8")
        code = smoke.main(
            ["--stack", NAME, "--url", stack.url, "--proposal", str(path), smoke.FLAG, *words]
        )
        return code, capsys.readouterr().err.splitlines()[-1]

    sound = {
        name: value for name, value in workflow.detail("x").items() if name != "action_intent_id"
    }
    monkeypatch.delenv("CLEARANCE_API_KEY", raising=False)
    assert said(json.dumps(sound)) == (
        2,
        "This cannot be used: CLEARANCE_API_KEY is not set: the API key of an agent.",
    )
    monkeypatch.setenv("CLEARANCE_API_KEY", "clr_" + "x" * 43)
    assert said(None) == (
        1,
        "Not as it should be: No valid credential came with the request. (UNAUTHENTICATED)",
    )
    monkeypatch.setenv("CLEARANCE_API_KEY", stack.keys[workflow.NORTHWIND, "agent"])
    assert said("no JSON")[1].endswith("is not JSON.")
    assert said("[]")[1].endswith("is no JSON object.")
    assert said("{}")[1].endswith("has no action_type.")
    assert "has action_intent_id, which" in said(json.dumps({**sound, "action_intent_id": "x"}))[1]
    assert "does not exist" in said(json.dumps(sound), "--stack", "another")[1]
    code, why = said(json.dumps({**sound, "confidence_score": 0.1}))
    assert (code, why.endswith("It was cancelled.")) == (1, True), why
    assert "the gate's answer is REQUIRE_APPROVAL: " in why
    path.unlink()
    assert "cannot be read" in said(None)[1]


def test_an_alias_of_the_gate_speaks_as_its_name(stack: Deployed) -> None:
    client, gate, alias = stack.client("lambda"), stack.functions["gate"], "northwind-service"
    client.create_alias(FunctionName=gate, Name=alias, FunctionVersion="$LATEST")
    for source, created in ((None, True), (workflow.SOURCE, None)):
        event = {"detail": workflow.detail(f"alias-{source}"), "source": source}
        answer = client.invoke(
            FunctionName=gate, Qualifier=alias, Payload=json.dumps(event).encode()
        )
        said = json.loads(answer["Payload"].read())
        assert said.get("created") is created, said
    record = workflow.outcome_of(stack, workflow.NORTHWIND, "alias-None")
    assert (record.intent.proposed_by, record.auto_executed) == ("service-nora", True)


def test_a_restored_table_takes_over(stack: Deployed) -> None:
    """The last test of this file: from here on the stack works on another table."""
    before, restored = stack.table, "clearance-restored"
    carried_out(stack, "before-the-backup")
    stack.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=before, TargetTableName=restored, UseLatestRestorableTime=True
    )
    stack.work_on(restored)
    assert stack.table == restored
    again = stack.invoke("gate", workflow.event_of(workflow.detail("before-the-backup")))
    assert (again["created"], again["intent"]["status"]) == (False, "SUCCEEDED")
    fresh = stack.invoke("gate", workflow.event_of(workflow.detail("after-the-restore")))
    assert fresh["created"] is True
    key = {"pk": {"S": intent(workflow.NORTHWIND, "after-the-restore").pk}, "sk": {"S": "INTENT"}}
    assert "Item" not in stack.client("dynamodb").get_item(TableName=before, Key=key)
    assert workflow.record_of(stack, workflow.NORTHWIND, "after-the-restore") is not None
    assert len(stack.tool.calls_of(workflow.NORTHWIND, "before-the-backup")) == 1
