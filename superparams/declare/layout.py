"""The layout of a space: which dimension fills which field, and the code that builds a setting.

Settings are built very often, so that code is compiled once for each space, as dataclasses compile
their ``__init__``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from superparams.adapters.content import fresh, holds_mutable, never_ran
from superparams.declare.descriptors import Value
from superparams.declare.field import Field, declared_of
from superparams.declare.instance_state import (
    layout_on,
    on_demand_among,
    open_fields,
    set_copies,
)
from superparams.declare.own_names import RESERVED
from superparams.errors import FieldError, SpaceError, add_field_note
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted
from superparams.space.algebra import Dimension, Product, ValidIndices, dimension_of, zipped
from superparams.space.axis import Axis
from superparams.space.groups import FIELDS, has_groups, is_group, is_open
from superparams.space.ranges import Range, Uncounted

__all__ = ["Layout", "Refusal", "close_run", "has_range", "keeps", "known_layout", "ranges_of"]

_IMMUTABLE: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
Make = Callable[[tuple[Any, ...]], Any]


class Layout:
    """The open fields of a space as a product, and the settings that it yields.

    A space with ranges has no product: using it raises SpaceError.

    Attributes:
        groups: The names of the open fields, those of one zip group together.
        ranges: The dotted names of the fields that are ranges.
        valid: Tells which settings to keep, if any are left out.

    Args:
        cls: The class of the settings.
        held: What every setting holds besides its open fields.
        opened: The open fields: an `Axis` or a nested space by name.
        after: The user's ``__post_init__``, which is called last on a new setting; None without.
        valid: Tells which settings to keep, if any are left out.
        points: The values of all open fields at once, if these are not crossed.
    """

    def __init__(
        self,
        cls: type[Any],
        held: Mapping[str, object],
        opened: Mapping[str, object],
        *,
        after: Callable[[Any], None] | None,
        valid: Callable[[Any], bool] | None,
        points: Dimension | None = None,
    ) -> None:
        self._of = cls, held, opened
        self.ranges = () if points is not None else tuple(_ranges(opened))
        self.groups = _groups(cls, opened) if points is None else [tuple(opened)]
        if points is not None:
            self.product = Product([points])
        elif self.ranges:
            self.product = Uncounted(_why_uncounted(cls, self.ranges))
        else:
            self.product = _product(self, opened)
        self._after = after
        self.valid = valid
        self.bare = _compile(cls, held, opened, self.groups)
        self.declared = _declared(cls, held, opened, self.groups)
        self.make = self.bare if after is None and self.declared is None else self._complete
        is_listed = valid is not None and not self.ranges
        self.kept = ValidIndices(self.product.size, self._keeps) if is_listed else None

    def with_points_of(self, points: Dimension) -> Layout:
        """The layout of a space whose open fields get their values from one dimension."""
        return Layout(*self._of, after=self._after, valid=None, points=points)

    def _keeps(self, index: int) -> bool:
        assert self.valid is not None
        return keeps(self.valid, self.bare(self.product.at(index)))

    @property
    def size(self) -> int:
        """How many settings there are; counts them where ``valid`` leaves some out."""
        return self.product.size if self.kept is None else self.kept.count()

    def size_within(self, limit: int) -> int:
        """The size, at most `limit`: ``valid`` is called for no more settings than needed."""
        if self.kept is None:
            return min(self.product.size, limit)
        return self.kept.count_within(limit)

    def at(self, index: int) -> Any:
        """The setting at ``0 <= index < size``."""
        return self.make(self.point(index))

    def point(self, index: int) -> tuple[Any, ...]:
        """The values of the open fields of the setting at ``0 <= index < size``."""
        return self.product.at(self.kept.at(index) if self.kept else index)

    def getter(self) -> Callable[[int], tuple[Any, ...]]:
        """`point` as a function, faster where it need not look up the index."""
        return self.product.at if self.kept is None else self.point

    def hand_over(self, setting: object, point: tuple[Any, ...]) -> None:
        """Finish a setting that `bare` has built, before code of the user gets it."""
        if self.declared is not None:
            set_copies(setting, self.declared(point))
        if self._after is not None:
            self._after(setting)

    def _complete(self, point: tuple[Any, ...]) -> Any:
        setting = self.bare(point)
        self.hand_over(setting, point)
        return setting

    def __iter__(self) -> Iterator[Any]:
        if self.valid is None or self.ranges:
            return map(self.make, self.product)
        return self._kept_settings(self.valid)

    def _kept_settings(self, valid: Callable[[Any], bool]) -> Iterator[Any]:
        for point in self.product:
            setting = self.bare(point)
            if keeps(valid, setting):
                self.hand_over(setting, point)
                yield setting

    def index(self, setting: object) -> int:
        """The index of a setting.

        Raises:
            SpaceError: When a field has a value that is not among its points, or ``valid``
                leaves the setting out.
        """
        point = [
            declared_of(setting, group[0])
            if len(group) == 1
            else tuple(declared_of(setting, name) for name in group)
            for group in self.groups
        ]
        index, stranger = self.product.find(point)
        if index is None:
            assert stranger is not None
            raise _unknown_point(setting, self.groups[stranger])
        if self.kept is None:
            return index
        rank = self.kept.rank(index)
        if rank is None:
            raise SpaceError(f"{setting!r} is left out of the space by valid()")
        return rank


def known_layout(space: object) -> Layout | None:
    """The layout of an open space if it was made already, else None, as for a setting."""
    layout: Layout | None = layout_on(space)
    return layout


def keeps(valid: Callable[[Any], bool], setting: object) -> bool:
    """Whether the user's ``valid`` keeps a setting; an error in it gets a note with the setting."""
    cls = type(setting).__name__
    try:
        answer: Any = valid(setting)
        if answer is not None and never_ran(answer) is None:
            return bool(answer)
    except Exception as error:
        add_field_note(error, f"{cls}.valid() failed", shorten(setting))
        raise
    raise FieldError(
        f"{cls}.valid() returned {never_ran(answer)} for {shorten(setting)}; return True to keep a "
        f"setting and False to leave it out, in every branch"
    )


