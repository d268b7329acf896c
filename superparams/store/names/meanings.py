"""The names of points, and the value that each name means.

The table shows a named point by its name. The names of a class may change, so every run records
what they mean: a point by a digest of its content, and a plain one also by its value. A group is
recorded by its class, and by digests of the values that each of its fields may have.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on
from superparams.declare.metaclass import recorded_fields
from superparams.declare.presentation import table_value
from superparams.errors import IdentityError
from superparams.errors.short_repr import shorten
from superparams.identity.digests.digest import field_digest, key_text, keyed_digest
from superparams.outcomes.arrow import to_json
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.store.json_values import (
    is_list,
    is_object,
    json_list,
    json_object,
    run_groups,
    shared_by_runs,
)
from superparams.store.names.field_owners import Condition, FieldPlace, are_conditions, field_places

__all__ = [
    "MEANINGS",
    "NOT_PLAIN",
    "NamedPoints",
    "Point",
    "Reference",
    "declared_names",
    "name_groups",
    "names_from_json",
    "names_to_head",
    "names_to_json",
    "plain_or_not",
    "point_of",
]

MEANINGS: Final = "meanings"  # in run.json, and in the metadata of the table
MOST_NAMES: Final = 10_000  # of one axis that are recorded
MOST_VALUES: Final = 1000  # of a field of a group
MOST_TEXT: Final = 60  # characters of a value beside its old name
LONGEST_VALUE: Final = 4096  # characters of a text that is recorded as it is
NOT_PLAIN: Final = object()
DigestOf = Callable[[str, int], "int | None"]


@dataclass(frozen=True)
class Point:
    """A named point.

    Attributes:
        label: Its name in the table.
        name: Its name in the class that ran; `label` may tell more.
        text: Its content as short text.
        digest_of: Returns the digest of its content; an empty text where there is none.
        value: Its value if that is a number, a text, a bool or None; else `NOT_PLAIN`.
        cls: The class of a group; None for anything else.
        fields: Of a group, the digests of the values that each field may have.
        shown: The cell that it would have without a name, as JSON; empty for a group and for a long
            value.
        also: Later names of the same point, which occur in no row.
    """

    label: str
    name: str
    text: str
    digest_of: Callable[[], str]
    value: Any = NOT_PLAIN
    cls: str | None = None
    fields: Mapping[str, frozenset[str]] | None = None
    shown: str = ""
    also: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        """The name of its class as the table shows it; empty for a point that is no group."""
        return "" if self.cls is None else self.cls.rpartition(".")[2]

    @property
    def mark(self) -> str:
        """A digest of its content, or of the values that its fields may have."""
        if self.digest:
            return self.digest
        fields = {name: sorted(digests) for name, digests in (self.fields or {}).items()}
        return key_text(keyed_digest("", json.dumps(fields)))

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return self.digest_of()

    def matches_among(self, points: Sequence[Point]) -> list[Point]:
        """The points that are identical to this point; if there are none, those that agree."""
        identical = [point for point in points if point.is_identical(self)]
        return identical or [point for point in points if point.agrees(self)]

    def is_identical(self, other: Point) -> bool:
        """Whether both are the same value, or groups that allow the same values."""
        if self.cls is None or other.cls is None:
            return self.cls is other.cls and self.agrees(other)
        return self.cls == other.cls and self.fields == other.fields

    def agrees(self, other: Point) -> bool:
        """Whether both are the same value, or groups that allow a common setting.

        Fields that one of the groups does not have are not compared.
        """
        if self.cls is None and other.cls is None:
            if self.value is not NOT_PLAIN and other.value is not NOT_PLAIN:
                are_bool = isinstance(self.value, bool), isinstance(other.value, bool)
                return bool(self.value == other.value) and are_bool[0] == are_bool[1]
            return self.digest != "" and self.digest == other.digest
        if self.cls != other.cls or self.fields is None or other.fields is None:
            return False
        mine, others = self.fields, other.fields
        return all(mine[name] & others[name] for name in mine.keys() & others.keys())


@dataclass(frozen=True)
class NamedPoints:
    """The named points of one field.

    Attributes:
        column: The dotted name of the field.
        owner: The class of the group that it is in, empty for the experiment itself.
        conditions: The conditions for the field: settings have it if they meet one of them.
        points: The points; none if the field has no names.
    """

    column: str
    owner: str
    conditions: Sequence[Condition]
    points: Sequence[Point]


# ---- the names of a space or a class


def declared_names(experiment: object, digest_of: DigestOf | None = None) -> list[NamedPoints]:
    """The names of a space or a class, also of fields without names, which have no points.

    Args:
        experiment: An experiment, or its class.
        digest_of: Returns the digest of a point of the space by its field and index, if known.
    """
    fields: dict[tuple[str, str, int], tuple[FieldPlace, dict[str, Condition]]] = {}
    for place in field_places(experiment):
        axis = place.naming_axis
        if axis is not None and len(axis) > MOST_NAMES:
            place = place._replace(naming_axis=None)
        key = place.column, place.owner, id(place.naming_axis)
        _, conditions = fields.setdefault(key, (place, {}))
        conditions[json.dumps(place.condition)] = place.condition
    return [
        NamedPoints(
            place.column,
            place.owner,
            [{}] if "{}" in conditions else list(conditions.values()),
            list(_points(place, digest_of)),
        )
        for place, conditions in fields.values()
    ]


def _points(place: FieldPlace, digest_of: DigestOf | None) -> Iterator[Point]:
    axis = place.naming_axis
    if axis is None:
        return
    if not (isinstance(place.value, Axis) and place.value.points is axis.points):
        digest_of = None  # the names are those of the class, and the space has other points
    for index, (label, x) in enumerate(zip(axis.labels or (), axis.points, strict=False)):
        digest = functools.partial(digest_of, place.column, index) if digest_of else None
        yield point_of(place.field, x, label, digest)


def point_of(
    field: Field | str,
    x: object,
    label: str = "",
    known_digest: Callable[[], int | None] | None = None,
) -> Point:
    """A value of a field as a point.

    Args:
        field: The field, or only its name if nothing else is known.
        x: The value.
        label: Its name.
        known_digest: Returns its digest, or None if that is not known.
    """

    @functools.cache
    def digest() -> str:
        number = None if known_digest is None else known_digest()
        return _digest(field, x) if number is None else key_text(number)

    if not is_group(x):
        return Point(label, label, _text(x), digest, plain_or_not(x), shown=_shown_json(x))
    fields = {name: frozenset(digests) for name, digests in _value_digests(x, "")}
    return Point(label, label, _text(x), lambda: "", cls=type(x).__qualname__, fields=fields)


def _digest(field: Field | str, x: object) -> str:
    try:
        if isinstance(field, str):
            return key_text(field_digest(field, x))
        return key_text(field_digest(field.name, x, field.annotation, where=field.where))
    except IdentityError:
        return ""


def plain_or_not(x: Any) -> Any:
    """A number, a text, a bool or None unchanged; `NOT_PLAIN` for anything else."""
    kind: type[Any] = x.__class__
    if x is None or kind is bool or (kind is float and math.isfinite(x)):
        return x
    is_short = (kind is int and abs(x) < 2**63) or (kind is str and len(x) <= LONGEST_VALUE)
    return x if is_short else NOT_PLAIN


def _shown_json(x: object) -> str:
    text = to_json(table_value(x))
    return text if len(text) <= LONGEST_VALUE else ""


def _text(x: object) -> str:
    text = str(table_value(x)) if callable(x) and not is_group(x) else shorten(x)
    text = " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", text).split())
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


def _value_digests(group: object, prefix: str) -> Iterator[tuple[str, set[str]]]:
    """The digests of the values that each field of a group may have."""
    for name, field in recorded_fields(group.__class__).items():
        x = group.__dict__.get(name, declaration_on(group, field))
        if isinstance(x, Value):
            if x.key is not None:
                yield prefix + name, {key_text(keyed_digest(name, x.key))}
                continue
            if x.given is REQUIRED:  # by a factory, or derived from the others
                continue
            x = x.given
        points = x.points if isinstance(x, Axis) else (x,)
        if len(points) > MOST_VALUES:
            continue
        digests: dict[str, set[str]] = {}
        for point in points:
            digest = type(point).__qualname__ if is_group(point) else _digest(field, point)
            digests.setdefault(prefix + name, set()).add(digest)
            if is_group(point):
                for column, inner in _value_digests(point, f"{prefix}{name}."):
                    digests.setdefault(column, set()).update(inner)
        yield from digests.items()


# ---- the names in files


def names_to_json(names: Iterable[NamedPoints]) -> list[dict[str, Any]]:
    """Names in the form of `run.json`; fields without names are left out."""
    return [
        {
            "column": field.column,
            "of": field.owner,
            "when": list(field.conditions),
            "points": {point.label: _point_to_json(point) for point in _first_names(field.points)},
        }
        for field in names
        if field.points
    ]


def _first_names(points: Iterable[Point]) -> Iterable[Point]:
    """Points with different labels: of several with one label the first, with the others' names."""
    by_label: dict[str, Point] = {}
    for point in points:
        first = by_label.setdefault(point.label, point)
        if first is not point:
            also = (*first.also, *{point.name, *point.also} - {first.name})
            by_label[point.label] = replace(first, also=also)
    return by_label.values()


