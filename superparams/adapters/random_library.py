"""The generators of `random`, a module of Python that keeps a global one, as libraries do."""

from __future__ import annotations

import copy
import sys
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Copy, Library

__all__ = ["LIBRARY"]


def _copy(generator: object, _: Copy) -> Any:
    module: Any = sys.modules["random"]
    # It draws from the system and has no state, so there is nothing to copy.
    return generator if isinstance(generator, module.SystemRandom) else copy.deepcopy(generator)


def _share(generator: object, _: Buffers) -> Any:
    """The generator of the module by reference: functions such as `random.random` draw from it."""
    module: Any = sys.modules["random"]
    if type(generator) is module.SystemRandom:
        return module.SystemRandom, ()
    return (getattr, (module, "_inst")) if generator is module._inst else NotImplemented


LIBRARY: Final = Library("random", {"Random": Adapter(copy=_copy, share=_share)})
