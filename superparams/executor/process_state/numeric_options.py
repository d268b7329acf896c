"""The decimal context, and the error and print options of numpy."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.executor.process_state.part import Notes, Part, differing

__all__ = ["PARTS"]

_SIGNALS: Final = ("DivisionByZero", "InvalidOperation", "Overflow")
_CONTEXT: Final[dict[str, Any]] = {
    "prec": 28,
    "rounding": "ROUND_HALF_EVEN",
    "Emin": -999999,
    "Emax": 999999,
    "capitals": 1,
    "clamp": 0,
    "traps": _SIGNALS,
}
# The context that new threads begin with.
_NEW: Final = "new threads: "
_DECIMAL: Final = {**_CONTEXT, **{f"{_NEW}{name}": x for name, x in _CONTEXT.items()}}
_ERRORS: Final = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_PRINTED: Final[dict[str, Any]] = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "legacy": False,
}


def _take_decimal(_: Notes) -> dict[str, Any]:
    decimal: Any = sys.modules["decimal"]
    new = {f"{_NEW}{name}": x for name, x in _context(decimal.DefaultContext).items()}
    return differing({**_context(decimal.getcontext()), **new}, _DECIMAL)


def _context(context: Any) -> dict[str, Any]:
    traps = tuple(sorted(signal.__name__ for signal, is_set in context.traps.items() if is_set))
    return {**{name: getattr(context, name) for name in _CONTEXT if name != "traps"},
            "traps": traps}  # fmt: skip


def _apply_decimal(values: Mapping[str, Any], _: Notes) -> None:
    decimal: Any = importlib.import_module("decimal")
    wanted = {**_DECIMAL, **values}
    context = decimal.Context()
    _fill(decimal, context, {name: wanted[name] for name in _CONTEXT})
    decimal.setcontext(context)
    _fill(decimal, decimal.DefaultContext, {n: wanted[f"{_NEW}{n}"] for n in _CONTEXT})


def _fill(decimal: Any, context: Any, wanted: Mapping[str, Any]) -> None:
    for name, x in wanted.items():
        if name != "traps":
            setattr(context, name, x)
    for signal in list(context.traps):
        context.traps[signal] = signal.__name__ in wanted["traps"]


def _take_errors(notes: Notes) -> dict[str, Any]:
    numpy: Any = sys.modules["numpy"]
    modes = dict(numpy.geterr())
    called = sorted(name for name, mode in modes.items() if mode in ("call", "log"))
    if called:
        notes.append(
            f"numpy.seterrcall() does not reach workers: errors of kind {', '.join(called)} are "
            'warnings there; use modes of numpy.seterr such as "raise" instead'
        )
        modes.update(dict.fromkeys(called, "warn"))
    return differing(modes, _ERRORS)


def _apply_errors(values: Mapping[str, Any], _: Notes) -> None:
    numpy: Any = sys.modules["numpy"]
    numpy.seterr(**{**_ERRORS, **values})


def _take_printed(notes: Notes) -> dict[str, Any]:
    numpy: Any = sys.modules["numpy"]
    found = differing(numpy.get_printoptions(), _PRINTED)
    for name in [name for name, x in found.items() if x is None]:
        del found[name]
    functions = sorted(name for name in ("formatter", "override_repr") if name in found)
    for name in functions:
        del found[name]
        notes.append(f"{name} of numpy.set_printoptions() does not reach workers")
    return found


def _apply_printed(values: Mapping[str, Any], _: Notes) -> None:
    numpy: Any = sys.modules["numpy"]
    known = numpy.get_printoptions()
    wanted = {name: x for name, x in {**_PRINTED, **values}.items() if name in known}
    changed = {name: x for name, x in wanted.items() if known[name] != x}
    if changed:
        numpy.set_printoptions(**changed)


PARTS: Final = (
    Part(
        "decimal",
        "decimal",
        _take_decimal,
        _apply_decimal,
        is_of_thread=True,
        defaults=_DECIMAL,
    ),
    Part(
        "numpy errors",
        "numpy",
        _take_errors,
        _apply_errors,
        waits=True,
        is_of_thread=True,
        defaults=_ERRORS,
    ),
    Part(
        "numpy print options",
        "numpy",
        _take_printed,
        _apply_printed,
        waits=True,
        is_of_thread=True,
        defaults=_PRINTED,
    ),
)
