"""Reads a text as a value of the type in an annotation."""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, Final

from superparams.declare.mistakes import unknown_annotation
from superparams.declare.words.annotations import Scope, is_any, parts
from superparams.declare.words.containers import Item, container
from superparams.declare.words.enums import enum_member, literal
from superparams.declare.words.grammar import (
    Bounds,
    Unreadable,
    between_brackets,
    pair,
    split,
    unquote,
    unquote_bytes,
)
from superparams.declare.words.scalars import (
    BARE,
    EXACT,
    WORD,
    ScalarReading,
    is_any_text,
    scalar_of,
)
from superparams.declare.words.type_names import type_text
from superparams.errors.short_repr import shorten

__all__ = ["NotText", "read", "takes_bounds", "takes_ranges"]

DEEPEST: Final = 40  # brackets in brackets
CONSTANTS: Final = {"None": None, "True": True, "False": False}
NUMBER: Final = re.compile(r"[+-]?\.?[0-9]")
WHOLE: Final = re.compile(r"[+-]?([0-9][0-9_]*|0[xXoObB][0-9a-fA-F_]+)")
ZEROS_FIRST: Final = re.compile(r"[+-]?0[0-9_]*[1-9][0-9_]*")  # no int, such as a code


class NotText(Unreadable):
    """The annotation is of a class whose values cannot be written as text."""


class TooDeep(Unreadable):
    """There are too many brackets in brackets. This is an error for unions with texts, too."""


def read(annotation: object, text: str, scope: Scope, depth: int = 0) -> ScalarReading:
    """The value of a text for an annotation, and how doubtful this reading is.

    Args:
        annotation: An annotation of a field, or an argument of one.
        text: The text, without space around it.
        scope: Where the annotation was written.
        depth: How many brackets are around the text.

    Raises:
        Unreadable: When the text is no such value.
    """
    if depth > DEEPEST:
        raise TooDeep("it is nested too deeply")
    members = parts(annotation, scope.plain)
    if len(members) == 1:
        return _read_as(members[0], text, scope, depth)
    return _read_as_one_of(members, text, scope, depth)


def _read_as_one_of(
    members: Sequence[object], text: str, scope: Scope, depth: int
) -> ScalarReading:
    """The least doubtful reading; among equals the first, with types that take any text last."""
    readings: list[ScalarReading] = []
    reasons: list[Unreadable] = []
    for member in sorted(members, key=takes_any_text):
        try:
            readings.append(_read_as(member, text, scope, depth))
        except TooDeep:
            raise
        except Unreadable as reason:
            reasons.append(reason)
    if readings:
        return min(readings, key=lambda reading: reading.doubt)
    explained = [reason for reason in reasons if reason.args]
    raise explained[0] if len(explained) == 1 else Unreadable()


def takes_any_text(member: object) -> bool:
    """Whether every text is a value of a member of a union."""
    return is_any(member) or (isinstance(member, type) and is_any_text(member))


def takes_ranges(annotation: object, scope: Scope) -> bool:
    """Whether ``0..9`` is a range for this annotation: it takes ints, and not every text."""
    members = parts(annotation, scope.plain)
    return any(each is int for each in members) and not any(map(takes_any_text, members))


def takes_bounds(annotation: object, scope: Scope, bounds: Bounds) -> bool:
    """Whether a text is a range of numbers for this annotation, and no list of ints.

    ``0.1..0.5`` is a range for floats. For ints ``1..9`` is a list, and ``1..9:range`` a range.
    """
    members = parts(annotation, scope.plain)
    if any(map(takes_any_text, members)):
        return False
    has_ints, has_floats = (any(each is kind for each in members) for kind in (int, float))
    is_endless = not bounds.is_whole and not all(map(math.isfinite, (bounds.low, bounds.high)))
    if bounds.kind is not None or is_endless:
        return has_ints or has_floats
    return has_floats and not (has_ints and bounds.is_whole)


def _read_as(member: object, text: str, scope: Scope, depth: int) -> ScalarReading:
    def item(annotation: object, part: str) -> ScalarReading:
        try:
            return read(annotation, part, scope, depth + 1)
        except Unreadable as reason:
            if reason.args:
                raise
            raise Unreadable(
                f"{shorten(part)} in it is not of type {type_text(annotation, scope)}"
            ) from None

    if is_any(member):
        return _anything(text, item)
    origin: Any = typing.get_origin(member) or member
    if origin is typing.Literal:
        return literal(typing.get_args(member), text)
    if origin is types.NoneType:
        return _none(text)
    if isinstance(origin, type):
        reading = _as_class(origin, typing.get_args(member), text, item)
        if reading is not None:
            return reading
    if isinstance(member, str):
        raise NotText(unknown_annotation(member))
    raise NotText(f"{type_text(member, scope)} cannot be given as text")


def _as_class(
    cls: type[Any], inner: Sequence[object], text: str, item: Item
) -> ScalarReading | None:
    if issubclass(cls, enum.Enum):
        return enum_member(cls, text)
    scalar = scalar_of(cls)
    return container(cls, inner, text, item) if scalar is None else scalar.read(cls, text)


def _none(text: str) -> ScalarReading:
    if text.lower() not in ("none", "null"):
        raise Unreadable
    return ScalarReading(None, EXACT if text == "None" else WORD)


# -- any value -------------------------------------------------------------------------------------


def _anything(text: str, item: Item) -> ScalarReading:
    """A Python literal, whose texts need no quotes; else the text itself.

    Args:
        text: The text, without space around it.
        item: Reads a part between brackets.

    Raises:
        Unreadable: For quotes and brackets that do not match, and for numbers that are too large.
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
    result = container(kind, (), text, item)
    assert result is not None
    return result
