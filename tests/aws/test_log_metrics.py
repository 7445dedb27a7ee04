"""What the functions measure: lines of their logs that CloudWatch reads, by the names of every
other profile.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from clearance.core.errors import Unavailable
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow.installation import put_everywhere_stop
from clearance.profiles.parts import operator
from clearance.running import functions
from clearance.running.functions import TOTALS_MS, Function, Handler, Unexpected
from clearance.running.metrics.cloudwatch import VALUES_MAX, LogMeter
from clearance.running.metrics.families import COUNTED, EXECUTIONS, LOOKED_AT, TOOL_CALL_SECONDS
from clearance.stores.dynamodb.store import DynamoStore
from tests.aws.support.in_process import InProcess, in_process
from tests.aws.support.stack import TENANTS, on_table, outcome_of
from tests.aws.test_workflow import NORTHWIND, SOURCE, carried_out, detail, mail_detail
from tests.support.exposition import documented

SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {
                                "type": "string",
                                "pattern": "^[A-Za-z0-9._/#:-]{1,255}$",
                            },
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 255},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1},
                                        "Unit": {"enum": ["Seconds", "Count"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What AWS says of the embedded metric format, as far as we use it."""


@pytest.fixture(scope="module")
def stack() -> Iterator[InProcess]:
    with in_process() as made:
        yield made


def read(text: str) -> list[tuple[str, dict[str, str], list[float]]]:
    """What CloudWatch makes of a log: each metric with its dimensions and values."""
    found = []
    for line in text.splitlines():
        said = json.loads(line)
        jsonschema_rs.validate(SCHEMA, said)
        [directive] = said["_aws"]["CloudWatchMetrics"]
        [dimensions] = directive["Dimensions"]
        labels = {name: said[name] for name in dimensions}
        measured = {metric["Name"]: said[metric["Name"]] for metric in directive["Metrics"]}
        assert said.keys() == {"_aws", *labels, *measured}
        for name, value in measured.items():
            values = value if isinstance(value, list) else [value]
            assert 1 <= len(values) <= VALUES_MAX
            found.append((name, labels, values))
    return found


def test_the_functions_say_what_a_server_does_by_the_same_names(
    stack: InProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carried_out(stack, "m-1").status == "SUCCEEDED"
    stack.tool.will(NORTHWIND, "m-2", "act_then_drop")
    stack.propose_by_event(mail_detail("m-2"), SOURCE)
    assert outcome_of(stack, NORTHWIND, "m-2").status == "UNKNOWN"
    stack.invoke("gate", _event("m-3", confidence_score=0.5))
    stack.invoke("gate", _event("m-3", confidence_score=0.5))
    stack.invoke("gate", _event("m-4", action_type="NO_SUCH_THING"))
    assert stack.functions.run("gate", _event("m-5", confidence_score=7)).error
    on_table(
        stack,
        lambda context: put_everywhere_stop(
            context,
            operator("*"),
            [StopSwitch(StopScope.GLOBAL, None, StopLevel.HOLD, "Incident.")],
        ),
    )
    stack.sweep()
    text = capsys.readouterr().out
    measured = read(text)
    assert {name for name, _, _ in measured} == documented(on_aws=True)
    assert f'"Namespace":"Clearance/{stack.table}"' in text
    closed = {family.name: family.labels for family in (*COUNTED, *LOOKED_AT)}
    for name, labels, _ in measured:
        assert labels.keys() == closed[name].keys()
        assert all(value in closed[name][label] for label, value in labels.items())
    for hidden in (*TENANTS, "account-of", "agent-ada", "CREATE_TASK", "crm", "m-1"):
        assert hidden not in text.replace(stack.table, "")
    sums = Counter[tuple[str, ...]]()
    for name, labels, values in measured:
        sums[name, *(labels[label] for label in closed[name])] += sum(values)
    assert {key[1]: value for key, value in sums.items() if key[0] == EXECUTIONS} == {
        "SUCCEEDED": 1,
        "UNKNOWN": 1,
    }
    assert {key[1:]: value for key, value in sums.items() if "decisions" in key[0]} == {
        ("AUTO_EXECUTE",): 2,
        ("REQUIRE_APPROVAL",): 1,
        ("BLOCK",): 1,
    }
    assert sums["clearance_refused_proposals_total", "INVALID_INTENT"] == 1
    assert sums["clearance_tool_calls_total", "ANSWERED"] == 1
    assert sum(value for key, value in sums.items() if "tool_calls" in key[0]) == 2
    assert sums["clearance_intents_open", "AWAITING_APPROVAL"] == 1
    assert sums["clearance_intents_open", "UNKNOWN"] == 1
    assert {key[1:]: value for key, value in sums.items() if "stop_switches" in key[0]} == {
        ("GLOBAL", "HOLD"): 1
    }
    assert sums["clearance_store_up",] == 1


def _event(name: str, **changes: Any) -> dict[str, Any]:
    said = detail(name, **changes)
    return {"id": f"e-{name}", "detail-type": "ActionIntent", "source": SOURCE, "detail": said}


def test_the_sweeper_adds_up_every_five_minutes_and_sweeps_in_any_case(
    stack: InProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked() -> dict[str, float]:
        stack.sweep()
        return {name: values[0] for name, _, values in read(capsys.readouterr().out)}

    stack.until(stack.now_ms() + TOTALS_MS)
    assert looked()["clearance_store_up"] == 1
    assert "clearance_store_up" not in looked()
    stack.until(stack.now_ms() + TOTALS_MS)

    async def away(*_: object) -> None:
        raise Unavailable("Not now.")

    monkeypatch.setattr(DynamoStore, "totals", away)
    found = looked()
    assert found == {"clearance_store_up": 0}


def test_what_a_failed_invocation_measured_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    async def handle(_: Any, __: Any) -> Any:
        functions._meter.count(EXECUTIONS, outcome="SUCCEEDED")
        raise ValueError

    async def opening(_: contextlib.AsyncExitStack) -> Handler:
        return handle

    tried = Function("test", opening)
    for _ in range(2):
        with pytest.raises(Unexpected):
            tried({}, None)
        assert read(capsys.readouterr().out) == [(EXECUTIONS, {"outcome": "SUCCEEDED"}, [1])]
    tried.close()


def test_a_line_has_as_many_values_as_cloudwatch_takes() -> None:
    meter = LogMeter()
    for number in range(2 * VALUES_MAX + 1):
        meter.took(TOOL_CALL_SECONDS, number)
    measured = read("\n".join(meter.lines("t", 0)))
    assert [value for _, _, values in measured for value in values] == list(
        range(2 * VALUES_MAX + 1)
    )
    assert not list(meter.lines("t", 0))
