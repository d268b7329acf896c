"""Shows an instance as text, as the cells of a table, or as a dict."""

from __future__ import annotations

import collections
import enum
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

from superparams.adapters.content import PLAIN_MODULES, comes_from, fresh, same
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field, declared_of
from superparams.declare.instance_state import declaration_on, on_demand, open_fields
from superparams.declare.labels import label_of, leaves_class_open, naming
from superparams.declare.layout import Layout, known_layout
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open
from superparams.space.ranges import Range

__all__ = [
    "RowMaker",
    "as_row",
    "axes_of",
    "cell_of",
    "given_fields",
    "inline",
    "points_shown_alike",
    "row_of",
    "row_of_field",
    "shown_fields",
    "shown_range",
    "size_line",
    "summary",
    "table_value",
    "text_beside",
    "with_groups_as_dicts",
]

LONGEST_LINE: Final = 100
_NOTHING: Final[Mapping[str, Any]] = {}


def inline(params: object) -> str:
    """The repr on one line, also of a space: ``Class(field=value, axis=search([...]))``."""
    fields = (f"{name}={x}" for name, x in shown_fields(params))
    return f"{type(params).__name__}({', '.join(fields)})"


def shown_fields(params: object) -> Iterator[tuple[str, str]]:
    """The name and the text of each field, without making values on demand."""
    for name, field in fields_of(params.__class__).items():
        held = params.__dict__
        if name in held:
            x = held[name]
            yield name, inline(x) if is_open(x) else _shown_value(x)
            continue
        declared = declaration_on(params, field)
        if isinstance(declared, Value) and (declared.secret or _is_to_be_made(declared)):
            yield name, repr(declared)
        elif isinstance(declared, Value) and declared.derive:
            yield name, _shown_derived(params, name, declared)
        else:
            yield name, _shown_value(getattr(params, name))


def _is_to_be_made(declared: Value) -> bool:
    return declared.factory is not None and not declared.is_made


def given_fields(params: object) -> Iterator[str]:
    """The names of the fields that the call has given, so that they differ from the class."""
    held = params.__dict__
    for name, field in fields_of(params.__class__).items():
        own = field.declared
        x = on_demand(params).get(name, held.get(name, own))
        if x is own:
            continue
        if field.key_on(params) != getattr(own, "key", None) or not same(
            _content(x), _content(own)
        ):
            yield name


def _content(x: object) -> Any:
    """The declared constant, or the declaration of a value that is made on demand."""
    if isinstance(x, Value) and x.secret is not None:
        return x.secret
    return x.given if isinstance(x, Value) and not (x.factory or x.derive) else x


def _shown_derived(params: object, name: str, declared: object) -> str:
    try:
        return _shown_value(getattr(params, name))
    except Exception:  # errors show settings, too, so the repr must not raise another error
        return repr(declared)


def _shown_value(x: object) -> str:
    if isinstance(x, Axis) and x.repeat:
        return f"search({x!r}, repeat=True)"
    return f"search({x!r})" if isinstance(x, Axis | Range) else shorten(x)


def summary(space: object) -> str:
    """The size of a space, then an aligned line for each axis, or for each of its alternatives."""
    lines = {name: parts for name, _, parts in axes_of(space)}
    width = max(map(len, lines)) + 6
    axes = (_axis_line(name, line, width) for name, line in lines.items())
    return "\n".join([size_line(space), *axes])


def size_line(space: object) -> str:
    """The size of a space."""
    layout = known_layout(space)
    assert layout is not None
    dimensions = _count_dimensions(space)
    total = f"{'' if layout.ranges else 'total '}{_total(layout)}"
    return f"Search {dimensions} dimension{'s' * (dimensions != 1)}, {total}"


def _axis_line(name: str, parts: list[str], width: int) -> str:
    line = f"{name + ':':<{width}}{''.join(parts)}"
    if len(line) <= LONGEST_LINE:
        return line
    return f"{name + ':':<{width}}" + f"\n{' ' * (width + 1)}".join(map(str.rstrip, parts))


def _total(layout: Layout) -> str:
    if layout.ranges:
        n = len(layout.ranges)
        return "of which 1 is a range" if n == 1 else f"of which {n} are ranges"
    raw = layout.product.size
    if layout.kept is None:
        return f"{raw} combination{'s' * (raw != 1)}"
    if raw > 100_000 and not layout.kept.is_counted:  # counting would take too long for a repr
        return f"at most {raw} combinations before valid()"
    n_kept = layout.size
    return f"{n_kept} combination{'s' * (n_kept != 1)} (of {raw} before valid())"


