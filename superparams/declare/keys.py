"""The keys of a space's settings, without building the settings.

A key is a sum of one digest a field (see `superparams.identity.digests.digest`), so the key of an
index is the sum of what its points add to it: each point is digested once, however many settings
hold it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.field import Field, declared_of
from superparams.declare.instance_state import declaration_on, open_fields
from superparams.declare.key_lookup import places_of
from superparams.declare.layout import Layout, known_layout
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.declare.params import Params
from superparams.declare.sequence import layout_of
from superparams.errors import FieldError, IdentityError, SpaceError
from superparams.identity.digests.digest import (
    MODULUS,
    combine,
    field_digest,
    field_digester,
    keyed_digest,
    range_digests,
)
from superparams.space.algebra import Dimension, Points, Zipped
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open

__all__ = ["Keys", "fixed_inside", "key_of"]

LARGEST_CACHE: Final = 1 << 16
MOST_GROUPS: Final = 50  # of one axis whose derived fields are tried beforehand
UNDERIVED: Final = "derive failed"


def key_of(setting: Params) -> int:
    """The key of one setting: ``0 <= key < 2**128``.

    Raises:
        SpaceError: For an open space, whose settings have a key each.
        IdentityError: For a field whose value has no stable content.
    """
    if is_open(setting):
        cls = type(setting).__name__
        raise SpaceError(f"{cls} has open axes, so it has no one key; take that of a setting")
    fields = recorded_fields(type(setting)).values()
    return combine(_of_fixed(setting, field) for field in fields)


def fixed_inside(space: Params, prefix: str = "") -> dict[str, int]:
    """What each fixed field inside the open groups of a space adds to keys, by its dotted name.

    Args:
        space: A space; groups that are points of an axis are not looked into.
        prefix: What the names begin with.
    """
    found: dict[str, int] = {}
    for name, x in open_fields(space).items():
        if is_group(x):
            found |= fixed_inside(x, f"{prefix}{name}.")
    if prefix:
        opened = open_fields(space)
        for name, field in recorded_fields(type(space)).items():
            if name not in opened and not _is_derived(space, field):
                found[prefix + name] = _of_fixed(space, field)
    return found


class Keys:
    """The keys of the settings of a space by index, each in about a microsecond.

    Picklable: what the constants add is computed once, where the keys are made.

    Attributes:
        digests: What each constant adds to every key, by its name.
    """

    def __init__(self, space: Params) -> None:
        _refuse_reaching_out(space, {})
        self._space = space
        self._columns: list[_Column] | None = None
        opened = open_fields(space)
        fields = recorded_fields(type(space))
        # A derived field may be different for every setting, so that one has to be built.
        self._derived = [n for n in fields if opened and _is_derived(space, fields[n])]
        constants = [n for n in fields if n not in opened and n not in self._derived]
        self.digests = {name: _of_fixed(space, fields[name]) for name in constants}
        self._constant = combine(self.digests.values())
        if self._derived:  # say at once, not setting by setting, that a value has no stable content
            for setting in itertools.islice(
                map(layout_of(space).bare, layout_of(space).product), 1
            ):
                combine(_of_fixed(setting, fields[name]) for name in self._derived)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_columns": None}

    def __getitem__(self, index: int) -> int:
        layout = known_layout(self._space)
        if layout is None:
            return self._constant
        if layout.kept is not None:
            index = layout.kept.at(index)
        return self.at(index, layout)

    def of_point(self, name: str, place: int) -> int | None:
        """What a point of an axis adds to the key; None for a field that is no axis of its own."""
        layout = known_layout(self._space)
        columns = [] if layout is None else self._columns_of(layout)
        found = next((one for one in columns if one.names == [name]), None)
        return None if found is None or place >= found.size else found[place]

    @property
    def longest(self) -> int:
        """How many places the longest dimension of the space has."""
        layout = known_layout(self._space)
        return 1 if layout is None else max(one.size for one in self._columns_of(layout))

    @property
    def are_distinct(self) -> bool:
        """Whether no two settings can have one key, as far as that is cheap to tell."""
        layout = known_layout(self._space)
        if layout is None:
            return True
        return not self._derived and all(column.is_distinct for column in self._columns_of(layout))

    def at(self, index: int, layout: Layout) -> int:
        """The key of the point `index` of the product, whether ``valid`` keeps it or not."""
        key, place = self._constant, index
        for column in self._columns or self._columns_of(layout):
            place, at = divmod(place, column.size)
            key += column[at]
        if self._derived:
            setting = layout.bare(layout.product.at(index))
            fields = fields_of(setting.__class__)
            key += combine(_of_derived(setting, fields[name]) for name in self._derived)
        return key % MODULUS

    def find(self, wanted: Collection[int]) -> dict[int, int]:
        """The index of each of these keys that a setting of the space has.

        For a space whose keys are distinct, of which none is derived; see `places_of`.
        """
        layout = known_layout(self._space)
        if layout is None:
            return {key: 0 for key in wanted if key == self._constant}
        keys = [(key - self._constant) % MODULUS for key in wanted]
        places = places_of(keys, self._columns_of(layout))
        found = {(key + self._constant) % MODULUS: place for key, place in places.items()}
        if layout.kept is None:
            return found
        ranks = {key: layout.kept.rank(place) for key, place in found.items()}
        return {key: rank for key, rank in ranks.items() if rank is not None}

    def _columns_of(self, layout: Layout) -> list[_Column]:
        if self._columns is None:
            fields = fields_of(type(self._space))
            self._columns = [
                _Column([fields[name] for name in group], dimension)
                for group, dimension in zip(layout.groups, layout.product.dimensions, strict=True)
            ][::-1]
        return self._columns


def _refuse_reaching_out(params: Params, outer: Mapping[str, str]) -> None:
    """Complain about a ``derive`` in a group that asks for a field of what the group is in.

    Args:
        params: What holds groups.
        outer: The class of each field around it, by its name.
    """
    cls = type(params)
    known = {**outer, **dict.fromkeys(fields_of(cls), cls.__name__)}
    for x in list(params.__dict__.values()):
        held: Sequence[Any] = (x,)
        if isinstance(x, Axis):
            held = () if isinstance(x.points, range) else x.points[:MOST_GROUPS]
        for group in filter(is_group, held):
            _refuse_reaching_out(group, known)
            derived = [
                one for one in fields_of(group.__class__).values() if _is_derived(group, one)
            ]
            for field in derived:
                _refuse_outer_name(group, field, known)


def _refuse_outer_name(group: Params, field: Field, outer: Mapping[str, str]) -> None:
    cls = type(group)
    wanted: Any = None
    try:
        getattr(group[0], field.name)
    except AttributeError as error:
        wanted = error.name if isinstance(error.obj, cls) else None
    except KeyError as error:
        wanted = error.args[0] if error.args else None
    except Exception:  # such a setting fails when it runs, and says why
        return
    if wanted in outer and wanted not in fields_of(cls):
        raise FieldError(
            f"{field.where}: value(derive=...) asks for {wanted!r}, a field of {outer[wanted]}, "
            f"but a group knows only its own fields; derive {field.name} in {outer[wanted]}, or "
            f"declare {wanted} in {cls.__name__}"
        )


class _Column:
    """What each place of a dimension adds to the key."""

    def __init__(self, fields: list[Field], dimension: Dimension) -> None:
        self._fields = fields
        self._dimension = dimension
        self.names = [field.name for field in fields]
        self.size = dimension.size
        self._cache: dict[int, int] | None = {} if self.size <= LARGEST_CACHE else None
        # A long axis of numbers is digested at every use: what can be prepared is.
        self._digesters = [
            field_digester(field.name, field.annotation, where=field.where) for field in fields
        ]
        points = dimension.axis.points if isinstance(dimension, Points) else None
        self._points = points if isinstance(points, range) else range(0)
        self._of_number = self._digesters[0] if isinstance(points, range) else None

    def __getitem__(self, place: int) -> int:
        if self._cache is None:
            return self._digest(place)
        found = self._cache.get(place)
        if found is None:
            found = self._cache[place] = self._digest(place)
        return found

    def digests(self, n_places: int) -> Iterator[int]:
        """What each of the first places adds, one after another."""
        if self._of_number is None or self._cache is not None:
            return map(self.__getitem__, range(n_places))
        only, points = self._fields[0], self._points[:n_places]
        return range_digests(only.name, points, only.annotation, where=only.where)

    @property
    def is_distinct(self) -> bool:
        """Whether every place adds something else; a range always does."""
        if self._of_number is not None:
            return True
        if self._cache is None:
            return False
        return len({self[place] for place in range(self.size)}) == self.size

    def _digest(self, place: int) -> int:
        x = self._dimension.at(place)
        if self._of_number is not None:
            return self._of_number(x)
        values = x if isinstance(self._dimension, Zipped) else (x,)
        return combine(map(_digest, self._fields, values, self._digesters))


def _is_derived(params: Params, field: Field) -> bool:
    declared = _declared(params, field)
    return isinstance(declared, Value) and declared.derive is not None


def _declared(params: Params, field: Field) -> Any:
    """How a field that the instance does not hold is made; None when it holds the value."""
    return None if field.name in params.__dict__ else declaration_on(params, field)


def _of_fixed(params: Params, field: Field) -> int:
    declared = _declared(params, field)
    if not isinstance(declared, Value):
        return _digest(field, declared_of(params, field.name))
    if declared.key is not None:
        return keyed_digest(field.name, declared.key)
    if declared.derive is not None:
        try:
            derived = declared_of(params, field.name)
        except Exception:  # that setting fails when it runs, and needs a key to be recorded under
            return keyed_digest(field.name, UNDERIVED)
        return _digest(field, derived)
    return _digest(field, declared_of(params, field.name))


def _of_derived(params: Params, field: Field) -> int:
    """As `_of_fixed`, for a run that has begun: nothing stops it any more."""
    try:
        return _of_fixed(params, field)
    except IdentityError:
        return keyed_digest(field.name, UNDERIVED)


def _digest(field: Field, x: Any, digester: Callable[[object], int] | None = None) -> int:
    if is_group(x):
        # The class counts too: Adam(lr=1) is not SGD(lr=1). Its fields enter by their sum.
        return field_digest(f"{field.name}.{type(x).__qualname__}", key_of(x), where=field.where)
    if digester is not None:
        return digester(x)
    return field_digest(field.name, x, field.annotation, where=field.where)