def _point_to_json(point: Point) -> dict[str, Any]:
    entry: dict[str, Any] = {"text": point.text}
    if point.value is not NOT_PLAIN:
        entry["value"] = point.value
    elif point.shown:
        entry["shown"] = point.shown
    if point.cls is None:
        entry["digest"] = point.digest
    else:
        entry["class"] = point.cls
        entry["fields"] = {name: sorted(x) for name, x in (point.fields or {}).items()}
    if point.also:
        entry["also"] = list(point.also)
    return entry if point.name == point.label else {**entry, "name": point.name}


def names_from_json(value: object) -> list[NamedPoints] | None:
    """Names from a file; None if the file has none, or if they are damaged."""
    if not is_list(value):
        return None
    names = [_named_points(json_object(entry)) for entry in value]
    return None if None in names else cast("list[NamedPoints]", names)


def _named_points(entry: Mapping[str, object]) -> NamedPoints | None:
    column, owner, conditions = (entry.get(name) for name in ("column", "of", "when"))
    is_whole = isinstance(column, str) and isinstance(owner, str) and are_conditions(conditions)
    if not is_whole or not isinstance(entry.get("points"), dict):
        return None
    points = [_point(label, json_object(x)) for label, x in json_object(entry["points"]).items()]
    if None in points:
        return None
    return NamedPoints(str(column), str(owner), json_list(conditions), cast("list[Point]", points))


