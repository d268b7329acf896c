"""The range of a field: an axis without a list of points.

Random bits choose a value of a range. Uniform bits, as an integer below 2**64, give uniform values,
on a linear or a logarithmic scale. All arithmetic here gives the same values on every machine,
since a value is part of the key of a setting: logarithms are computed in decimal arithmetic, powers
by a series, and the values of steps as fractions of integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from superparams.errors import SpaceError
from superparams.space.algebra import Product
from superparams.space.decimals import as_decimal, exact

if TYPE_CHECKING:
    from decimal import Context, Decimal
    from fractions import Fraction

__all__ = ["MOST_VALUES", "Range", "Uncounted", "why_uncounted"]

BITS: Final = 64  # that choose a value
MOST_VALUES: Final = 1 << 63  # integers, or steps, of one range
_HIGHEST: Final = float((1 << 53) - 1)  # the upper 53 bits, all of them 1
_DIGITS: Final = 40  # of logarithms
_MOST_EXACT: Final = 1 << 53  # floats have all integers up to here
_POWERS: Final = tuple(math.log(2) ** n / math.factorial(n) for n in range(14, -1, -1))


class Range:
    """All numbers from `low` to `high`, both included.

    Args:
        low: The lowest value, an int for a range of integers, else a float.
        high: The highest value, of the same type.
        log: Whether all orders of magnitude are equally likely, instead of all values.
        step: The distance of neighbouring values; None for all floats, or all integers.
    """

    __slots__ = (
        "_denominator",
        "_ends",
        "_first",
        "_stride",
        "high",
        "is_int",
        "log",
        "low",
        "size",
        "step",
    )

    def __init__(
        self, low: float, high: float, *, log: bool = False, step: float | None = None
    ) -> None:
        self.low = low
        self.high = high
        self.log = log
        self.step = step
        self.is_int = isinstance(low, int)
        first, stride = exact(low), exact(1 if step is None else step)
        self._denominator = math.lcm(first.denominator, stride.denominator)
        self._first = int(first * self._denominator)
        self._stride = int(stride * self._denominator)
        self.size: int | None = None  # the number of values; None for all floats
        if self.is_int or step is not None:
            self.size = int((exact(high) - first) / stride) + 1
        self._ends = self._logarithms() if log else (low, high)

    def at(self, bits: int) -> Any:
        """The value that random bits choose, ``0 <= bits < 2**64``."""
        if not self.log and self.size is not None:
            return self.value(bits * self.size >> BITS)
        if self.is_int and self.high > _MOST_EXACT:
            return self._at_exactly(bits)
        part = (bits >> 11) / _HIGHEST
        low, high = self._ends
        x = low * (1.0 - part) + high * part
        if self.log:
            x = _power_of_two(x) if part < 1.0 else math.inf  # which is cut to the highest value
            if self.is_int and part < 1.0:
                x = math.floor(x + 0.5)
        return min(max(x, self.low), self.high)

    def every(self, bits: Iterable[int]) -> list[Any]:
        """The value that `at` gives for each of these bits, in a fraction of the time."""
        if not self.log and self.size is not None:
            first, stride, size = self._first, self._stride, self.size
            numerators = [first + (x * size >> BITS) * stride for x in bits]
            return numerators if self.is_int else [x / self._denominator for x in numerators]
        if self.size is not None:
            return list(map(self.at, bits))
        low, high = self._ends
        parts = [(x >> 11) / _HIGHEST for x in bits]
        numbers = [low * (1.0 - part) + high * part for part in parts]
        if self.log:
            powers = zip(_powers_of_two(numbers), parts, strict=True)
            numbers = [x if part < 1.0 else math.inf for x, part in powers]
        low, high = self.low, self.high
        return [x if low <= x <= high else min(max(x, low), high) for x in numbers]

    def _at_exactly(self, bits: int) -> int:
        """An integer on a logarithmic scale, of which floats have not all digits."""
        from decimal import ROUND_HALF_EVEN, Decimal

        digits = self._digits()
        low, high = self._natural_logarithms()
        part = digits.divide(Decimal(bits), Decimal((1 << BITS) - 1))
        x = digits.exp(digits.add(low, digits.multiply(digits.subtract(high, low), part)))
        return min(max(int(x.to_integral_value(ROUND_HALF_EVEN)), int(self.low)), int(self.high))

    def _digits(self) -> Context:
        """A decimal arithmetic that tells all integers of the range apart."""
        from decimal import Context

        more = len(str(self.high)) if self.is_int and self.high > _MOST_EXACT else 0
        return Context(prec=_DIGITS + more)

    def __contains__(self, x: object) -> bool:
        """Whether a number is one of the values."""
        if isinstance(x, bool) or not isinstance(x, int | float):
            return False
        if not self.low <= x <= self.high or (self.is_int and x != int(x)):
            return False
        if self.size is None or (self.is_int and self.step is None):
            return True
        return (exact(x) * self._denominator - self._first) % self._stride == 0

    def nearest(self, x: float) -> Any:
        """The value that is nearest to a number from `low` to `high`."""
        if self.size is None:
            return float(x)
        if self.is_int and self.step is None:
            return round(x)
        position = (exact(x) * self._denominator - self._first) / self._stride
        return self.value(round(position))

    def grid(self, most: int) -> list[Any]:
        """At most so many values from `low` to `high`, evenly spaced on the scale of the range.

        One value is the middle. A range of integers, or with a step, has only its own values, each
        once.
        """
        from fractions import Fraction

        if self._gives_all(most):
            assert self.size is not None
            return [self.value(index) for index in range(self.size)]
        parts = (Fraction(n, most - 1) for n in range(most)) if most > 1 else [Fraction(1, 2)]
        return list(dict.fromkeys(map(self._between, parts)))

    def n_listed(self, most: int) -> int:
        """How many values `grid` looks at."""
        return self.size if self.size is not None and self._gives_all(most) else most

    def _gives_all(self, most: int) -> bool:
        """Whether so many evenly spaced numbers are near enough to meet every value."""
        if self.size is None or not self.log:
            return self.size is not None and most >= self.size
        return most > 2 + 2 * self.high * math.log(self.high / self.low)

    def _between(self, part: Fraction) -> Any:
        """The value at a part of the way from `low` to `high`."""
        if part in (0, 1):
            return self.high if part else self.low
        if self.size is not None and not self.log:
            return self.value(round(part * (self.size - 1)))
        if not self.log:
            return float(exact(self.low) + part * (exact(self.high) - exact(self.low)))
        from decimal import ROUND_HALF_EVEN, Context, Decimal

        digits = self._digits()
        low, high = (digits.ln(as_decimal(x)) for x in (self.low, self.high))
        share = digits.divide(Decimal(part.numerator), Decimal(part.denominator))
        power = digits.exp(digits.add(low, digits.multiply(digits.subtract(high, low), share)))
        if self.is_int:
            return int(power.to_integral_value(ROUND_HALF_EVEN))
        return float(Context(prec=_DIGITS - 10).plus(power))  # 0.001, and not the float before it

    def value(self, place: int) -> Any:
        """The value at a place in ascending order, where the number of values is known."""
        numerator = self._first + place * self._stride
        return numerator if self.is_int else numerator / self._denominator

    def _logarithms(self) -> tuple[float, float]:
        """The logarithms of the ends, to base 2.

        Integers have half a unit more at each end, so that rounding makes no end less likely.
        """
        digits = self._digits()
        two = digits.ln(as_decimal(2))
        low, high = self._natural_logarithms()
        return float(digits.divide(low, two)), float(digits.divide(high, two))

    def _natural_logarithms(self) -> tuple[Decimal, Decimal]:
        digits, half = self._digits(), as_decimal(0.5 if self.is_int else 0)
        low = digits.ln(digits.subtract(as_decimal(self.low), half))
        return low, digits.ln(digits.add(as_decimal(self.high), half))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        return repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _range, (self.low, self.high, self.log, self.step)

    def __repr__(self) -> str:
        log = ", log=True" if self.log else ""
        step = "" if self.step is None else f", step={self.step!r}"
        return f"low={self.low!r}, high={self.high!r}{log}{step}"


def _range(low: float, high: float, log: bool, step: float | None) -> Range:
    return Range(low, high, log=log, step=step)


def _power_of_two(x: float) -> float:
    """``2.0 ** x``, the same on every machine: `math.pow` may differ in the last digit."""
    return _powers_of_two((x,))[0]


def _powers_of_two(numbers: Iterable[float]) -> list[float]:
    """`_power_of_two` of each number. The polynomial has no loop: that takes half of the time."""
    floor, ldexp, powers = math.floor, math.ldexp, list[float]()
    a, b, c, d, e, f, g, h, i, j, k, m, n, o, p = _POWERS
    for x in numbers:
        whole = floor(x + 0.5)
        r = x - whole
        high = ((((((a * r + b) * r + c) * r + d) * r + e) * r + f) * r + g) * r + h
        low = (((((high * r + i) * r + j) * r + k) * r + m) * r + n) * r + o
        powers.append(ldexp(low * r + p, whole))
    return powers


def why_uncounted(ranges: Sequence[str]) -> str:
    """Why the settings of a space with ranges are not counted.

    Args:
        ranges: The dotted names of the fields that are ranges.
    """
    is_single = len(ranges) == 1
    return (
        f"{', '.join(ranges)} {'is a range' if is_single else 'are ranges'}, so there is no list "
        f"of settings to count; a run draws some, as with --sample 100"
    )


class Uncounted(Product):
    """Stands for the product of a space with ranges, which cannot be listed.

    Args:
        why: The error when somebody asks for its size or for one of its combinations.
    """

    __slots__ = ("_why",)

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def size(self) -> int:  # type: ignore[override]
        """Raises SpaceError, as all other attributes and methods do."""
        raise SpaceError(self._why)

    @property
    def dimensions(self) -> Any:  # type: ignore[override]
        """Raises SpaceError."""
        raise SpaceError(self._why)

    def at(self, index: int) -> tuple[Any, ...]:
        """Raises SpaceError."""
        raise SpaceError(self._why)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        raise SpaceError(self._why)

    def find(self, point: object) -> tuple[int | None, int | None]:
        """Raises SpaceError."""
        raise SpaceError(self._why)
