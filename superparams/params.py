"""`Params`: a group of declared fields, as an instance.

An instance is a *setting* when every field is fixed, a *space* while at least one axis is open.
Keys of ``__dict__`` that begin with ``~`` are this module's own and cannot clash with fields:
``~open`` the open fields of a space, ``~lazy`` constants given at the call that are made on
demand, ``~own`` what was made for this setting, ``~labels`` the axes with named points.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, KeysView
from typing import TYPE_CHECKING, Any, overload

from superparams.content import fresh, same, shorten
from superparams.declare import SearchMeta, fields_of
from superparams.errors import FieldError, ReadOnlyError, SizeError, SpaceError
from superparams.fields import REQUIRED, Axis, Field, Value, is_group, is_open
from superparams.layout import Layout
from superparams.show import as_dict, as_row, inline, summary
from superparams.space import Settings

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Params"]


class Params(metaclass=SearchMeta):
    """A group of declared fields: a setting when all are fixed, else a space of settings.

    Subclass it for a group to nest in an experiment; subclass `Experiment` for one that runs.
    All fields are keywords of the call; ``search(...)`` there opens an axis, a plain value fixes
    it, and a dotted name (``**{"optimizer.lr": 0.1}``) reaches into a nested group.

    Raises:
        FieldError: For an unknown or missing field, or points that cannot be an axis.
    """

    def __init__(self, **given: Any) -> None:
        fields = fields_of(type(self))
        given = _with_nested(self, given)
        held = self.__dict__
        opened: dict[str, Any] = {}
        for name, field in fields.items():
            declared = field.bind(given[name]) if name in given else field.declared
            _hold(held, opened, field, declared, is_given=name in given)
        if opened:
            held["~open"] = opened
            _close_run(self)
            layout_of(self)  # complains now about zip groups that do not fit
        else:
            self.__post_init__()

    def __post_init__(self) -> None:
        """Runs on every new setting, never on an open space; override it freely."""

    def valid(self) -> bool:
        """Whether to keep this setting of a space; override it to leave some out.

        Called before ``__post_init__``, with every declared field in place.
        """
        return True

    # -- a space is a lazy sequence of settings ------------------------------------------------

    @property
    def n_settings(self) -> int:
        """How many settings there are, at any size; exact also with ``valid``."""
        return layout_of(self).size if is_open(self) else int(_is_valid(self))

    def __len__(self) -> int:
        size = self.n_settings
        if size > sys.maxsize:
            raise SizeError(
                f"{type(self).__name__} has {size:,} settings, more than len() can tell; "
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
            return _by_name(self, index)
        if isinstance(index, slice):
            return Settings(self._at, range(len(self))[index])
        size = None if index >= 0 else self.n_settings
        return self._at(_in_range(self, index if size is None else index + size, index))

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
        """The place of `setting` in this space, the inverse of ``space[i]``.

        Raises:
            SpaceError: When it is not one of its settings; says which field is to blame.
        """
        if type(setting) is not type(self) or is_open(setting):
            raise SpaceError(f"{setting!r} is not a setting of {type(self).__name__}")
        opened = self.__dict__.get("~open", {})
        for name in fields_of(type(self)):
            if name not in opened and not _same_field(self, setting, name):
                raise SpaceError(
                    f"{type(self).__name__}.{name}={getattr(setting, name)!r} is not among the "
                    f"points of this space: {name} is fixed to {getattr(self, name)!r}"
                )
        return layout_of(self).index(setting) if opened else 0

    def __contains__(self, x: object) -> bool:
        if isinstance(x, str):
            return x in fields_of(type(self))
        try:
            return isinstance(x, Params) and self.index(x) >= 0
        except SpaceError:
            return False

    # -- a setting is a dict in the places that need one ---------------------------------------

    def keys(self) -> KeysView[str]:
        """The names of the fields, in order."""
        return fields_of(type(self)).keys()

    def values(self) -> list[Any]:
        """The values of the fields, in order."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields, in order."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, nested groups as dicts.

        A group whose annotation leaves the class open (a union, a base class) says which one it
        is under ``"class"``.
        """
        return as_dict(self)

    def to_json(self, **options: Any) -> str:
        """`as_dict` as JSON; `options` go to `json.dumps`.

        Raises:
            TypeError: For a value that JSON does not have; ``default=str`` writes it as text.
        """
        import json

        return json.dumps(self.as_dict(), **options)

    def as_row(self) -> dict[str, Any]:
        """The columns this setting has in a table: dotted names, named points by their names.

        What a factory makes is left out; other large values stand as a short text.
        """
        return dict(as_row(self))

    def replace(self, **changes: Any) -> Self:
        """A new instance with some fields changed; derived fields are computed anew."""
        held = self.__dict__
        kept = {name: held[name] for name in self.keys() if name in held}
        return type(self)(**{**kept, **held.get("~lazy", {}), **changes})

    # -- an instance ---------------------------------------------------------------------------

    def __repr__(self) -> str:
        return summary(self) if is_open(self) else inline(self)

    @property
    def inline_repr(self) -> str:
        """The repr on one line, also of a space."""
        return inline(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same_field(self, other, name) for name in self.keys())

    def __hash__(self) -> int:
        return hash((type(self), *(_hash(self.__dict__.get(name)) for name in self.keys())))

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
        state = {name: x for name, x in self.__dict__.items() if name not in _NOT_CARRIED}
        if "~own" in state:
            state["~own"] = dict(state["~own"])
        kept = layout_of(self).kept if is_open(self) else None
        return _restore, (type(self),), (state, None if kept is None else kept.found)

    def __setstate__(self, state: tuple[dict[str, Any], Any]) -> None:
        self.__dict__.update(state[0])
        if is_open(self):
            _close_run(self)
            kept = layout_of(self).kept
            if kept is not None and state[1] is not None:
                kept.found = state[1]


_NOT_CARRIED = ("~layout", "run")


def _restore(cls: type[Params]) -> Params:
    return object.__new__(cls)


def layout_of(space: Params) -> Layout:
    """The layout of an open space, made once."""
    held = space.__dict__
    if "~layout" not in held:
        cls = type(space)
        opened = held["~open"]
        kept = {k: x for k, x in held.items() if k not in opened and k not in _SPACE_ONLY}
        labels = {k: x for k, x in opened.items() if isinstance(x, Axis) and x.labels}
        if labels:
            kept["~labels"] = labels
        held["~layout"] = Layout(
            cls,
            kept,
            opened,
            after=None if cls.__post_init__ is Params.__post_init__ else cls.__post_init__,
            valid=None if cls.valid is Params.valid else cls.valid,
        )
    layout: Layout = held["~layout"]
    return layout


_SPACE_ONLY = ("~open", "~layout", "~own", "run")


def _hold(
    held: dict[str, Any], opened: dict[str, Any], field: Field, declared: Any, *, is_given: bool
) -> None:
    """Put one field where it belongs on a new instance."""
    name = field.name
    if declared is REQUIRED:
        raise FieldError(
            f"{field.where} is required: give it at the call, "
            f"{field.owner.__name__}({name}=...), or a default in the class"
        )
    if isinstance(declared, Axis):
        held[name] = opened[name] = declared
    elif is_open(declared.given):
        held[name] = opened[name] = declared.given
    elif is_group(declared.given):
        held[name] = fresh(declared.given)
    elif declared.given is not REQUIRED and not declared.mutable:
        held[name] = declared.given
    elif is_given:
        held.setdefault("~lazy", {})[name] = declared


def _with_nested(params: Params, given: dict[str, Any]) -> dict[str, Any]:
    """`given` with unknown names refused and dotted names carried into their groups."""
    fields = fields_of(type(params))
    whole = {name: x for name, x in given.items() if name in fields}
    for name in given.keys() - whole.keys():
        head, dot, rest = name.partition(".")
        if not dot or head not in fields:
            raise _unknown(type(params), name, fields)
        target = whole.get(head, fields[head].declared)
        whole[head] = _inside(fields[head], fields[head].bind(target), rest, given[name])
    return whole


def _inside(field: Field, target: Any, name: str, x: Any) -> Any:
    """`target`, a group or an axis of groups, with the field `name` of theirs set to `x`."""
    if isinstance(target, Value) and isinstance(target.given, Params):
        return target.given.replace(**{name: x})
    if isinstance(target, Axis):
        head = name.partition(".")[0]
        having = [isinstance(p, Params) and head in p for p in target]
        if any(having):
            points = [
                p.replace(**{name: x}) if has else p for p, has in zip(target, having, strict=True)
            ]
            return Axis(points, target.labels, target.zip)
    raise FieldError(f"{field.where} has no field {name!r} to set to {shorten(x)}")


def _unknown(cls: type[Params], name: str, known: Iterable[str]) -> FieldError:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    meant = f"did you mean {close[0]}? Its" if close else "its"
    listed = ", ".join(known) or "none"
    return FieldError(f"{cls.__name__} has no field {name!r}; {meant} fields: {listed}")


def _close_run(space: Params) -> None:
    # An instance attribute hides the user's method: a space has nothing to run with.
    if hasattr(type(space), "run"):
        space.__dict__["run"] = _Refusal(space)


class _Refusal:
    """Stands in for ``run`` on an open space."""

    def __init__(self, space: Params) -> None:
        self._space = space

    def __call__(self, *_: Any, **__: Any) -> Any:
        opened = ", ".join(self._space.__dict__["~open"])
        name = type(self._space).__name__
        raise SpaceError(
            f"{name} has open axes ({opened}), so there is no one setting to run; iterate it, "
            f"fix them as in {name}({opened.split(', ')[0]}=...), or call run_all()"
        )


def _is_valid(setting: Params) -> bool:
    return type(setting).valid is Params.valid or bool(setting.valid())


def _in_range(space: Params, index: int, asked: int) -> int:
    if index < 0:
        raise _out_of_range(space, asked)
    return index


def _out_of_range(space: Params, index: int) -> IndexError:
    return IndexError(f"{type(space).__name__}[{index}]: the space has {space.n_settings:,} settings")


def _by_name(params: Params, name: str) -> Any:
    head, dot, rest = name.partition(".")
    if head not in fields_of(type(params)):
        raise KeyError(name)
    x = getattr(params, head)
    if not dot:
        return x
    if not isinstance(x, Params):
        raise KeyError(name)
    return _by_name(x, rest)


def _same_field(a: Params, b: Params, name: str) -> bool:
    declared = fields_of(type(a))[name].declared
    if isinstance(declared, Value) and (declared.factory or declared.derive):
        given = [name in x.__dict__ or name in x.__dict__.get("~lazy", {}) for x in (a, b)]
        if not any(given):
            return True  # both follow from the class and the other fields
    return same(getattr(a, name), getattr(b, name))


def _hash(x: Any) -> int:
    try:
        return hash(x)
    except TypeError:  # equality decides between unhashable values
        return 0
