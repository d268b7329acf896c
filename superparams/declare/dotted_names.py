"""Names of fields: the keywords of a call, and dotted names of fields inside groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.metaclass import fields_of
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["has_inner", "inner", "meant", "positional_error", "unknown", "values_by_field"]


def values_by_field(cls: type[Any], values: Mapping[str, object]) -> dict[str, Any]:
    """The value of each field that a call gives; dotted names become one value for their group.

    Args:
        cls: The class that is called.
        values: The keywords of the call.

    Raises:
        FieldError: For a name that no field has; suggests the most similar field.
    """
    fields = fields_of(cls)
    whole = {name: x for name, x in values.items() if name in fields}
    for name, x in values.items():
        if name in whole:
            continue
        head, dot, rest = name.partition(".")
        if not dot or head not in fields:
            raise unknown(cls, name, fields)
        field = fields[head]
        whole[head] = _with_field_set(field, field.bind(whole.get(head, field.declared)), rest, x)
    return whole


def positional_error(cls: type[Any], values: tuple[Any, ...]) -> FieldError:
    """The error for a call with positional arguments."""
    arguments = ", ".join(map(shorten, values))
    name = next(iter(fields_of(cls)), None)
    remedy = f"as in {cls.__name__}({name}={shorten(values[0])})" if name else "and it has none"
    return FieldError(f"{cls.__name__}({arguments}): fields are given by name, {remedy}")


def inner(params: object, name: str) -> Any:
    """The value of a field of an instance, also of a field inside a group.

    Args:
        params: The instance.
        name: The name, dotted for a field inside a group.

    Raises:
        KeyError: When there is no such field.
    """
    head, dot, rest = name.partition(".")
    if head not in fields_of(params.__class__):
        raise KeyError(name)
    x = getattr(params, head)
    if not dot:
        return x
    if not is_group(x):
        raise KeyError(name)
    return inner(x, rest)


def has_inner(params: Any, name: str) -> bool:
    """Whether an instance has a field of this name, or one inside a group."""
    head, dot, rest = name.partition(".")
    if not dot or head not in fields_of(params.__class__):
        return name in fields_of(params.__class__)
    group = params.__dict__.get(head)
    return is_group(group) and rest in group


def _with_field_set(field: Field, target: Any, name: str, x: Any) -> Any:
    """A group, or an axis of groups, with one field of the groups set to `x`.

    Args:
        field: The field that holds `target`.
        target: The group or the axis.
        name: The field inside the groups, dotted if it is deeper.
        x: The new value.
    """
    if target is REQUIRED:
        raise FieldError(f"{field.where} is required: give it before {field.name}.{name}")
    if isinstance(target, Value) and is_group(target.given):
        return target.given.replace(**{name: x})
    head = name.partition(".")[0]
    points = list(target) if isinstance(target, Axis) and _may_hold_groups(target) else []
    having = [is_group(point) and head in point for point in points]
    if isinstance(target, Axis) and any(having):
        changed = (
            p.replace(**{name: x}) if has else p for p, has in zip(points, having, strict=True)
        )
        return target.having(tuple(changed))
    inner_names = dict.fromkeys(n for p in points if is_group(p) for n in fields_of(p.__class__))
    raise FieldError(
        f"{field.where} has no field {name!r} to set to {shorten(x)}; {meant(head, inner_names)}"
    )


def _may_hold_groups(axis: Axis) -> bool:
    return not isinstance(axis.points, range)


def unknown(cls: type[Any], name: str, names: Iterable[str]) -> FieldError:
    """The error for an unknown name of a field, with the most similar known name."""
    problem = f"{cls.__name__} has no field {shorten(name)}"
    constant = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    if isinstance(constant, bool | int | float | str) and not name.startswith("_"):
        return FieldError(
            f"{problem}, since {cls.__name__}.{name} has no annotation; write "
            f"{name}: {type(constant).__name__} = {shorten(constant)} in the class"
        )
    return FieldError(f"{problem}; {meant(name, names)}")


def meant(name: str, names: Iterable[str], kind: str = "fields") -> str:
    """The end of an error for an unknown name: the most similar name, and all names."""
    from superparams.errors.suggestions import similar

    close = similar(name, names, 1)
    guess = f"did you mean {close[0]}? Its" if close else "its"
    return f"{guess} {kind}: {', '.join(names) or 'none'}"
