"""The names of points, with what each of them means.

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
from superparams.store.names.field_owners import Condition, are_conditions, spots

__all__ = [
    "MEANINGS",
    "NOT_PLAIN",
    "Named",
    "Point",
    "Reference",
    "as_json",
    "as_named",
    "declared_names",
    "names_by_run",
    "plain_or_not",
    "point_of",
    "together",
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
        label: What stands in the table for it.
        name: Its name in the class that ran; `label` may tell more.
        text: Its content as short text.
        digest_of: Gives the digest of its content; an empty text where there is none.
        value: Its value where that is a number, a text, a bool or None; else `NOT_PLAIN`.
        cls: The class of a group; None for anything else.
        fields: Of a group, the digests of the values that each field may have.
        shown: What the table would hold for it without a name, as JSON; empty for a group and for
            what is long.
        also: Later names of the same point, which no row has.
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
        """The name of its class as the table shows it; empty for what is no group."""
        return "" if self.cls is None else self.cls.rpartition(".")[2]

    @property
    def mark(self) -> str:
        """A digest of what it stands for."""
        return self.digest or _mark_of(self.fields or {})

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return self.digest_of()

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
                return is_same_value(self.value, other.value)
            return self.digest != "" and self.digest == other.digest
        if self.cls != other.cls or self.fields is None or other.fields is None:
            return False
        mine, others = self.fields, other.fields
        return all(mine[name] & others[name] for name in mine.keys() & others.keys())


def is_same_value(one: Any, other: Any) -> bool:
    """Whether two plain values are equal; True is no number."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@dataclass(frozen=True)
class Named:
    """The named points of one field.

    Attributes:
        column: The dotted name of the field.
        owner: The class of the group that it is in, empty for the experiment itself.
        when: Conditions of which one holds for settings that have the field.
        points: The points; none where the field has no names.
    """

    column: str
    owner: str
    when: Sequence[Condition]
    points: Sequence[Point]


# ---- what a space or a class declares


def declared_names(of: Any, digest_of: DigestOf | None = None) -> list[Named]:
    """The names of a space or a class, also of fields without names, which have no points.

    Args:
        of: An experiment, or its class.
        digest_of: Gives the digest of a point by its field and place, where that is known.
    """
    found: dict[tuple[str, str, int], tuple[Axis | None, Field, dict[str, Condition]]] = {}
    for spot in spots(of):
        axis = spot.names
        if axis is not None and len(axis) > MOST_NAMES:
            axis = None
        entry = found.setdefault((spot.column, spot.owner, id(axis)), (axis, spot.field, {}))
        entry[2][json.dumps(spot.when)] = spot.when
    return [
        Named(column, owner, _shortest(when), list(_points(axis, field, column, digest_of)))
        for (column, owner, _), (axis, field, when) in found.items()
    ]


def _shortest(when: Mapping[str, Condition]) -> Sequence[Condition]:
    return [{}] if "{}" in when else list(when.values())


def _points(
    axis: Axis | None, field: Field, column: str, digest_of: DigestOf | None
) -> Iterator[Point]:
    if axis is None:
        return
    for place, (label, x) in enumerate(zip(axis.labels or (), axis.points, strict=False)):
        known = None if digest_of is None else functools.partial(digest_of, column, place)
        yield point_of(field, x, label, known)


def point_of(
    field: Field | str, x: Any, label: str = "", known: Callable[[], int | None] | None = None
) -> Point:
    """A value of a field as a point.

    Args:
        field: The field, or its name where nothing else is known of it.
        x: The value.
        label: Its name.
        known: Gives its digest, or None where that is not known.
    """

    @functools.cache
    def digest() -> str:
        found = None if known is None else known()
        return _digest(field, x) if found is None else key_text(found)

    if not is_group(x):
        return Point(label, label, _text(x), digest, plain_or_not(x), shown=_shown(x))
    fields = {name: frozenset(allowed) for name, allowed in _allowed(x, "")}
    return Point(label, label, _text(x), lambda: "", cls=type(x).__qualname__, fields=fields)


def _digest(field: Field | str, x: Any) -> str:
    try:
        if isinstance(field, str):
            return key_text(field_digest(field, x))
        return key_text(field_digest(field.name, x, field.annotation, where=field.where))
    except IdentityError:
        return ""


def plain_or_not(x: Any) -> Any:
    """A number, a text, a bool or None as it is; `NOT_PLAIN` for anything else."""
    kind: type[Any] = x.__class__
    if x is None or kind is bool or (kind is float and math.isfinite(x)):
        return x
    is_short = (kind is int and abs(x) < 2**63) or (kind is str and len(x) <= LONGEST_VALUE)
    return x if is_short else NOT_PLAIN


def _shown(x: Any) -> str:
    text = to_json(table_value(x))
    return text if len(text) <= LONGEST_VALUE else ""


def _text(x: Any) -> str:
    shown = str(table_value(x)) if callable(x) and not is_group(x) else shorten(x)
    shown = " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", shown).split())
    return shown if len(shown) <= MOST_TEXT else f"{shown[: MOST_TEXT - 3]}..."


def _allowed(group: Any, prefix: str) -> Iterator[tuple[str, set[str]]]:
    """The digests of the values that each field of a group may have."""
    for name, field in recorded_fields(group.__class__).items():
        x = group.__dict__.get(name, declaration_on(group, field))
        if isinstance(x, Value):
            if x.key is not None:
                yield prefix + name, {key_text(keyed_digest(name, x.key))}
                continue
            if x.given is REQUIRED:  # made by a factory, or derived from the others
                continue
            x = x.given
        points = x.points if isinstance(x, Axis) else (x,)
        if len(points) > MOST_VALUES:
            continue
        inner: dict[str, set[str]] = {}
        for one in points:
            mark = type(one).__qualname__ if is_group(one) else _digest(field, one)
            inner.setdefault(prefix + name, set()).add(mark)
            for column, allowed in _allowed(one, f"{prefix}{name}.") if is_group(one) else ():
                inner.setdefault(column, set()).update(allowed)
        yield from inner.items()


