"""Reads words such as ``epochs=5`` or ``optimizer.lr=0.1,0.01``.

The text of a word is read as the annotation of the field says. Commas separate values. `parse`
gives the arguments for the call of a class, `filter_values` the values that recorded settings must
have, and `column_values` the same for a column that is no field. `describe` gives the lines of the
help.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from superparams.declare.words.field_help import Described, describe
    from superparams.declare.words.field_values import column_values
    from superparams.declare.words.parser import filter_values, parse

__all__ = ["Described", "column_values", "describe", "filter_values", "parse"]

_HOMES: Final = {
    "Described": "field_help",
    "describe": "field_help",
    "column_values": "field_values",
    "filter_values": "parser",
    "parse": "parser",
}


def __getattr__(name: str) -> Any:
    """Load a submodule on first use: a run needs only `annotations`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
