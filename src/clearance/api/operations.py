"""The questions of operators: is the process up, can it work, and how much does it do.

They need no credential, and their answers name no tenant.

A process that was asked to end is up but not ready, so a load balancer can send work elsewhere
before the process refuses any.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from clearance.api.door import answer, answers, problems
from clearance.api.metrics import MEDIA_TYPE, Exposed, Measured
from clearance.api.problems import install
from clearance.api.wire import Health, Resource
from clearance.flow.requests import Workers

_NOT_READY = "The store does not answer, or the process was asked to end."

router = APIRouter(tags=["Operations"])
counting = APIRouter(tags=["Operations"])


class Draining(Resource):
    """The process was asked to end."""

    status: Literal["draining"]


class ReadyWithoutWorkers(Resource):
    """The process can work, and no worker is alive to carry out what is approved."""

    status: Literal["ok"]
    code: Literal["NO_WORKER"]
    detail: str


def worker_app(check: Callable[[], Awaitable[None]], metrics: Exposed) -> FastAPI:
    """The three questions alone, for a process that has no other door; `check` raises Unavailable
    if it cannot work.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.check = check
    app.state.metrics = metrics
    app.include_router(router)
    app.include_router(counting)
    install(app)
    app.add_middleware(Measured, metrics=metrics.requests)
    return app


def drain(app: FastAPI) -> None:
    """From now on the app says that it is not ready; it answers everything else as before."""
    app.state.draining = True


@router.get("/healthz", operation_id="healthz", summary="The process is up", response_model=Health)
async def healthz() -> Response:
    """Answers without looking at anything."""
    return answer(Health(status="ok"))


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="The process can work: its store answers, and it was not asked to end",
    response_model=Health | ReadyWithoutWorkers,
    responses={503: {**problems()[503], "model": Draining, "description": _NOT_READY}},
)
async def readyz(request: Request) -> Response:
    """503 while no credential could be looked up, and once the process drains. Without a worker it
    is 200 all the same, and says so: people must reach the stop switch.
    """
    state = request.app.state
    if getattr(state, "draining", False):
        return answer(Draining(status="draining"), 503)
    check: Callable[[], Awaitable[None]] = getattr(state, "check", None) or state.access.check_store
    await check()
    look: Callable[[], Awaitable[Workers | None]] | None = getattr(state, "workers", None)
    workers = await look() if look else None
    concern = workers.concern(workers.hints) if workers else None
    if concern is None:
        return answer(Health(status="ok"))
    return answer(ReadyWithoutWorkers(status="ok", code="NO_WORKER", detail=concern.sentence))


@counting.get(
    "/metrics",
    operation_id="metrics",
    summary="What the process counts, and what the installation has",
    response_class=Response,
    responses=answers(200, "Prometheus text.", "text/plain", "string"),
)
async def exposition(request: Request) -> Response:
    """Counters of this process and totals over all tenants: no tenants, no ids."""
    metrics: Exposed = request.app.state.metrics
    return Response(await metrics.text(), headers={"Content-Type": MEDIA_TYPE})
