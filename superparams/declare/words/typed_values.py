"""From a text and an annotation to a value."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Sequence
from typing import Any, Final

from superparams.declare.mistakes import unknown_annotation
from superparams.declare.words.annotations import Scope, is_anything, parts
from superparams.declare.words.any_value import anything
from superparams.declare.words.containers import Item, container
from superparams.declare.words.enums import enum_member, literal
from superparams.declare.words.grammar import Unreadable
from superparams.declare.words.scalars import EXACT, WORD, ScalarReading, is_any_text, scalar_of
from superparams.declare.words.type_names import type_text
from superparams.errors.short_repr import shorten

__all__ = ["Untold", "read", "takes_any_text"]

DEEPEST: Final = 40  # brackets in brackets


class Untold(Unreadable):
    """The annotation is of a class whose values cannot be given as text."""


class TooDeep(Unreadable):
    """There are too many brackets in brackets, also for a union whose other members take text."""


def read(annotation: Any, text: str, scope: Scope, depth: int = 0) -> ScalarReading:
    """The value that a text means for an annotation, and how much doubt there is.

    Args:
        annotation: As it was written, or what is inside one.
        text: Without space around it.
        scope: Where the annotation was written.
        depth: How many brackets are around the text.

    Raises:
        Unreadable: When it means none.
    """
    if depth > DEEPEST:
        raise TooDeep("it is nested too deeply")
    members = parts(annotation, scope.plain)
    if len(members) == 1:
        return _read_as(members[0], text, scope, depth)
    return _read_as_one_of(members, text, scope, depth)


def _read_as_one_of(members: Sequence[Any], text: str, scope: Scope, depth: int) -> ScalarReading:
    """With the least doubt; of several the first, and what takes any text last."""
    found: list[ScalarReading] = []
    reasons: list[Unreadable] = []
    for member in sorted(members, key=takes_any_text):
        try:
            found.append(_read_as(member, text, scope, depth))
        except TooDeep:
            raise
        except Unreadable as reason:
            reasons.append(reason)
    if found:
        return min(found, key=lambda reading: reading.doubt)
    told = [reason for reason in reasons if reason.args]
    raise told[0] if len(told) == 1 else Unreadable()


def takes_any_text(member: Any) -> bool:
    """Whether any text at all is a value of a member of a union, as it stands."""
    return is_anything(member) or (isinstance(member, type) and is_any_text(member))


def _read_as(member: Any, text: str, scope: Scope, depth: int) -> ScalarReading:
    def item(annotation: Any, part: str) -> ScalarReading:
        try:
            return read(annotation, part, scope, depth + 1)
        except Unreadable as reason:
            if reason.args:
                raise
            raise Unreadable(
                f"{shorten(part)} in it is no {type_text(annotation, scope)}"
            ) from None

    if is_anything(member):
        return anything(text, item)
    origin: Any = typing.get_origin(member) or member
    if origin is typing.Literal:
        return literal(typing.get_args(member), text)
    if origin is types.NoneType:
        return _none(text)
    if isinstance(origin, type):
        found = _as_class(origin, typing.get_args(member), text, item)
        if found is not None:
            return found
    if isinstance(member, str):
        raise Untold(unknown_annotation(member))
    raise Untold(f"{type_text(member, scope)} cannot be given as text")


def _as_class(cls: type[Any], inner: Sequence[Any], text: str, item: Item) -> ScalarReading | None:
    if issubclass(cls, enum.Enum):
        return enum_member(cls, text)
    scalar = scalar_of(cls)
    return container(cls, inner, text, item) if scalar is None else scalar.read(cls, text)


def _none(text: str) -> ScalarReading:
    if text.lower() not in ("none", "null"):
        raise Unreadable
    return ScalarReading(None, EXACT if text == "None" else WORD)
