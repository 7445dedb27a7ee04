"""Numbers in whole units of a scale, without any rounding."""

from __future__ import annotations

from decimal import Context, Decimal

from clearance.core.canonical import INTEGER_MAX

_EXACT = Context(prec=64)  # a double has 17 digits, and a scale 10
POWERS_OF_TEN = frozenset(10**digits for digits in range(10))
_EXACT_UNITS_MAX = 10**15


def whole_units(value: float, scale: int) -> int | None:
    """`value` in units of which `scale` make one; None if that is no whole number within 2^53, by
    the decimals that the value is written with.
    """
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        return None
    if isinstance(value, int):
        units = value * scale
    elif scale in POWERS_OF_TEN and abs(near := round(value * scale)) < _EXACT_UNITS_MAX:
        # A double carries fifteen digits: it is written with these if it is the nearest to them.
        return near if near / scale == value else None
    else:
        exact = in_units(value, scale)
        units = int(exact)
        if units != exact:
            return None
    return units if -INTEGER_MAX <= units <= INTEGER_MAX else None


def in_units(value: float, scale: int) -> Decimal:
    """`value` times `scale`, without any rounding."""
    return _EXACT.multiply(Decimal(repr(value)), Decimal(scale))
