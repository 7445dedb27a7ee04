"""What has to fit in the limits of a settings document: each to itself, to the others, and to the
amounts that the catalog spends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from clearance.configuration.shape import (
    EACH,
    FOR_TENANT,
    ActionShape,
    LimitShape,
    SettingsDocument,
)
from clearance.core.canonical import Json
from clearance.core.limits import (
    MILLIONTHS_MAX,
    UNITS_MAX,
    Limit,
    LimitKey,
    Limits,
    Per,
    finest_scales,
    in_millionths,
)
from clearance.core.money import Money, money_of
from clearance.core.schema import CompiledSchema
from clearance.core.suggestion import suggestion

LIMITS_MAX = 200

_Misfits: TypeAlias = Iterator[tuple[tuple[str | int, ...], str]]
_Placed: TypeAlias = Sequence[tuple[int, LimitShape]]


def limit_problems(document: SettingsDocument, limits: _Placed, *, whole: bool) -> _Misfits:
    """What does not fit in the limits, each with its place in its list. `whole`: the document has
    every action of the catalog.
    """
    if len(limits) > LIMITS_MAX:
        yield ("limits",), f"has {len(limits)} entries; the limit is {LIMITS_MAX}"
    scales = scales_of(document)
    for position, limit in limits:
        for path, sentence in (
            *_subject_problems(limit),
            *_window_problems(limit),
            *_amount_problems(limit, document, scales, whole=whole),
        ):
            yield ("limits", position, *path), sentence
    yield from _odd_zones(limits)


def scales_of(document: SettingsDocument) -> dict[str, int]:
    """How many smallest units make one of each unit that the limits of a document can count."""
    if not any(limit.amount for limit in document.autonomy.limits):
        return {}
    return finest_scales(filter(None, map(spent_in, document.catalog.values())))


def as_people_read(document: SettingsDocument) -> Iterator[tuple[tuple[str, ...], dict[str, Json]]]:
    """Each limit by its place, with its amounts as money: what a number means depends on the
    catalog.
    """
    limits = Limits(scales=scales_of(document))
    for limit in document.autonomy.limits:
        shown = limit.model_dump(mode="json", include={"zone", "actions", "reads"})
        amounts = {
            unit: limits.amount(f"amount:{unit}", in_millionths(most, limits.scales.get(unit, 1)))
            for unit, most in limit.amount.items()
        }
        kept = {key: value for key, value in shown.items() if value is not None}
        yield limit.place, {**kept, **({"amount": amounts} if amounts else {})}


def without_ceiling(document: SettingsDocument) -> str | None:
    """What may run alone without any limit of the tenant, in a sentence; None if there is nothing.

    Budgets limit accounts one by one, and limits of an agent one agent.
    """
    allowlist = document.autonomy.allowlist
    listed = {*allowlist.tenant}.union(*allowlist.accounts.values())
    if not listed or not document.autonomy.budgets:
        return None
    ceilings = [limit for limit in document.autonomy.limits if limit.subject == FOR_TENANT]
    spent = (spent_in(action) for name, action in document.catalog.items() if name in listed)
    units = {money.unit for money in spent if money and money.unit}
    open_ended = sorted(units.difference(*(limit.amount for limit in ceilings)))
    if all(limit.actions is None for limit in ceilings):
        open_ended.insert(0, "actions")
    if not open_ended:
        return None
    named = " and ".join(filter(None, (", ".join(open_ended[:-1]), open_ended[-1])))
    return (
        f"the tenant as a whole has no limit of {named} (for: {FOR_TENANT}), so nothing bounds "
        f"what all accounts and agents use together"
    )


def replacing_less(limits: Sequence[LimitShape]) -> Iterator[tuple[int, str]]:
    """The limits that take the place of one which limits more, each with its place in the list and
    a sentence.
    """
    for position, limit in enumerate(limits):
        for other, replaced in enumerate(limits):
            gone = sorted(replaced.limited - limit.limited)
            if gone and _replaces(limit, replaced):
                sentence = f"takes the place of entry {other}, which also limits {', '.join(gone)}"
                yield position, sentence


def _replaces(limit: LimitShape, other: LimitShape) -> bool:
    one, another = (Limit(Per(each.per), each.named, each.each) for each in (limit, other))
    return one.replaces(another)


def spent_in(action: ActionShape) -> Money | None:
    """How the amounts that an action spends are written; None if it spends none."""
    if action.spends is None:
        return None
    place = CompiledSchema(action.final_schema).root.names.get(action.spends)
    return (money_of(place) if place else None) or Money()


def _subject_problems(limit: LimitShape) -> _Misfits:
    if not limit.each and limit.subject != FOR_TENANT and not limit.named:
        keys = ", ".join(LimitKey)
        yield (), f"needs its subject: for: {FOR_TENANT}, for: {EACH}agent, or one of {keys}"
    if limit.subject == FOR_TENANT and limit.named:
        yield ("for",), f"the tenant's limit names nothing else: {', '.join(limit.named)} must go"
    for key in sorted(limit.each & limit.named.keys()):
        yield (key.value,), f"is named, and for takes each {key}: one of the two must go"
    if limit.actions is None and limit.reads is None and not limit.amount:
        yield (), "limits nothing: it needs actions, reads or amount"


def _window_problems(limit: LimitShape) -> _Misfits:
    if limit.zone != "UTC" and limit.per in {Per.MINUTE, Per.HOUR}:
        yield ("zone",), "belongs to per: day or per: month; minutes and hours are those of UTC"


def _amount_problems(
    limit: LimitShape, document: SettingsDocument, scales: Mapping[str, int], *, whole: bool
) -> _Misfits:
    action = document.catalog.get(limit.action_type or "")
    spends = spent_in(action) if action else None
    for unit, amount in limit.amount.items():
        path = ("amount", unit)
        if unit not in scales:
            if whole:
                yield path, f"no action of the catalog spends {unit}{suggestion(unit, scales)}"
        elif action and (spends is None or spends.unit != unit):
            yield path, f"{limit.action_type} does not spend {unit}"
        elif in_millionths(amount, scales[unit]) > MILLIONTHS_MAX:
            yield path, f"must be at most {UNITS_MAX:,} {unit}"


def _odd_zones(limits: _Placed) -> _Misfits:
    """Limits of one kind share their counters, so they share their windows."""
    first: dict[tuple[frozenset[LimitKey], str], tuple[int, str]] = {}
    for position, limit in limits:
        other, zone = first.setdefault((limit.keys, limit.per), (position, limit.zone))
        if zone != limit.zone:
            sentence = f"must be {zone}, as in entry {other}, which counts by the same keys"
            yield ("limits", position, "zone"), sentence
