"""The schema is true: every answer to what it says may be sent is one that it says may come, and
none is a 5xx.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from clearance.api.app import create_app
from clearance.core.principal import Role
from clearance.doors.access import Access
from tests.doors.conftest import measured
from tests.support.sample import OWNER, task
from tests.support.world import opened

EXAMPLES = 12  # of each operation, some of which fit the schema and some of which do not
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20
ENDLESS = "/v1/events"
NEEDS_MORE_THAN_LUCK = {
    "POST /v1/approvals/{approval_id}/rulings",
    "POST /v1/intents/{action_intent_id}/cancellation",
    "POST /v1/intents/{action_intent_id}/reconciliation",
    "POST /v1/intents/{action_intent_id}/erasure",
    "PUT /v1/autonomy/{part}",
    "DELETE /v1/api-keys/{key_id}",
}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.ignored_auth,
    checks.unsupported_method,
]


KNOWN = {"action_intent_id": "t1", "approval_id": "t2.1", "position": 1, "part": "budgets"}
"""Names of what is there, so that some requests find something."""


class Server(uvicorn.Server):
    """Says where it listens as soon as it does."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        self.url = ""
        self.listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.url = f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"
        self.listening.set()


@dataclass
class Served:
    """A real server in a thread of its own, with something in its store to look at."""

    key: str
    app: FastAPI
    server: Server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("openapi") / "store.sqlite3"
    made: Future[Served] = Future()

    async def serve() -> None:
        async with opened(path) as world:
            await world.propose(task("t1"))
            await world.run("t1")
            await world.propose(task("t2", confidence_score=0.5))
            _, key = await world.control.create_api_key(OWNER, "owner", Role.OWNER)
            access = Access(world.store, world.clock)
            app = create_app(world.control, access, metrics=measured(world))
            made.set_result(Served(key, app, Server(app)))
            await made.result().server.serve()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    found = made.result(timeout=PATIENCE_SECONDS)
    assert found.server.listening.wait(PATIENCE_SECONDS)
    yield found
    found.server.should_exit = True
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def about_something_known(case: Any) -> Any:
    case.path_parameters = {
        name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()
    }
    return case


def statuses_of(operation: Any, headers: dict[str, str]) -> set[int]:
    """Sends what fits the schema of an operation and what does not, and checks every answer."""
    fits = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    unfit = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    seen: set[int] = set()

    @given(case=fits | unfit | fits.map(about_something_known))
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        seen.add(case.call_and_validate(headers=headers, checks=CHECKS).status_code)

    send()
    return seen


def test_every_answer_is_one_that_the_schema_promises(served: Served) -> None:
    schema = schemathesis.openapi.from_url(f"{served.server.url}/openapi.json")
    authorization = {"Authorization": f"Bearer {served.key}"}
    operations = [result.ok() for result in schema.get_all_operations()]
    statuses = {
        one.label: statuses_of(one, authorization) for one in operations if one.path != ENDLESS
    }
    assert len(statuses) == 26
    assert {label for label, seen in statuses.items() if min(seen) >= 400} <= NEEDS_MORE_THAN_LUCK


def test_the_schema_says_what_is_needed_and_nothing_of_the_framework(served: Served) -> None:
    schema = served.app.openapi()
    assert schema["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert schema["components"]["securitySchemes"]["API key"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of the tenant, as a bearer token.",
    }
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert bool(operation.get("security")) is path.startswith("/v1/"), path
            assert operation["summary"], path
            assert ("requestBody" in operation) is (method in {"post", "put"}), path
            for status, response in operation["responses"].items():
                if (
                    int(status) >= 400 and path != "/readyz"
                ):  # which also says, in its own words, that it drains
                    assert list(response["content"]) == ["application/problem+json"], (path, status)
    assert served.app.openapi() == schema


def test_the_example_of_the_schema_is_a_proposal(served: Served) -> None:
    example = served.app.openapi()["components"]["schemas"]["ProposalBody"]["example"]
    headers = {"Authorization": f"Bearer {served.key}"}
    response = httpx2.post(f"{served.server.url}/v1/intents", json=example, headers=headers)
    assert response.status_code in {200, 201}  # the server may have been sent it before
    assert response.json()["action_type"] == example["action_type"]


def test_the_reference_for_people_has_every_call_and_no_code_that_is_not_there(
    served: Served,
) -> None:
    reference = (ROOT / "docs" / "api.md").read_text()
    for path, methods in served.app.openapi()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in reference, (method, path)
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    problems = reference.partition("## Problems")[2].partition("## For operators")[0]
    codes = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", problems))
    assert len(codes) > 20
    assert {code for code in codes if f'"{code}"' not in source} == set()
