"""What the gate sees is what runs: policy, budget, sentence, card and digest are made from the
arguments that the tool gets.
"""

from __future__ import annotations

from typing import Any

import pytest

from clearance.configuration.document import parse_document
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput
from clearance.core.record import IntentStatus
from tests.support import sample
from tests.support.sample import task
from tests.support.world import World

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)

LARGE = """
@id("large") @reason("LARGE") @explanation("Large ones need a person.")
forbid(principal, action == Action::"CREATE_TASK", resource)
when { context.unattended && context.parameters.total > 10 };
"""


def document(policy: str = sample.POLICY, **entry: Any) -> dict[str, Any]:
    made = {**sample.document(), "policy": policy}
    made["catalog"]["CREATE_TASK"] |= entry
    made["catalog"]["CREATE_TASK"].pop("undo", None)  # it names parameters of the sample
    return made


def parameters(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


@on_sqlite
async def test_policy_and_budget_see_the_argument_that_the_tool_gets(world: World) -> None:
    """And not only the parameter that it is made of."""
    made = document(
        sample.POLICY + LARGE,
        parameters=parameters(amount={"type": "integer"}),
        arguments={"total": "{amount}", "by": "us"},
        accepts=["ACCOUNT_NOT_SENT"],
        spends="total",
        proposal="spend {total} by {by}",
        sentence="spent {total}",
    )
    await world.configure(made)
    small = await world.propose(task("t1", parameters={"amount": 10}))
    large = await world.propose(task("t2", parameters={"amount": 11}))
    assert (small.decision.answer, large.decision.reason) == (
        Answer.AUTO_EXECUTE,
        "LARGE",
    )
    narrated = await world.control.intent(sample.AGENT, "t2")
    assert "spend 11 by us" in narrated.sentence
    done = await world.run("t1")
    assert done is not None
    assert done.outcome is not None, done
    assert done.status is IntentStatus.SUCCEEDED, done.outcome
    assert [call.arguments["total"] for call in world.tools.calls] == [10]


@pytest.mark.parametrize("name", ["title", "account"])
def test_an_argument_that_shadows_a_parameter_is_refused(name: str) -> None:
    made = document(
        parameters=parameters(title={"type": "string"}, account={"type": "string"}),
        arguments={name: "{account_id}"},
    )
    with pytest.raises(InvalidInput, match=rf"arguments\.{name}: is a parameter too"):
        parse_document(made)


@pytest.mark.parametrize(
    "declaring",
    [
        *({word: [{"properties": {"to": {}}}]} for word in ("allOf", "anyOf", "oneOf")),
        {"allOf": [{"$ref": "#/$defs/base"}]},
        {"if": {"properties": {"to": {}}}},
        {"required": ["title", "to"], "additionalProperties": True},
    ],
)
def test_a_parameter_is_not_shadowed_wherever_the_schema_declares_it(declaring: Any) -> None:
    whole = {**parameters(title=PLAIN), "$defs": {"base": {"required": ["to"]}}, **declaring}
    with pytest.raises(InvalidInput, match=r"arguments\.to: is a parameter too"):
        parse_document(document(parameters=whole, arguments={"to": "us"}))
    with pytest.raises(InvalidInput, match=r"idempotency_argument: Clearance fills in to"):
        parse_document(document(parameters=whole, idempotency_argument="to"))


PLAIN, BOUND = {"type": "string"}, {"type": "string", "pattern": "^[a-z0-9_-]{1,20}$"}


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (PLAIN, False),
        ({"type": "number"}, False),
        ({"type": "string", "maxLength": 3}, False),
        ({"type": "string", "format": "uri"}, False),
        ({"type": "string", "pattern": "[a-z]+"}, False),
        ({"type": "string", "pattern": "^[^/]+$"}, False),
        ({"type": "string", "pattern": "^.+$"}, False),
        ({"type": "string", "pattern": "^[a-z ]+|x$"}, False),
        ({"type": "string", "pattern": "^[!-z]+$"}, False),
        ({"type": "string", "pattern": "^\\S+$"}, False),
        ({"type": "string", "pattern": "^a\\sb$"}, False),
        ({"enum": ["a", "b/c"]}, False),
        ({}, False),
        (BOUND, True),
        ({"type": "string", "pattern": "^(?:cus|acc)_[A-Z]+(-\\d{2})?$"}, True),
        ({"type": "string", "pattern": "^\\w+@\\w+\\.com$"}, True),
        ({"enum": ["a", "b"]}, True),
        ({"const": 5}, True),
        ({"type": "integer"}, True),
        ({"type": "string", "format": "uuid"}, True),
        ({"type": "string", "format": "date"}, True),
    ],
)
def test_a_longer_text_takes_only_what_cannot_end_its_place(schema: Any, fits: bool) -> None:
    made = document(parameters=parameters(title=schema), arguments={"path": "/data/{title}"})
    prose = document(
        parameters=parameters(title=schema), arguments={"path": "/data/{title}"}, prose=["path"]
    )
    parse_document(prose)
    if fits:
        parse_document(made)
    else:
        with pytest.raises(InvalidInput, match="could end its place in this text"):
            parse_document(made)


DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
UUID = {"type": "string", "format": "uuid"}


@pytest.mark.parametrize(
    ("schema", "draft"),
    [
        (UUID, DRAFT_4),
        (UUID, DRAFT_7),
        ({"type": "string", "const": "a"}, DRAFT_4),
        ({"$ref": "#/definitions/any", "type": "integer"}, DRAFT_7),
        ({"type": "string", "pattern": "^[a-z]*$"}, None),
        ({"type": "string", "pattern": "^(a|b?)$"}, None),
    ],
)
def test_a_schema_that_asserts_nothing_or_takes_the_empty_text_has_no_place_in_a_longer_one(
    schema: Any, draft: str | None
) -> None:
    whole = {**parameters(title=schema), "definitions": {"any": {}}}
    whole |= {"$schema": draft} if draft else {}
    with pytest.raises(InvalidInput, match="could end its place in this text"):
        parse_document(document(parameters=whole, arguments={"path": "/data/{title}"}))


@pytest.mark.parametrize(
    "schema", [UUID, {"type": "string", "pattern": "^[a-z]*$", "minLength": 1}]
)
def test_a_schema_that_asserts_enough_has_a_place_in_a_longer_text(schema: Any) -> None:
    parse_document(document(parameters=parameters(title=schema), arguments={"path": "/x/{title}"}))


def test_prose_names_an_argument() -> None:
    with pytest.raises(InvalidInput, match=r"prose\.0: there is no argument notes"):
        parse_document(document(arguments={"note": "x"}, prose=["notes"]))


@on_sqlite
async def test_an_account_that_would_reach_another_place_is_refused(world: World) -> None:
    await world.configure(document(arguments={"path": "/data/{account_id}/notes.txt"}))
    for account in ("x/../globex", "a%2fb", "..", 'a"b'):
        with pytest.raises(InvalidInput) as refused:
            await world.propose(task("t1", account_id=account))
        assert refused.value.code == "ARGUMENT_UNFIT"
    await world.propose(task("t1", account_id="acme"))
    assert (await world.record("t1")).status is IntentStatus.APPROVED


@on_sqlite
async def test_a_call_that_cannot_be_made_is_refused_when_it_is_proposed(world: World) -> None:
    ticket = {"ticket": "{target.id}"}
    await world.configure(document(arguments=ticket, accepts=["ACCOUNT_NOT_SENT"]))
    with pytest.raises(InvalidInput) as refused:
        await world.propose(task("t1"))
    assert refused.value.code == "ARGUMENT_MISSING"
    await world.propose(task("t1", target={"id": "7"}))
    done = await world.run("t1")
    assert done is not None
    assert world.tools.calls[0].arguments["ticket"] == "7"


@pytest.mark.parametrize("name", ["target", "account_id", "action_type"])
@pytest.mark.parametrize("field", ["proposal", "sentence"])
def test_a_sentence_cannot_name_the_intents_field_for_what_the_tool_gets(
    name: str, field: str
) -> None:
    """People would read the one, and the tool would get the other."""
    made = document(
        parameters=parameters(**{name: {"type": "string"}}), **{field: f"do {{{name}}}"}
    )
    other = "proposal" if field == "sentence" else "sentence"
    made["catalog"]["CREATE_TASK"][other] = "do it"
    with pytest.raises(InvalidInput, match=rf"write \{{parameters\.{name}\}}"):
        parse_document(made)
    made["catalog"]["CREATE_TASK"][field] = f"do {{parameters.{name}}}"
    parse_document(made)
