"""`Field`: a declaration, bound to its class and name."""

from __future__ import annotations

import operator
import os
import threading
from typing import Any, Final, cast

from superparams.adapters.content import fresh, holds_mutable, snapshot
from superparams.declare.descriptors import REQUIRED, Required, Search, Value
from superparams.declare.instance_state import (
    copies_on,
    declaration_on,
    identity_of,
    original,
    own_values,
    own_values_to_fill,
    take_given_state,
    take_state_of,
)
from superparams.declare.mistakes import (
    refuse_class,
    refuse_no_group,
    refuse_variable,
    takes_only_groups,
)
from superparams.declare.points import axis_of, refuse_hidden
from superparams.errors import FieldError, add_field_note
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import FIELDS, is_group, is_open
from superparams.space.ranges import Range

__all__ = [
    "Field",
    "as_declared",
    "copies_of",
    "declared_of",
    "pristine",
    "secrets_read",
]

Declared = Axis | Range | Value | Required  # the kinds of declarations of a field
MOST_CHECKED: Final = 1000  # points of one axis
MOST_READ: Final = 100  # values of one variable
_read: dict[str, dict[str, None]] = {}  # the values that secrets had in this process, oldest first


def secrets_read(variable: str) -> tuple[str, ...]:
    """The values that settings of this process read from an environment variable, as a secret.

    A setting may remove the variable, or change it, and then raise an error with the old value.
    """
    return tuple(_read.get(variable, ()))


