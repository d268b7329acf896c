"""Decimal numbers and the floats that they mean: 0.3 may mean 0.30000000000000004.

Rounding a float to 15 significant digits gives its short form. Two numbers of at most 15 digits are
never the same float, so a short form is unambiguous.
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
    """A float as the fraction that its digits mean: 0.1 is one tenth."""
    from fractions import Fraction

    return Fraction(as_decimal(x))


def as_decimal(x: float) -> Decimal:
    """A number with the digits that Python writes."""
    from decimal import Decimal

    return Decimal(repr(x))


def meant_among(values: Iterable[float], x: float) -> float | None:
    """Finds the value that a number means, which may be the short form of the value.

    Args:
        values: Floats, such as 0.30000000000000004.
        x: A number, such as 0.3. A number with more than 15 digits means only itself.

    Returns:
        `x` if it is a value, else the nearest value of which it is the short form; or None.
    """
    candidates = list(values)
    if x in candidates:
        return x
    if _rounded(x) != x:
        return None
    alike = [value for value in candidates if _rounded(value) == x]
    return min(alike, key=lambda value: abs(value - x), default=None)


def _rounded(x: float) -> float:
    return float(f"{x:.15g}")
