"""One value as Arrow holds it. What Arrow has no type for becomes text that a person can read."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

_UNSHOWN = re.compile(r"^<.*>$|\bat 0x[0-9a-fA-F]+", re.DOTALL)
_DIGITS = 38  # of a decimal128

# How values get their cell: by their exact type, else by the first rule that applies. Filled by
# `superparams.outcomes.arrow`, since containers and foreign types are defined in terms of `cell`.
EXACT: dict[type, Callable[[Any], Cell]] = {}
RULES: list[tuple[Callable[[Any], bool], Callable[[Any], Cell]]] = []


class Cell(NamedTuple):
    """One value as Arrow holds it.

    Its type, what the text was (None: the value itself), and the plain value.
    """

    type: pa.DataType
    kind: str | None
    value: Any

    @property
    def tag(self) -> tuple[pa.DataType, str | None]:
        """Rows whose cells have equal tags fit in one column."""
        return self.type, self.kind


NULL = Cell(pa.null(), None, None)
INT64, FLOAT64, TEXT = pa.int64(), pa.float64(), pa.string()


def text(value: str, kind: str | None = None) -> Cell:
    """Text as UTF-8; lone surrogates, which UTF-8 has no place for, are escaped as \\udcff."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return Cell(TEXT, kind or "escaped", value.encode("utf-8", "backslashreplace").decode())
    return Cell(TEXT, kind, value)


def _type_of(value: object) -> type[Any]:
    return type(value)  # pyright: ignore[reportUnknownVariableType]


def cell(value: object) -> Cell:
    """The Arrow form of any value.

    Raises TypeError where there is no readable one (a lock, an open file).
    """
    maker = EXACT.get(_type_of(value))
    if maker is not None:
        return maker(value)
    for applies, make in RULES:
        if applies(value):
            return make(value)
    return by_repr(value)


def cell_or_repr(value: object) -> Cell:
    """As `cell`, for values that must have a form at all, such as parameters.

    Any text rather than an error.
    """
    try:
        return cell(value)
    except Exception:  # whatever a foreign object's methods raise
        return text(safe_repr(value), "repr")


def safe_repr(value: object) -> str:
    """The repr of a value, also of one whose own repr raises."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, its repr raises {type(error).__name__}>"


# ---- scalars


def int_cell(value: int) -> Cell:
    """An integer, as text beyond 64 bits."""
    value = int(value)
    if -(2**63) <= value < 2**63:
        return Cell(INT64, None, value)
    return Cell(TEXT, "int", int_text(value))


def int_text(value: int) -> str:
    """Decimal digits, or hexadecimal where Python refuses so many digits (4,300 by default)."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def decimal_cell(value: decimal.Decimal) -> Cell:
    """A decimal of 38 digits with the scale it has; others as text."""
    exponent = value.as_tuple().exponent
    # NaN, infinity, and a zero with a sign, which Arrow's decimals do not have
    if not isinstance(exponent, int) or (value.is_signed() and value.is_zero()):
        return text(str(value), "decimal")
    scale = max(0, -exponent)
    if scale > _DIGITS or value.adjusted() + 1 + scale > _DIGITS:
        return text(str(value), "decimal")
    return Cell(pa.decimal128(_DIGITS, scale), None, value)


def datetime_cell(value: dt.datetime) -> Cell:
    """A date and time in its zone; as ISO text where Arrow cannot name the zone."""
    if value.tzinfo is None:
        return Cell(pa.timestamp("us"), None, value)
    try:
        form = pa.timestamp("us", pa.scalar(value).type.tz)
    except (ValueError, TypeError, OverflowError, NotImplementedError):
        return text(value.isoformat(), "datetime")
    since = value - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)  # heeds `fold`
    return Cell(form, None, since // dt.timedelta(microseconds=1))


def time_cell(value: dt.time) -> Cell:
    """A time of day; as ISO text when it has a zone."""
    if value.tzinfo is not None:
        return text(value.isoformat(), "time")
    return Cell(pa.time64("us"), None, value)


def timedelta_cell(value: dt.timedelta) -> Cell:
    """A duration; as text beyond 292,000 years."""
    if abs(value) >= dt.timedelta(microseconds=2**63 - 1):
        return text(str(value), "timedelta")
    return Cell(pa.duration("us"), None, value)


def name_cell(value: Any) -> Cell:
    """A class or function by its name."""
    return text(f"{value.__module__}.{value.__qualname__}", "name")


def by_repr(value: object) -> Cell:
    """An object by its repr, if that says more than where it is in memory."""
    shown = repr(value)
    if _UNSHOWN.search(shown):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(f"a table cannot hold {shown[:200]} of type {kind}")
    return text(shown, "repr")
