"""Seeds the global random generators before each setting from the setting's own seed.

So a setting draws the same numbers in every worker and in any order. Global generators are those of
`random`, `numpy.random` and torch, and generators in variables of the project's modules, such
as ``rng = numpy.random.default_rng(0)``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import blake2b
from types import ModuleType
from typing import Any, Final

from superparams.executor.process_state.import_hooks import around_loading, when_loaded

__all__ = ["Generators", "instances", "seed_of_text"]

CANNOT_SEED: Final = (
    "settings run side by side in one process, where random, numpy and torch cannot be seeded for "
    "each setting: the numbers that a setting draws depend on the order. Use a generator of the "
    "setting's own, numpy.random.default_rng(self.seed), or run settings in processes"
)
_KEY: Final = "random generators"
_FRESH_TORCH: Final = 67280421310721  # the seed of torch in a new process
Labels = Mapping[tuple[str, str], str]


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
        labels: A label for each generator in a variable, by module and dotted name. A generator
            has the same label in every process.
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
        for (module, name), label in self._labels.items():
            generator: Any = sys.modules.get(module)
            for part in name.split("."):
                generator = getattr(generator, part, None)
            if _seeder(generator) is not None:
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
        """Seed the generators among the attributes that `setup` made as well."""
        self._own.update({f"setup.{n}": x for n, x in held.items() if _seeder(x) is not None})

    def _seed_later(self, library: str) -> Callable[[], None]:
        return lambda: self._seed_library(library)

    def seed(self, seed: int) -> None:
        """Seed all of them; equal seeds give equal numbers."""
        self._seed = seed
        for library in self.libraries:
            self._seed_library(library)
        for label, generator in self._own.items():
            seeder = _seeder(generator)
            if seeder is not None:
                seeder(seed_of_text(f"{seed} {label}"))

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
            _seed_numpy(module, seed)
        else:
            module.seed(seed)

    # ---- for a checkpoint

    def states(self) -> dict[str, Any]:
        """The state of each generator, by its library or label; picklable."""
        states: dict[str, Any] = {}
        for library in self.libraries:
            if sys.modules.get(library) is not None:
                states[library] = _library_state(library)
        return states | {f"={label}": _instance_state(x) for label, x in self._own.items()}

    def take_states(self, states: Mapping[str, object]) -> None:
        """Set the generators to the states that `states` gave in another process."""
        for library in self.libraries:
            if library in states:
                importlib.import_module(library)
                _set_library_state(library, states[library])
        for label, x in self._own.items():
            if f"={label}" in states:
                _set_instance_state(x, states[f"={label}"])

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


def _seed_numpy(module: Any, seed: int) -> None:
    words = [seed & 0xFFFFFFFF, seed >> 32]
    try:
        module.seed(words)
    except TypeError:  # the user has set another bit generator
        bits = module.get_bit_generator()
        bits.state = type(bits)(seed).state


def _seeder(x: Any) -> Callable[[int], object] | None:
    """A function that seeds a generator; None if `x` is no generator."""
    random: Any = sys.modules.get("random")
    numpy: Any = sys.modules.get("numpy.random")
    torch: Any = sys.modules.get("torch")
    if random is not None and isinstance(x, random.Random):
        seed: Callable[[int], object] = x.seed
        return seed
    if numpy is not None and isinstance(x, numpy.RandomState):
        return lambda seed: _seed_numpy(x, seed) if hasattr(x, "get_bit_generator") else x.seed(
            [seed & 0xFFFFFFFF, seed >> 32]
        )  # fmt: skip
    if numpy is not None and isinstance(x, numpy.Generator | numpy.BitGenerator):
        bits: Any = getattr(x, "bit_generator", x)
        return lambda seed: setattr(bits, "state", type(bits)(seed).state)
    if torch is not None and isinstance(x, torch.Generator):
        return lambda seed: x.manual_seed(seed)
    return None


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
    state = _instance_state(x)
    return lambda: _set_instance_state(x, state)


def _instance_state(x: Any) -> Any:
    """The state of a generator that a variable holds."""
    if hasattr(x, "getstate"):
        return x.getstate()
    return x.get_state() if hasattr(x, "get_state") else getattr(x, "bit_generator", x).state


def _set_instance_state(x: Any, state: Any) -> None:
    if hasattr(x, "setstate"):
        x.setstate(state)
    elif hasattr(x, "set_state"):
        x.set_state(state)
    else:
        getattr(x, "bit_generator", x).state = state


def instances(modules: Mapping[str, ModuleType]) -> dict[tuple[str, str], str]:
    """A label for each generator in a variable of a module, or of a class in it.

    modules: By the name that is the same in every process, the main module last.
    """
    label_of: dict[tuple[str, str], str] = {}
    labels: dict[int, str] = {}
    for module_name, module in modules.items():
        for name, x in list(vars(module).copy().items()):
            inner = (
                vars(x).items() if isinstance(x, type) and x.__module__ == module.__name__ else ()
            )
            for full, value in ((name, x), *((f"{name}.{n}", y) for n, y in inner)):
                if not isinstance(value, type | ModuleType) and _seeder(value) is not None:
                    label_of[module.__name__, full] = labels.setdefault(
                        id(value), f"{module_name}.{full}"
                    )
    return label_of
