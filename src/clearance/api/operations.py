"""What operators ask: is the process up, can it work, how much does it do. Answers everybody, and names nobody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from clearance.api import metrics
from clearance.api.door import TheAccess, answer, answers, problems
from clearance.api.wire import Health

router = APIRouter(tags=["Operations"])


@router.get("/healthz", operation_id="healthz", summary="The process is up", response_model=Health)
async def healthz() -> Response:
    """Answers without looking at anything."""
    return answer(Health(status="ok"))


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="The store answers",
    response_model=Health,
    responses={503: problems()[503]},
)
async def readyz(access: TheAccess) -> Response:
    """503 while no credential could be looked up."""
    await access.check_store()
    return answer(Health(status="ok"))


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Counters",
    response_class=Response,
    responses=answers(200, "Prometheus text.", "text/plain", "string"),
)
async def counters(request: Request) -> Response:
    """Requests by route, decisions by answer, open streams: no tenants, no ids."""
    measured: metrics.Metrics = request.app.state.metrics
    return Response(measured.text(), headers={"Content-Type": metrics.MEDIA_TYPE})
