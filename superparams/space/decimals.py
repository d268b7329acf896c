"""Numbers as they are written: 0.3 means the float that arithmetic made 0.30000000000000004.

A float holds any number of 15 significant digits. So two numbers that are written with 15 digits or
less are two floats, and a float is meant by the only such number that it is rounded to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

# Only ranges need these: `import superparams` does not load them.
if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

__all__ = ["as_decimal", "exact", "meant_among"]


def exact(x: float) -> Fraction:
    """A number as it is written: 0.1 is one tenth."""
    from fractions import Fraction

    return Fraction(as_decimal(x))


def as_decimal(x: float) -> Decimal:
    """A number with the digits that Python writes."""
    from decimal import Decimal

    return Decimal(repr(x))


def meant_among(values: Iterable[float], x: float) -> float | None:
    """The value that a number means: itself, else the nearest one that it is the short form of.

    Args:
        values: Floats, such as 0.30000000000000004.
        x: A number, such as 0.3. One with more than 15 digits means only itself.

    Returns:
        The value, or None if there is none.
    """
    found = list(values)
    if x in found:
        return x
    if _rounded(x) != x:
        return None
    alike = [value for value in found if _rounded(value) == x]
    return min(alike, key=lambda value: abs(value - x), default=None)


def _rounded(x: float) -> float:
    return float(f"{x:.15g}")
