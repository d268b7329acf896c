"""The code of an experiment without its values, for processes that a pool of `run` starts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from superparams.executor.code_snapshot import Snapshot, import_from
from superparams.executor.experiment_modules import Package, adopt_packages, experiment_packages
from superparams.executor.payload.pools import PackedOnce, pools_take
from superparams.executor.payload.script import Script, UnusedDefinitions, adopt_script
from superparams.identity.module_names import main_name, set_main_name

__all__ = ["PoolCode", "adopt_code", "pools_take_code"]


class PoolCode:
    """What a process needs to know the code as this process knows it.

    Args:
        cls: The experiment. All that it reaches by name travels with it.
        snapshot: The project's code as it was when the run began.
    """

    def __init__(self, cls: type[Any], snapshot: Snapshot) -> None:
        self._cls = cls
        self._snapshot = snapshot

    def __reduce__(self) -> tuple[Any, ...]:
        """The code comes first, since all that follows is imported from it."""
        known = main_name(), Script.of_driver(), experiment_packages(), self._snapshot
        return _arrived, known, {"_cls": self._cls, "_names": UnusedDefinitions()}


def _arrived(*known: Any) -> PoolCode:
    adopt_code(*known)
    return object.__new__(PoolCode)


def adopt_code(main: str, script: Script, packages: list[Package], snapshot: Snapshot) -> None:
    """Know the code in this process as the driver does."""
    set_main_name(main)
    adopt_script(script)
    adopt_packages(packages)
    import_from(snapshot)


@contextmanager
def pools_take_code(code: Callable[[], PoolCode] | None) -> Generator[None]:
    """Let pools that settings start in this process have the names of the script as they are here.

    Args:
        code: Gives what to pack, should a pool start; None leaves pools as they are.
    """
    if code is None:
        yield
        return
    packed = PackedOnce(code)
    try:
        with pools_take(packed.handle):
            yield
    finally:
        packed.close()
