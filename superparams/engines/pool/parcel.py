"""Outcomes on their way from a worker to the driver.

To load Arrow takes longer than all else that starts a worker, so it does without where it can: it
sends outcomes of plain types in a pickle, by columns, and the driver makes Arrow of them. Where
Arrow is loaded anyway, or a value is of a type that the driver may not know, the worker encodes.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from superparams.outcome import Columns, Outcome, Part, parts

ENCODER: Final = "superparams.batches"

_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
# Of the standard library, by the module that has them: none is imported for it.
_OTHERS: Final = {
    "date": "datetime",
    "datetime": "datetime",
    "time": "datetime",
    "timedelta": "datetime",
    "Decimal": "decimal",
    "UUID": "uuid",
    "PosixPath": "pathlib",
    "PurePosixPath": "pathlib",
}
_ZONES: Final = ("builtins", "datetime", "zoneinfo")  # modules of time zones, or of None
_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})
_NUMPY_KINDS: Final = "biufcSUmM"  # numbers, text and times: all but objects and records
_DEEPEST: Final = 10  # containers within each other; what is deeper may hold itself


def libraries_for(row: Mapping[str, Any]) -> list[str]:
    """What to load ahead for settings with such parameters."""
    return [] if is_plain(row) else [ENCODER]


def settle() -> None:
    """Have what encodes ready where it will be used: once, before workers are forked."""
    if ENCODER in sys.modules:
        importlib.import_module(ENCODER).warm_up()
    elif "pyarrow" in sys.modules:
        importlib.import_module(ENCODER)


class Parcels:
    """Makes parcels of outcomes, in a worker."""

    def __init__(self) -> None:
        """Encode here if Arrow is loaded."""
        self._encode: Callable[[Sequence[Outcome]], bytes] | None = None
        if "pyarrow" in sys.modules:
            self._load()

    def admit(self, outcome: Outcome) -> None:
        """Load Arrow if such an outcome takes it."""
        if self._encode is None and not _are_plain([outcome]):
            self._load()

    def make(self, outcomes: Sequence[Outcome], *, may_load: bool = True) -> bytes | None:
        """The bytes to send; None if that takes Arrow, and it may not be loaded now."""
        if self._encode is None:
            made = parts(outcomes)
            if all(map(_is_plain, made)):
                return pickle.dumps(made, protocol=5)
            if not may_load:
                return None
            self._load()
        assert self._encode is not None
        return self._encode(outcomes)

    def _load(self) -> None:
        self._encode = importlib.import_module(ENCODER).encode


def opened(parcel: bytes) -> bytes:
    """A parcel as Arrow IPC streams; these begin with 0xff, and a pickle does not."""
    if not parcel.startswith(pickle.PROTO):
        return parcel
    from superparams.batches import encode_parts

    return encode_parts(pickle.loads(parcel))


def _are_plain(outcomes: list[Outcome]) -> bool:
    return all(map(_is_plain, parts(outcomes)))


def _is_plain(part: Part) -> bool:
    """Whether its values are of types that the driver knows, whatever the experiment imports."""
    if isinstance(part, Columns):
        columns = (*part.params.values(), *part.results.values())
        return all(_all_known(values, 0) for values in columns)
    return all(is_plain(one.params) and is_plain(one.result or {}) for one in part)


def is_plain(row: Any) -> bool:
    """As for a part, of the parameters or the result of one setting."""
    return type(row) is dict and _has_known(row, 0)  # pyright: ignore[reportUnknownArgumentType]


def _has_known(row: dict[Any, Any], depth: int) -> bool:
    return _all_known(row.values(), depth) and _all_known(row, depth)


def _all_known(values: Collection[Any], depth: int) -> bool:
    return _SCALARS.issuperset(map(type, values)) or all(_is_known(one, depth) for one in values)


def _is_known(x: Any, depth: int) -> bool:
    kind = type(x)  # pyright: ignore[reportUnknownVariableType]
    if kind in _SCALARS or _is_of_library(x):
        return True
    if depth == _DEEPEST:
        return False
    if kind in _CONTAINERS:
        return _all_known(x, depth + 1)
    if kind is dict:
        return _has_known(x, depth + 1)
    return kind.__module__ == "numpy" and _is_of_numpy(x)


def _is_of_library(x: Any) -> bool:
    name = type(x).__name__
    module = sys.modules.get(_OTHERS.get(name, ""))
    is_it = getattr(module, name, None) is type(x)
    return is_it and type(getattr(x, "tzinfo", None)).__module__ in _ZONES


def _is_of_numpy(x: Any) -> bool:
    numpy = sys.modules["numpy"]
    is_one = type(x) is numpy.ndarray or isinstance(x, numpy.generic)
    return is_one and x.dtype.kind in _NUMPY_KINDS
