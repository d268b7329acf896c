"""Attributes of `Params` and `Experiment` whose names a field may take.

A field of the same name hides such an attribute, and so does a method or an attribute of the user's
class. So the library never reads such an attribute, but calls the function that computes it. Users
reach a hidden attribute by `place`, as in ``setting.place.index``.

No field may have a name that the library itself reads from a class: `Params` and `Experiment` list
these names in the attribute `RESERVED`.

For type checkers the attributes have the type `T | Any`: with a plain `T`, a field of another type
in a subclass would be an error. They are assigned without an annotation, since pyright compares
types with those of a base class only if the base class has an annotation.
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
    """A function as a method of the class and of instances; its first argument is either."""

    def __get__(self, params: object, cls: type[Any]) -> Callable[P, R] | Any:
        return MethodType(self.function, cls if params is None else params)


class OwnParser:
    """A function of a class and words, as a method of the class that returns an instance of it."""

    def __init__(self, function: Callable[[type[Any], Iterable[str]], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, params: object, cls: type[T]) -> Callable[[Iterable[str]], T] | Any:
        return MethodType(self.function, cls)
