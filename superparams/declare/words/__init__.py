"""Reads words such as ``epochs=5`` or ``optimizer.lr=0.1,0.01``.

The text of a word is read as the annotation of the field says. Commas separate values. `parse`
gives the arguments for the call of a class, `filter_values` the values that recorded settings must
have, and `column_values` the same for a column that is no field. `describe` gives the lines of the
help.
"""

from __future__ import annotations

from superparams.declare.words.field_help import Described, describe
from superparams.declare.words.field_values import column_values
from superparams.declare.words.parser import filter_values, parse

__all__ = ["Described", "column_values", "describe", "filter_values", "parse"]
