"""The generators of `random`, a module of Python that keeps a global one, as libraries do."""

from __future__ import annotations

import copy
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Copy, Library

__all__ = ["LIBRARY"]


def _copy(generator: Any, _: Copy) -> Any:
    return copy.deepcopy(generator)


LIBRARY: Final = Library("random", {"Random": Adapter(copy=_copy)})
