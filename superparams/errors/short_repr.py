"""The short form of a value for messages: its repr; of large content the kind and the shape."""

from __future__ import annotations

import math
import reprlib
from typing import Any, Final, cast

__all__ = ["kind_of", "shorten"]

_LONGEST: Final = 400
_STANDARD: Final = {"builtins", "array", "collections"}  # modules of classes that reprlib knows


def kind_of(value: object) -> str:
    """The class of a value with its article: ``a list``, ``an int``."""
    name = type(value).__name__
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 12
        self.maxstring = self.maxother = 80
        self.maxlong = 60

    def repr1(self, x: Any, level: int) -> str:
        """A value of any class; before Python 3.12 reprlib looks at the name of the class alone."""
        is_standard = type(x).__module__ in _STANDARD
        try:
            return super().repr1(x, level) if is_standard else self.repr_instance(x, level)
        except Exception as error:  # a repr that fails must not stop a run or hide an error
            return f"<{type(x).__name__} whose repr raised {type(error).__name__}>"

    def repr_instance(self, x: Any, level: int) -> str:
        """An object: its own repr if that is short; else its class and size."""
        if hasattr(x.__class__, "__superparams_fields__"):
            return str(x.__superparams_inline__())
        if _is_large_array(x):
            size = "x".join(map(str, x.shape))
            dtype = getattr(x, "dtype", None)
            return f"{type(x).__name__}({size}{f', {dtype}' if dtype is not None else ''})"
        text = repr(x)
        return text if len(text) <= self.maxother * 2 else f"{text[: self.maxother]}..."

    def repr_str(self, x: str, level: int) -> str:
        """A string; without its middle if it is long."""
        return repr(x) if len(x) <= self.maxstring else super().repr_str(x, level)

    def repr_int(self, x: int, level: int) -> str:
        """An int, also one with more digits than Python converts to text."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"<int of {x.bit_length()} bits>"


def _is_large_array(x: Any) -> bool:
    """Whether `x` is an array or a frame too large for its own repr."""
    shape = getattr(x, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(x, "__len__"):
        return False
    sizes = cast("tuple[object, ...]", shape)
    numbers = [n for n in sizes if isinstance(n, int)]  # a lazy frame does not know its rows yet
    is_small = len(numbers) == len(sizes) and math.prod(numbers) <= 3
    return not is_small or len(repr(x)) > 80


_short = _Short()


def shorten(value: Any) -> str:
    """The repr of `value`; of large content the kind and the shape."""
    text = _short.repr(cast("object", value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
