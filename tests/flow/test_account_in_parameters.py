"""The catalog says which parameter names the account: it is taken from there, and what contradicts
it is refused wherever a call is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.configuration.document import parse_document, read_document
from clearance.core.approval import RulingKind
from clearance.core.errors import Conflict, Forbidden, InvalidInput
from clearance.core.principal import Scope
from clearance.core.record import IntentStatus
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

SCHEMA = {
    "type": "object",
    "required": ["title", "customer_id"],
    "properties": {
        "title": {"type": "string"},
        "customer_id": {"type": "string"},
        "other_id": {"type": "string"},
    },
    "additionalProperties": False,
}


def document(account: str | None = "{customer_id}", **changes: Any) -> dict[str, Any]:
    made = sample.document()
    action = made["catalog"]["CREATE_TASK"]
    action |= {"parameters": {**SCHEMA, **changes}, "arguments": {}}
    if account is not None:
        action["account"] = account
    return made


def call(customer: str, name: str = "t1", account: str | None = None, **changes: Any) -> Any:
    parameters = {"title": "Renewal call", "customer_id": customer}
    return task(name, account_id=account, parameters=parameters, **changes)


def code_of(refused: pytest.ExceptionInfo[InvalidInput]) -> tuple[str, str]:
    return refused.value.code, ".".join(map(str, refused.value.problems[0].path))


async def test_the_account_is_taken_from_the_parameters(world: World) -> None:
    await world.configure(document())
    record = await world.propose(call("globex"))
    assert (record.intent.account_id, record.status) == ("globex", IntentStatus.APPROVED)
    assert dict(await world.used("globex"))["actions"] == 1
    named = await world.propose(call("globex", "t2", "globex"))
    assert named.intent.account_id == "globex"
    assert (await world.propose(call("wayne", "t3"))).decision.reason == "ACCOUNT_NOT_KNOWN"
    assert (await world.propose(call("Globex", "t4"))).decision.reason == "ACCOUNT_LOOKS_ALIKE"


async def test_a_proposal_that_contradicts_itself_is_refused(world: World) -> None:
    """Else it is decided and counted on one account, and its tool works on another."""
    await world.configure(document())
    with pytest.raises(InvalidInput) as refused:
        await world.propose(call("globex", account="acme"))
    assert code_of(refused) == ("ACCOUNT_CONTRADICTED", "parameters.customer_id")
    assert [entry["kind"] for entry in await world.entries()][-1] == "SETTINGS_CHANGED"


async def test_an_edit_moves_no_act_to_another_account(world: World) -> None:
    await world.configure(document())
    await world.propose(call("globex", confidence_score=0.1))
    edit = RulingRequest(
        RulingKind.EDIT, parameters={"title": "Renewal call", "customer_id": "acme"}
    )
    with pytest.raises(InvalidInput) as refused:
        await world.control.rule(APPROVER, "t1.1", edit)
    assert refused.value.code == "ACCOUNT_CONTRADICTED"


async def test_what_was_approved_is_cancelled_once_the_catalog_finds_another_account(
    world: World,
) -> None:
    await world.configure(document(None))
    alone = call("globex", "t1", "acme")
    asked = call("globex", "t2", "acme", confidence_score=0.1)
    for proposal in (alone, asked):
        await world.propose(proposal)
    await world.control.rule(APPROVER, "t2.1", RulingRequest(RulingKind.APPROVE))
    await world.configure(document())
    for name in ("t1", "t2"):
        assert await world.run(name) is None
        record = await world.record(name)
        assert record.status is IntentStatus.CANCELLED
    assert world.tools.calls == []


async def test_an_account_that_nobody_names_is_refused(world: World) -> None:
    await world.configure(document(None))
    for proposal in (call("globex"), call("globex", action_type="NO_SUCH_ACTION")):
        with pytest.raises(InvalidInput) as refused:
            await world.propose(proposal)
        assert code_of(refused) == ("ACCOUNT_REQUIRED", "account_id")
    await world.configure(document())
    with pytest.raises(InvalidInput) as refused:
        await world.propose(task("t1", account_id=None))
    assert code_of(refused) == ("INVALID_PARAMETERS", "parameters")
    with pytest.raises(InvalidInput) as refused:
        await world.propose(call("x" * 129))
    assert code_of(refused) == ("INVALID_INTENT", "account_id")


async def test_the_same_proposal_has_the_same_answer_whatever_the_catalog_says_by_now(
    world: World,
) -> None:
    await world.configure(document())
    parameters = {"title": "Renewal call", "customer_id": "globex", "other_id": "acme"}
    proposal = task("t1", account_id=None, parameters=parameters)
    first = await world.propose(proposal)
    required = ["title", "customer_id", "other_id"]
    for later in (document(None), document("{other_id}", required=required)):
        await world.configure(later)
        again = await world.control.propose(AGENT, proposal)
        assert (again.created, again.record.intent) == (False, first.intent)
        other = task("t1", account_id=None, parameters={**parameters, "title": "Another"})
        with pytest.raises(Conflict) as reused:
            await world.propose(other)
        assert reused.value.code == "INTENT_ID_REUSED"


async def test_a_process_with_older_settings_finds_the_account_by_those_in_force(
    world: World,
) -> None:
    await world.configure(document("{customer_id}", required=["title", "customer_id", "other_id"]))
    parameters = {"title": "Renewal call", "customer_id": "globex", "other_id": "acme"}
    await world.propose(task("t1", account_id=None, parameters=parameters))
    await world.configure(document("{other_id}", required=["title", "customer_id", "other_id"]))
    record = await world.propose(task("t2", account_id=None, parameters=parameters))
    assert record.intent.account_id == "acme"


BOTH = ["title", "customer_id", "other_id"]
NAMES_BOTH = {"title": "Renewal call", "customer_id": "globex", "other_id": "acme"}


async def moves_at_the_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog finds the account elsewhere by the time that the first intent is admitted."""
    await world.configure(document("{customer_id}", required=BOTH))
    admit = world.store.admit

    async def moved(wanted: Any) -> Any:
        monkeypatch.setattr(world.store, "admit", admit)
        await world.configure(document("{other_id}", required=BOTH))
        return await admit(wanted)

    monkeypatch.setattr(world.store, "admit", moved)


