"""The code of an experiment without its values, for the processes of pools that `run` starts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from superparams.executor.code_snapshot import Snapshot, import_from
from superparams.executor.experiment_modules import Package, adopt_packages, experiment_packages
from superparams.executor.payload.pools import LazyPayload, pools_take
from superparams.executor.payload.script import Script, UnusedDefinitions, adopt_script
from superparams.identity.module_names import main_name, set_main_name

__all__ = ["PoolCode", "adopt_code", "pools_take_code"]


class PoolCode:
    """What another process needs to import code as this process does.

    Args:
        cls: The experiment class, which is pickled with all code that it uses by name.
        snapshot: The project's code as it was when the run began.
    """

    def __init__(self, cls: type[Any], snapshot: Snapshot) -> None:
        self._cls = cls
        self._snapshot = snapshot

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the code first, since everything else is imported from it."""
        code = main_name(), Script.of_driver(), experiment_packages(), self._snapshot
        return _with_code, code, {"_cls": self._cls, "_names": UnusedDefinitions()}


def _with_code(*code: Any) -> PoolCode:
    adopt_code(*code)
    return object.__new__(PoolCode)


def adopt_code(main: str, script: Script, packages: list[Package], snapshot: Snapshot) -> None:
    """Import code in this process as the driver does, from now on.

    Args:
        main: The name of the driver's main module.
        script: The driver's main module.
        packages: The driver's experiments folders.
        snapshot: The project's code as it was when the run began.
    """
    set_main_name(main)
    adopt_script(script)
    adopt_packages(packages)
    import_from(snapshot)


@contextmanager
def pools_take_code(code: Callable[[], PoolCode] | None) -> Generator[None]:
    """A context in which pools that settings start have the names of the driver's script.

    Args:
        code: Called when a pool starts, for the code to pack. With None, the script runs there.
    """
    if code is None:
        yield
        return
    payload = LazyPayload(code)
    try:
        with pools_take(payload.handle):
            yield
    finally:
        payload.close()
