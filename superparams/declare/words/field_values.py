"""Reads the text of a word for a field: as one value, or as the points of an axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from superparams.declare.descriptors import search
from superparams.declare.dotted_names import meant
from superparams.declare.field import Field
from superparams.declare.range_declaration import range_of
from superparams.declare.words.annotations import Scope
from superparams.declare.words.grammar import (
    Bounds,
    Unreadable,
    bounds_of,
    looks_like_range,
    quoted,
    split,
    text_of,
    whole_numbers_of,
)
from superparams.declare.words.named_choices import (
    Choice,
    NewGroup,
    choices_of,
    current,
    names_of,
    points_of,
)
from superparams.declare.words.other_notations import PointsHint, RangeHint, hint_of
from superparams.declare.words.scalars import BARE
from superparams.declare.words.type_names import examples, type_text
from superparams.declare.words.typed_values import NotText, read, takes_bounds, takes_ranges
from superparams.declare.words.word import Word
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.decimals import meant_among
from superparams.space.groups import is_group

__all__ = ["Chosen", "chosen_by", "column_values", "field_values"]

MOST_POINTS: Final = 1_000_000  # of an axis that is no range


@dataclass
class Chosen:
    """What a word chooses for a field.

    Attributes:
        points: One value, or the points of an axis. Groups may still be `NewGroup`.
        labels: The names of the points, if they have names.
        is_axis: Whether a single point makes an axis, too.
        axis: The axis to keep, in which only fields inside the points change.
        names: The axis whose named points give values their names in tables, for points with names.
        bounds: The ends of a range of numbers, which has no points.
    """

    points: Sequence[Any]
    labels: Sequence[str] = ()
    is_axis: bool = False
    axis: Axis | None = None
    names: Axis | None = None
    bounds: Bounds | None = None

    def argument(self) -> Any:
        """The argument for the call of the class."""
        if self.bounds is not None:
            return search(**_search_arguments(self.bounds))
        if self.axis is not None:
            return self.axis.having(tuple(self.points))
        if isinstance(self.points, range):
            return search(self.points)
        if len(self.points) == 1 and not self.is_axis:
            return self.points[0]
        if self.labels:
            return Axis(tuple(self.points), tuple(self.labels), names=self.names)
        return search(list(self.points))


@dataclass
class _Part:
    """The text between two commas, and its points.

    Attributes:
        text: The text.
        points: The points.
        labels: A name or None for each point; empty if no point has a name.
        is_name: Whether the text is the name of the points.
        is_bare_text: Whether the text itself is the value, as any other text would be.
    """

    text: str
    points: Sequence[Any]
    labels: Sequence[str | None] = ()
    is_name: bool = False
    is_bare_text: bool = False

    def names(self) -> Iterator[str]:
        """A name for each point: its own, or the text that chose it."""
        labels = self.labels or [None] * len(self.points)
        for label, point in zip(labels, self.points, strict=True):
            text = self.text if len(self.points) == 1 else f"{self.text} {point}"
            yield text if label is None else label

    def filters(self) -> Iterator[Any]:
        """The points as a filter of results takes them: groups and named points by their name."""
        if isinstance(self.points, range):
            yield self.points
            return
        labels = self.labels or [None] * len(self.points)
        for label, point in zip(labels, self.points, strict=True):
            is_group_or_named = label is not None or isinstance(point, NewGroup) or is_group(point)
            yield text_of(self.text) if self.is_name and is_group_or_named else point


@dataclass
class _Reader:
    """Reads the text of one word.

    Attributes:
        text: The text.
        annotation: The type of the values.
        scope: Where the annotation was written.
        where: The field or column, for errors.
        name: The name in the word.
        call: The Python call that gives the value; empty for a column.
        choices: The names of points.
        sign: The operator between name and text.
        is_filter: Whether recorded settings are selected.
    """

    text: str
    annotation: Any
    scope: Scope
    where: str
    name: str
    call: str
    choices: Mapping[str, Choice]
    sign: str = "="
    is_filter: bool = False

    def __post_init__(self) -> None:
        self.has_ranges = self.sign == "=" and takes_ranges(self.annotation, self.scope)

    def parts(self) -> list[_Part]:
        try:
            items = split(self.text) if self.sign == "=" else [self.text]
        except Unreadable as reason:
            raise self.wrong(self.text, str(reason)) from None
        parts = [self.part(item.strip(), has_others=len(items) > 1) for item in items]
        self.refuse_prose(items, parts)
        return parts

    def bounds(self) -> Bounds | None:
        """The range of numbers in the text, for a field of numbers.

        Raises:
            FieldError: For a text that is no range of this field.
        """
        bounds = bounds_of(self.text)
        if bounds is None or not takes_bounds(self.annotation, self.scope, bounds):
            return None
        try:
            range_of(search(**_search_arguments(bounds)), self.annotation, self.where)
        except FieldError as error:
            raise FieldError(f"{error}. {self._form_of_ranges()}") from None
        return bounds

    def _form_of_ranges(self) -> str:
        kind = ":range" if self.has_ranges else ""
        forms = (f"LOW..HIGH{kind}", "LOW..HIGH:log", f"LOW..HIGH..STEP{kind}")
        words = [f"{self.name}={form}" for form in forms]
        return f"As a word, a range is {', '.join(words[:2])} or {words[2]}"

    def part(self, item: str, *, has_others: bool) -> _Part:
        if has_others and not item:
            raise self.wrong(item, "there is nothing between two commas; '' is the empty text")
        try:
            choice = self.choices.get(text_of(item))
            if choice is not None:
                return _Part(item, choice.points, choice.labels, is_name=True)
            points = whole_numbers_of(item) if self.has_ranges else None
            if points is not None:
                return _Part(item, points)
            reading = read(self.annotation, item, self.scope)
        except Unreadable as reason:
            raise self.wrong(item, self.explained(item, reason)) from None
        is_text = isinstance(reading.value, str) and reading.doubt == BARE
        return _Part(item, [reading.value], is_bare_text=is_text)

    def refuse_twice(self, points: Sequence[object]) -> None:
        marks: set[Any] = set()
        for point in points:
            mark = _mark(point)
            if mark in marks:
                raise FieldError(
                    f"{self.where} has {shorten(point)} twice in {shorten(self.text)}; "
                    "an axis has each point once"
                )
            marks.add(mark)

    def refuse_prose(self, items: Sequence[str], parts: Sequence[_Part]) -> None:
        """Refuse ``name=a, b``, which may be one text with a comma in it."""
        for item, part in zip(items[1:], parts[1:], strict=True):
            if part.is_bare_text and item[0].isspace():
                raise FieldError(
                    f"{self.where}: {shorten(self.text)} may be one text or several; write "
                    f'{self.name}=a,b for two, or quotes in the word, {self.name}="a, b", for one'
                )

    def explained(self, item: str, reason: Unreadable) -> str:
        bounds = bounds_of(item)
        if bounds is not None and self.sign != "=":
            return "a range has no order"
        if bounds is not None and takes_bounds(self.annotation, self.scope, bounds):
            if self.is_filter:
                two = self._conditions("LOW", "HIGH")
                return f"a range of floats is two conditions, {two}"
            return f"a range of numbers stands alone, as in {self.name}={item}"
        if looks_like_range(item) and not self.has_ranges:
            return "a range is for int and float fields"
        if isinstance(reason, NotText):
            # The names in the message are the remedy, if there are any.
            return "" if self.choices else f"{reason}; give it in Python, as in {self.call}"
        return str(reason)

    def wrong(self, item: str, reason: str = "") -> FieldError:
        type_name = type_text(self.annotation, self.scope)
        problem = f"{self.where} takes {type_name}, not {shorten(item)}{reason and f': {reason}'}"
        if self.choices:
            return FieldError(f"{problem}; {meant(item, [*map(quoted, self.choices)], 'names')}")
        hint = None if reason else self._hint(item)
        if hint is not None:
            return FieldError(f"{problem}; write {hint}")
        samples = list(dict.fromkeys(examples(self.annotation, self.scope)))
        if not samples:
            return FieldError(problem)
        purpose = " to search" if self.call else ""
        several = f", or {self.name}={','.join(samples)}{purpose}" if len(samples) > 1 else ""
        several = several if self.sign == "=" else ""
        if self.has_ranges and item.startswith("range("):
            several += f", or {self.name}=0..9 for all from 0 to 9"
        likely = Bounds(1, 2, None, "log", is_whole=True)
        is_range = ".." in item and self.call and self.sign == "="
        if is_range and takes_bounds(self.annotation, self.scope, likely):
            several += f". {self._form_of_ranges()}"
        return FieldError(f"{problem}; write {self.name}{self.sign}{samples[0]}{several}")

    def _conditions(self, low: object, high: object) -> str:
        return f"{self.name}>={low} and {self.name}<={high}"

    def _hint(self, item: str) -> str | None:
        """How to write numbers that are in another notation, if this field takes them."""
        hint = hint_of(item) if self.sign == "=" else None
        if hint is None or hint.word == item:
            return None
        text = self.text.replace(item, hint.word)
        if self.is_filter and isinstance(hint, RangeHint) and not self.has_ranges:
            is_taken = takes_bounds(self.annotation, self.scope, hint.bounds)
            return self._conditions(*hint.bounds[:2]) if is_taken else None
        reader = replace(self, text=text)
        try:
            is_range = not self.is_filter and reader.bounds() is not None
            if not is_range:
                reader.parts()
        except FieldError:
            return None
        if isinstance(hint, PointsHint):
            return f"{self.name}={text} for these values"
        low, high, step = hint.bounds[:3]
        kind = "the range" if is_range else "all"
        steps = "" if step is None else f" in steps of {step}"
        return f"{self.name}={text} for {kind} from {low} to {high}{steps}"


def _search_arguments(bounds: Bounds) -> dict[str, Any]:
    """The arguments of `search` for a range of numbers."""
    step = {} if bounds.step is None else {"step": bounds.step}
    return {"low": bounds.low, "high": bounds.high, "log": bounds.kind == "log", **step}


def _meant_point(owner: object, field: Field, x: object) -> Any:
    """The float among the points of a field whose short form is the word; else the value itself.

    ``rate=0.3`` means 0.30000000000000004 where ``np.arange`` made that point.
    """
    if type(x) is not float:
        return x
    points = (*points_of(current(owner, field)), *points_of(field.declared))
    matching_point = meant_among([point for point in points if isinstance(point, float)], x)
    return (
        x if matching_point is None else next(point for point in points if point == matching_point)
    )


def _mark(point: object) -> object:
    """A hashable object that is equal for equal points."""
    try:
        return isinstance(point, bool), point, hash(point)
    except TypeError:  # a list, a dict
        return repr(point)


def _reader(owner: object, field: Field, word: Word, scope: Scope) -> _Reader:
    cls = scope.cls.__name__
    return _Reader(
        text=word.text,
        annotation=field.annotation,
        scope=scope,
        where=f"{cls}.{field.name}",
        name=f"{word.group}{field.name}",
        call=f"{cls}({field.name}=...)",
        choices=choices_of(owner, field, scope),
    )


def chosen_by(owner: object, field: Field, word: Word, scope: Scope) -> Chosen:
    """What a word chooses for a field.

    Args:
        owner: The class that has the field, or an instance of it.
        field: The field.
        word: The word.
        scope: Where annotations of the class are read.

    Raises:
        FieldError: For a part of the text that is no value of the field's type, and for points that
            occur twice.
    """
    reader = _reader(owner, field, word, scope)
    bounds = reader.bounds()
    if bounds is not None:
        return Chosen((), bounds=bounds)
    parts = reader.parts()
    if len(parts) == 1 and isinstance(parts[0].points, range):
        return Chosen(parts[0].points)
    if sum(len(part.points) for part in parts) > MOST_POINTS:
        raise reader.wrong(word.text, f"it has more than {MOST_POINTS:,} points")
    points = [_meant_point(owner, field, point) for part in parts for point in part.points]
    is_named = any(label is not None for part in parts for label in part.labels)
    labels = [name for part in parts for name in part.names()] if is_named else []
    reader.refuse_twice(labels or points)
    return Chosen(points, labels, len(parts) > 1, names=names_of(owner, field) if labels else None)


def field_values(owner: object, field: Field, word: Word, scope: Scope) -> list[Any]:
    """The values that a word means for a field, for a filter of results.

    Args:
        owner: The class that has the field, or an instance of it.
        field: The field.
        word: The word.
        scope: Where annotations of the class are read.

    Returns:
        Values and ranges. Named points and groups are texts: the name, or the name of the class.

    Raises:
        FieldError: For a part of the text that is no value of the field's type.
    """
    reader = _reader(owner, field, word, scope)
    reader.is_filter = True
    return [x for part in reader.parts() for x in part.filters()]


def column_values(annotation: object, name: str, text: str, sign: str = "=") -> list[Any]:
    """The values that a text means for a column that is no field of a known class.

    Args:
        annotation: The type of the values in the column.
        name: The column.
        text: The text.
        sign: The operator before the text. Only ``=`` takes several values and ranges.

    Returns:
        Values and ranges.

    Raises:
        FieldError: For a part of the text that is no such value.
    """
    reader = _Reader(text, annotation, Scope(object), name, name, "", {}, sign, is_filter=True)
    return [x for part in reader.parts() for x in part.filters()]
