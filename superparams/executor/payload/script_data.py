"""Small data of the script, which code may look up by a text, as in ``globals()["RATE"]``.

Values that functions use by name are pickled with them, whatever their size. Which texts a function
will look up is not known, so other values are pickled as well if they are small and plain.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from superparams.errors.units import size
from superparams.identity.code.main_script import script_text

__all__ = ["ScriptData", "notes_of_data", "script_data"]

LARGEST: Final = 256 * 1024  # bytes of one value, about
LARGEST_SUM: Final = 4 * LARGEST  # bytes of all values
_MOST_DEPTH: Final = 50
_CODE: Final = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
_SCALARS: Final = (type(None), bool, int, float, complex, type(...), range)
_TEXTS: Final = (str, bytes, bytearray)
_SEQUENCES: Final = (list, tuple, set, frozenset, deque)
_MAPPINGS: Final = (dict, OrderedDict, Counter)
# The module and the name of each type. If a value exists, its module is loaded.
_OTHER_TYPES: Final = (
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("uuid", "UUID"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "PureWindowsPath"),
)
_OVERHEAD: Final = 8  # bytes of a pickle for each value beside its content, about
_MOST_NAMES: Final = 20  # in a note
_BY_TEXT: Final = re.compile(
    r"\bglobals\(\)|\bvars\(|\beval\(|\bexec\(|\bmodules\[|\bimport __main__"
)
_QUOTED: Final = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
# Names with which IPython refers to the cells of a notebook.
_HISTORY: Final = re.compile(r"In|Out|_+|_i+|_[iod]h|_i?\d+")


class ScriptData(NamedTuple):
    """The variables of the script.

    Attributes:
        plain: Values of types whose pickles run no code of the user, by name.
        objects: Names of members of enums, and of dataclasses and named tuples of plain values.
        excluded: Names of values that are not pickled: too large, or of another type.
    """

    plain: dict[str, Any]
    objects: list[str]
    excluded: list[str]


class _Excluded(Exception):
    """A value is too large, or of another type."""


class _Size:
    """Counts the bytes of a value up to a limit.

    Args:
        limit: The most bytes.
        other_types: Further types whose values are plain.
    """

    def __init__(self, limit: int, other_types: Collection[type]) -> None:
        self.remaining = limit
        self.has_objects = False
        self._other_types = other_types
        self._numpy: Any = sys.modules.get("numpy")

    def take(self, size: int) -> None:
        self.remaining -= size
        if self.remaining < 0:
            raise _Excluded

    def add(self, x: Any, depth: int = 0) -> None:
        """Count a value.

        Raises:
            _Excluded: If it is too large, or of another type.
        """
        kind: type[Any] = cast("Any", type(x))
        self.take(_OVERHEAD)
        if kind in _SCALARS:
            self.take(x.bit_length() // 8 if kind is int else 0)
        elif kind in _TEXTS:
            self.take(len(x))
        elif depth > _MOST_DEPTH:
            raise _Excluded
        elif kind in _SEQUENCES:
            self._add_all(x, depth)
        elif kind in _MAPPINGS:
            self._add_all(x.keys(), depth)
            self._add_all(x.values(), depth)
        elif kind is types.SimpleNamespace:
            self._add_all(cast("dict[str, Any]", vars(x)).values(), depth)
        elif kind not in self._other_types:
            self._add_special(x, kind, depth)

    def _add_all(self, items: Iterable[Any], depth: int) -> None:
        items = cast("Collection[Any]", items)
        self.take(len(items))  # a long list is refused before its items are counted
        for x in items:
            self.add(x, depth + 1)

    def _add_special(self, x: Any, kind: type[Any], depth: int) -> None:
        numpy = self._numpy
        if numpy is not None and kind is getattr(numpy, "ndarray", None) and not x.dtype.hasobject:
            self.take(x.nbytes)
            return
        if numpy is not None and kind.__module__ == "numpy" and isinstance(x, numpy.generic):
            return
        self.has_objects = True
        if isinstance(x, enum.Enum):
            return
        if isinstance(x, tuple) and hasattr(kind, "_fields"):
            self._add_all(cast("Iterable[Any]", x), depth)
        elif dataclasses.is_dataclass(kind):
            self._add_all(_state_of(x).values(), depth)
        else:
            raise _Excluded


def _state_of(x: Any) -> dict[str, Any]:
    return getattr(x, "__dict__", {})


def _loaded_types() -> Iterable[type]:
    for module, name in _OTHER_TYPES:
        candidate = getattr(sys.modules.get(module), name, None)
        if isinstance(candidate, type):
            yield candidate


def script_data(without: Collection[str] = ()) -> ScriptData:
    """The data of the main module of this process.

    Args:
        without: Names of values that are pickled with functions.
    """
    plain: dict[str, Any] = {}
    objects: list[str] = []
    excluded: list[str] = []
    total, other_types = LARGEST_SUM, tuple(_loaded_types())
    for name, x in _variables(vars(sys.modules["__main__"])).items():
        if name in without or isinstance(x, _CODE):
            continue
        limit = min(LARGEST, total)
        counted = _Size(limit, other_types)
        try:
            counted.add(x)
        except Exception:  # attributes of the user's objects may raise any error
            excluded.append(name)
            continue
        total -= limit - counted.remaining
        if counted.has_objects:
            objects.append(name)
        else:
            plain[name] = x
    return ScriptData(plain, objects, excluded)


def _variables(main: Mapping[str, object]) -> dict[str, Any]:
    in_ipython = "get_ipython" in main
    return {
        name: x
        for name, x in dict(main).items()
        if not name.startswith("__") and not (in_ipython and _HISTORY.fullmatch(name))
    }


def notes_of_data() -> list[str]:
    """A sentence about data that is not pickled, although the script may look it up by a text."""
    text = script_text()
    if text is None or not _BY_TEXT.search(text):
        return []
    words = set(re.findall(r"\w+", " ".join(_QUOTED.findall(text))))
    names = [name for name in script_data().excluded if name in words]
    if not names:
        return []
    n_more = len(names) - _MOST_NAMES
    shown = ", ".join([*names[:_MOST_NAMES], *([f"and {n_more} more"] if n_more > 0 else [])])
    it = "it" if len(names) == 1 else "them"
    return [
        f"{shown} of the script may be missing in worker processes where code looks {it} up by a "
        f"text, as globals()[{names[0]!r}] does. Only plain data of up to {size(LARGEST)} "
        "is sent for that: write the name itself in run()"
    ]
