"""Makes a range of numbers from ``search(low=, high=, log=, step=)``."""

from __future__ import annotations

import math
import types
from typing import Any

from superparams.adapters.content import is_class
from superparams.declare.descriptors import Search
from superparams.declare.mistakes import alternatives
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.decimals import exact
from superparams.space.ranges import MOST_VALUES, Range

__all__ = ["range_of"]


def range_of(searched: Search, annotation: object, where: str) -> Range:
    """The range of ``search(low=...)`` for a field with this annotation.

    Raises:
        FieldError: For arguments that do not fit the annotation; names `where`
            (``"Class.field"``), the value and the remedy.
    """
    _refuse_company(searched, where)
    kind = _kind_of(annotation, searched, where)
    bounds = searched.bounds
    for name in ("low", "high"):
        if name not in bounds:
            ends = {"low": "LOW", "high": "HIGH", **{n: shorten(x) for n, x in bounds.items()}}
            example = ", ".join(f"{each}={x}" for each, x in ends.items())
            raise FieldError(
                f"{where}: {searched!r} has no {name}; a range needs both ends: write "
                f"search({example})"
            )
    low, high = (_number(bounds[name], name, kind, where) for name in ("low", "high"))
    step = _number(bounds["step"], "step", kind, where) if "step" in bounds else None
    log = bounds.get("log", False)
    if log not in (False, True):
        raise FieldError(f"{where}: log={shorten(log)} must be True or False; write log=True")
    if low >= high:
        same = f"fix the field, {where.rpartition('.')[2]} = {low!r}"
        remedy = same if low == high else f"write search(low={high!r}, high={low!r})"
        raise FieldError(f"{where}: low={low!r} must be below high={high!r}; {remedy}")
    if log and low <= 0:
        least = 1 if kind is int else min(1e-5, high / 10) if high > 0 else 1e-5
        raise FieldError(
            f"{where}: low={low!r} has no logarithm, so log=True needs a low above 0, such as "
            f"low={least!r}; or leave log=True out"
        )
    if step is not None:
        _check_step(low, high, step, log=bool(log), where=where)
    return _counted(Range(low, high, log=bool(log), step=step), where)


def _refuse_company(searched: Search, where: str) -> None:
    """Refuse points, ``zip=`` and ``repeat=`` beside a range: only an axis with points has them."""
    if searched.given:
        ends = dict(searched.bounds)
        if len(searched.given) == 2 and not {"low", "high"} & ends.keys():  # low, high
            ends = {"low": searched.given[0], "high": searched.given[1], **ends}
        bounds = ", ".join(f"{name}={shorten(x)}" for name, x in ends.items())
        points = ", ".join(map(shorten, searched.given))
        raise FieldError(
            f"{where}: {searched!r} has points and a range; write search({points}) for the points, "
            f"or search({bounds}) for the range"
        )
    if searched.zip is not None:
        raise FieldError(
            f"{where}: {searched!r}: a range has no points that could advance with others; leave "
            f"zip={searched.zip!r} out, or give points, as in search([1, 2], zip={searched.zip!r})"
        )
    if searched.repeat:
        raise FieldError(
            f"{where}: {searched!r}: a repetition needs points; write search(range(5), repeat=True)"
        )


def _kind_of(annotation: object, searched: Search, where: str) -> type[float]:
    """The type of the numbers: int or float."""
    members = [
        member for member in alternatives(annotation) if member not in (None, types.NoneType)
    ]
    if members == [int]:
        return int
    if members in ([float], [int, float], [float, int]):
        return float
    type_name = annotation.__name__ if is_class(annotation) else str(annotation)
    raise FieldError(
        f"{where}: {searched!r} is a range of numbers, and {type_name} is neither int nor float; "
        f"annotate it, as in {where.rpartition('.')[2]}: float = {searched!r}, or give the points, "
        f"as in search([...])"
    )


def _number(x: Any, name: str, kind: type[float], where: str) -> Any:
    """A number as a value of the field: an int or a float."""
    number = x.item() if hasattr(x, "item") and getattr(x, "ndim", 1) == 0 else x
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise FieldError(
            f"{where}: {name}={shorten(x)} is not a number; write {name}=1, for example"
        )
    if isinstance(number, float) and not math.isfinite(number):
        raise FieldError(
            f"{where}: {name}={number!r} cannot be an end of a range; give a finite number, such "
            f"as {name}={'1' if kind is int else '1.0'}"
        )
    if kind is float:
        try:
            return float(number)
        except OverflowError:
            raise FieldError(
                f"{where}: {name}={shorten(x)} is too large for a float; give a smaller number"
            ) from None
    if number != int(number):
        ints = [math.floor(number), math.ceil(number)]
        ints = sorted({max(1, n) for n in ints} if name == "step" else ints)
        raise FieldError(
            f"{where}: {name}={number!r} is not an int, but the annotation is int; write "
            f"{' or '.join(f'{name}={n}' for n in ints)}, or annotate the field as float"
        )
    return int(number)


def _check_step(low: Any, high: Any, step: Any, *, log: bool, where: str) -> None:
    if log:
        raise FieldError(
            f"{where}: log=True and step={step!r} exclude each other: steps of equal size do "
            f"not form a logarithmic scale; leave one of them out"
        )
    if step <= 0:
        raise FieldError(f"{where}: step={step!r} must be above 0; write step={_opposite(step)!r}")
    first, width = exact(low), exact(step)
    n, rest = divmod(exact(high) - first, width)
    if rest:
        kind: Any = low.__class__
        ends = [repr(kind(first + width * m)) for m in (n, n + 1) if m]
        nearest = f"the nearest {'are' if len(ends) > 1 else 'is'} {' and '.join(ends)}"
        raise FieldError(
            f"{where}: steps of {step!r} from low={low!r} do not meet high={high!r}; {nearest}: "
            f"write {' or '.join(f'high={end}' for end in ends)}"
        )


def _opposite(step: Any) -> Any:
    return -step if step else type(step)(1)


def _counted(numbers: Range, where: str) -> Range:
    """The range, which is refused if it has too many values."""
    if numbers.size is not None and numbers.size > MOST_VALUES:
        raise FieldError(
            f"{where}: {shorten(numbers)} has more than {MOST_VALUES:,} values; take a shorter "
            f"range{'' if numbers.step is None else ', or a larger step'}"
        )
    return numbers
