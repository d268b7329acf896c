"""Slips in a class body that Python lets pass; each is refused when the class is created."""

from __future__ import annotations

import enum
import functools
import inspect
import types
import typing
from typing import Any, Final

from superparams.errors import FieldError
from superparams.fields import REQUIRED, Search, Value, group_class, is_group, search, value
from superparams.shorten import shorten

__all__ = ["is_method", "refuse_slips"]

SCALARS: Final = (int, float, complex, str, bytes)
KINDS: Final = (property, classmethod, staticmethod, functools.cached_property)
CONSTANTS: Final = (*SCALARS[:3], list, dict, set, enum.Enum)


def refuse_slips(where: str, annotation: Any, given: Any, owner: str) -> None:
    """Complain about a field that says something else than was meant.

    Args:
        where: ``"Class.field"``.
        annotation: What stands behind the colon, looked up.
        given: What stands behind the equals sign.
        owner: The qualified name of the class.

    Raises:
        FieldError: Names `where` and the remedy.
    """
    name = where.rpartition(".")[2]
    is_constant = _is_a(annotation, CONSTANTS) or is_group(annotation)
    shown = {id(search): "search(...)", id(value): "value(...)"}.get(id(annotation))
    if _is_a(annotation, (Search, Value)):
        shown = repr(annotation)
    if shown is not None:
        raise FieldError(
            f"{where}: {shown} stands where the type belongs; write {name}: float = {shown}"
        )
    if given is REQUIRED and is_constant:
        kind = annotation.__class__.__name__
        raise FieldError(
            f"{where}: {shorten(annotation)} stands where the type belongs; write "
            f"{name}: {kind} = {shorten(annotation)}"
        )
    if is_method(given) and _is_written_here(given, f"{owner}.{name}"):
        raise FieldError(
            f"{where} is annotated as a field, and a {type(given).__name__} of that name hides it; "
            f"rename one of them, or use value(derive=lambda s: ...) to compute the field"
        )
    _refuse_comma(where, annotation, given)


def _is_a(x: object, kinds: tuple[type[Any], ...]) -> bool:
    return isinstance(x, kinds)


def is_method(x: object) -> bool:
    """Whether an attribute of a class is a method, or a property of some kind."""
    return isinstance(x, KINDS) or inspect.isroutine(x)


def _is_written_here(x: object, qualified: str) -> bool:
    """Whether it is no function from elsewhere that is a value."""
    is_function = isinstance(x, types.FunctionType) and x.__qualname__ == qualified
    return isinstance(x, KINDS) or is_function


def _refuse_comma(where: str, annotation: Any, given: Any) -> None:
    if not _is_a(given, (tuple,)) or len(given) != 1 or hasattr(given, "_fields"):
        return
    only: Any = given[0]
    if _is_a(only, (Search, Value)) or (_is_scalar(annotation) and not inspect.isclass(only)):
        raise FieldError(
            f"{where}: ({shorten(only)},) is a tuple, since a comma stands at its end; write "
            f"{where.rpartition('.')[2]} = {shorten(only)} without it"
        )


def _is_scalar(annotation: Any) -> bool:
    """Whether only numbers, texts, members of an Enum, groups and None are values of it."""
    origin = typing.get_origin(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return all(map(_is_scalar, typing.get_args(annotation)))
    if annotation is None or annotation is types.NoneType or group_class(annotation) is not None:
        return True
    return isinstance(annotation, type) and issubclass(annotation, (*SCALARS, enum.Enum))
