"""What the text of a word chooses for a field: one value, or the points of an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from superparams.declare.descriptors import search
from superparams.declare.dotted_names import meant
from superparams.declare.field import Field
from superparams.declare.words.annotations import Scope
from superparams.declare.words.grammar import Unreadable, quoted, split, text_of
from superparams.declare.words.int_ranges import looks_like_range, range_of, takes_ranges
from superparams.declare.words.named_choices import names_of, picks_of
from superparams.declare.words.scalars import BARE
from superparams.declare.words.type_names import examples, type_text
from superparams.declare.words.typed_values import Untold, read
from superparams.declare.words.word import Word
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis

__all__ = ["Chosen", "chosen_by"]

MOST_POINTS: Final = 1_000_000  # that are held one by one; a range alone is not


@dataclass
class Chosen:
    """What a field is to be.

    Attributes:
        points: One value, or those of an axis; groups may be yet to be made.
        labels: The names of the points, where they have names.
        is_axis: Whether a single point is searched all the same.
        axis: The axis that stays, but for what is inside its points.
        names: The axis whose named points name the values in tables, for points with names.
    """

    points: Sequence[Any]
    labels: Sequence[str] = ()
    is_axis: bool = False
    axis: Axis | None = None
    names: Axis | None = None

    def result(self) -> Any:
        """What the call takes."""
        if self.axis is not None:
            return Axis(tuple(self.points), self.axis.labels, self.axis.zip, self.axis.names)
        if isinstance(self.points, range):
            return search(self.points)
        if len(self.points) == 1 and not self.is_axis:
            return self.points[0]
        if self.labels:
            return Axis(tuple(self.points), tuple(self.labels), names=self.names)
        return search(list(self.points))


@dataclass
class _Part:
    """What stands between two commas."""

    text: str
    points: Sequence[Any]
    labels: Sequence[str | None] = ()
    is_bare_text: bool = False  # any other would have done

    def names(self) -> Iterator[str]:
        """A name for each point: its own, or the text it was given by."""
        labels = self.labels or [None] * len(self.points)
        for label, point in zip(labels, self.points, strict=True):
            text = self.text if len(self.points) == 1 else f"{self.text} {point}"
            yield text if label is None else label


class _Chooser:
    """Reads the text of one word for one field."""

    def __init__(self, of: Any, one: Field, word: Word, scope: Scope) -> None:
        self.one = one
        self.word = word
        self.scope = scope
        self.picks = picks_of(of, one, scope)
        self.names = names_of(of, one)
        self.has_ranges = takes_ranges(one.annotation, scope)

    def choose(self) -> Chosen:
        items = self.items()
        parts = [self.part(item.strip(), has_others=len(items) > 1) for item in items]
        if len(parts) == 1 and isinstance(parts[0].points, range):
            return Chosen(parts[0].points)
        if sum(len(part.points) for part in parts) > MOST_POINTS:
            raise self.wrong(self.word.text, f"it has more than {MOST_POINTS:,} points")
        points = [point for part in parts for point in part.points]
        is_named = any(label is not None for part in parts for label in part.labels)
        labels = [name for part in parts for name in part.names()] if is_named else []
        self.refuse_twice(labels or points)
        self.refuse_prose(items, parts)
        return Chosen(points, labels, len(parts) > 1, names=self.names if labels else None)

    def items(self) -> list[str]:
        try:
            return split(self.word.text)
        except Unreadable as reason:
            raise self.wrong(self.word.text, str(reason)) from None

    def part(self, item: str, *, has_others: bool) -> _Part:
        if has_others and not item:
            raise self.wrong(item, "nothing stands between two commas; '' is the empty text")
        try:
            pick = self.picks.get(text_of(item))
            if pick is not None:
                return _Part(item, pick.points, pick.labels)
            points = range_of(item) if self.has_ranges else None
            if points is not None:
                return _Part(item, points)
            reading = read(self.one.annotation, item, self.scope)
        except Unreadable as reason:
            raise self.wrong(item, self.told(item, reason)) from None
        is_text = isinstance(reading.value, str) and reading.doubt == BARE
        return _Part(item, [reading.value], is_bare_text=is_text)

    def refuse_twice(self, points: Sequence[Any]) -> None:
        seen: set[Any] = set()
        for point in points:
            mark = _mark(point)
            if mark in seen:
                raise FieldError(
                    f"{self.where} is given {shorten(point)} twice in {shorten(self.word.text)}; "
                    f"a point stands on an axis once"
                )
            seen.add(mark)

    def refuse_prose(self, items: Sequence[str], parts: Sequence[_Part]) -> None:
        """``name=a, b`` may well be one text with a comma in it."""
        for item, part in zip(items[1:], parts[1:], strict=True):
            if part.is_bare_text and item[0].isspace():
                raise FieldError(
                    f"{self.where}: {shorten(self.word.text)} may be one text or several; write "
                    f'{self.name}=a,b for two, or quotes in the word, {self.name}="a, b", for one'
                )

    # -- complaints --------------------------------------------------------------------------------

    @property
    def where(self) -> str:
        return f"{self.scope.cls.__name__}.{self.one.name}"

    @property
    def name(self) -> str:
        """The name that the word gives, dotted and as the class has it."""
        return f"{self.word.group}{self.one.name}"

    def told(self, item: str, reason: Unreadable) -> str:
        if looks_like_range(item) and not self.has_ranges:
            return "a range is for int fields"
        if isinstance(reason, Untold):
            call = f"{self.scope.cls.__name__}({self.one.name}=...)"
            # Where it has names, these are the remedy.
            return "" if self.picks else f"{reason}; give it in Python, as in {call}"
        return str(reason)

    def wrong(self, item: str, reason: str = "") -> FieldError:
        wanted = type_text(self.one.annotation, self.scope)
        told = f"{self.where} takes {wanted}, not {shorten(item)}{reason and f': {reason}'}"
        if self.picks:
            return FieldError(f"{told}; {meant(item, [*map(quoted, self.picks)], 'names')}")
        samples = list(dict.fromkeys(examples(self.one.annotation, self.scope)))
        if not samples:
            return FieldError(told)
        several = f", or {self.name}={','.join(samples)} to search" if len(samples) > 1 else ""
        return FieldError(f"{told}; write {self.name}={samples[0]}{several}")


def _mark(point: Any) -> object:
    """What two points have in common that are one."""
    try:
        return isinstance(point, bool), point, hash(point)
    except TypeError:  # a list, a dict
        return repr(point)


def chosen_by(of: Any, one: Field, word: Word, scope: Scope) -> Chosen:
    """What the text of a word chooses for a field.

    Args:
        of: The class, or an instance of it, that has the field.
        one: The field.
        word: What it is given.
        scope: Where annotations of the class are read.

    Raises:
        FieldError: For a part of the text that is no value of the field's type, and for points
            that stand on the axis twice.
    """
    return _Chooser(of, one, word, scope).choose()
