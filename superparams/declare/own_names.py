"""Attributes of `Params` and `Experiment` whose names a field may take.

A field of the same name wins, and so does a method or an attribute of the user's class. The library
therefore never reads one of these attributes of an instance or a class; it calls the function
behind the attribute. Users reach what a field has hidden by `place`.

No field may have a name that the library itself reads of a class: `Params` and `Experiment` list
these names in the attribute `RESERVED`.

Reading one gives `T | Any` for type checkers: a plain `T` would be an error wherever a subclass
declares a field of another type. The attributes are assigned without an annotation, since pyright
compares types with those of a base only where the base has an annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, overload

__all__ = ["RESERVED", "OwnClassMethod", "OwnMethod", "OwnParser", "OwnValue"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

RESERVED: Final = "__superparams_reserved__"  # of a class: the names that no field may have


class OwnValue(Generic[T]):
    """A value that a function computes from the instance, each time it is read."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, params: None, cls: type[Any]) -> OwnValue[T]: ...
    @overload
    def __get__(self, params: object, cls: type[Any]) -> T | Any: ...
    def __get__(self, params: object, cls: type[Any]) -> Any:
        return self if params is None else self.function(params)


class OwnMethod(Generic[P, R]):
    """A function as a method of instances."""

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, params: object, cls: type[Any]) -> Callable[P, R] | Any:
        return self.function if params is None else MethodType(self.function, params)


class OwnClassMethod(OwnMethod[P, R]):
    """A function as a method of the class and of instances: its first argument is either."""

    def __get__(self, params: object, cls: type[Any]) -> Callable[P, R] | Any:
        return MethodType(self.function, cls if params is None else params)


class OwnParser:
    """A function of a class and of words, as a method that makes an instance of the class."""

    def __init__(self, function: Callable[[type[Any], Iterable[str]], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, params: object, cls: type[T]) -> Callable[[Iterable[str]], T] | Any:
        return MethodType(self.function, cls)