def _point(label: str, entry: Mapping[str, object]) -> Point | None:
    text, digest, name = entry.get("text"), entry.get("digest", ""), entry.get("name", label)
    if not (isinstance(text, str) and isinstance(digest, str) and isinstance(name, str)):
        return None
    value = plain_or_not(entry.get("value", NOT_PLAIN))
    shown = _shown_from_json(entry.get("shown")) if value is NOT_PLAIN else _shown_json(value)
    also = tuple(map(str, json_list(entry.get("also"))))
    cls, fields = entry.get("class"), entry.get("fields")
    if not isinstance(cls, str) or not is_object(fields):
        return Point(label, name, text, lambda: digest, value, shown=shown, also=also)
    if not all(map(is_list, fields.values())):
        return None
    sets = {field: frozenset(map(str, digests)) for field, digests in fields.items()}
    return Point(label, name, text, lambda: "", cls=cls, fields=sets, also=also)


def _shown_from_json(text: object) -> str:
    try:
        json.loads(text if isinstance(text, str) else "")
    except (ValueError, RecursionError):
        return ""
    return str(text)


def names_to_head(runs: Mapping[str, Sequence[NamedPoints]]) -> list[dict[str, Any]]:
    """The names of runs in the form of the metadata of the table."""
    return shared_by_runs({run: names_to_json(names) for run, names in runs.items()}, MEANINGS)


def name_groups(groups: object) -> list[tuple[list[str], list[NamedPoints]]]:
    """Groups of runs with the same names, and these names, from the metadata of a table."""
    entries = [(runs, names_from_json(names)) for runs, names in run_groups(groups, MEANINGS)]
    return [(runs, names) for runs, names in entries if names is not None]


# ---- the name of a content


class Reference:
    """Gives each content one name: the present name in the class, if there is one."""

    def __init__(self, *sources: Iterable[NamedPoints]) -> None:
        """Sources: names by precedence; a later one adds names for contents without a name."""
        self._points: dict[tuple[str, str], list[Point]] = {}
        for source in sources:
            for field in source:
                for point in field.points:
                    self.label(field, point)

    def label(self, field: NamedPoints, point: Point) -> str:
        """The name of a point.

        An unknown content keeps its name, unless another content has that name now. Then the label
        also shows the value.
        """
        points = self._points.setdefault((field.column, field.owner), [])
        same = point.matches_among(points)
        if same:
            return next((x.label for x in same if x.name == point.name), same[0].label)
        labels = {x.label for x in points}
        label = point.name
        if label in labels:
            label = f"{point.name} ({point.text})"
        if label in labels:
            label = f"{point.name} ({point.text}, {point.mark[:8]})"
        points.append(replace(point, label=label))
        return label
