"""AWS's runtime client for one function of a test: it writes down what the function asks of
DynamoDB, and its clock can be set.

`python -m tests.aws.support.recording FOLDER NAME HANDLER`. MiniStack enforces grants, but knows
nothing of their conditions on keys: what is written down here is held against these by
`test_workflow_deployed.py`."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from clearance.clock import SystemClock

AHEAD_FILE = "clock-ahead-ms"
MEMBERS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One item that was read, written, or a condition: by which action, under which partition key,
    in a transaction or alone.
    """

    action: str
    key: str
    transaction: bool


def asked(operation: str, params: Mapping[str, Any]) -> Iterator[Asked]:
    """The items that a call reads or writes. Indexes have grants of their own."""
    if operation == "TransactWriteItems":
        for member in params["TransactItems"]:
            [(kind, body)] = member.items()
            yield Asked(
                MEMBERS[kind], (body.get("Key") or body["Item"])["pk"]["S"], transaction=True
            )
    elif operation == "BatchGetItem":
        for part in params["RequestItems"].values():
            yield from (Asked(operation, key["pk"]["S"], transaction=False) for key in part["Keys"])
    elif operation == "Query" and "IndexName" not in params:
        yield Asked(operation, params["ExpressionAttributeValues"][":p"]["S"], transaction=False)
    elif operation in {*MEMBERS.values(), "GetItem"}:
        yield Asked(operation, (params.get("Key") or params["Item"])["pk"]["S"], transaction=False)


def read(folder: Path, name: str) -> set[Asked]:
    """What was written down of a function."""
    path = folder / f"{name}.jsonl"
    return (
        {Asked(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()}
        if path.exists()
        else set()
    )


def ahead_ms(folder: Path) -> int:
    """How far the clock of every function of a folder is ahead."""
    path = folder / AHEAD_FILE
    return int(path.read_text(encoding="utf-8")) if path.exists() else 0


def main(folder: Path, name: str) -> None:
    """Runs the function whose handler is the last argument."""

    def write_down(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        lines = [json.dumps(asdict(one)) + "\n" for one in asked(model.name, params)]
        with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    now_ms = SystemClock.now_ms
    SystemClock.now_ms = lambda clock: now_ms(clock) + ahead_ms(folder)  # type: ignore[method-assign]
    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION
    assert session is not None
    session.events.register("provide-client-params.dynamodb", write_down)
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv.pop(1)), sys.argv.pop(1))
