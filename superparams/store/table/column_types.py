"""One type for a column whose types drifted from outcome to outcome.

Nothing is lost: integers and floats become floats where every integer survives that, units and
sizes of one type become the widest, and all else becomes text that keeps every value readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from superparams.store.table.text_columns import texts


class Form(NamedTuple):
    """The type of a column, and what its text was before it became text.

    kind: None where the values are what they seem.
    """

    type: pa.DataType
    kind: str | None = None


JSON = Form(pa.string(), "json")
_NULL = Form(pa.null())
_BEYOND = {"int", "json"}  # kinds of text that are not plain text


def widest(forms: Iterable[Form]) -> tuple[Form, bool]:
    """The form that holds values of all these forms, and whether the values must be tried first.

    Text as JSON is the form of last resort.
    """
    met = [form for form in dict.fromkeys(forms) if not pa.types.is_null(form.type)]
    if len(met) < 2:
        return (met[0] if met else _NULL), False
    if all(map(_is_text, met)):
        return _widest_text(met), False
    if all(
        pa.types.is_integer(form.type) or (form.kind == "int" and _is_text(form)) for form in met
    ):
        return _widest_int(met)
    if any(form.kind is not None for form in met):
        return JSON, False
    made = _widest_type([form.type for form in met])
    return (JSON, False) if made is None else (Form(made), True)


def _is_text(form: Form) -> bool:
    return bool(pa.types.is_string(form.type) or pa.types.is_large_string(form.type))


def _widest_text(met: Sequence[Form]) -> Form:
    wide = (
        pa.large_string()
        if any(pa.types.is_large_string(form.type) for form in met)
        else pa.string()
    )
    kinds = {form.kind for form in met}
    if len(kinds) == 1:
        return Form(wide, kinds.pop())
    return Form(wide, "json" if kinds & _BEYOND else None)


def _widest_int(met: Sequence[Form]) -> tuple[Form, bool]:
    if any(form.kind == "int" for form in met):
        return Form(pa.string(), "int"), False
    unsigned = all(pa.types.is_unsigned_integer(form.type) for form in met)
    return Form(pa.uint64() if unsigned else pa.int64()), True


def _widest_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """A type to try for all values; None when only text holds them."""
    is_a = pa.types
    if all(is_a.is_integer(one) or is_a.is_floating(one) for one in types):
        return pa.float64()
    if all(is_a.is_decimal(one) for one in types):
        return pa.decimal128(38, max(one.scale for one in types))
    if all(is_a.is_timestamp(one) for one in types) and len({one.tz for one in types}) == 1:
        return pa.timestamp(_finest(types), types[0].tz)
    if all(is_a.is_duration(one) for one in types):
        return pa.duration(_finest(types))
    if all(is_a.is_binary(one) or is_a.is_large_binary(one) for one in types):
        return pa.large_binary()
    if all(is_a.is_list(one) or is_a.is_large_list(one) for one in types):
        return _widest_list(types)
    return None


def _finest(types: Sequence[pa.DataType]) -> str:
    units: list[str] = [one.unit for one in types]
    return max(units, key=["s", "ms", "us", "ns"].index)


def _widest_list(types: Sequence[pa.DataType]) -> pa.DataType | None:
    inner, _ = widest(Form(one.value_type) for one in types)
    if inner == JSON:
        return None
    return (pa.list_ if all(pa.types.is_list(one) for one in types) else pa.large_list)(inner.type)


def recast(array: pa.Array, form: Form, target: Form) -> pa.Array:
    """An array of one form in another that `widest` found.

    Raises ValueError where a value would change.
    """
    if pa.types.is_null(form.type):
        return pa.nulls(len(array), target.type)
    if form == target:
        return array
    if target.kind == "json" and not (form.kind == "json" and _is_text(form)):
        return pa.array(texts(array, form.kind), target.type)
    if form.type == target.type:
        return array
    cast = array.cast(target.type)
    may_round = pa.types.is_floating(_leaf(target.type)) and pa.types.is_integer(_leaf(form.type))
    if may_round and not cast.cast(array.type).equals(array):  # integers beyond 2**53
        raise ValueError("an integer does not fit in a float")
    return cast


def _leaf(form: pa.DataType) -> pa.DataType:
    """The type of the elements, at the bottom of nested lists."""
    while pa.types.is_list(form) or pa.types.is_large_list(form):
        form = form.value_type
    return form


def fits(array: pa.Array, form: Form, target: Form) -> bool:
    """Whether every value of an array survives in another form."""
    try:
        recast(array, form, target)
    except (
        ValueError,
        TypeError,
    ):  # pyarrow's ArrowInvalid and ArrowNotImplementedError among them
        return False
    return True
