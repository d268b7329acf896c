"""A space as a lazy sequence: its size, the setting at an index, the index of a setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from superparams.adapters.content import same
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import declared_of
from superparams.declare.instance_state import (
    is_set_on,
    open_fields,
    set_layout,
    shared_by_settings,
)
from superparams.declare.labels import axes_with_names
from superparams.declare.layout import Layout, keeps, known_layout
from superparams.declare.metaclass import fields_of, is_ours
from superparams.errors import SpaceError
from superparams.errors.units import counted
from superparams.space.algebra import Slice
from superparams.space.groups import is_group, is_open

__all__ = [
    "has_valid",
    "index_of",
    "is_kept",
    "is_kept_in",
    "layout_of",
    "notes_of_size",
    "number_of_settings",
    "out_of_range",
    "same_field",
    "setting_at",
    "slice_of",
]

P = TypeVar("P")


def layout_of(space: object) -> Layout:
    """The layout of an open space, made once."""
    layout = known_layout(space)
    if layout is None:
        cls: type[Any] = space.__class__
        layout = Layout(
            cls,
            shared_by_settings(space, axes_with_names(space)),
            open_fields(space),
            after=_method_of_user(cls, "__post_init__"),
            valid=_method_of_user(cls, "valid"),
        )
        set_layout(space, layout)
    return layout


def _method_of_user(cls: type[Any], name: str) -> Callable[[Any], Any] | None:
    """A method of the user's class; None for the method of `Params`, which does nothing."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    method: Callable[[Any], Any] = getattr(cls, name)
    return None if is_ours(owner) else method


def has_valid(space: object) -> bool:
    """Whether the class of a space, or of a group that is open in it, has a ``valid``."""
    if _method_of_user(space.__class__, "valid") is not None:
        return True
    opened = open_fields(space).values() if is_open(space) else ()
    return any(has_valid(group) for x in opened for group in _open_groups(x))


def is_kept(setting: object) -> bool:
    """Whether ``valid`` keeps a setting."""
    valid = _method_of_user(setting.__class__, "valid")
    return valid is None or keeps(valid, setting)


def is_kept_in(space: object, setting: object) -> bool:
    """Whether ``valid`` keeps a setting of a space, and that of each group that is open in it."""
    if not is_kept(setting):
        return False
    for name, x in open_fields(space).items() if is_open(space) else ():
        held = declared_of(setting, name)
        group = next(
            (candidate for candidate in _open_groups(x) if type(candidate) is type(held)), None
        )
        if group is not None and not is_kept_in(group, held):
            return False
    return True


def _open_groups(opened: object) -> Iterable[Any]:
    """The open groups that an open field may hold: itself, or its alternatives."""
    if is_group(opened):
        return (opened,)
    points = getattr(opened, "points", ())
    return filter(is_open, () if isinstance(points, range) else points)


def number_of_settings(space: object) -> int:
    """The number of settings, of any size; exact also with ``valid``."""
    return layout_of(space).size if is_open(space) else int(is_kept(space))


def notes_of_size(space: object) -> Iterator[str]:
    """A note if ``valid`` leaves no setting of a space; none for a slice of it."""
    if not is_group(space) or not has_valid(space) or number_of_settings(space):
        return
    refused = layout_of(space).product.size if is_open(space) else 1  # 0: a group refuses all
    what = {0: "all settings of a group", 1: "the only setting"}.get(
        refused, f"all {counted(refused, 'setting')}"
    )
    yield f"{type(space).__name__}: valid() refuses {what}, so there is nothing to run"


def setting_at(space: P, index: int) -> P:
    """The setting at an index, which is not negative.

    Raises:
        IndexError: When the space has fewer settings.
    """
    if is_open(space):
        layout = layout_of(space)
        if layout.kept is None and index >= layout.product.size:
            raise out_of_range(space, index)
        try:
            setting: P = layout.at(index)
        except IndexError:
            raise out_of_range(space, index) from None
        return setting
    if index >= number_of_settings(space):
        raise out_of_range(space, index)
    return space


def out_of_range(space: object, index: int) -> IndexError:
    """The error for an index that the space does not have."""
    size = counted(number_of_settings(space), "setting")
    return IndexError(f"{type(space).__name__}[{index}]: the space has {size}")


def slice_of(space: P, indices: slice) -> Slice[P]:
    """The settings at some indices; ``valid`` is called for no more settings than needed."""
    return Slice(partial(setting_at, space), range(_size_for(space, indices))[indices])


def _size_for(space: object, indices: slice) -> int:
    """The size of a space, or less if the slice ends before."""
    start, stop, step = indices.start or 0, indices.stop, indices.step or 1
    if not is_open(space) or stop is None or start < 0 or stop < 0 or step < 0:
        return number_of_settings(space)
    return layout_of(space).size_within(stop)


def index_of(space: object, setting: object, /) -> int:
    """The index of `setting` in this space, the inverse of ``space[i]``.

    Raises:
        SpaceError: When the space does not have this setting; names the field that differs.
    """
    cls: type[Any] = space.__class__
    if type(setting) is not cls or is_open(setting):
        raise SpaceError(f"{setting!r} is not a setting of {cls.__name__}")
    opened = open_fields(space)
    for name in fields_of(cls):
        if name not in opened and not same_field(space, setting, name):
            raise SpaceError(
                f"{cls.__name__}.{name}={getattr(setting, name)!r} is not among the "
                f"points of this space: {name} is fixed to {getattr(space, name)!r}"
            )
    return layout_of(space).index(setting) if opened else 0


def same_field(a: object, b: object, name: str) -> bool:
    """Whether two instances of one class have the same value of a field."""
    field = fields_of(a.__class__)[name]
    declared, keys = field.declared, {field.key_on(a), field.key_on(b)}
    if keys != {None}:
        return len(keys) == 1
    is_made = isinstance(declared, Value) and declared.given is REQUIRED
    if is_made and not (is_set_on(a, name) or is_set_on(b, name)):
        return True  # both follow from the class and the other fields
    return same(declared_of(a, name), declared_of(b, name))
