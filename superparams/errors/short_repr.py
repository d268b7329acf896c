"""How a value is shown to a person: its repr, with large content told by kind and shape."""

from __future__ import annotations

import math
import reprlib
from typing import Any, Final, cast

__all__ = ["shorten"]

LONGEST: Final = 400
STANDARD: Final = {"builtins", "array", "collections"}  # where the classes are that reprlib knows


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 12
        self.maxstring = self.maxother = 80
        self.maxlong = 60

    def repr1(self, x: Any, level: int) -> str:
        """One value, of whatever class; reprlib goes by its name alone before Python 3.12."""
        is_known = type(x).__module__ in STANDARD
        try:
            return super().repr1(x, level) if is_known else self.repr_instance(x, level)
        except Exception as broken:  # a repr that fails must not stop a run or hide an error
            return f"<{type(x).__name__} whose repr raised {type(broken).__name__}>"

    def repr_instance(self, x: Any, level: int) -> str:
        """One object: its own repr when short, else what kind of thing and how large."""
        if hasattr(x.__class__, "__superparams_fields__"):
            return str(x.inline_repr)
        if _is_large_array(x):
            size = "x".join(map(str, x.shape))
            dtype = getattr(x, "dtype", None)
            return f"{type(x).__name__}({size}{f', {dtype}' if dtype is not None else ''})"
        text = repr(x)
        return text if len(text) <= self.maxother * 2 else f"{text[: self.maxother]}..."

    def repr_str(self, x: str, level: int) -> str:
        """A string, whole up to the limit, else with its middle left out."""
        return repr(x) if len(x) <= self.maxstring else super().repr_str(x, level)

    def repr_int(self, x: int, level: int) -> str:
        """An int, also one with more digits than Python writes out."""
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
    numbers = [n for n in sizes if isinstance(n, int)]  # of a lazy frame one is not known yet
    is_small = len(numbers) == len(sizes) and math.prod(numbers) <= 3
    return not is_small or len(repr(x)) > 80


_short = _Short()


def shorten(value: Any) -> str:
    """The repr of `value`, with large content told by kind and shape."""
    text = _short.repr(cast("object", value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
