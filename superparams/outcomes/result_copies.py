"""Freezes a result when ``run`` returns, so that it is recorded as it was then.

Outcomes are encoded in batches, and meanwhile the code of the user continues: the next setting may
fill the same buffer, clear a list that ``setup`` made, or change a dict from a cache. So a result
is frozen as soon as ``run`` returns. Numbers and text are kept, containers and arrays are copied,
and every other value is converted to its cell of the table at once. A frozen result holds no object
that code of the user can change.
"""

from __future__ import annotations

import datetime as dt
import inspect
import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.adapters.content import items_of
from superparams.adapters.libraries import adapter_for, adapter_of
from superparams.errors.short_repr import kind_of
from superparams.identity.module_names import class_of
from superparams.outcomes.return_checks import refuse_unrun

__all__ = ["Frozen", "Refused", "checked", "frozen"]

# Types whose values never change. Those of `_LATER` and of libraries are added when one is seen.
_FIXED: Final[set[type]] = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    dt.date,
    dt.timedelta,
}
# By module, so that a worker does not load what its experiment does not use.
_LATER: Final = {"decimal": "Decimal", "fractions": "Fraction", "uuid": "UUID"}
_SEQUENCES: Final = frozenset({list, tuple, set, frozenset})
_BYTES: Final = frozenset({bytearray, memoryview})
_DEEPEST: Final = 16  # levels of nested mappings that become dotted columns, as in `flatten`
_DEEPEST_COPY: Final = 50  # levels of nested containers; a deeper one may contain itself


class Frozen:
    """One value of a result, converted to its cell of the table when ``run`` returned."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any) -> None:
        self.cell = cell


class Refused:
    """Replaces a result, or one value of a result, that a table cannot hold.

    Attributes:
        why: The reason, for the error of the setting.
    """

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


class _Name:
    """The text of a name that is no plain text; two such names with one text stay different."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class _HasNoCopy(Exception):
    """Raised for a value that is recorded by its cell instead."""


def checked(cls: type[Any], result: object) -> Any:
    """Check what ``run`` returned, and convert a mapping to a dict.

    Raises:
        TypeError: For anything but a dict, None, or a frame.
    """
    if result is None or type(result) is dict:
        return result  # pyright: ignore[reportUnknownVariableType]
    refuse_column(f"{cls.__name__}.run()", result)
    if hasattr(result, "__arrow_c_stream__"):
        return result
    if isinstance(result, Mapping):
        return dict(result)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{cls.__name__}.run() returned a coroutine, so none of its code ran; write async def "
            "run(self), or return what asyncio.run(...) gives"
        )
    refuse_unrun(f"{cls.__name__}.run()", result, ", and return a dict")
    raise TypeError(
        f"{cls.__name__}.run() returned {result!r:.80}, {kind_of(result)}; return a dict "
        f'such as {{"score": ...}}, None, or a data frame'
    )


def refuse_column(where: str, x: object) -> None:
    """Refuse a single column, such as a Series, where a row or a data frame belongs.

    Raises:
        TypeError: Names `where` and the remedy.
    """
    cls: type[Any] = type(x)
    is_series = hasattr(cls, "to_frame")
    is_array = hasattr(cls, "dictionary_encode") and hasattr(cls, "__arrow_c_stream__")
    if not is_series and not is_array:
        return
    row = "series.to_dict() for a row with its labels as names, or " * hasattr(cls, "to_dict")
    frame = "series.to_frame()" if is_series else "pyarrow.table({'x': column})"
    raise TypeError(
        f"{where} gave a {cls.__name__}, which is a single column, neither a row nor a data frame; "
        f"give {row}{frame} for a row of each value"
    )


def frozen(result: Any) -> Any:
    """A copy of a result that does not change when its objects change later.

    Args:
        result: A dict, None, or a data frame with ``__arrow_c_stream__``.

    Returns:
        A dict of the same items with `Frozen` and `Refused` among its values, None, an Arrow
        table, or `Refused` for a data frame that cannot be read.
    """
    if result is None:
        return None
    if class_of(result) is not dict:
        return _frozen_frame(result)
    items: dict[Any, Any] = result.copy()
    for name, x in items.items():
        if type(x) not in _FIXED or type(name) is not str:
            return _frozen_items(items, 0)
    return items