def has_range(x: object) -> bool:
    """Whether a value is a space with a range."""
    return is_open(x) and any(ranges_of(x))


def ranges_of(space: object) -> Iterator[str]:
    """The dotted names of the fields of a space that are ranges."""
    return _ranges(open_fields(space))


def close_run(space: object) -> None:
    """Hide the user's ``run`` on an open space, which has no one setting to run."""
    if hasattr(space.__class__, "run") and "run" not in getattr(space.__class__, FIELDS):
        vars(space)["run"] = Refusal(space)


class Refusal:
    """Stands in for ``run`` on an open space."""

    def __init__(self, space: object) -> None:
        self._space = space

    def __call__(self, *_: object, **__: object) -> Any:
        opened = ", ".join(open_fields(self._space))
        name = type(self._space).__name__
        layout = known_layout(self._space)
        if layout is not None and layout.ranges:
            raise SpaceError(
                f"{name} has open axes ({opened}), so it is a space, not one setting; fix them, as "
                f"in {name}({opened.split(', ')[0]}=...), or run a sample, as in "
                f"{name}().sample(100).run_all()"
            )
        raise SpaceError(
            f"{name} has open axes ({opened}), so it is a space, not one setting; iterate it, "
            f"fix them as in {name}({opened.split(', ')[0]}=...), or call run_all()"
        )


def _unknown_point(setting: object, group: Sequence[str]) -> SpaceError:
    cls = type(setting).__name__
    named = " and ".join(f"{cls}.{name}={shorten(getattr(setting, name))}" for name in group)
    return SpaceError(f"{named} is not among the points of this space")


def _product(layout: Layout, opened: Mapping[str, Any]) -> Product:
    return Product(
        [zipped([dimension_of(opened[name]) for name in group]) for group in layout.groups]
    )


def _ranges(opened: Mapping[str, object]) -> Iterator[str]:
    """The dotted names of the ranges among open fields, and inside of groups that are open."""
    for name, x in opened.items():
        if isinstance(x, Range):
            yield name
        points: Sequence[Any] = () if isinstance(x, Range) else (x,)
        if isinstance(x, Axis):
            points = () if isinstance(x.points, range) or not has_groups(x.points) else x.points
        for group in filter(is_open, points):
            of_class = f".{type(group).__name__}" if isinstance(x, Axis) else ""
            yield from (f"{name}{of_class}.{inner}" for inner in _ranges(open_fields(group)))


def _why_uncounted(cls: type[Any], ranges: Sequence[str]) -> str:
    name = cls.__name__
    several = ", ".join(f"{name}.{field_name}" for field_name in ranges)
    why = (
        f"{name} has {'a range' if len(ranges) == 1 else 'ranges'} ({several}), so it has no list "
        f"of settings to count, index or run"
    )
    if "run_all" not in getattr(cls, RESERVED, ()):
        return f"{why}; make it the value of a field of an experiment, and draw settings of that"
    return (
        f"{why}; draw some, by sample(100), sobol(64) or latin_hypercube(50), or take grid(5), as "
        f"in {name}().sample(100).run_all(), or have them proposed one by one, as in "
        f"{name}().run_all(strategy=Random(trials=100))"
    )


