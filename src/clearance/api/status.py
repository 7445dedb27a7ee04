"""The status of a tenant over REST: what waits, what is unknown, what is stopped.

`/metrics` covers all tenants together and needs no credential; this covers the caller's own tenant.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from clearance.api.door import Caller, TheControl, answer, problems
from clearance.api.stops import SwitchInForce, switch_in_force
from clearance.api.wire import Moment, Resource, StatusName
from clearance.core.moment import SECOND_MS, as_text
from clearance.flow.requests import TenantState

router = APIRouter(tags=["Status"])


class TenantProblem(Resource):
    """Something that a person should look at. `code` is stable."""

    code: str
    sentence: str


class RefusedInAnHour(Resource):
    """How many proposals of one agent were refused within the UTC hour that begins at `hour`, by
    the code of the refusal.
    """

    agent_id: str
    hour: Moment
    count: int
    codes: dict[str, int]


class TenantStatus(Resource):
    """How the tenant stands at a moment."""

    tenant_id: str
    at: Moment
    intents: Annotated[
        dict[StatusName, int], Field(description="How many are in each status that is not final.")
    ]
    waiting_since: Annotated[
        Moment | None, Field(description="When the first approval of the inbox was asked for.")
    ]
    waiting_seconds: Annotated[
        int | None, Field(description="How long ago that is; null if nothing waits.")
    ]
    settings_version: Annotated[
        list[int], Field(description="The tenant's version, and that of the global switches.")
    ]
    stop_switches: Annotated[list[SwitchInForce], Field(description="Those that are on.")]
    ledger_size: int
    problems: list[TenantProblem]
    refused_proposals: Annotated[
        list[RefusedInAnHour],
        Field(
            description="What the process that answers refused within a day, the latest hour "
            "first. It is in no ledger."
        ),
    ]


@router.get(
    "/v1/status",
    operation_id="status",
    summary="How the tenant stands",
    response_model=TenantStatus,
    responses=problems(),
)
async def status(caller: Caller, control: TheControl) -> Response:
    """What waits and since when, what is unknown, what is stopped, and what needs a person."""
    return answer(_resource(await control.state(caller)))


def _resource(state: TenantState) -> TenantStatus:
    since = state.waiting_since
    return TenantStatus(
        tenant_id=state.tenant_id,
        at=as_text(state.at),
        intents={status.value: count for status, count in state.counts.items()},
        waiting_since=None if since is None else as_text(since),
        waiting_seconds=None if since is None else max(state.at - since, 0) // SECOND_MS,
        settings_version=list(state.settings_version),
        stop_switches=[switch_in_force(switch) for switch in state.stop_switches],
        ledger_size=state.ledger_size,
        problems=[
            TenantProblem(code=concern.code, sentence=concern.sentence)
            for concern in state.concerns
        ],
        refused_proposals=[
            RefusedInAnHour(
                agent_id=each.agent_id,
                hour=as_text(each.hour),
                count=each.count,
                codes=dict(each.codes),
            )
            for each in state.refused
        ],
    )