# ---- in files


def as_json(names: Iterable[Named]) -> list[dict[str, Any]]:
    """Names as `run.json` and the metadata of the table have them; fields without are left out."""
    return [
        {
            "column": one.column,
            "of": one.owner,
            "when": list(one.when),
            "points": {point.label: _point_as_json(point) for point in _first_names(one.points)},
        }
        for one in names
        if one.points
    ]


def _first_names(points: Iterable[Point]) -> Iterable[Point]:
    """The points without those that have the label of an earlier one, which gets their names."""
    found: dict[str, Point] = {}
    for point in points:
        known = found.get(point.label)
        also = () if known is None else (*known.also, *{point.name, *point.also} - {known.name})
        found[point.label] = point if known is None else replace(known, also=also)
    return found.values()


def _point_as_json(point: Point) -> dict[str, Any]:
    made: dict[str, Any] = {"text": point.text}
    if point.value is not NOT_PLAIN:
        made["value"] = point.value
    elif point.shown:
        made["shown"] = point.shown
    if point.cls is None:
        made["digest"] = point.digest
    else:
        made["class"] = point.cls
        made["fields"] = {name: sorted(x) for name, x in (point.fields or {}).items()}
    if point.also:
        made["also"] = list(point.also)
    return made if point.name == point.label else {**made, "name": point.name}


def as_named(found: object) -> list[Named] | None:
    """Names as a file has them; None where it has none, or is damaged."""
    if not isinstance(found, list):
        return None
    made = [_named(one) for one in cast("list[object]", found)]
    return None if None in made else [one for one in made if one is not None]


def _named(found: object) -> Named | None:
    one = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    column, owner, when, points = (one.get(name) for name in ("column", "of", "when", "points"))
    if not (isinstance(column, str) and isinstance(owner, str) and are_conditions(when)):
        return None
    if not isinstance(points, dict):
        return None
    made = [_point(label, x) for label, x in cast("dict[str, object]", points).items()]
    if None in made:
        return None
    conditions = cast("list[Condition]", when)
    return Named(column, owner, conditions, [point for point in made if point is not None])


def _point(label: str, found: object) -> Point | None:
    one = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    text, digest, name = one.get("text"), one.get("digest", ""), one.get("name", label)
    if not (isinstance(text, str) and isinstance(digest, str) and isinstance(name, str)):
        return None
    value = plain_or_not(one.get("value", NOT_PLAIN))
    shown = _read_shown(one.get("shown")) if value is NOT_PLAIN else _shown(value)
    names = one.get("also")
    also = tuple(map(str, cast("list[object]", names))) if isinstance(names, list) else ()
    cls, fields = one.get("class"), one.get("fields")
    if not isinstance(cls, str) or not isinstance(fields, dict):
        return Point(label, name, text, lambda: digest, value, shown=shown, also=also)
    allowed = cast("dict[str, object]", fields)
    if not all(isinstance(x, list) for x in allowed.values()):
        return None
    sets = {n: frozenset(map(str, cast("list[object]", x))) for n, x in allowed.items()}
    return Point(label, name, text, lambda: "", cls=cls, fields=sets, also=also)


def _read_shown(found: object) -> str:
    try:
        json.loads(found if isinstance(found, str) else "")
    except (ValueError, RecursionError):
        return ""
    return str(found)


def names_by_run(head: object) -> dict[str, list[Named]]:
    """What the metadata of a table tells of the names of each run; nothing of what is damaged."""
    found: dict[str, list[Named]] = {}
    for one in cast("list[object]", head) if isinstance(head, list) else ():
        entry = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        names, runs = as_named(entry.get(MEANINGS)), entry.get("runs")
        if names is not None and isinstance(runs, list):
            found.update((str(run), names) for run in cast("list[object]", runs))
    return found


def together(runs: Mapping[str, Sequence[Named]]) -> list[dict[str, Any]]:
    """What the metadata of the table tells: runs, and the names that all of them have."""
    made: dict[str, dict[str, Any]] = {}
    for run, names in runs.items():
        plain = as_json(names)
        made.setdefault(json.dumps(plain), {"runs": [], MEANINGS: plain})["runs"].append(run)
    return list(made.values())


# ---- which name a content has


def _mark_of(fields: Mapping[str, frozenset[str]]) -> str:
    return key_text(keyed_digest("", json.dumps({name: sorted(x) for name, x in fields.items()})))


class Reference:
    """The one name that each content has: that of the class as it is now, if there is one."""

    def __init__(self, *sources: Iterable[Named]) -> None:
        """Sources: names, the decisive ones first; the others name what those leave unnamed."""
        self._known: dict[tuple[str, str], list[Point]] = {}
        for named in (one for source in sources for one in source):
            for point in named.points:
                self.label(named, point)

    def label(self, named: Named, point: Point) -> str:
        """The name of a point.

        A content that is not known keeps its name, unless another content has that name now. Then
        its value stands behind the name.
        """
        known = self._known.setdefault((named.column, named.owner), [])
        found = [one for one in known if one.is_identical(point)]
        found = found or [one for one in known if one.agrees(point)]
        if found:
            return next((one.label for one in found if one.name == point.name), found[0].label)
        taken = {one.label for one in known}
        label = point.name
        if label in taken:
            label = f"{point.name} ({point.text})"
        if label in taken:
            label = f"{point.name} ({point.text}, {point.mark[:8]})"
        known.append(replace(point, label=label))
        return label
