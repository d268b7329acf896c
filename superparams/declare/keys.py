"""The keys of a space's settings, without building the settings.

A key is a sum of one digest for each field (see `superparams.identity.digests.digest`). So each
point is digested once, however many settings hold it, and the key of an index is the sum of the
digests of its points.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.field import Field, declared_of
from superparams.declare.instance_state import declaration_on, open_fields
from superparams.declare.key_lookup import cost_of_places, places_of
from superparams.declare.layout import Layout, known_layout
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.declare.params import Params
from superparams.declare.sequence import layout_of
from superparams.errors import FieldError, IdentityError, SpaceError
from superparams.identity.digests.digest import (
    MODULUS,
    column_digests,
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
_SCALARS: Final = frozenset({int, float, str})  # the types of most values, which are no groups
UNDERIVED: Final = "derive failed"


def key_of(setting: Params) -> int:
    """The key of one setting: ``0 <= key < 2**128``.

    Raises:
        SpaceError: For an open space, whose settings have a key each.
        IdentityError: For a field whose value has no stable content.
    """
    if is_open(setting):
        cls = type(setting).__name__
        raise SpaceError(f"{cls} has open axes, so it has no single key; take the key of a setting")
    fields = recorded_fields(type(setting)).values()
    return combine(_of_fixed(setting, field) for field in fields)


def fixed_inside(space: Params, prefix: str = "") -> dict[str, int]:
    """The digest of each fixed field inside the open groups of a space, by its dotted name.

    Args:
        space: A space; groups that are points of an axis are not looked into.
        prefix: What the names begin with.
    """
    digests: dict[str, int] = {}
    for name, x in open_fields(space).items():
        if is_group(x):
            digests |= fixed_inside(x, f"{prefix}{name}.")
    if prefix:
        opened = open_fields(space)
        for name, field in recorded_fields(type(space)).items():
            if name not in opened and not _is_derived(space, field):
                digests[prefix + name] = _of_fixed(space, field)
    return digests


class Keys:
    """The keys of the settings of a space by index, each in about a microsecond.

    The digests of the constants are computed when an instance is made. It can be pickled, and takes
    along the digests of all points of an axis if these were computed, as a plan does it.

    Attributes:
        digests: The digest of each constant, which is part of every key, by the name of the field.
    """

    def __init__(self, space: Params) -> None:
        _refuse_reaching_out(space, {})
        self._space = space
        self._columns: list[_Column] | None = None
        self._known: list[list[int] | None] = []  # the digests of columns, from another process
        opened = open_fields(space)
        fields = recorded_fields(type(space))
        # A derived field may differ from setting to setting, so each setting has to be built.
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
        known_digests = [column.known for column in self._columns or ()]
        return {**self.__dict__, "_columns": None, "_known": known_digests}

    def __getitem__(self, index: int) -> int:
        layout = known_layout(self._space)
        if layout is None:
            return self._constant
        if layout.kept is not None:
            index = layout.kept.at(index)
        return self.at(index, layout)

    def getter(self) -> Callable[[int], int]:
        """A function that gives the key at an index, faster than `self[index]`."""
        layout = known_layout(self._space)
        if layout is None or layout.kept is not None or self._derived:
            return self.__getitem__
        constant = self._constant
        columns = [(column.size, column.getter()) for column in self._columns_of(layout)]
        if len(columns) == 1:
            digest_at = columns[0][1]
            return lambda index: (constant + digest_at(index)) % MODULUS

        def key_at(index: int) -> int:
            key, rest = constant, index
            for size, digest_at in columns:
                rest, position = divmod(rest, size)
                key += digest_at(position)
            return key % MODULUS

        return key_at

    def of_point(self, name: str, index: int) -> int | None:
        """The digest of a point of an axis; None for a field that is no axis of its own."""
        layout = known_layout(self._space)
        columns = [] if layout is None else self._columns_of(layout)
        column = next((column for column in columns if column.names == [name]), None)
        return None if column is None or index >= column.size else column[index]

    @property
    def longest(self) -> int:
        """The size of the longest dimension of the space."""
        layout = known_layout(self._space)
        return 1 if layout is None else max(column.size for column in self._columns_of(layout))

    @property
    def are_distinct(self) -> bool:
        """Whether all settings have different keys; False, too, if that would be costly to tell."""
        layout = known_layout(self._space)
        if layout is None:
            return True
        return not self._derived and all(column.is_distinct for column in self._columns_of(layout))

    def at(self, index: int, layout: Layout) -> int:
        """The key of the point `index` of the product, whether ``valid`` keeps it or not."""
        key, rest = self._constant, index
        for column in self._columns or self._columns_of(layout):
            rest, position = divmod(rest, column.size)
            key += column[position]
        if self._derived:
            setting = layout.bare(layout.product.at(index))
            fields = fields_of(setting.__class__)
            key += combine(_of_derived(setting, fields[name]) for name in self._derived)
        return key % MODULUS

    def packed(self, size: int) -> bytearray:
        """The keys of the first settings in order, 16 bytes each: faster than one by one."""
        return self.packed_ranges([range(size)])

    def packed_ranges(self, ranges: Collection[range]) -> bytearray:
        """As `packed`, for the settings with the indices of some ranges."""
        layout, data = known_layout(self._space), bytearray()
        if layout is None or layout.kept is not None or self._derived:
            for index in itertools.chain.from_iterable(ranges):
                data += self[index].to_bytes(16, "big")
            return data
        columns = self._columns_of(layout)  # the one that varies fastest comes first
        inner, n_inner, most = [0], 0, min(LARGEST_CACHE, sum(map(len, ranges)))
        while n_inner < len(columns) and len(inner) * columns[n_inner].size <= most:
            inner = [x + y for x in columns[n_inner].every() for y in inner]
            n_inner += 1
        for number, some in _parts_of_inner(ranges, inner):
            key, rest = self._constant, number
            for column in columns[n_inner:]:
                rest, position = divmod(rest, column.size)
                key += column[position]
            data += b"".join([((key + x) % MODULUS).to_bytes(16, "big") for x in some])
        return data

    def find(self, keys: Collection[int]) -> dict[int, int]:
        """The index of each of these keys that a setting of the space has; see `places_of`.

        The keys of the space must be distinct, and it must have no derived fields.
        """
        layout = known_layout(self._space)
        if layout is None:
            return {key: 0 for key in keys if key == self._constant}
        sums = [(key - self._constant) % MODULUS for key in keys]
        places = places_of(sums, self._columns_of(layout))
        indices = {(total + self._constant) % MODULUS: index for total, index in places.items()}
        if layout.kept is None:
            return indices
        ranks = {key: layout.kept.rank(index) for key, index in indices.items()}
        return {key: rank for key, rank in ranks.items() if rank is not None}

    def cost_of_find(self, n_keys: int) -> int:
        """About how many sums `find` computes for so many keys."""
        layout = known_layout(self._space)
        return n_keys if layout is None else cost_of_places(n_keys, self._columns_of(layout))

    def _columns_of(self, layout: Layout) -> list[_Column]:
        if self._columns is None:
            fields = fields_of(type(self._space))
            self._columns = [
                _Column([fields[name] for name in group], dimension)
                for group, dimension in zip(layout.groups, layout.product.dimensions, strict=True)
            ][::-1]
            for column, digests in zip(self._columns, self._known, strict=False):
                column.known = digests
        return self._columns


def _parts_of_inner(
    ranges: Iterable[range], inner: Sequence[int]
) -> Iterator[tuple[int, Sequence[int]]]:
    """For the indices of ranges, how often `inner` was passed, and the part of it that follows."""
    for indices in ranges:
        index = indices.start
        while index < indices.stop:
            number, first = divmod(index, len(inner))
            some = inner[first : first + indices.stop - index]
            yield number, some
            index += len(some)


def _refuse_reaching_out(params: Params, outer: Mapping[str, str]) -> None:
    """Complain about a ``derive`` in a group that reads a field outside of the group.

    Args:
        params: The experiment or the group whose groups are looked at.
        outer: The class of each field of the groups around it, by the name of the field.
    """
    cls = type(params)
    outer = {**outer, **dict.fromkeys(fields_of(cls), cls.__name__)}
    for x in list(params.__dict__.values()):
        values: Sequence[Any] = (x,)
        if isinstance(x, Axis):
            values = () if isinstance(x.points, range) else x.points[:MOST_GROUPS]
        for group in filter(is_group, values):
            _refuse_reaching_out(group, outer)
            for field in fields_of(group.__class__).values():
                if _is_derived(group, field):
                    _refuse_outer_name(group, field, outer)


def _refuse_outer_name(group: Params, field: Field, outer: Mapping[str, str]) -> None:
    cls = type(group)
    name: Any = None  # that the group does not have
    try:
        getattr(group[0], field.name)
    except AttributeError as error:
        name = error.name if isinstance(error.obj, cls) else None
    except KeyError as error:
        name = error.args[0] if error.args else None
    except Exception:  # such a setting fails when it runs, and says why
        return
    if name in outer and name not in fields_of(cls):
        raise FieldError(
            f"{field.where}: value(derive=...) asks for {name!r}, a field of {outer[name]}, "
            f"but a group knows only its own fields; derive {field.name} in {outer[name]}, or "
            f"declare {name} in {cls.__name__}"
        )


class _Column:
    """The digest of each place of a dimension, which is a part of the key.

    Attributes:
        known: The digests of all places, once they were needed.
    """

    def __init__(self, fields: list[Field], dimension: Dimension) -> None:
        self._fields = fields
        self._dimension = dimension
        self.names = [field.name for field in fields]
        self.size = dimension.size
        self.known: list[int] | None = None
        self._cache: dict[int, int] | None = {} if self.size <= LARGEST_CACHE else None
        # A long axis has no cache, so all that its digests have in common is prepared here.
        self._digesters = [
            field_digester(field.name, field.annotation, where=field.where) for field in fields
        ]
        points = dimension.axis.points if isinstance(dimension, Points) else None
        self._points = points if isinstance(points, range) else range(0)
        self._of_number = self._digesters[0] if isinstance(points, range) else None

    def __getitem__(self, index: int) -> int:
        if self.known is not None:
            return self.known[index]
        if self._cache is None:
            return self._digest(index)
        digest = self._cache.get(index)
        if digest is None:
            digest = self._cache[index] = self._digest(index)
        return digest

    def getter(self) -> Callable[[int], int]:
        """A function that gives the digest of a place."""
        if self.known is not None:
            return self.known.__getitem__
        if self._of_number is None or self._cache is not None:
            return self.__getitem__
        points, digest_of = self._points, self._of_number
        return lambda place: digest_of(points[place])

    def digests(self, n_places: int) -> Iterator[int]:
        """The digests of the first places, one after another."""
        if self._of_number is None or self._cache is not None:
            return map(self.__getitem__, range(n_places))
        only, points = self._fields[0], self._points[:n_places]
        return range_digests(only.name, points, only.annotation, where=only.where)

    @property
    def is_distinct(self) -> bool:
        """Whether all places have different digests, as those of a range always have."""
        if self._of_number is not None:
            return True
        if self._cache is None:
            return False
        return len(set(self.every())) == self.size

    def every(self) -> list[int]:
        """The digests of all places."""
        if self.known is None:
            self.known = self._every_digest()
        return self.known

    def _every_digest(self) -> list[int]:
        dimension = self._dimension
        parts = dimension.parts if isinstance(dimension, Zipped) else [dimension]
        columns: list[list[int]] = []
        for field, part in zip(self._fields, parts, strict=True):
            if not isinstance(part, Points) or not _SCALARS.issuperset(map(type, part)):
                return [self[index] for index in range(self.size)]
            values = part.axis.points
            columns.append(column_digests(field.name, values, field.annotation, where=field.where))
        return columns[0] if len(columns) == 1 else list(map(combine, zip(*columns, strict=True)))

    def _digest(self, index: int) -> int:
        x = self._dimension.at(index)
        if self._of_number is not None:
            return self._of_number(x)
        values = x if isinstance(self._dimension, Zipped) else (x,)
        return combine(map(_digest, self._fields, values, self._digesters))


def _is_derived(params: Params, field: Field) -> bool:
    declared = _declared(params, field)
    return isinstance(declared, Value) and declared.derive is not None


def _declared(params: Params, field: Field) -> Any:
    """The declaration of a field that the instance does not hold; None if it holds the value."""
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
    """As `_of_fixed`, for a run that has begun: a value without a stable content is no error."""
    try:
        return _of_fixed(params, field)
    except IdentityError:
        return keyed_digest(field.name, UNDERIVED)


def _digest(field: Field, x: Any, digester: Callable[[object], int] | None = None) -> int:
    if type(x) not in _SCALARS and is_group(x):
        # The class counts too: Adam(lr=1) is not SGD(lr=1). Its fields enter by their sum.
        return field_digest(f"{field.name}.{type(x).__qualname__}", key_of(x), where=field.where)
    if digester is not None:
        return digester(x)
    return field_digest(field.name, x, field.annotation, where=field.where)
