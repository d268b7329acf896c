"""Sends outcomes from a worker to the driver, in a pickle or as Arrow IPC streams.

Loading Arrow takes longer than everything else at the start of a worker, so a worker avoids it if
it can. Numbers, text and small containers of these are sent in a pickle, by columns, and the driver
makes Arrow of them. The worker itself encodes values of other types, large ones, and many nested
ones; once it has loaded Arrow, it encodes everything. So such a pickle has only classes of Python
and numpy.
"""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from superparams.outcomes.outcome import Columns, Outcome, Part, parts
from superparams.outcomes.step import Step, dict_of, step_parts

_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})
_DEEPEST: Final = 10  # containers within each other; a deeper one may contain itself
_LARGEST_ARRAY: Final = 64 << 10  # bytes
# Parcels of more bytes, or of more rows that hold containers, would keep the driver busy.
_LARGEST: Final = 1 << 20
_MANY: Final = 256


def loaded_ahead(params: Mapping[str, object]) -> list[str]:
    """The modules to load before workers are forked, for settings with such parameters."""
    return [] if _is_known(dict(params)) else ["superparams.outcomes.batches"]


def before_forks() -> None:
    """Load the modules that each worker would otherwise load by itself."""
    was_asked_for = "superparams.outcomes.batches" in sys.modules
    if was_asked_for or _has_arrow():
        from superparams.outcomes.batches import warm_up

        if was_asked_for:
            warm_up()


def _has_arrow() -> bool:
    return sys.modules.get("pyarrow") is not None


class Parcels:
    """Makes parcels of outcomes, in a worker."""

    def __init__(self) -> None:
        """Encode here if Arrow is loaded."""
        self._encode: Callable[[Sequence[Outcome]], bytes] | None = None
        if _has_arrow():
            self._load()

    def expect(self, outcome: Outcome) -> None:
        """Load Arrow if outcomes like this one need it."""
        if self._encode is None and not all(map(_has_known, parts([outcome]))):
            with suppress(Exception):  # `make` will see to it
                self._load()

    def make(self, outcomes: Sequence[Outcome], *, may_load: bool = True) -> bytes | None:
        """The bytes to send; None if they need Arrow and it may not be loaded now."""
        if self._encode is not None:
            return self._encode(outcomes)
        columns = parts(outcomes)
        parcel = pickled(columns)
        if parcel is not None and not (may_load and _is_much(columns, parcel)):
            return parcel
        if not may_load:
            return None
        try:
            encode = self._load()
        except Exception as error:  # also if settings have changed how modules are imported
            return parcel or pickled(parts([_refused(outcome, error) for outcome in outcomes]))
        return encode(outcomes)

    def make_of_steps(self, steps: Sequence[Step]) -> bytes:
        """The bytes to send for steps; `expect_step` has seen each of them."""
        columns = step_parts(steps)
        if self._encode is None:
            return pickle.dumps(columns, protocol=5)
        from superparams.outcomes.step_batches import encode_step_parts

        return encode_step_parts(columns)

    def expect_step(self, step: Step) -> None:
        """Load Arrow if this step needs it, in the thread that recorded the step."""
        if self._encode is None and not _is_plain_row(step.row):
            self._load()
            from superparams.outcomes.batches import warm_up

            warm_up()  # here, before another thread encodes

    def _load(self) -> Callable[[Sequence[Outcome]], bytes]:
        from superparams.outcomes.batches import encode

        self._encode = encode
        return encode


def opened(parcel: bytes) -> bytes:
    """The Arrow IPC streams of a parcel; such streams begin with 0xff, and a pickle does not."""
    if not parcel.startswith(pickle.PROTO):
        return parcel
    from superparams.outcomes.batches import encode_parts

    return encode_parts(pickle.loads(parcel))


def opened_steps(parcel: bytes) -> bytes:
    """The Arrow IPC streams of a parcel of steps."""
    if not parcel.startswith(pickle.PROTO):
        return parcel
    from superparams.outcomes.step_batches import encode_step_parts

    return encode_step_parts(pickle.loads(parcel))


def _is_plain_row(row: object) -> bool:
    """Whether a row of a step has numbers and text alone, under names that are text."""
    values = dict_of(row)
    if values is None:
        return False
    kinds = set(map(type, values.values()))
    are_plain = all(kind in _SCALARS or _is_number(kind) for kind in kinds)
    return are_plain and all(type(name) is str for name in values)


def pickled(columns: Sequence[Part]) -> bytes | None:
    """Parts of outcomes as a pickle; None if it might hold classes that the driver lacks."""
    return pickle.dumps(columns, protocol=5) if all(map(_has_known, columns)) else None


def _is_much(columns: Iterable[Part], parcel: bytes) -> bool:
    """Whether a parcel should be encoded here, since making Arrow of it would delay the driver."""
    nested = sum(part.size for part in columns if isinstance(part, Columns) and not _is_flat(part))
    others = sum(len(part) for part in columns if isinstance(part, list))
    return len(parcel) > _LARGEST or nested + others > _MANY


def _refused(outcome: Outcome, error: Exception) -> Outcome:
    """The failed outcome of a setting whose result cannot be encoded."""
    if all(map(_has_known, parts([outcome]))):
        return outcome
    params = {name: x if _is_known(x) else repr(x) for name, x in outcome.params.items()}
    message = f"{type(error).__name__}: {error}; to record what it returned takes pyarrow"
    return dataclasses.replace(outcome, params=params, status="failed", result=None, error=message)


# ---- values of types that the driver has


def _has_known(part: Part) -> bool:
    if isinstance(part, Columns):
        return all(map(_are_known, part.values()))
    return all(_is_known(outcome.params) and _is_known(outcome.result) for outcome in part)


def _is_flat(part: Columns) -> bool:
    kinds = {kind for values in part.values() for kind in map(type, values)}
    return all(kind in _SCALARS or _is_number(kind) for kind in kinds)


def _are_known(values: Iterable[object], deepest: int = _DEEPEST) -> bool:
    return _SCALARS.issuperset(map(type, values)) or all(_is_known(x, deepest) for x in values)


def _is_known(x: Any, deepest: int = _DEEPEST) -> bool:
    kind: type[object] = type(x)  # pyright: ignore[reportUnknownVariableType]
    if kind in _SCALARS or _is_number(kind):
        return True
    if kind is dict:
        return deepest > 0 and _are_known(x, deepest - 1) and _are_known(x.values(), deepest - 1)
    if kind in _CONTAINERS:
        return deepest > 0 and _are_known(x, deepest - 1)
    return _is_small_array(x)


def _is_number(kind: type) -> bool:
    numpy = sys.modules.get("numpy") if kind.__module__ == "numpy" else None
    return numpy is not None and issubclass(kind, numpy.number | numpy.bool_)


def _is_small_array(x: Any) -> bool:
    """An array of numbers; with metadata a type could carry anything."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(x) is not numpy.ndarray:
        return False
    is_plain = x.dtype.kind in "biufc" and x.dtype.metadata is None
    return is_plain and x.nbytes <= _LARGEST_ARRAY
