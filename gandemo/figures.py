"""Numbers that somebody else may have written, as figures to show."""

from __future__ import annotations

import math


def finite(value: object) -> float | None:
    """The value as a float; None for what is no number, is not finite, or is a whole number beyond what floats hold.

    True and False are no numbers here, though Python counts them among them.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's whole numbers may have any length
        return None
    return number if math.isfinite(number) else None
