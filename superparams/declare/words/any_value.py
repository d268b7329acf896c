"""A text for a field that takes any value: what Python reads it as, else the text itself."""

from __future__ import annotations

import re
from typing import Any, Final

from superparams.declare.words.containers import Item, container
from superparams.declare.words.grammar import (
    Unreadable,
    between_brackets,
    pair,
    split,
    unquote,
    unquote_bytes,
)
from superparams.declare.words.scalars import BARE, ScalarReading, scalar_of

__all__ = ["anything"]

CONSTANTS: Final = {"None": None, "True": True, "False": False}
NUMBER: Final = re.compile(r"[+-]?\.?[0-9]")
WHOLE: Final = re.compile(r"[+-]?([0-9][0-9_]*|0[xXoObB][0-9a-fA-F_]+)")
ZEROS_FIRST: Final = re.compile(r"[+-]?0[0-9_]*[1-9][0-9_]*")  # a code, a date: no int of Python


def anything(text: str, item: Item) -> ScalarReading:
    """A literal of Python, in which texts may go without quotes; else the text.

    Args:
        text: Without space around it.
        item: Reads a part of what is in brackets.

    Raises:
        Unreadable: For quotes and brackets that do not fit, and for numbers that are too large.
    """
    quoted = unquote(text) if text[:1] in ("'", '"') else unquote_bytes(text)
    if quoted is not None:
        return ScalarReading(quoted)
    if text in CONSTANTS:
        return ScalarReading(CONSTANTS[text])
    if text.startswith(("[", "(", "{")) or text == "set()":
        return _in_brackets(text, item)
    if NUMBER.match(text) and not ZEROS_FIRST.fullmatch(text):
        number = _number(text)
        if number is not None:
            return number
    return ScalarReading(text, BARE)


def _number(text: str) -> ScalarReading | None:
    cls = int if WHOLE.fullmatch(text) else complex if text[-1] in "jJ" else float
    scalar = scalar_of(cls)
    assert scalar is not None
    try:
        return ScalarReading(scalar.read(cls, text).value)
    except Unreadable as reason:
        if reason.args:
            raise
        return None


def _in_brackets(text: str, item: Item) -> ScalarReading:
    kind: type[Any] = {"[": list, "(": tuple}.get(text[0], set)
    if kind is tuple and len(split(text[1:-1])) == 1 and text[1:-1].strip():
        (inner,) = between_brackets(text, "(") or [""]
        reading = item(Any, inner)
        return ScalarReading(text, BARE) if reading.doubt == BARE else reading
    if text[0] == "{":
        parts = between_brackets(text, "{") or []
        kind = dict if not parts or any(map(pair, parts)) else set
    found = container(kind, (), text, item)
    assert found is not None
    return found
