"""The decimal context, which every worker gets."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.adapters.process_options import Notes, Part, differing

__all__ = ["DECIMAL_OPTIONS"]

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


def _read_decimal(_: Notes) -> dict[str, Any]:
    decimal: Any = sys.modules["decimal"]
    new = {f"{_NEW}{name}": x for name, x in _context(decimal.DefaultContext).items()}
    return differing({**_context(decimal.getcontext()), **new}, _DECIMAL)


def _context(context: Any) -> dict[str, Any]:
    traps = tuple(sorted(signal.__name__ for signal, is_set in context.traps.items() if is_set))
    return {**{name: getattr(context, name) for name in _CONTEXT if name != "traps"},
            "traps": traps}  # fmt: skip


def _apply_decimal(values: Mapping[str, object], _: Notes) -> None:
    decimal: Any = importlib.import_module("decimal")
    options = {**_DECIMAL, **values}
    context = decimal.Context()
    _fill(decimal, context, {name: options[name] for name in _CONTEXT})
    decimal.setcontext(context)
    _fill(decimal, decimal.DefaultContext, {n: options[f"{_NEW}{n}"] for n in _CONTEXT})


def _fill(decimal: Any, context: Any, options: Mapping[str, Any]) -> None:
    for name, x in options.items():
        if name != "traps":
            setattr(context, name, x)
    for signal in list(context.traps):
        context.traps[signal] = signal.__name__ in options["traps"]


DECIMAL_OPTIONS: Final = (
    Part(
        "decimal",
        "decimal",
        _read_decimal,
        _apply_decimal,
        is_of_thread=True,
        defaults=_DECIMAL,
    ),
)