def _frozen_frame(frame: object) -> Any:
    try:
        from superparams.outcomes.arrow.frame_tables import copied_table

        return copied_table(frame)
    except MemoryError:
        raise
    except Exception as error:  # whatever the methods of a foreign frame raise
        why = f"{type(error).__name__}: {_message(error)}"
        return Refused(f"the data frame that run() returned: {why}")


def _frozen_items(items: Mapping[Any, object], depth: int) -> dict[Any, Any]:
    return {_name(name): _frozen_value(x, depth) for name, x in list(items.items())}


def _name(name: object) -> Any:
    if type(name) in _FIXED:
        return name
    return _Name(str.__str__(name) if isinstance(name, str) else str(name))


def _frozen_value(x: Any, depth: int) -> Any:
    kind = class_of(x)
    if kind in _FIXED:
        return x
    try:
        if depth < _DEEPEST:
            items = x.copy() if kind is dict else items_of(x)
            if items is not None:
                return _frozen_items(items, depth + 1)
        return _copied(x, 0)
    except _HasNoCopy:
        return _as_cell(x)
    except MemoryError:
        raise
    except Exception as error:  # whatever the methods of a foreign object raise
        return Refused(_message(error))


def _message(error: Exception) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


# ---- copies


def _copied(x: Any, depth: int) -> Any:
    """A deep copy of a value.

    Each container is copied as a whole before its items are copied, since a thread that a setting
    left running may change it meanwhile.
    """
    kind = class_of(x)
    if _is_fixed(x, kind):
        return x
    if depth > _DEEPEST_COPY:
        raise _HasNoCopy
    if kind in _SEQUENCES:
        items = kind(x)
        if _FIXED.issuperset(map(type, items)):
            return items
        return kind([_copied(item, depth + 1) for item in items])
    if kind is dict:
        return _copied_dict(x.copy(), depth)
    if kind in _BYTES:
        return bytes(x)
    copied = _record(x)
    if copied is None:
        raise _HasNoCopy
    return copied


def _record(x: object) -> Any:
    """The copy that the adapter of a value makes; None if there is none."""
    adapter = adapter_of(x)
    return None if adapter is None or adapter.record is None else adapter.record(x)


def _copied_dict(items: dict[Any, Any], depth: int) -> dict[Any, Any]:
    if not _FIXED.issuperset(map(type, items)) and not all(map(_is_known, map(type, items))):
        raise _HasNoCopy
    return {name: _copied(x, depth + 1) for name, x in items.items()}


def _is_known(kind: type[Any]) -> bool:
    if kind in _FIXED:
        return True
    name = _LATER.get(kind.__module__)
    if name is None or getattr(sys.modules.get(kind.__module__), name, None) is not kind:
        return False
    _FIXED.add(kind)
    return True


def _is_fixed(x: Any, kind: type[Any]) -> bool:
    if _is_known(kind):
        return True
    if kind is dt.datetime or kind is dt.time:
        return x.tzinfo is None or type(x.tzinfo) is dt.timezone
    adapter = adapter_for(kind)
    if adapter is None or adapter.column_type is None or not adapter.is_immutable:
        return False
    if hasattr(x, "__dict__"):  # a class of the user's may have attributes, which can change
        return False
    _FIXED.add(kind)
    return True


# ---- cells


def _as_cell(x: object) -> Frozen | Refused:
    try:
        from superparams.outcomes.arrow import cell

        new_cell = cell(x)
        return Frozen(new_cell._replace(value=_detached(new_cell.value)))
    except MemoryError:
        raise
    except Exception as error:  # whatever the methods of a foreign object raise
        return Refused(_message(error))


def _detached(value: Any) -> Any:
    """The value of a cell with copies of its arrays, which may be views of arrays of the user."""
    kind = class_of(value)
    if kind is list:
        return value if _FIXED.issuperset(map(type, value)) else list(map(_detached, value))
    if kind is dict:
        return {name: _detached(item) for name, item in value.items()}
    copied = _record(value)
    return value if copied is None else copied