async def test_an_account_is_found_again_once_the_catalog_moves_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent named none, so it contradicts nothing."""
    await moves_at_the_commit(world, monkeypatch)
    proposal = task("t1", account_id=None, parameters=NAMES_BOTH)
    record = await world.propose(proposal)
    assert (record.intent.account_id, record.status) == ("acme", IntentStatus.APPROVED)
    again = await world.control.propose(AGENT, proposal)
    assert (again.created, again.record.intent) == (False, record.intent)


async def test_an_account_that_is_found_again_is_within_the_scope_of_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await moves_at_the_commit(world, monkeypatch)
    scoped = replace(AGENT, scope=Scope(accounts=frozenset({"globex"})))
    with pytest.raises(Forbidden):
        await world.control.propose(scoped, task("t1", account_id=None, parameters=NAMES_BOTH))


@pytest.mark.parametrize(
    ("account", "changes", "sentence"),
    [
        ("customer_id", {}, "must be one placeholder that names a parameter"),
        ("cus-{customer_id}", {}, "must be one placeholder"),
        ("{customer}", {}, "{customer} names no parameter; did you mean customer_id?"),
        ("{account_id}", {}, "{account_id} names no parameter"),
        ("{customer_id.name}", {}, "names no parameter"),
        ("{other_id}", {}, "the parameter other_id must be required"),
        (
            "{customer_id}",
            {"properties": {"title": {"type": "string"}, "customer_id": {"type": "integer"}}},
            "the parameter customer_id must be text",
        ),
        (
            "{customer_id}",
            {
                "properties": {
                    "title": {"type": "string"},
                    "customer_id": {"type": ["string", "null"]},
                }
            },
            "the parameter customer_id must be text",
        ),
    ],
)
def test_where_the_account_stands_is_checked_when_the_settings_are_read(
    account: str, changes: dict[str, Any], sentence: str
) -> None:
    made = document(account, **changes)
    [problem] = read_document(made).problems
    assert problem.path == ("catalog", "CREATE_TASK", "account")
    assert sentence in problem.sentence
    with pytest.raises(InvalidInput):
        parse_document(made)


@pytest.mark.parametrize("account", ["{customer_id}", "{parameters.customer_id}"])
def test_a_parameter_has_two_spellings(account: str) -> None:
    shape = parse_document(document(account)).catalog["CREATE_TASK"]
    assert shape.account_parameter == "customer_id"


async def test_a_place_that_this_version_refuses_asks(world: World) -> None:
    await world.configure(document("{customer}"))
    with pytest.raises(InvalidInput) as refused:
        await world.propose(call("globex", account="acme"))
    assert refused.value.code == "ACCOUNT_CONTRADICTED", "nobody knows whose account it is"
