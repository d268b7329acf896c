"""Attributes of an experiment class that declare something but are not fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from superparams.declare.goal import GOAL, check_goal
from superparams.errors import ReadOnlyError
from superparams.errors.short_repr import shorten

__all__ = [
    "NO_FIELDS",
    "PLAIN_ATTRIBUTES",
    "RESOURCES",
    "check_attribute",
    "has_resources",
    "refuse_on_setting",
]

RESOURCES: Final = "resources"


def _check_resources(cls: type[Any], x: object) -> None:
    if x is None:
        return
    from superparams.declare.resources import check_resources  # most programs have none

    check_resources(cls, x)


_CHECKS: Final[Mapping[str, Callable[[type[Any], object], None]]] = {
    GOAL: check_goal,
    RESOURCES: _check_resources,
}
PLAIN_ATTRIBUTES: Final = tuple(_CHECKS)
# The remedy for an annotated attribute with such a name.
NO_FIELDS: Final = {
    GOAL: (
        'a goal is not a field; write it without an annotation, as in goal = maximize("accuracy")'
    ),
    RESOURCES: (
        "resources are not a field; write them without an annotation, as in "
        "resources = Resources(cpus=4)"
    ),
}

_IN_CLASS: Final = {
    GOAL: 'write goal = maximize("accuracy") in the class',
    RESOURCES: (
        "write resources = Resources(cpus=4) in the class, or a method resources(self) that "
        "returns what each setting needs"
    ),
}


def refuse_on_setting(cls: type[Any], name: str, x: object) -> NoReturn:
    """Refuse to set such an attribute on a single setting, where nothing would read it.

    Args:
        cls: The experiment.
        name: The name of the attribute, one of `PLAIN_ATTRIBUTES`.
        x: The value.

    Raises:
        ReadOnlyError: Names the class, the attribute and what to write.
    """
    raise ReadOnlyError(
        f"{cls.__name__}.{name} cannot be set on a setting (tried to set {shorten(x)}), since the "
        f"class declares it for all settings; {_IN_CLASS[name]}"
    )


def has_resources(cls: type[Any]) -> bool:
    """Whether an experiment class declares resources, for all settings or for each of them."""
    return getattr(cls, RESOURCES, None) is not None


def check_attribute(cls: type[Any], name: str, x: object) -> None:
    """Refuse a value that such an attribute cannot have.

    Args:
        cls: The experiment.
        name: The name of the attribute, one of `PLAIN_ATTRIBUTES`.
        x: The value.

    Raises:
        FieldError: Names the class, the attribute and what to write.
    """
    _CHECKS[name](cls, x)