def _count_dimensions(space: object) -> int:
    opened, layout = open_fields(space), known_layout(space)
    assert layout is not None
    return sum(
        _count_dimensions(opened[group[0]]) if is_group(opened[group[0]]) else 1
        for group in layout.groups
    )


def axes_of(space: object, prefix: str = "") -> Iterator[tuple[str, Axis | Range, list[str]]]:
    """Each axis or range: its name, itself, and its text in parts, where lines may break."""
    for name, field in open_fields(space).items():
        if is_group(field):
            yield from axes_of(field, f"{prefix}{name}.")
        elif isinstance(field, Range):
            yield f"{prefix}{name}", field, [shown_range(field)]
        else:
            zipped = f" (zip {field.zip!r})" if field.zip else ""
            zipped += " (repeat)" if field.repeat else ""
            *parts, last = _axis_parts(field)
            yield f"{prefix}{name}", field, [*parts, last + zipped]


def shown_range(x: Range) -> str:
    """A range as text."""
    step = "" if x.step is None else f", step {x.step!r}"
    return f"{x.low!r} to {x.high!r}{', log' if x.log else ''}{step}"


def _axis_parts(axis: Axis) -> list[str]:
    if axis.labels or not any(map(is_open, axis.points if len(axis) <= 12 else ())):
        return [repr(axis)]
    *parts, last = [inline(p) if is_group(p) else shorten(p) for p in axis]
    first, *rest = [*(f"{part}, " for part in parts), f"{last}]"]
    return [f"[{first}", *rest]


def with_groups_as_dicts(x: Any) -> Any:
    """A list, tuple or dict in which groups are dicts that name their class; else `x` itself."""
    if is_group(x):
        names = [name for name in recorded_fields(x.__class__) if not _is_factory(x, name)]
        fields = {name: with_groups_as_dicts(declared_of(x, name)) for name in names}
        return {"class": type(x).__name__, **fields}
    kind: type[Any] = x.__class__
    if kind is dict:
        entries = {name: with_groups_as_dicts(entry) for name, entry in x.items()}
        return entries if any(entries[name] is not x[name] for name in entries) else x
    if kind is list or kind is tuple:
        parts: list[Any] = [with_groups_as_dicts(item) for item in x]
        is_same = all(map(operator.is_, parts, x))
        return x if is_same else kind(parts)  # pyright: ignore[reportUnknownVariableType]
    return x


def _is_factory(group: object, name: str) -> bool:
    """Whether a field is made by a factory, so that no table holds it."""
    if name in group.__dict__:
        return False
    declared = declaration_on(group, fields_of(group.__class__)[name])
    return isinstance(declared, Value) and declared.factory is not None


def row_of(params: object) -> dict[str, Any]:
    """The columns that a setting has in a table."""
    return dict(as_row(params))


def as_row(
    params: object, prefix: str = "", cells: Mapping[str, object] = _NOTHING
) -> Iterator[tuple[str, Any]]:
    """The columns of a setting as it was declared, dotted names first to last, as plain data.

    Args:
        params: A setting or a group.
        prefix: What the names of columns begin with.
        cells: The columns of some fields, which are known already.
    """
    for name, field in recorded_fields(params.__class__).items():
        if name in cells:
            yield prefix + name, cells[name]
        else:
            yield from row_of_field(params, field, prefix)


def row_of_field(params: object, field: Field, prefix: str) -> Iterator[tuple[str, Any]]:
    """The columns of one field of a setting; a group has its name, then its own fields."""
    name, declared = field.name, declaration_on(params, field)
    if name not in params.__dict__ and isinstance(declared, Value) and declared.factory:
        return
    x = declared_of(params, name)
    axis = naming(params, field)
    label = None if axis is None else label_of(axis, x)
    if label is not None:
        yield prefix + name, label
    elif not is_group(x):
        cell = cell_of(params, field, x)
        yield prefix + name, cell if axis is None else text_beside(axis.labels or (), cell)
    elif axis is not None or leaves_class_open(field, x):
        yield prefix + name, type(x).__name__
    if is_group(x):
        yield from as_row(x, f"{prefix}{name}.")