class Field:
    """A declared attribute of a class, bound to its name; the descriptor behind ``self.name``.

    A setting holds most of its values in its own ``__dict__``, which comes first; only values that
    are made on demand (factories, derived values, copies of mutable constants) come from here.
    """

    __slots__ = ("annotation", "declared", "name", "owner")

    def __init__(self, owner: type[Any], name: str, annotation: Any, declared: object) -> None:
        self.owner = owner
        self.name = name
        self.annotation = annotation
        self.declared: Declared = self.bind(declared)

    @property
    def where(self) -> str:
        """``Class.field``, for errors."""
        return f"{self.owner.__name__}.{self.name}"

    @property
    def is_required(self) -> bool:
        """Whether the call must give a value."""
        return self.declared is REQUIRED

    @property
    def is_derived(self) -> bool:
        """Whether its value is computed from other fields, unless the call fixes it."""
        return isinstance(self.declared, Value) and self.declared.derive is not None

    @property
    def is_secret(self) -> bool:
        """Whether it is read from the environment, and recorded nowhere."""
        return isinstance(self.declared, Value) and self.declared.secret is not None

    def is_keyed_constant(self, x: object) -> bool:
        """Whether `x` is the very constant that the class has a ``key`` for."""
        declared = self.declared
        return isinstance(declared, Value) and declared.key is not None and declared.given is x

    def key_on(self, instance: object) -> str | None:
        """The ``key`` that identifies the content of this field on an instance, if there is one."""
        if self.name in instance.__dict__:
            return None
        declared = declaration_on(instance, self)
        return declared.key if isinstance(declared, Value) else None

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        if instance is not None:
            return self.on_demand(instance)
        declared = self.declared
        if isinstance(declared, Value) and declared.plain and not declared.mutable:
            return declared.given
        return self  # hashable, so that a stray @dataclass takes it for a default

    def on_demand(self, instance: object) -> Any:
        """The value of this field on a setting that does not hold it yet."""
        declared = declaration_on(instance, self)
        if not isinstance(declared, Value):
            raise AttributeError(f"{self.where} has no value on this {type(instance).__name__}")
        if declared.factory is not None:
            x = declared.made(self.where)
            refuse_class(x, self.where, self.annotation)
            if not declared.mutable_made or is_open(instance):
                return x
        if declared.secret is not None:
            return self._secret(declared.secret)
        if declared.derive is not None and is_open(instance):
            return declared
        own = own_values_to_fill(instance)
        if self.name not in own:
            x = declared.own() if declared.derive is None else self._derived(instance, declared)
            refuse_class(x, self.where, self.annotation)
            own.setdefault(self.name, x)  # another thread may have been quicker
        return own[self.name]

    def _secret(self, variable: str) -> str:
        if _here.deriving:
            raise FieldError(
                f"{self.where} is a secret, and a derived field is recorded: read the secret in run"
            )
        secret = os.environ.get(variable)
        if secret is None:
            raise FieldError(
                f"{self.where} is read from the environment variable {variable}, which is not set "
                f"where the setting runs; set {variable} before the run starts"
            )
        values = _read.setdefault(variable, {})
        if secret not in values:
            _read[variable] = dict.fromkeys([*values, secret][-MOST_READ:])
        return secret

    def _derived(self, instance: object, declared: Value) -> Any:
        """The derived value, from the fields as declared: changes of their copies do not count."""
        assert declared.derive is not None
        instance = as_declared(instance)
        mark = (identity_of(instance), self.name)
        if mark in _here.deriving:
            raise FieldError(f"{self.where}: {declared!r} needs itself; break the circle")
        _here.deriving.add(mark)
        try:
            return declared.derive(instance)
        except Exception as error:
            add_field_note(error, f"{self.where}: {declared!r} failed", shorten(instance))
            raise
        finally:
            _here.deriving.discard(mark)

    def bind(self, declared: object) -> Declared:
        """The meaning of `declared` (a search, a value, a plain default) for this field.

        Raises:
            FieldError: For points or constants that the field cannot have.
        """
        self._refuse_open_secret(declared)
        if isinstance(declared, Search):
            if declared.bounds:
                from superparams.declare.range_declaration import range_of

                return self._no_repetition(range_of(declared, self.annotation, self.where))
            return self._searched(axis_of(declared, self.annotation, self.where))
        if isinstance(declared, Field):  # Other.field, to use the declaration of another class
            return declared.declared
        if isinstance(declared, Value):
            self._refuse_unclear(declared)
            return declared
        if isinstance(declared, Axis):
            return self._repeated(declared)
        if declared is REQUIRED or isinstance(declared, Range):
            return declared
        refuse_hidden(declared, self.where, self.annotation)
        axis = getattr(self, "declared", None)
        if isinstance(axis, Axis):
            self._refuse_names(axis, declared)
        constant = self.point_named(axis, declared) if isinstance(axis, Axis) else declared
        refuse_no_group(constant, self.where, self.annotation, axis)
        return Value(snapshot(constant), plain=True)

    def _searched(self, axis: Axis) -> Axis:
        """An axis whose points may be given by the names that the axis of the class has."""
        default = getattr(self, "declared", None)
        if isinstance(default, Axis) and axis.labels is None and not isinstance(axis.points, range):
            points = tuple(self.point_named(default, x) for x in axis.points)
            if any(map(operator.is_not, points, axis.points)):
                axis = axis.having(points)
        self._refuse_second_names(axis)
        for point in axis.points[:MOST_CHECKED]:
            refuse_no_group(point, self.where, self.annotation, default)
        return self._repeated(axis)

    def _no_repetition(self, x: Range) -> Range:
        """A range; refuses a range as a repetition."""
        default = getattr(self, "declared", None)
        if isinstance(default, Axis) and default.repeat:
            raise FieldError(f"{self.where}: {x!r}: a repetition needs points, as in range(5)")
        return x

    def _repeated(self, axis: Axis) -> Axis:
        """The axis, as a repetition if the axis of the class is a repetition."""
        default = getattr(self, "declared", None)
        return axis.repeated() if isinstance(default, Axis) and default.repeat else axis

    def point_named(self, axis: Axis, x: object) -> Any:
        """The point of the axis with the name `x`, else `x`.

        The name of a class also means its group, if there is only one group of that class, and if
        the annotation allows only groups and None.
        """
        value = axis.named(x)
        if not isinstance(value, str) or not takes_only_groups(self.annotation):
            return value
        points = axis.points if axis.names.labels is None else axis.names.points
        if isinstance(points, range):
            return value
        groups = [point for point in points if is_group(point) and type(point).__name__ == value]
        return groups[0] if len(groups) == 1 else value

    def _refuse_names(self, axis: Axis, x: object) -> None:
        """Refuse names of points in a plain list, which would be one value."""
        labels = axis.names.labels or ()
        items = list(cast("list[object]", x)) if isinstance(x, list | tuple) else []
        named = [item for item in items if isinstance(item, str) and item in labels]
        if named and not any(isinstance(x, list | tuple) for x in axis.names.points):
            raise FieldError(
                f"{self.where}={shorten(items)}: {shorten(named[0])} is the name of a point, and a "
                f"list is one value; write {self.name}=search({shorten(items)}) for an axis"
            )

    def _refuse_second_names(self, axis: Axis) -> None:
        """Refuse a point that has another name in the class: a setting has only one name."""
        default = getattr(self, "declared", None)
        if not isinstance(default, Axis):
            return
        names = default.names
        for label, point in zip(axis.labels or (), axis.points, strict=False):
            index = None if is_open(point) else names.find(point)
            if index is None:
                continue
            name = names.labels[index] if names.labels else _own_name(names.points[index])
            if label != name:
                point_text = repr(name) if names.labels else shorten(names.points[index])
                raise FieldError(
                    f"{self.where}: {shorten(label)} and {shorten(name)} name the same point, and "
                    f"tables have one name for it; write {self.name}=search([{point_text}])"
                )

    def _refuse_open_secret(self, declared: object) -> None:
        """Refuse a recorded value instead of a secret, and a secret instead of a recorded value.

        The declaration of the class decides, so this concerns only values of a call.
        """
        default = getattr(self, "declared", None)
        if isinstance(declared, Field):  # Other.field
            declared = declared.declared
        if default is None or declared is default:
            return
        is_named = isinstance(declared, Value) and declared.secret is not None
        if isinstance(default, Value) and default.secret is not None and not is_named:
            raise FieldError(
                f"{self.where} is a secret, so it cannot be given here: set the environment "
                f'variable {default.secret}, or name another, {self.name}=value(secret="...")'
            )
        if is_named and not (isinstance(default, Value) and default.secret is not None):
            raise FieldError(
                f"{self.where} is recorded, so it cannot be a secret: declare it in the class, "
                f"{self.name}: str = {declared!r}"
            )

    def _refuse_unclear(self, declared: Value) -> None:
        ways = {"factory": declared.factory, "derive": declared.derive}
        every = (*ways.values(), declared.secret)
        n_sources = sum(way is not None for way in every) + (declared.given is not REQUIRED)
        if n_sources != 1:
            raise FieldError(
                f"{self.where}: value() takes exactly one of a constant, factory=, derive= and "
                f"secret=; got {n_sources} of them: write value(x), value(factory=f), "
                f'value(derive=f) or value(secret="NAME")'
            )
        if declared.secret is not None:
            refuse_variable(self.where, declared.secret, declared.key)
        for name, function in ways.items():
            if function is not None and not callable(function):
                raise FieldError(
                    f"{self.where}: value({name}={shorten(function)}) must be a function; a "
                    f"constant is value({shorten(function)})"
                )
        if not isinstance(cast("object", declared.key), str | None):
            raise FieldError(
                f"{self.where}: value(..., key={shorten(declared.key)}) must be a name, a str: "
                f'key="{shorten(declared.key)}"'
            )
        is_shared = not declared.plain
        refuse_hidden(declared.given, self.where, self.annotation, is_shared=is_shared)
        if declared.given is not REQUIRED:
            refuse_no_group(declared.given, self.where, self.annotation, None)
        if is_open(declared.given) and not declared.plain:
            raise FieldError(
                f"{self.where}: value({shorten(declared.given)}) holds an open space; "
                f"write {self.name} = {type(declared.given).__name__}(...) to search it"
            )

    def __repr__(self) -> str:
        if isinstance(self.declared, Axis | Range):
            return f"<field {self.where} = search({self.declared!r})>"
        return f"<field {self.where} = {self.declared!r}>"


