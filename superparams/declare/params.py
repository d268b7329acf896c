"""`Params`: a group of declared fields, as an instance.

An instance holds the values of its fields, and the state that `instance_state` reads and writes.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, KeysView
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from superparams.adapters.content import fresh, hash_of
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.dotted_names import has_inner, inner, positional_error, values_by_field
from superparams.declare.field import Field, copies_of, declared_of, pristine
from superparams.declare.instance_state import (
    on_demand,
    open_fields,
    set_copies,
    set_layout,
    set_named_axes,
    set_on_demand,
    set_open_fields,
    state_to_pickle,
)
from superparams.declare.labels import axes_with_names
from superparams.declare.layout import Refusal, close_run, has_range
from superparams.declare.metaclass import SearchMeta, fields_of, recorded_fields
from superparams.declare.own_names import OwnMethod, OwnParser, OwnValue
from superparams.declare.place import ParamsPlaceOf, from_words
from superparams.declare.plain_data import as_dict, items_of, to_json, values_of
from superparams.declare.presentation import inline, row_of, summary
from superparams.declare.sequence import (
    index_of,
    is_kept,
    layout_of,
    number_of_settings,
    out_of_range,
    same_field,
    setting_at,
    slice_of,
)
from superparams.errors import FieldError, ReadOnlyError, SizeError, SpaceError, safe_text
from superparams.errors.short_repr import shorten
from superparams.space.algebra import Slice
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open
from superparams.space.ranges import Range

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Params"]

P = TypeVar("P", bound="Params")


class Params(metaclass=SearchMeta):
    """A group of declared fields: a setting when all are fixed, else a space of settings.

    Subclass it for a group inside an experiment; subclass `Experiment` for a class that runs.
    Give fields as keywords of the call: ``search(...)`` makes an axis, a plain value fixes the
    field, and a dotted name (``**{"optimizer.lr": 0.1}``) means a field of a nested group.

    Raises:
        FieldError: For an unknown or missing field, or points that cannot be an axis.
    """

    __superparams_reserved__: ClassVar[tuple[str, ...]] = ("keys", "place", "replace", "valid")

    def __init__(self, /, *unnamed: object, **named: object) -> None:
        cls = type(self)
        if unnamed:
            raise positional_error(cls, unnamed)
        values = values_by_field(cls, named)
        opened: dict[str, Any] = {}
        copies: dict[str, Any] = {}
        for name, field in fields_of(cls).items():
            is_of_call = name in values and not field.is_keyed_constant(values[name])
            declared = field.bind(values[name]) if is_of_call else field.declared
            if declared is REQUIRED:
                raise FieldError(
                    f"{cls.__name__}.{name} is required: give it at the call, "
                    f"{cls.__name__}({name}=...), or a default in the class"
                )
            _set_field(self, opened, copies, field, declared, is_of_call=is_of_call)
        set_copies(self, copies)
        if opened:
            set_open_fields(self, opened)
            close_run(self)
            layout_of(self)  # refuses zip groups of unequal lengths now
        else:
            self.__post_init__()

    def __post_init__(self) -> None:
        """Called on every new setting, never on an open space. Override it if you like."""

    def valid(self) -> bool:
        """Whether to keep this setting of a space. Override it to leave settings out.

        It is called before ``__post_init__``, when every declared field has its value.
        """
        return True

    # -- a space is a lazy sequence of settings ------------------------------------------------

    def __len__(self) -> int:
        size = number_of_settings(self)
        if size > sys.maxsize:
            raise SizeError(
                f"{type(self).__name__} has {size:,} settings, more than len() can return; "
                f"use space.n_settings"
            )
        return size

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Self]:
        if is_open(self):
            return iter(layout_of(self))
        return iter([self] if is_kept(self) else [])

    @overload
    def __getitem__(self, index: int, /) -> Self: ...
    @overload
    def __getitem__(self, index: slice, /) -> Slice[Self]: ...
    @overload
    def __getitem__(self, index: str, /) -> Any: ...
    def __getitem__(self, index: int | slice | str, /) -> Any:
        if isinstance(index, str):
            return inner(self, index)
        if isinstance(index, slice):
            return slice_of(self, index)
        index = operator.index(index)
        from_start = index if index >= 0 else index + number_of_settings(self)
        if from_start < 0:
            raise out_of_range(self, index)
        return setting_at(self, from_start)

    def __contains__(self, x: object) -> bool:
        if isinstance(x, str):
            return has_inner(self, x)
        if has_range(self):
            number_of_settings(self)  # raises
        try:
            return isinstance(x, Params) and index_of(self, x) >= 0
        except SpaceError:
            return False

    def __superparams_size__(self) -> int:
        return number_of_settings(self)

    def __superparams_index__(self, setting: Params) -> int:
        return index_of(self, setting)

    # -- a setting as a mapping ----------------------------------------------------------------

    def keys(self) -> KeysView[str]:
        """The names of the fields, in order, without secrets."""
        return recorded_fields(type(self)).keys()

    # -- names that a field may take, see `superparams.declare.own_names` ----------------------

    place = ParamsPlaceOf()
    """The attributes of superparams on this instance, under names that no field hides."""
    from_cli = OwnParser(from_words)
    """An instance from words such as ``epochs=5``, as the command ``experiment`` takes them."""
    n_settings = OwnValue(number_of_settings)
    """The number of settings, of any size; exact also with ``valid``."""
    index = OwnMethod(index_of)
    """The index of a setting in this space, the inverse of ``space[i]``."""
    values = OwnMethod(values_of)
    """The values of the fields, in order, without secrets."""
    items = OwnMethod(items_of)
    """Names and values of the fields, in order, without secrets."""
    as_dict = OwnMethod(as_dict)
    """Fields by name, nested groups as dicts."""
    to_json = OwnMethod(to_json)
    """`as_dict` as JSON; options go to `json.dumps`."""
    as_row = OwnMethod(row_of)
    """The columns that this setting has in a table."""
    inline_repr = OwnValue(inline)
    """The repr on one line, also of a space."""

    def replace(self, /, **changes: object) -> Self:
        """A new instance with some fields changed; derived fields are computed anew."""
        names = recorded_fields(type(self))
        values = {name: declared_of(self, name) for name in names if name in self.__dict__}
        axes = axes_with_names(self)
        fields, opened = fields_of(type(self)), {**open_fields(self), **axes}
        some = [(n, x) for n, x in opened.items() if n in changes and isinstance(x, Axis)]
        named = {n: fields[n].point_named(x, changes[n]) for n, x in some}
        new = type(self)(**{**values, **on_demand(self), **changes, **named})
        if axes:
            _name_by(new, axes)
        return new

    def __replace__(self, /, **changes: object) -> Self:
        return self.replace(**changes)

    def __superparams_fresh__(self) -> Self:
        """A copy of a setting that shares nothing mutable with it; a space never changes."""
        if is_open(self):
            return self
        new: Self = pristine(self)
        set_copies(new, copies_of(self, new))
        new.__post_init__()
        return new

    # -- an instance ---------------------------------------------------------------------------

    def __repr__(self) -> str:
        return safe_text.lines(summary(self) if is_open(self) else inline(self))

    def _repr_html_(self) -> str | None:
        if type(self).__repr__ is not Params.__repr__:
            return None  # a repr of the user's own wins
        from superparams.declare.html import as_html

        return as_html(self)

    def __superparams_inline__(self) -> str:
        return inline(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same_field(self, other, name) for name in recorded_fields(type(self)))

    def __hash__(self) -> int:
        fields = fields_of(type(self)).values()
        return hash((type(self), *(_field_hash(self, field) for field in fields)))

    def __setattr__(self, name: str, x: object) -> None:
        if name in fields_of(type(self)):
            raise ReadOnlyError(
                f"{type(self).__name__}.{name} is read-only (tried to set {shorten(x)}); use "
                f"another name, setting.replace({name}=...) for a new setting, or "
                f"value(derive=...) to compute it: what is recorded must be what ran"
            )
        object.__setattr__(self, name, x)

    def __delattr__(self, name: str) -> None:
        if name in fields_of(type(self)):
            raise ReadOnlyError(f"{type(self).__name__}.{name} is declared and cannot be deleted")
        object.__delattr__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        held = state_to_pickle(self).items()
        state = {name: x for name, x in held if not isinstance(x, Refusal)}
        kept_indices = layout_of(self).kept if is_open(self) else None
        return (
            _restore,
            (type(self),),
            (state, None if kept_indices is None else kept_indices.state()),
        )

    def __setstate__(self, state: tuple[dict[str, Any], Any]) -> None:
        vars(self).update(state[0])
        if is_open(self):
            close_run(self)
            kept_indices = layout_of(self).kept
            if kept_indices is not None and state[1] is not None:
                kept_indices.resume(*state[1])


def _restore(cls: type[P]) -> P:
    return object.__new__(cls)


def _name_by(params: Params, axes: dict[str, Axis]) -> None:
    """Name the values of an instance as in the instance that it was made from."""
    set_named_axes(params, {**axes, **axes_with_names(params)})
    if is_open(params):
        set_layout(params, None)
        layout_of(params)


def _set_field(
    params: Params,
    opened: dict[str, Any],
    copies: dict[str, Any],
    field: Field,
    declared: Any,
    *,
    is_of_call: bool,
) -> None:
    """Set one field of a new instance.

    Args:
        params: The instance.
        opened: The open fields so far.
        copies: The declared values so far of which the instance holds a copy.
        field: The field.
        declared: Its declaration, from the call or from the class.
        is_of_call: Whether the declaration is from the call.
    """
    held, name = vars(params), field.name
    if isinstance(declared, Axis | Range):
        held[name] = opened[name] = declared
    elif declared.key is not None:  # kept with its key
        if is_of_call:
            set_on_demand(params, name, declared)
    elif is_group(group := declared.given):
        if is_open(group):
            held[name] = opened[name] = group
        else:
            held[name] = fresh(group)
            copies[name] = group
    elif declared.given is not REQUIRED and not declared.mutable:
        held[name] = declared.given
    elif is_of_call:
        set_on_demand(params, name, declared)


def _field_hash(params: Params, field: Field) -> int:
    # Values that the class makes on demand are compared by content, made or not.
    if isinstance(field.declared, Value) and field.declared.given is REQUIRED:
        return 0
    held, of_call = params.__dict__, on_demand(params).get(field.name)
    if isinstance(of_call, Value) and of_call.given is REQUIRED:
        return hash_of(getattr(params, field.name))
    return hash_of(held[field.name]) if field.name in held else 0
