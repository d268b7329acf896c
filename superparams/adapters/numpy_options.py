"""The error and print options of numpy, which every worker gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.adapters.process_options import Notes, Part, differing

__all__ = ["NUMPY_OPTIONS"]

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


def _read_errors(notes: Notes) -> dict[str, Any]:
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


def _apply_errors(values: Mapping[str, object], _: Notes) -> None:
    numpy: Any = sys.modules["numpy"]
    numpy.seterr(**{**_ERRORS, **values})


def _read_printed(notes: Notes) -> dict[str, Any]:
    numpy: Any = sys.modules["numpy"]
    options = differing(numpy.get_printoptions(), _PRINTED)
    for name in [name for name, x in options.items() if x is None]:
        del options[name]
    functions = sorted(name for name in ("formatter", "override_repr") if name in options)
    for name in functions:
        del options[name]
        notes.append(f"{name} of numpy.set_printoptions() does not reach workers")
    return options


def _apply_printed(values: Mapping[str, object], _: Notes) -> None:
    numpy: Any = sys.modules["numpy"]
    current = numpy.get_printoptions()
    options = {name: x for name, x in {**_PRINTED, **values}.items() if name in current}
    changed = {name: x for name, x in options.items() if current[name] != x}
    if changed:
        numpy.set_printoptions(**changed)


NUMPY_OPTIONS: Final = (
    Part(
        "numpy errors",
        "numpy",
        _read_errors,
        _apply_errors,
        waits=True,
        is_of_thread=True,
        defaults=_ERRORS,
    ),
    Part(
        "numpy print options",
        "numpy",
        _read_printed,
        _apply_printed,
        waits=True,
        is_of_thread=True,
        defaults=_PRINTED,
    ),
)
