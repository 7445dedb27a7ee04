"""A change of the stop switches, with what it did: the receipts of what it stopped, and how many
approved acts its lifts start.

The change comes first and stands by itself. What cannot be counted around it in time is said to be
missing: that neither delays a stop nor makes one look as if it had failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import anyio
import structlog

from clearance.core.canonical import Json
from clearance.core.errors import Refusal, Unavailable
from clearance.core.principal import Principal
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow.control import Control
from clearance.flow.requests import SettingsPart, StopReceipt

COUNTING_SECONDS_MAX = 3  # of what stops hold, while a person waits for the answer

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Place: TypeAlias = tuple[str, str | None]
"""The scope and the subject of a switch."""


@dataclass(frozen=True, slots=True)
class StopChange:
    """The stop switches after a change, and their version.

    `receipts` are those of the switches that it put on or made stricter. `starts`: how many
    approved acts start because of it, which a switch that it lifted held alone; None if that could
    not be counted. `problem` is why something of both is missing.
    """

    part: Mapping[str, Json]
    version: int
    receipts: tuple[StopReceipt, ...]
    starts: int | None
    problem: Refusal | None = None


async def counted(reading: Awaitable[T]) -> T | Refusal:
    """What was read, or why it could not be in time. Whatever went wrong, a stop that was made is
    not reported as one that failed.
    """
    try:
        with anyio.fail_after(COUNTING_SECONDS_MAX):
            return await reading
    except Refusal as refusal:
        return refusal
    except TimeoutError:
        sentence = "What the stop holds could not be counted in time; ask again."
        return Unavailable(sentence, code="RECEIPT_NOT_NOW")
    except Exception as error:
        _log.error("a stop was not counted", traceback="".join(traceback.format_exception(error)))
        sentence = "What the stop holds could not be counted: something unexpected was logged."
        return Unavailable(sentence, code="RECEIPT_NOT_NOW")


async def put_switches(
    control: Control, principal: Principal, value: Mapping[str, Json], *, version: int | None
) -> StopChange:
    """Replaces the stop switches of the caller's tenant; see `Control.put_settings_part`."""
    part = SettingsPart.STOP_SWITCHES

    async def switches() -> Sequence[Json]:
        read, _ = await control.settings_part(principal, part)
        return list(read["stop_switches"])

    async def put() -> tuple[Mapping[str, Json], int]:
        return await control.put_settings_part(principal, part, value, version=version)

    return await _changed(control, principal, switches, value.get("stop_switches"), put)


async def put_everywhere(
    control: Control, operator: Principal, wanted: Sequence[StopSwitch]
) -> StopChange:
    """Replaces the stop switches that hold for every tenant."""

    async def switches() -> Sequence[Json]:
        return (await control.everywhere_stop(operator))[0]

    async def put() -> tuple[Mapping[str, Json], int]:
        after, version = await control.put_everywhere_stop(operator, wanted)
        return {"stop_switches": after}, version

    places = [{"scope": switch.scope.value, "subject": switch.subject} for switch in wanted]
    return await _changed(control, operator, switches, places, put)


async def everywhere(control: Control, operator: Principal) -> StopChange:
    """The switches that hold for every tenant, with the receipt of each: a change of nothing."""
    switches, version = await control.everywhere_stop(operator)
    receipts = await counted(_receipts(control, operator, _by_place(switches)))
    part = {"stop_switches": switches}
    if isinstance(receipts, Refusal):
        return StopChange(part, version, (), 0, receipts)
    return StopChange(part, version, receipts, 0)


async def _changed(
    control: Control,
    principal: Principal,
    switches: Callable[[], Awaitable[Sequence[Json]]],
    wanted: Json,
    put: Callable[[], Awaitable[tuple[Mapping[str, Json], int]]],
) -> StopChange:
    """Makes a change from the switches that are on to others, and says what it did."""
    on = await counted(switches())
    before = {} if isinstance(on, Refusal) else _by_place(on)
    lifted = [place for place in before if place not in _by_place(wanted)]
    lifts = on if isinstance(on, Refusal) else await counted(_receipts(control, principal, lifted))
    part, version = await put()
    stopped = _stricter(before, _by_place(part["stop_switches"]))
    receipts = await counted(_receipts(control, principal, stopped))
    return StopChange(
        part,
        version,
        () if isinstance(receipts, Refusal) else receipts,
        None if isinstance(lifts, Refusal) else sum(receipt.starts for receipt in lifts),
        next((each for each in (receipts, lifts) if isinstance(each, Refusal)), None),
    )


async def _receipts(
    control: Control, principal: Principal, places: Iterable[Place]
) -> tuple[StopReceipt, ...]:
    return tuple(
        [
            await control.stop_receipt(principal, StopScope(scope), subject)
            for scope, subject in places
        ]
    )


def _by_place(switches: Json) -> dict[Place, Json]:
    """Switches by what they cover, as far as they can be read."""
    listed = switches if isinstance(switches, list | tuple) else ()
    return {
        (str(switch.get("scope")), switch.get("subject")): switch
        for switch in listed
        if isinstance(switch, Mapping) and isinstance(switch.get("subject"), str | None)
    }


def _stricter(before: Mapping[Place, Json], after: Mapping[Place, Json]) -> Iterator[Place]:
    """What was not stopped before, or only held and is refused now."""
    for place, switch in after.items():
        was = before.get(place)
        refuses = switch["level"] == StopLevel.REFUSE
        if was is None or (refuses and was["level"] != StopLevel.REFUSE):
            yield place
