"""Reads a text as one value of a class: a number, a text, a path, a time and the like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from superparams.declare.words.grammar import Unreadable, text_of, unquote, unquote_bytes
from superparams.errors.short_repr import shorten

__all__ = [
    "BARE",
    "EXACT",
    "LOOSE",
    "WORD",
    "ScalarReading",
    "constructed",
    "is_any_text",
    "scalar_of",
]

# How doubtful it is that a text means a value. In a union, the least doubtful member wins.
EXACT: Final = 0  # the notation of Python
LOOSE: Final = 1  # another notation, such as 1 for a float
BARE: Final = 2  # any text is a value
WORD: Final = 3  # a text with two meanings, such as `no` for a bool

WHOLE: Final = re.compile(r"[+-]?[0-9][0-9_]*")
WHOLE_WITH_EXPONENT: Final = re.compile(r"([+-]?[0-9][0-9_]*)[eE]\+?([0-9]{1,3})")
RATIO: Final = re.compile(r"[+-]?[0-9]+(/[0-9]+)?|[+-]?[0-9]*\.[0-9]+")
CLOCK: Final = re.compile(
    r"(?:(?P<days>[+-]?\d+) days?,? )?(?P<sign>[+-]?)(?P<hours>\d+):(?P<minutes>\d\d)"
    r"(?::(?P<seconds>\d\d(?:\.\d{1,6})?))?",
    re.ASCII,
)
UNITS: Final = {
    "w": "weeks",
    "d": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
}
SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) *(ms|us|[wdhms]) *")
TRUTH: Final = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class ScalarReading(NamedTuple):
    """A value, and how doubtful it is that the text means this value."""

    value: Any
    doubt: int = EXACT


def scalar_of(cls: type[Any]) -> Scalar | None:
    """How to read a text as an instance of `cls`; None if no text is an instance."""
    for base in cls.__mro__:
        scalar = SCALARS.get(f"{base.__module__.partition('._')[0]}.{base.__qualname__}")
        if scalar is not None:
            return scalar
    return None


def is_any_text(cls: type[Any]) -> bool:
    """Whether every text is an instance of `cls`."""
    scalar = scalar_of(cls)
    return scalar is not None and scalar.read in (_text, _path)


def constructed(cls: type[Any], x: object) -> Any:
    """An instance of `cls`, called with `x`.

    Raises:
        Unreadable: When the class refuses it.
    """
    if type(x) is cls:
        return x
    try:
        return cls(x)
    except Exception as error:  # a class of the user may raise anything
        raise Unreadable(f"{cls.__name__} does not accept it: {shorten(error)}") from error


def _bool(cls: type[Any], text: str) -> ScalarReading:
    word = text.lower()
    if word not in TRUTH:
        raise Unreadable
    return ScalarReading(
        constructed(cls, TRUTH[word]), EXACT if word in ("true", "false") else WORD
    )


def _int(cls: type[Any], text: str) -> ScalarReading:
    number, doubt = _whole_number(text)
    x = constructed(cls, number)
    if x != number:
        raise Unreadable(f"it does not fit into {cls.__name__}")
    return ScalarReading(x, doubt)


def _whole_number(text: str) -> tuple[int, int]:
    exponent = WHOLE_WITH_EXPONENT.fullmatch(text)
    try:
        if exponent:
            return int(exponent[1]) * 10 ** int(exponent[2]), LOOSE
        return int(text), EXACT
    except ValueError:
        if WHOLE.fullmatch(text) and len(text) > 4000:
            raise Unreadable("Python reads no number with so many digits") from None
    try:
        return int(text, 0), EXACT  # 0x10, 0b11
    except ValueError:
        raise Unreadable from None


def _float(cls: type[Any], text: str) -> ScalarReading:
    number = _attempt(float, text)
    if math.isinf(number) and "inf" not in text.lower():
        raise Unreadable("it is too large for a float")
    return ScalarReading(constructed(cls, number), LOOSE if WHOLE.fullmatch(text) else EXACT)


def _complex(cls: type[Any], text: str) -> ScalarReading:
    number = _attempt(complex, text)
    if any(map(math.isinf, (number.real, number.imag))) and "inf" not in text.lower():
        raise Unreadable("it is too large for a complex")
    return ScalarReading(
        constructed(cls, number), EXACT if text.rstrip(")")[-1:] in "jJ" else LOOSE
    )


def _decimal(cls: type[Any], text: str) -> ScalarReading:
    number = _attempt(cls, text)
    if number.is_snan():
        raise Unreadable("a signalling NaN cannot be compared")
    return ScalarReading(number, LOOSE if WHOLE.fullmatch(text) else EXACT)


def _fraction(cls: type[Any], text: str) -> ScalarReading:
    if not RATIO.fullmatch(text):  # 1e999999999 would be computed to its last digit
        raise Unreadable
    return ScalarReading(_attempt(cls, text), EXACT if "/" in text else LOOSE)


def _text(cls: type[Any], text: str) -> ScalarReading:
    quoted = unquote(text)
    if quoted is None:
        return ScalarReading(constructed(cls, text), BARE)
    return ScalarReading(constructed(cls, quoted))


def _bytes(cls: type[Any], text: str) -> ScalarReading:
    data = unquote_bytes(text)
    if data is not None:
        return ScalarReading(constructed(cls, data))
    try:
        encoded = _nonempty_text(text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unreadable("it cannot be encoded") from None
    return ScalarReading(constructed(cls, encoded), WORD)


def _path(cls: type[Any], text: str) -> ScalarReading:
    name = _nonempty_text(text)
    if "\0" in name:
        raise Unreadable("a path holds no NUL")
    return ScalarReading(_attempt(cls, name), BARE if name is text else EXACT)


def _nonempty_text(text: str) -> str:
    """A text that is not empty, without the quotes around it."""
    inner = text_of(text)
    if not inner:
        raise Unreadable
    return inner


def _moment(cls: Any, text: str) -> ScalarReading:
    moment = _iso(text)
    return ScalarReading(_attempt(cls.fromisoformat, moment), EXACT if ":" in moment else LOOSE)


def _date_or_time(cls: Any, text: str) -> ScalarReading:
    return ScalarReading(_attempt(cls.fromisoformat, _iso(text)))


def _iso(text: str) -> str:
    """A date or time as all Pythons read it: 3.10 reads neither Z nor tenths of seconds."""
    moment = _nonempty_text(text)
    if ":" not in moment:
        return moment
    moment = re.sub(r"(\.[0-9]{1,6})(?![0-9])", lambda part: part[1].ljust(7, "0"), moment)
    return re.sub("[zZ]$", "+00:00", moment)


def _span(cls: object, text: str) -> ScalarReading:
    """``90s``, ``1h30m``, ``1:30:00``, ``2 days, 0:00:01``."""
    span_text = _nonempty_text(text)
    clock = CLOCK.fullmatch(span_text)
    try:
        if clock:
            return ScalarReading(_clock_span(cls, clock))
        return ScalarReading(_unit_span(cls, span_text))
    except (ValueError, OverflowError):
        raise Unreadable from None


def _clock_span(cls: Any, clock: re.Match[str]) -> Any:
    hours, minutes = int(clock["hours"]), int(clock["minutes"])
    time = cls(hours=hours, minutes=minutes, seconds=float(clock["seconds"] or 0))
    return cls(days=int(clock["days"] or 0)) + (-time if clock["sign"] == "-" else time)


def _unit_span(cls: Any, span_text: str) -> Any:
    unsigned = span_text.lstrip("+-")
    if len(span_text) - len(unsigned) > 1 or not re.fullmatch(f"(?:{SPAN.pattern})+", unsigned):
        raise ValueError
    amounts: dict[str, float] = {}
    for amount, unit in SPAN.findall(unsigned):
        amounts[UNITS[unit]] = amounts.get(UNITS[unit], 0.0) + float(amount)
    total = cls(**amounts)
    return -total if span_text[0] == "-" else total


def _unique(cls: type[Any], text: str) -> ScalarReading:
    return ScalarReading(_attempt(cls, _nonempty_text(text)))


def _attempt(make: Callable[[str], Any], text: str) -> Any:
    try:
        return make(text)
    except (ValueError, ArithmeticError):
        raise Unreadable from None


class Scalar(NamedTuple):
    """How to read values of a class, and one or two examples for errors."""

    read: Callable[[type[Any], str], ScalarReading]
    samples: tuple[str, ...]


SCALARS: Final[Mapping[str, Scalar]] = {
    "builtins.bool": Scalar(_bool, ("true", "false")),
    "builtins.int": Scalar(_int, ("1", "2")),
    "builtins.float": Scalar(_float, ("0.1", "0.01")),
    "builtins.complex": Scalar(_complex, ("1+2j", "2j")),
    "builtins.str": Scalar(_text, ("a", "b")),
    "builtins.bytes": Scalar(_bytes, ("a", "b")),
    "decimal.Decimal": Scalar(_decimal, ("0.10", "0.25")),
    "fractions.Fraction": Scalar(_fraction, ("1/3", "2/3")),
    "pathlib.PurePath": Scalar(_path, ("a.csv", "b.csv")),
    "datetime.datetime": Scalar(_moment, ("2024-05-01T12:30", "2024-05-02T12:30")),
    "datetime.date": Scalar(_date_or_time, ("2024-05-01", "2024-05-02")),
    "datetime.time": Scalar(_date_or_time, ("12:30", "18:00")),
    "datetime.timedelta": Scalar(_span, ("90s", "1h30m")),
    "uuid.UUID": Scalar(_unique, ("12345678-1234-5678-1234-567812345678",)),
    "numpy.bool": Scalar(_bool, ("true", "false")),
    "numpy.bool_": Scalar(_bool, ("true", "false")),
    "numpy.integer": Scalar(_int, ("1", "2")),
    "numpy.floating": Scalar(_float, ("0.1", "0.01")),
}
