"""Resolves annotations: texts, wrappers such as ``Annotated``, and type variables."""

from __future__ import annotations

import contextlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from superparams.declare.annotation_texts import resolve
from superparams.space.groups import FIELDS

__all__ = ["Scope", "is_any", "is_group_class", "parts"]

DEEPEST: Final = 60  # wrappers around wrappers
# The numeric tower, by name, so that `numbers` need not be imported.
NUMBERS: Final[Mapping[str, Any]] = {
    "Integral": int,
    "Real": int | float,
    "Complex": int | float | complex,
    "Number": int | float | complex,
}


class Scope:
    """The meaning of names and type variables in the annotations of one class."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self._variables: dict[Any, Any] | None = None

    def plain(self, annotation: object) -> Any:
        """An annotation without text, aliases, ``Annotated``, ``NewType`` and type variables.

        Its arguments (the ``T`` of ``list[T]``) are unchanged, and so is a text without meaning.
        """
        for _ in range(DEEPEST):
            step = self._unwrapped(annotation)
            if step is annotation:
                break
            annotation = step
        return annotation

    def looked_up(self, annotation: Any) -> Any:
        """An annotation; for a text, the object that it means if its names are defined by now."""
        text = getattr(cast("object", annotation), "__forward_arg__", annotation)
        if not isinstance(text, str):
            return annotation
        if hasattr(cast("object", annotation), "evaluate"):  # Python 3.14: it knows its scope
            with contextlib.suppress(Exception):
                return annotation.evaluate()
        for base in self.cls.__mro__:
            meaning = resolve(text, base.__module__, vars(base))
            if not isinstance(meaning, str):
                return meaning
        return text

    def _unwrapped(self, annotation: Any) -> Any:
        annotation = self.looked_up(annotation)
        origin: Any = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated or origin is typing.Final:
            return arguments[0]
        if annotation is None:
            return types.NoneType
        if annotation is typing.Final:  # without a type
            return Any
        if isinstance(annotation, typing.TypeVar):
            return self._value_of(annotation)
        for name in ("__supertype__", "__value__"):  # a NewType, a `type` statement
            target = getattr(cast("object", annotation), name, None)
            if target is not None:
                return target[arguments] if arguments and typing_parameters(target) else target
        if isinstance(annotation, type) and annotation.__module__ == "numbers":
            return NUMBERS.get(annotation.__name__, annotation)
        return annotation

    def _value_of(self, variable: typing.TypeVar) -> Any:
        if self._variables is None:
            self._variables = dict(_type_arguments(self.cls))
        if variable in self._variables:
            return self._variables[variable]
        if variable.__constraints__:
            return typing.Union[variable.__constraints__]  # noqa: UP007
        if variable.__bound__ is not None:
            return variable.__bound__
        has_default = getattr(variable, "has_default", bool)  # from Python 3.13 on
        return getattr(variable, "__default__") if has_default() else Any  # noqa: B009


def _type_arguments(cls: type[Any]) -> Iterator[tuple[Any, Any]]:
    """Type variables and their values: ``T`` and ``int`` for ``class Sub(Base[int])``."""
    for base in reversed(cls.__mro__):
        for generic_base in vars(base).get("__orig_bases__", ()):
            origin = typing.get_origin(generic_base)
            variables = typing_parameters(origin)
            for variable, argument in zip(variables, typing.get_args(generic_base), strict=False):
                if argument is not variable:
                    yield variable, argument


def typing_parameters(x: object) -> tuple[Any, ...]:
    """The type variables of an annotation or a generic class that have no value yet."""
    return getattr(x, "__parameters__", ())


def parts(annotation: object, plain: Callable[[Any], Any]) -> list[Any]:
    """The members of a union and of unions in it, each `plain`; or the annotation itself."""
    members: list[Any] = []
    visited: list[Any] = []  # an alias may contain itself
    todo = [annotation]
    while todo:
        member = plain(todo.pop(0))
        if any(member is each for each in visited):
            continue
        visited.append(member)
        origin = typing.get_origin(member)
        if origin is typing.Union or origin is types.UnionType:
            todo[:0] = typing.get_args(member)
        else:
            members.append(member)
    return members


def is_any(annotation: object) -> bool:
    """Whether a plain annotation allows every value."""
    return annotation is Any or annotation is object


def is_group_class(annotation: object) -> bool:
    """Whether a plain annotation is a class of ``Params``."""
    return isinstance(annotation, type) and FIELDS in vars(annotation)
