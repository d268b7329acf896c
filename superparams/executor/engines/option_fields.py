"""Options as fields of dataclasses: a type, a default, a sentence of help, and a check.

A check takes a value, and returns it as a plain number, tuple or text. For a value that an option
cannot have, it raises `BadValue`, whose text says what to give instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, fields
from numbers import Real
from typing import Any, Final, cast

from superparams.adapters.content import whole_number
from superparams.errors import SuperparamsError

__all__ = ["BadValue", "count", "devices", "one_of", "option", "seconds", "settle", "whole"]

Check = Callable[[object], object]
# Workers or devices. A larger number is a slip, and a list of so many would fill the memory.
MOST: Final = 100_000


class BadValue(ValueError):
    """The value of an option is wrong; the message says what to give instead."""


def option(default: object, text: str = "", *, check: Check | None = None) -> Any:
    """A field of a dataclass of options.

    Args:
        default: The default value. If this is None, the check is skipped for None.
        text: What the option means, in one sentence, for help and pages.
        check: The check of a value.
    """
    return field(default=default, metadata={"text": text, "check": check})


def settle(options: Any, error: type[SuperparamsError], owner: str = "") -> None:
    """Check all fields of a dataclass of options, and replace values by what their checks return.

    Args:
        options: An instance of a dataclass, which may be frozen.
        error: The class of the error for a wrong value.
        owner: Text before the name of the option in the error.
    """
    for option_field in fields(options):
        check: Check | None = option_field.metadata.get("check")
        value = getattr(options, option_field.name)
        if check is None or (value is None and option_field.default is None):
            continue
        try:
            object.__setattr__(options, option_field.name, check(value))
        except BadValue as why:
            raise error(f"{owner}{option_field.name}={value!r}: {why}") from None


def one_of(choices: tuple[str, ...]) -> Check:
    """A check for one of some texts."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in choices:
            return value
        *others, last = [f'"{choice}"' for choice in choices]
        raise BadValue(f"give {', '.join(others)} or {last}")

    return check


def whole(least: int, remedy: str) -> Check:
    """A check for a whole number, also of numpy; `True` and a number in quotes are refused."""

    def check(value: object) -> int:
        number = whole_number(value)
        if number is None or number < least:
            raise BadValue(remedy)
        return number

    return check


def count(remedy: str) -> Callable[[object], int]:
    """A check for a number of workers or devices."""
    checked = cast("Callable[[object], int]", whole(1, remedy))

    def check(value: object) -> int:
        number = checked(value)
        if number > MOST:
            raise BadValue(f"that is more than {MOST:,}; {remedy}")
        return number

    return check


def seconds(remedy: str, *, may_be_zero: bool = False) -> Check:
    """A check for a finite number of seconds above 0; may_be_zero: or 0."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise BadValue(remedy)
        try:
            number = float(value)
        except OverflowError:  # an int beyond all floats
            raise BadValue(remedy) from None
        if not (0 < number < float("inf") or (may_be_zero and number == 0)):
            raise BadValue(remedy)
        return value if isinstance(value, int) else number

    return check


def devices(remedy: str) -> Check:
    """A check for the names of devices, or their number. A text is no list of names."""
    number, place = count(remedy), whole(0, remedy)

    def device(value: object) -> object:
        return value if isinstance(value, str) and value.strip() else place(value)

    def check(value: object) -> object:
        if isinstance(value, str) or not isinstance(value, Iterable):
            return number(value)
        names = tuple(map(device, cast("Iterable[object]", value)))
        if not names:
            raise BadValue(remedy)
        return names

    return check