class RowMaker:
    """Gives the columns of each setting of a space, quickly if all of them are plain.

    The cells that all settings share are computed at once, before the first setting runs.
    """

    def __init__(self, space: object) -> None:
        self._cells: dict[str, Any] = {}
        self._axes: list[str] = []
        self._is_plain = True
        held = space.__dict__
        for name, field in recorded_fields(space.__class__).items():
            x = held.get(name)
            declared = declaration_on(space, field)
            if isinstance(x, Axis) and _is_plain_axis(x) and naming(space, field) is None:
                self._axes.append(name)
                self._cells[name] = None
            elif isinstance(field.declared, Axis) or _is_split(x, declared):
                self._is_plain = False
            elif name in held or (isinstance(declared, Value) and declared.given is not REQUIRED):
                self._cells[name] = cell_of(space, field, declared_of(space, name))
            elif isinstance(declared, Value) and declared.derive is not None:
                self._is_plain = False
        if not self._is_plain:
            self._cells = {n: x for n, x in self._cells.items() if n not in self._axes}

    @property
    def is_plain(self) -> bool:
        """Whether no code of the user, such as a ``derive``, makes the columns of a setting."""
        return self._is_plain

    def maker(self) -> Callable[[Any], dict[str, Any]]:
        """The function that returns the columns of a setting; raises errors of derived fields."""
        cells, axes = self._cells, self._axes

        def plain(setting: object) -> dict[str, Any]:
            columns, held = cells.copy(), setting.__dict__
            for name in axes:
                columns[name] = held[name]
            return columns

        return plain if self._is_plain else lambda setting: dict(as_row(setting, cells=cells))


def _is_split(x: object, declared: object) -> bool:
    """Whether a field has several columns, or another number of them from setting to setting."""
    return isinstance(x, Axis | Range) or is_group(x) or is_group(getattr(declared, "given", None))


def _is_plain_axis(axis: Axis) -> bool:
    if isinstance(axis.points, range):
        return True
    if axis.labels is not None:
        return False
    # Long axes mostly hold numbers, which need no individual check.
    kinds = set(map(type, axis.points))
    return kinds <= {int, float} or all(map(_is_plain_scalar, axis.points))


def _is_plain_scalar(x: object) -> bool:
    if isinstance(x, str | bytes):
        return len(x) <= LONGEST_TEXT
    return x is None or isinstance(x, PLAIN)


def cell_of(params: object, field: Field, x: object) -> Any:
    """The cell of a table for a value of a field; its key if the content has no text.

    Args:
        params: The instance that has the field.
        field: The field.
        x: The value.
    """
    cell, key = table_value(x), field.key_on(params)
    return key if key is not None and isinstance(cell, str) and not isinstance(x, str) else cell


def points_shown_alike(space: object) -> Iterator[str]:
    """Notes on axes of which several points have the same text in a table."""
    for name, axis, _ in axes_of(space):
        if isinstance(axis, Range) or axis.labels or isinstance(axis.points, range):
            continue
        points = (x for x in axis.points[:MOST_POINTS] if not _is_plain_scalar(x))
        cells = (table_value(x) for x in points if not is_group(x))
        texts = collections.Counter(cell for cell in cells if isinstance(cell, str))
        alike = [(text, count) for text, count in texts.items() if count > 1]
        if alike:
            text, count = alike[0]
            yield (
                f"{count} points of {type(space).__name__}.{name} are all shown as {text!r}, so "
                f"the table cannot tell their rows apart; name them, as in "
                f"{name.rpartition('.')[2]}=search({{'a': ..., 'b': ...}})"
            )


def text_beside(names: Collection[str], cell: object) -> Any:
    """The cell for a value that is none of the named points of an axis.

    It is a text, so that the column has only texts; None stays None.

    Args:
        names: The names of the points.
        cell: The value as `table_value` gives it.
    """
    if cell is None:
        return None
    text = cell.name if isinstance(cell, enum.Enum) else str(cell)
    # A text that is a name, too, would be taken for the point of that name.
    return f"{text} ({type(cell).__name__})" if text in names else text


LARGEST_CELL: Final = 64  # elements
MOST_POINTS: Final = 1000  # of an axis that are compared as texts
LONGEST_TEXT: Final = 4096  # characters or bytes, since every row has it
PLAIN: Final = (bool, int, float, complex, str, bytes, enum.Enum)


def table_value(x: object) -> Any:
    """The cell of a table for a value: plain data unchanged, everything else as a short text."""
    if _is_plain(x):
        return x if _is_plain_scalar(x) else fresh(x)
    plain = x if is_group(x) else with_groups_as_dicts(x)
    if plain is not x and _is_plain(plain):
        return fresh(plain)
    if callable(x) and hasattr(x, "__qualname__"):
        return f"{x.__module__}.{x.__qualname__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", shorten(x))  # addresses differ by process


def _is_plain(x: object) -> bool:
    if isinstance(x, list | tuple | set | frozenset | dict):
        items = cast("Collection[object]", x.values() if isinstance(x, dict) else x)
        return len(items) <= LARGEST_CELL and all(map(_is_plain, items))
    if _is_plain_scalar(x) or comes_from(x, PLAIN_MODULES):
        return True
    return hasattr(x, "dtype") and getattr(x, "ndim", 1) == 0 and hasattr(x, "item")