# -- declared values, even if a setting has changed its own copy ----------------------------------


def declared_of(params: object, name: str) -> Any:
    """The value of a field as it was declared, not the copy that a setting may have changed since.

    Args:
        params: A setting or a group.
        name: One of its fields. If it has a factory or is derived, its value is made now.
    """
    if name in params.__dict__:
        return original(params, name)
    field: Field = getattr(params.__class__, FIELDS)[name]
    declared = declaration_on(params, field)
    if isinstance(declared, Value) and declared.given is not REQUIRED:
        return declared.given
    if isinstance(declared, Value) and declared.factory is not None:
        return declared.made(field.where)
    if not isinstance(declared, Value) or declared.derive is None or is_open(params):
        return getattr(params, name)
    own = own_values(params)
    if name in own and not holds_mutable(own[name]):
        return own[name]
    return getattr(as_declared(params), name)


def as_declared(params: object) -> Any:
    """The setting itself while it holds the declared values, else a twin that holds them.

    A setting that no code of the user has seen yet holds the declared values.
    """
    copies = copies_on(params)
    if copies is None or not (copies or any(map(holds_mutable, own_values(params).values()))):
        return params
    twin = pristine(params)
    take_state_of(twin, params)
    return twin


def pristine(params: object) -> Any:
    """A new setting with the declared values, before ``__post_init__``."""
    twin = object.__new__(params.__class__)
    take_given_state(twin, params)
    held, fields = twin.__dict__, getattr(twin, FIELDS)
    for name in params.__dict__.copy():
        if name in fields:
            held[name] = fresh(declared_of(params, name))
    return twin


def copies_of(params: object, twin: object) -> dict[str, Any]:
    """The declared values of the fields that are copies in a `pristine` twin, by name."""
    held: dict[str, Any] = twin.__dict__
    declared = {name: declared_of(params, name) for name in getattr(twin, FIELDS) if name in held}
    return {name: x for name, x in declared.items() if held[name] is not x}


class _Here(threading.local):
    """The fields that this thread derives at the moment."""

    def __init__(self) -> None:
        self.deriving: set[tuple[int, str]] = set()


_here = _Here()


def _own_name(point: object) -> Any:
    """The text of tables for a point without a name."""
    return type(point).__name__ if is_group(point) else point
