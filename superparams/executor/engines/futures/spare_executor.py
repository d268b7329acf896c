"""A new executor in place of one that broke when its worker died.

Executors of the standard library and of loky run nothing more once a worker has died. A new
executor with the same arguments runs the settings that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, Final

__all__ = ["ReplacedExecutor"]

# The arguments of each kind, and the attributes in which its executors keep them.
_OF_PYTHON: Final = {
    "max_workers": "_max_workers",
    "mp_context": "_mp_context",
    "initializer": "_initializer",
    "initargs": "_initargs",
    "max_tasks_per_child": "_max_tasks_per_child",  # from Python 3.11 on
}
_OF_LOKY: Final = {
    "max_workers": "_max_workers",
    "context": "_context",
    "initializer": "_initializer",
    "initargs": "_initargs",
    "timeout": "_timeout",
    "env": "_env",
}
_NOTE: Final = (
    "a worker of the executor died, after which the executor runs nothing more: a new {name} with "
    "the same arguments ran the other settings"
)
_LOKY: Final = ("ProcessPoolExecutor", "_ReusablePoolExecutor")


class ReplacedExecutor:
    """The executor of the user, or a new one once that is broken.

    Args:
        executor: The executor of the user.
        note: Takes sentences for the user.

    Attributes:
        now: The executor to submit to.
        is_fixed: Whether no new executor is to be made any more, as when the run ends.
    """

    def __init__(self, executor: Executor, note: Callable[[list[str]], object]) -> None:
        self.now = executor
        self.is_fixed = False
        self._note = note
        self._spare: Executor | None = None

    def replace(self, broken: Executor) -> bool:
        """Have a new executor take the place of a broken one; False if that is not possible."""
        if broken is not self.now:
            return True  # another task of it has failed before
        spare = None if self.is_fixed else _spare_for(broken)
        if spare is None:
            return False
        self.end(is_busy=False)
        self.now = self._spare = spare
        self._note([_NOTE.format(name=type(spare).__name__)])
        return True

    def end(self, *, is_busy: bool) -> None:
        """Shut the new executor down, if there is one.

        Args:
            is_busy: Whether settings run in its workers that nobody waits for.
        """
        if self._spare is None:
            return
        processes: dict[int, Any] = getattr(self._spare, "_processes", None) or {}
        if is_busy:
            for process in list(processes.values()):
                process.kill()
        self._spare.shutdown(wait=True)


def _spare_for(executor: Executor) -> Executor | None:
    """A new executor with the arguments of a broken one; None if its kind is not known.

    A class of the user that derives from these may do more than its arguments say.
    """
    cls: Any = type(executor)
    if cls is ProcessPoolExecutor:
        return ProcessPoolExecutor(**_arguments(executor, _OF_PYTHON))
    if cls.__name__ in _LOKY and "loky" in cls.__module__.split("."):
        kind: Any = next(base for base in cls.__mro__ if base.__name__ == _LOKY[0])
        spare: Executor = kind(**_arguments(executor, _OF_LOKY))
        return spare
    return None


def _arguments(executor: Executor, attributes: dict[str, str]) -> dict[str, Any]:
    kept = vars(executor)
    return {name: kept[attr] for name, attr in attributes.items() if attr in kept}