def _groups(cls: type[Any], opened: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The open fields in order; those of one zip group together, where its first one stands."""
    groups: dict[Any, list[str]] = {}
    for name, field in opened.items():
        group = field.zip if isinstance(field, Axis) and field.zip is not None else None
        groups.setdefault(("zip", group) if group is not None else name, []).append(name)
    for key, names in groups.items():
        if len(names) > 1:
            _refuse_zip(cls, key[1], [opened[name] for name in names], names)
        sizes = {name: dimension_of(opened[name]).size for name in names} if len(names) > 1 else {}
        if len(set(sizes.values())) > 1:
            several = ", ".join(
                f"{cls.__name__}.{name} has {counted(n, 'point')}" for name, n in sizes.items()
            )
            raise FieldError(
                f'search(..., zip="{key[1]}"): {several}; axes of one zip group advance together '
                f"and need equally many points"
            )
    return [tuple(names) for names in groups.values()]


def _refuse_zip(
    cls: type[Any], zip_name: str, axes: Sequence[object], names: Sequence[str]
) -> None:
    """Complain about points that cannot advance together, since one of them has a range."""
    for name, axis in zip(names, axes, strict=True):
        if any(_ranges({name: axis})):
            raise FieldError(
                f'{cls.__name__}.{name}: zip="{zip_name}" goes from point to point, and a point '
                f"has a range; leave zip= out, or give the points of the range"
            )


def _compile(
    cls: type[Any],
    held: Mapping[str, object],
    opened: Mapping[str, object],
    groups: Sequence[Sequence[str]],
) -> Make:
    """A function that builds a setting from a point."""
    slots = {name: f"p{number}" for number, name in enumerate(opened)}
    names: dict[str, Any] = {"new": object.__new__, "cls": cls, "fresh": fresh}
    lines = [*_unpacked(slots, groups), "    s = new(cls); d = s.__dict__"]
    fields: Mapping[str, Field] = getattr(cls, FIELDS)
    for number, name in enumerate([*fields, *(k for k in held if k not in fields)]):
        if name in slots:
            code = f"fresh({slots[name]})" if _needs_copy(opened[name]) else slots[name]
            lines.append(f"    d[{name!r}] = {code}")
        elif name in held:
            names[f"c{number}"] = held[name]
            code = f"fresh(c{number})" if is_group(held[name]) else f"c{number}"
            lines.append(f"    d[{name!r}] = {code}")
    return _executed([*lines, "    return s"], names)


def _declared(
    cls: type[Any],
    held: Mapping[str, object],
    opened: Mapping[str, object],
    groups: Sequence[Sequence[str]],
) -> Make | None:
    """A function that gives the declared values that a setting copies; None if it copies none."""
    slots = {name: f"p{number}" for number, name in enumerate(opened)}
    fields: Mapping[str, Field] = getattr(cls, FIELDS)
    names = {f"c{number}": held[name] for number, name in enumerate(held) if is_group(held[name])}
    copies = {name: f"c{number}" for number, name in enumerate(held) if f"c{number}" in names}
    copies.update({name: slots[name] for name in opened if _needs_copy(opened[name])})
    declarations = [*on_demand_among(held).values(), *(field.declared for field in fields.values())]
    if not copies and not any(isinstance(x, Value) and x.derive for x in declarations):
        return None
    items = ", ".join(f"{name!r}: {code}" for name, code in copies.items())
    return _executed([*_unpacked(slots, groups), f"    return {{{items}}}"], names)


def _unpacked(slots: Mapping[str, str], groups: Sequence[Sequence[str]]) -> list[str]:
    shape = "".join(
        f"{slots[group[0]]}, " if len(group) == 1 else f"({', '.join(slots[n] for n in group)}), "
        for group in groups
    )
    return ["def make(point):", f"    {shape or '()'} = point"]


def _executed(lines: list[str], names: dict[str, Any]) -> Make:
    exec("\n".join(lines), names)
    make: Make = names["make"]
    return make


def _needs_copy(field: object) -> bool:
    """Whether each setting needs its own copy of this dimension's values."""
    if isinstance(field, Range):
        return False
    if not isinstance(field, Axis):
        return True
    if isinstance(field.points, range):
        return False
    if _IMMUTABLE.issuperset(map(type, field.points)):
        return False
    return has_groups(field.points) or any(map(holds_mutable, field.points))
