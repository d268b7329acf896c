"""One random generator, whichever library it is of: how it is seeded, and what its state is."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["is_of_library", "seed_numpy", "seeder", "set_state", "state_of"]

_MOST_CHILDREN: Final = 2**32 - 2**20  # numpy counts the children of a SeedSequence in 32 bits


def seeder(x: Any) -> Callable[[int], object] | None:
    """A function that seeds a generator; None if `x` is no generator."""
    random: Any = sys.modules.get("random")
    numpy: Any = sys.modules.get("numpy.random")
    torch: Any = sys.modules.get("torch")
    if random is not None and isinstance(x, random.Random):
        seed: Callable[[int], object] = x.seed
        return None if isinstance(x, random.SystemRandom) else seed  # that one has no state
    if numpy is not None and isinstance(x, numpy.RandomState):
        return lambda seed: seed_numpy(x, seed) if hasattr(x, "get_bit_generator") else x.seed(
            [seed & 0xFFFFFFFF, seed >> 32]
        )  # fmt: skip
    if numpy is not None and isinstance(x, numpy.Generator | numpy.BitGenerator):
        return lambda seed: _seed_bits(_bits(x), seed)
    if numpy is not None and isinstance(x, numpy.SeedSequence):
        return lambda seed: _seed_children(x, seed)
    if torch is not None and isinstance(x, torch.Generator):
        return lambda seed: x.manual_seed(seed)
    return None


def seed_numpy(module: Any, seed: int) -> None:
    """Seed `numpy.random` or a `RandomState`."""
    words = [seed & 0xFFFFFFFF, seed >> 32]
    try:
        module.seed(words)
    except TypeError:  # the user has set another bit generator
        bits = module.get_bit_generator()
        bits.state = type(bits)(seed).state


def state_of(x: Any) -> Any:
    """The state of a generator; picklable."""
    if hasattr(x, "getstate"):
        return x.getstate()
    if hasattr(x, "get_state"):
        return x.get_state()
    if hasattr(x, "n_children_spawned"):
        return dict(x.state)
    return copy.deepcopy(_bits(x).__getstate__())


def set_state(x: Any, state: Any) -> None:
    """Set a generator to a state that `state_of` gave."""
    if hasattr(x, "setstate"):
        x.setstate(state)
    elif hasattr(x, "set_state"):
        x.set_state(state)
    elif hasattr(x, "n_children_spawned"):
        x.__init__(**state)
    else:
        _bits(x).__setstate__(copy.deepcopy(state))


def is_of_library(x: object) -> bool:
    """Whether it is the generator behind the functions of a library, which is seeded as such."""
    random: Any = sys.modules.get("random")
    numpy: Any = sys.modules.get("numpy.random")
    torch: Any = sys.modules.get("torch")
    globals_of_libraries = (
        getattr(random, "_inst", None),
        getattr(getattr(numpy, "mtrand", None), "_rand", None),
        getattr(torch, "default_generator", None),
    )
    return any(x is each for each in globals_of_libraries)


def _bits(x: Any) -> Any:
    return getattr(x, "bit_generator", x)


def _seed_bits(bits: Any, seed: int) -> None:
    """Seed a bit generator, and the sequence from which `spawn` makes the seeds of others."""
    bits.__setstate__(type(bits)(seed).__getstate__())


def _seed_children(sequence: Any, seed: int) -> None:
    """Let a `SeedSequence` go on with other children. Its own numbers stay: nothing changes them.

    ``default_rng(sequence)`` draws the same numbers in every setting, as it does without a run.
    """
    sequence.__init__(**{**sequence.state, "n_children_spawned": seed % _MOST_CHILDREN})
