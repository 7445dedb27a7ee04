"""The use of budgets and limits over REST: what is held and settled in the day or window that it is
now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from clearance.api import door
from clearance.api.door import Caller, TheControl, answer, problems
from clearance.api.wire import Resource
from clearance.core.budget import BudgetRule
from clearance.core.intent import NAME_LENGTH_MAX
from clearance.core.limits import LimitKey, as_json, in_words
from clearance.flow.requests import CounterUse

router = APIRouter(tags=["Autonomy"])


class BudgetBucket(Resource):
    """The use of one bucket, and its limit if the budget sets one."""

    bucket: str
    used: int
    limit: int | None


class BudgetUsage(Resource):
    """An account's use of its budget today.

    Not configured means no autonomy.
    """

    account_id: str
    configured: bool
    day: str
    zone: str
    buckets: list[BudgetBucket]


class CounterBucket(Resource):
    """The use of one bucket of a counter, and its limit if there is one: acts, or smallest units in
    the finest scale of the catalog.
    """

    bucket: str
    used: int
    limit: int | None
    shown: Annotated[str, Field(description="Both for people: `349.00 of 600.00 EUR`.")]


class CounterUsage(Resource):
    """The use of one counter: of the tenant (no subject), or of an agent, account and action type,
    in the window that it is now.
    """

    subject: dict[str, str]
    window: str
    zone: str
    sentence: Annotated[str, Field(description="Whose it is: `agent support for 2026-11-30`.")]
    buckets: list[CounterBucket]


class Usage(Resource):
    """The use of the counters that were asked for."""

    counters: list[CounterUsage]


class BudgetQuery(door.Query):
    """Whose budget."""

    account_id: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]


@router.get(
    "/v1/budgets/usage",
    operation_id="budget_usage",
    summary="What an account has used of its budget today",
    response_model=BudgetUsage,
    responses=problems(422),
)
async def budget_usage(
    query: Annotated[BudgetQuery, Query()], caller: Caller, control: TheControl
) -> Response:
    """The held and settled use of each bucket, today in the budget's zone."""
    rule, day, used = await control.budget(caller, query.account_id)
    return answer(_budget_usage(query.account_id, rule, day, used))


class UsageQuery(door.Query):
    """Whose use, beside the tenant's."""

    agent: Annotated[str | None, Field(min_length=1, max_length=NAME_LENGTH_MAX)] = None
    account: Annotated[str | None, Field(min_length=1, max_length=NAME_LENGTH_MAX)] = None
    action_type: Annotated[str | None, Field(min_length=1, max_length=NAME_LENGTH_MAX)] = None


@router.get(
    "/v1/autonomy/usage",
    operation_id="usage",
    summary="What is used of the limits",
    response_model=Usage,
    responses=problems(422),
)
async def usage(
    query: Annotated[UsageQuery, Query()], caller: Caller, control: TheControl
) -> Response:
    """The held and settled use of every counter in the window that it is now: the tenant's, and
    those of the agent, account and action type that are named, one by one and together.
    """
    named = {key: getattr(query, key) for key in LimitKey}
    who = {key: name for key, name in named.items() if name is not None}
    return answer(_usage(await control.usage(caller, who)))


def _budget_usage(
    account_id: str, rule: BudgetRule | None, day: str, used: Mapping[str, int]
) -> BudgetUsage:
    """Every bucket that has a limit or was used."""
    limits: dict[str, int] = {}
    if rule is not None:
        limits["actions"] = rule.max_per_day
        limits |= {
            f"actions:{name}": most for name, most in rule.max_per_day_by_action_type.items()
        }
        limits |= {
            f"amount:{name}": most for name, most in rule.max_amount_per_day_by_action_type.items()
        }
    return BudgetUsage(
        account_id=account_id,
        configured=rule is not None,
        day=day,
        zone=rule.zone if rule else "UTC",
        buckets=[
            BudgetBucket(bucket=bucket, used=used.get(bucket, 0), limit=limits.get(bucket))
            for bucket in sorted(limits.keys() | used.keys())
        ],
    )


def _usage(uses: Sequence[CounterUse]) -> Usage:
    """Every bucket of the counters that has a limit or was used."""
    return Usage(
        counters=[
            CounterUsage(
                **as_json(use.counter),
                sentence=in_words(use.counter),
                buckets=[CounterBucket(**asdict(bucket)) for bucket in use.buckets],
            )
            for use in uses
        ]
    )
