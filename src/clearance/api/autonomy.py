"""The settings over REST: each part has its own path, and a change names the version it was made
from.

The settings document says what a part may hold; here a part is any JSON object.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from clearance.api import wire
from clearance.api.body import read_object
from clearance.api.door import BODY, Caller, TheControl, answer, problems, takes
from clearance.api.stops import CHANGE_ONLY, ChangedStopSwitches, changed_switches
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, VersionMismatch
from clearance.doors import stopping
from clearance.flow.requests import ANY_VERSION, SettingsPart

_ETAG = re.compile(r'"([0-9]{1,15})"')

router = APIRouter(tags=["Autonomy"])


@router.get(
    "/v1/autonomy/{part}",
    operation_id="settings_part",
    summary="One part of the settings",
    response_model=wire.SettingsPartResource,
    responses=problems(404),
)
async def settings_part(part: SettingsPart, caller: Caller, control: TheControl) -> Response:
    """The part under its own name, and its version, which is also the `ETag`."""
    return _part(*await control.settings_part(caller, part))


async def if_match(
    part: SettingsPart,
    given: Annotated[
        str | None, Header(alias="If-Match", description="The version, quoted.")
    ] = None,
) -> int | None:
    """The version that a change was made from. `*` is for the stop switches alone."""
    if given is None:
        return None
    if given.strip() == "*":
        if part is SettingsPart.STOP_SWITCHES:
            return ANY_VERSION
        sentence = (
            "Only the stop switches may be changed whatever their version; name the version that "
            "was read."
        )
        raise VersionMismatch(sentence)
    match = _ETAG.fullmatch(given.strip())
    if match is None:
        sentence = 'If-Match must be the version that was read, in quotes, for example "7".'
        raise InvalidInput(sentence, code="INVALID_IF_MATCH")
    return int(match[1])


@router.put(
    "/v1/autonomy/{part}",
    operation_id="put_settings_part",
    summary="Replace one part of the settings",
    response_model=wire.SettingsPartResource | ChangedStopSwitches,
    responses=problems(404, 412, 428, *BODY),
    openapi_extra=takes(wire.SettingsPartBody),
)
async def put_settings_part(
    request: Request,
    part: SettingsPart,
    caller: Caller,
    control: TheControl,
    version: Annotated[int | None, Depends(if_match)],
) -> Response:
    """Applied whole or not at all; every change is an entry of the ledger. Needs `If-Match`.

    A change that is already in force is answered as done, so a repeat is safe (RFC 9110, section
    13.1.1). A change of the stop switches also answers what it did: the receipts of what it
    stopped, and how many approved intents its lifts start.
    """
    value = await read_object(request)
    # The part that was read carries the version too; the one that counts is If-Match's.
    value.pop("version", None)
    if part is SettingsPart.STOP_SWITCHES:
        for derived in CHANGE_ONLY:  # of an earlier answer, which may be put back whole
            value.pop(derived, None)
        change = await stopping.put_switches(control, caller, value, version=version)
        return _tagged(changed_switches(change))
    return _part(*await control.put_settings_part(caller, part, value, version=version))


def _part(value: Json, version: int) -> Response:
    return _tagged(wire.SettingsPartResource(**{**value, "version": version}))


def _tagged(resource: wire.SettingsPartResource) -> Response:
    return answer(resource, headers={"ETag": f'"{resource.version}"'})
