"""A space of listed settings: their fields advance together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from superparams.declare.descriptors import REQUIRED, Value, search
from superparams.declare.field import Field, declared_of
from superparams.declare.instance_state import declaration_on, open_fields
from superparams.declare.layout import has_range
from superparams.declare.metaclass import recorded_fields
from superparams.declare.sequence import same_field
from superparams.errors import SpaceError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_open

__all__ = ["checked_settings", "joined_axis", "joined_fields", "on_joined_space", "space_of"]

ZIP: Final = "settings"  # the name of the zip, in the text of the space

A = ParamSpec("A")
P = TypeVar("P")
R = TypeVar("R")


def checked_settings(settings: Sequence[P]) -> Sequence[P]:
    """Check settings of the user.

    Returns:
        The same settings.

    Raises:
        SpaceError: For an item that is no setting, and for settings of two classes.
    """
    classes = dict.fromkeys(map(type, settings))
    for index, setting in enumerate(settings):
        if not hasattr(type(setting), "__superparams_fields__"):
            raise SpaceError(
                f"Settings: item {index} is not a setting of an experiment: {shorten(setting)}; "
                "give settings, as in Settings([space[0], space[3]])"
            )
        if is_open(setting):
            remedy = "[*space.sample(100)]" if has_range(setting) else "[*space]"
            raise SpaceError(
                f"Settings: item {index} is a space of several settings, {shorten(setting)}; give "
                f"the settings, as in Settings({remedy})"
            )
    if len(classes) > 1:
        names = ", ".join(cls.__name__ for cls in classes)
        raise SpaceError(f"Settings are of one class, and these are of {names}; make one for each")
    return settings


def space_of(settings: Sequence[P]) -> P:
    """The space of these settings, in this order.

    Raises:
        SpaceError: When there are none, and for settings that no space can hold together.
    """
    if not settings:
        raise SpaceError("there are no settings to run: the selection is empty")
    first: Any = settings[0]
    if len(settings) == 1:
        return settings[0]
    changes: dict[str, Any] = {}
    cls: type[Any] = first.__class__
    for name, field in recorded_fields(cls).items():
        if not all(same_field(first, setting, name) for setting in settings[1:]):
            if not all(_has_value(setting, field) for setting in settings):
                raise SpaceError(
                    f"{field.where} differs between these settings, and in some of them it is made "
                    "by a factory, derived or has a key; run these settings one by one"
                )
            changes[name] = search([declared_of(x, name) for x in settings], zip=ZIP)
    if not changes:  # the same setting several times
        return settings[0]
    space: P = first.replace(**changes)
    return space


def joined_axis(opened: object, values: Sequence[object]) -> Axis:
    """The drawn values of a field as an axis, with the names of the field's own axis."""
    if not isinstance(opened, Axis):
        return Axis(values, None, ZIP)
    names = opened.names if opened.names.labels else None
    return Axis(values, None, ZIP, names, opened.repeat)


def joined_fields(space: object) -> list[str]:
    """The fields of a space of listed settings whose values advance together."""
    return [name for name, x in open_fields(space).items() if getattr(x, "zip", None) == ZIP]


def _has_value(setting: object, field: Field) -> bool:
    """Whether a setting holds a value of a field, which may be a point of an axis."""
    if field.name in setting.__dict__:
        return True
    declared = declaration_on(setting, field)
    return isinstance(declared, Value) and declared.given is not REQUIRED and declared.key is None


def on_joined_space(
    method: Callable[Concatenate[Any, A], R],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Any, A], R]]:
    """A decorator: the decorated method of `Settings` calls this method of their space."""

    def decorated(_: Callable[..., R]) -> Callable[Concatenate[Any, A], R]:
        @functools.wraps(method)
        def on_space(settings: Any, /, *args: A.args, **options: A.kwargs) -> R:
            return method(settings.as_space(), *args, **options)

        return on_space

    return decorated
