"""Seeds the global random generators before each setting from the setting's own seed.

So a setting draws the same numbers in every worker and in any order. Global generators are those of
`random`, `numpy.random` and torch, and generators that variables of the project's modules hold,
such as ``rng = numpy.random.default_rng(0)`` (`held_generators`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import blake2b
from typing import Any, Final

from superparams.executor.process_state.generator_objects import (
    seed_numpy,
    seeder,
    set_state,
    state_of,
)
from superparams.executor.process_state.held_generators import (
    Labels,
    generator_at,
    held_by_attributes,
)
from superparams.executor.process_state.import_hooks import around_loading, when_loaded

__all__ = ["Generators", "seed_of_text"]

CANNOT_SEED: Final = (
    "settings run side by side in one process, where random, numpy and torch cannot be seeded for "
    "each setting: the numbers that a setting draws depend on the order. Use a generator of the "
    "setting's own, numpy.random.default_rng(self.seed), or run settings in processes"
)
_KEY: Final = "random generators"
_FRESH_TORCH: Final = 67280421310721  # the seed of torch in a new process


def seed_of_text(text: str) -> int:
    """A seed that follows from a text: ``0 <= seed < 2**63``."""
    return (
        int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1
    )


class Generators:
    """The global generators that settings may draw from.

    Args:
        libraries: The libraries to seed, of `random`, `numpy.random` and `torch`; they need not be
            loaded.
        labels: A label for each generator that a variable holds, by module and the way to it. A
            generator has the same label in every process.
    """

    def __init__(self, libraries: Iterable[str], labels: Labels) -> None:
        self.libraries = tuple(libraries)
        self._labels = dict(labels)
        self._own: dict[str, Any] = {}
        self._seed = 0
        self._restores: list[Callable[[], object]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Generators, (self.libraries, self._labels)

    def enter(self) -> None:
        """Find the generators of this process; a library that loads later is seeded then."""
        self._own = {}
        for (module, path), label in self._labels.items():
            generator = generator_at(module, path)
            if generator is not None:
                self._own.setdefault(label, generator)
        for library in self.libraries:
            if library not in sys.modules:
                when_loaded(library, _KEY, self._seed_later(library))
        around_loading(self._keeping_states)

    @contextmanager
    def _keeping_states(self) -> Generator[None, None, None]:
        """Restore the state of all libraries after a module was loaded, which may draw from them.

        Only the first setting of a process loads the module. Without this, that setting would
        draw other numbers than in a process that has the module already.
        """
        states: dict[str, Callable[[], object]] = {}
        for library in self.libraries:
            with suppress(AttributeError):  # this library is being loaded and has no state yet
                if sys.modules.get(library) is not None:
                    states[library] = _library_restore(library)
        try:
            yield
        finally:
            for library in self.libraries:
                with suppress(Exception):
                    (states.get(library) or self._seed_later(library))()

    def add(self, held: Mapping[str, object]) -> None:
        """Seed the generators that the attributes made by `setup` hold as well."""
        self._own.update({f"setup.{label}": x for label, x in held_by_attributes(held).items()})

    def _seed_later(self, library: str) -> Callable[[], None]:
        return lambda: self._seed_library(library)

    def seed(self, seed: int) -> None:
        """Seed all of them; equal seeds give equal numbers."""
        self._seed = seed
        for library in self.libraries:
            self._seed_library(library)
        for label, generator in self._own.items():
            seed_it = seeder(generator)
            if seed_it is not None:
                seed_it(seed_of_text(f"{seed} {label}"))

    def seed_by(self, text: str) -> None:
        """Seed all of them; equal texts give equal numbers."""
        self.seed(seed_of_text(text))

    def _seed_library(self, library: str) -> None:
        module: Any = sys.modules.get(library)
        if module is None:
            return
        # From one seed, `random` and `numpy.random` would draw the same numbers.
        seed = seed_of_text(f"{self._seed} {library}")
        if library == "torch":
            module.manual_seed(seed)
        elif library == "numpy.random":
            seed_numpy(module, seed)
        else:
            module.seed(seed)

    # ---- for a checkpoint

    def states(self) -> dict[str, Any]:
        """The state of each generator, by its library or label; picklable."""
        states: dict[str, Any] = {}
        for library in self.libraries:
            if sys.modules.get(library) is not None:
                states[library] = _library_state(library)
        return states | {f"={label}": state_of(x) for label, x in self._own.items()}

    def take_states(self, states: Mapping[str, object]) -> None:
        """Set the generators to the states that `states` gave in another process."""
        for library in self.libraries:
            if library in states:
                importlib.import_module(library)
                _set_library_state(library, states[library])
        for label, x in self._own.items():
            if f"={label}" in states:
                set_state(x, states[f"={label}"])

    # ---- in the caller's own process

    def keep(self) -> None:
        """Remember the state of all generators, for `restore`."""
        self._restores = [_library_restore(library) for library in self.libraries]
        self._restores += [_instance_restore(x) for x in self._own.values()]

    def restore(self) -> None:
        """Set all generators back to the remembered state."""
        for restore in self._restores:
            with suppress(Exception):
                restore()
        self._restores = []
        for library in self.libraries:
            when_loaded(library, _KEY, None)
        around_loading(None)


@contextmanager
def _aside(generators: Generators, text: str) -> Generator[None, None, None]:
    generators.enter()
    generators.keep()
    try:
        generators.seed_by(text)
        yield
    finally:
        generators.restore()


def aside(generators: Generators | None, text: str) -> AbstractContextManager[None]:
    """A context with generators that are seeded from a text and restored afterwards.

    Without generators (None), nothing is seeded.
    """
    return nullcontext() if generators is None else _aside(generators, text)


def _library_restore(library: str) -> Callable[[], object]:
    """A function that restores the present state of a library's generators.

    If the library is not loaded yet, it restores the state of a new process.
    """
    if sys.modules.get(library) is None:
        return lambda: _reset(library)
    state = _library_state(library)
    return lambda: _set_library_state(library, state)


def _library_state(library: str) -> Any:
    """The state of the generators of a library that is loaded."""
    module: Any = sys.modules[library]
    if library == "torch":
        cuda = module.cuda.get_rng_state_all() if module.cuda.is_initialized() else None
        return module.get_rng_state(), cuda
    return module.get_state(legacy=False) if library == "numpy.random" else module.getstate()


def _set_library_state(library: str, state: Any) -> None:
    module: Any = sys.modules[library]
    if library == "torch":
        module.set_rng_state(state[0])
        if state[1] is not None:
            module.cuda.set_rng_state_all(state[1])
    elif library == "numpy.random":
        module.set_state(state)
    else:
        module.setstate(state)


def _reset(library: str) -> None:
    module: Any = sys.modules.get(library)
    if module is not None and library == "torch":
        module.manual_seed(_FRESH_TORCH)
    elif module is not None:
        module.seed()


def _instance_restore(x: object) -> Callable[[], object]:
    state = state_of(x)
    return lambda: set_state(x, state)
