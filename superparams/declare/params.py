"""`Params`: a group of declared fields, as an instance.

An instance holds the values of its fields, and the state that `instance_state` reads and writes.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Iterator, KeysView
from typing import TYPE_CHECKING, Any, TypeVar, overload

from superparams.adapters.content import fresh, hash_of, same
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.dotted_names import by_name, by_place, has_inner, inner
from superparams.declare.field import Field, copies_of, declared_of, pristine
from superparams.declare.instance_state import (
    is_given,
    on_demand,
    open_fields,
    set_copies,
    set_layout,
    set_named_axes,
    set_on_demand,
    set_open_fields,
    shared_by_settings,
    state_to_pickle,
)
from superparams.declare.labels import axes_with_names
from superparams.declare.layout import Layout, Refusal, close_run, keeps, known_layout
from superparams.declare.metaclass import SearchMeta, fields_of, recorded_fields
from superparams.declare.presentation import as_dict, as_json, as_row, inline, summary
from superparams.errors import FieldError, ReadOnlyError, SizeError, SpaceError, safe_text
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted
from superparams.space.algebra import Settings
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open

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

    def __init__(self, /, *unnamed: Any, **given: Any) -> None:
        cls = type(self)
        if unnamed:
            raise by_place(cls, unnamed)
        given = by_name(cls, given)
        opened: dict[str, Any] = {}
        copies: dict[str, Any] = {}
        for name, field in fields_of(cls).items():
            is_given = name in given and not field.is_keyed_constant(given[name])
            declared = field.bind(given[name]) if is_given else field.declared
            if declared is REQUIRED:
                raise FieldError(
                    f"{cls.__name__}.{name} is required: give it at the call, "
                    f"{cls.__name__}({name}=...), or a default in the class"
                )
            _hold(self, opened, copies, field, declared, is_given=is_given)
        set_copies(self, copies)
        if opened:
            set_open_fields(self, opened)
            close_run(self)
            layout_of(self)  # complains now about zip groups that do not fit
        else:
            self.__post_init__()

    @classmethod
    def from_cli(cls, words: Iterable[str], /) -> Self:
        """An instance from words such as ``epochs=5``, as the command ``experiment`` takes them.

        Args:
            words: ``name=value`` fixes a field, ``name=value,value`` searches it, and a dotted
                name (``optimizer.lr=0.1``) means a field of a nested group. The annotation of the
                field decides how the text of a value is read.

        Raises:
            FieldError: For a word that names no field, a text that is no value of the type, and a
                required field that is not given.
        """
        from superparams.declare.words import parse  # what a class body does not need

        return cls(**parse(cls, words))

    def __post_init__(self) -> None:
        """Called on every new setting, never on an open space. Override it if you like."""

    def valid(self) -> bool:
        """Whether to keep this setting of a space. Override it to leave settings out.

        It is called before ``__post_init__``, when every declared field has its value.
        """
        return True

    # -- a space is a lazy sequence of settings ------------------------------------------------

    @property
    def n_settings(self) -> int:
        """The number of settings, of any size; exact also with ``valid``."""
        return layout_of(self).size if is_open(self) else int(_is_valid(self))

    def __len__(self) -> int:
        size = self.n_settings
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
        return iter([self] if _is_valid(self) else [])

    @overload
    def __getitem__(self, index: int, /) -> Self: ...
    @overload
    def __getitem__(self, index: slice, /) -> Settings[Self]: ...
    @overload
    def __getitem__(self, index: str, /) -> Any: ...
    def __getitem__(self, index: int | slice | str, /) -> Any:
        if isinstance(index, str):
            return inner(self, index)
        if isinstance(index, slice):
            return Settings(self._at, range(self._reach(index))[index])
        index = operator.index(index)
        place = index if index >= 0 else index + self.n_settings
        if place < 0:
            raise _out_of_range(self, index)
        return self._at(place)

    def _reach(self, index: slice) -> int:
        """How many settings a slice can meet; ``valid`` is asked about no more than these."""
        start, stop, step = index.start or 0, index.stop, index.step or 1
        if not is_open(self) or stop is None or start < 0 or stop < 0 or step < 0:
            return self.n_settings
        return layout_of(self).size_within(stop)

    def _at(self, index: int) -> Self:
        if is_open(self):
            layout = layout_of(self)
            if layout.kept is None and index >= layout.product.size:
                raise _out_of_range(self, index)
            try:
                setting: Self = layout.at(index)
            except IndexError:
                raise _out_of_range(self, index) from None
            return setting
        if index >= self.n_settings:
            raise _out_of_range(self, index)
        return self

    def index(self, setting: Params, /) -> int:
        """The index of `setting` in this space, the inverse of ``space[i]``.

        Raises:
            SpaceError: When the space does not have this setting; names the field that differs.
        """
        if type(setting) is not type(self) or is_open(setting):
            raise SpaceError(f"{setting!r} is not a setting of {type(self).__name__}")
        opened = open_fields(self)
        for name in fields_of(type(self)):
            if name not in opened and not _same_field(self, setting, name):
                raise SpaceError(
                    f"{type(self).__name__}.{name}={getattr(setting, name)!r} is not among the "
                    f"points of this space: {name} is fixed to {getattr(self, name)!r}"
                )
        return layout_of(self).index(setting) if opened else 0

    def __contains__(self, x: object) -> bool:
        if isinstance(x, str):
            return has_inner(self, x)
        try:
            return isinstance(x, Params) and self.index(x) >= 0
        except SpaceError:
            return False

    # -- a setting is a dict in the places that need one ---------------------------------------

    def keys(self) -> KeysView[str]:
        """The names of the fields, in order, without secrets."""
        return recorded_fields(type(self)).keys()

    def values(self) -> list[Any]:
        """The values of the fields, in order."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields, in order."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, nested groups as dicts.

        If the annotation of a group allows several classes (a union, a base class), the dict has
        the name of the class under ``"class"``.
        """
        return as_dict(self)

    def to_json(self, **options: Any) -> str:
        """`as_dict` as JSON; `options` go to `json.dumps`.

        What JSON does not have stands as the text that it has in tables, unless ``default=`` says
        otherwise.

        Raises:
            FieldError: For a dict whose keys JSON does not have; names the field.
        """
        return as_json(self, options)

    def as_row(self) -> dict[str, Any]:
        """The columns this setting has in a table: dotted names, named points by their names.

        Values made by a factory are left out; other large values become a short text.
        """
        return dict(as_row(self))

    def replace(self, /, **changes: Any) -> Self:
        """A new instance with some fields changed; derived fields are computed anew."""
        kept = {name: declared_of(self, name) for name in self.keys() if name in self.__dict__}
        axes = axes_with_names(self)
        fields, opened = fields_of(type(self)), {**open_fields(self), **axes}
        some = [(n, x) for n, x in opened.items() if n in changes and isinstance(x, Axis)]
        named = {n: fields[n].point_named(x, changes[n]) for n, x in some}
        new = type(self)(**{**kept, **on_demand(self), **changes, **named})
        if axes:
            _name_by(new, axes)
        return new

    def __replace__(self, /, **changes: Any) -> Self:
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
            return None  # a repr of the user's own is what they want to see
        from superparams.declare.html import as_html

        return as_html(self)

    @property
    def inline_repr(self) -> str:
        """The repr on one line, also of a space."""
        return inline(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same_field(self, other, name) for name in self.keys())

    def __hash__(self) -> int:
        fields = fields_of(type(self)).values()
        return hash((type(self), *(_field_hash(self, field) for field in fields)))

    def __setattr__(self, name: str, x: Any) -> None:
        if name in fields_of(type(self)):
            raise ReadOnlyError(
                f"{type(self).__name__}.{name} is read-only, since what is recorded must be what "
                f"ran (tried to set {shorten(x)}); use setting.replace({name}=...) for a new "
                f"setting, value(derive=...) to compute it, or an undeclared attribute"
            )
        object.__setattr__(self, name, x)

    def __delattr__(self, name: str) -> None:
        if name in fields_of(type(self)):
            raise ReadOnlyError(f"{type(self).__name__}.{name} is declared and cannot be deleted")
        object.__delattr__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        held = state_to_pickle(self).items()
        state = {name: x for name, x in held if not isinstance(x, Refusal)}
        kept = layout_of(self).kept if is_open(self) else None
        return _restore, (type(self),), (state, None if kept is None else kept.state())

    def __setstate__(self, state: tuple[dict[str, Any], Any]) -> None:
        vars(self).update(state[0])
        if is_open(self):
            close_run(self)
            kept = layout_of(self).kept
            if kept is not None and state[1] is not None:
                kept.resume(*state[1])


def _restore(cls: type[P]) -> P:
    return object.__new__(cls)


def layout_of(space: Params) -> Layout:
    """The layout of an open space, made once."""
    layout = known_layout(space)
    if layout is None:
        cls = type(space)
        layout = Layout(
            cls,
            shared_by_settings(space, axes_with_names(space)),
            open_fields(space),
            after=None if cls.__post_init__ is Params.__post_init__ else cls.__post_init__,
            valid=None if cls.valid is Params.valid else cls.valid,
        )
        set_layout(space, layout)
    return layout


def _name_by(params: Params, axes: dict[str, Axis]) -> None:
    """Have values of an instance named as those of the instance that it was made from."""
    set_named_axes(params, {**axes, **axes_with_names(params)})
    if is_open(params):
        set_layout(params, None)
        layout_of(params)


def _hold(
    params: Params,
    opened: dict[str, Any],
    copies: dict[str, Any],
    field: Field,
    declared: Any,
    *,
    is_given: bool,
) -> None:
    """Put one field where it belongs on a new instance."""
    held, name = vars(params), field.name
    if isinstance(declared, Axis):
        held[name] = opened[name] = declared
    elif declared.key is not None:  # stays beside its key; that of the class stays there
        if is_given:
            set_on_demand(params, name, declared)
    elif is_group(given := declared.given):
        if is_open(given):
            held[name] = opened[name] = given
        else:
            held[name] = fresh(given)
            copies[name] = given
    elif declared.given is not REQUIRED and not declared.mutable:
        held[name] = declared.given
    elif is_given:
        set_on_demand(params, name, declared)


def _is_valid(setting: Params) -> bool:
    return type(setting).valid is Params.valid or keeps(type(setting).valid, setting)


def _out_of_range(space: Params, index: int) -> IndexError:
    return IndexError(
        f"{type(space).__name__}[{index}]: the space has {counted(space.n_settings, 'setting')}"
    )


def _same_field(a: Params, b: Params, name: str) -> bool:
    field = fields_of(type(a))[name]
    declared, keys = field.declared, {field.key_on(a), field.key_on(b)}
    if keys != {None}:
        return len(keys) == 1
    is_made = isinstance(declared, Value) and declared.given is REQUIRED
    if is_made and not (is_given(a, name) or is_given(b, name)):
        return True  # both follow from the class and the other fields
    return same(declared_of(a, name), declared_of(b, name))


def _field_hash(params: Params, field: Field) -> int:
    # What the class makes on demand is compared by content, whether it has been made or not.
    if isinstance(field.declared, Value) and field.declared.given is REQUIRED:
        return 0
    held, given = params.__dict__, on_demand(params).get(field.name)
    if isinstance(given, Value) and given.given is REQUIRED:
        return hash_of(getattr(params, field.name))
    return hash_of(held[field.name]) if field.name in held else 0
