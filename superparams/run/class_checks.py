"""Refuses classes and code that cannot be run, before anything is written."""

from __future__ import annotations

import os
from contextlib import suppress

from superparams.declare import legacy
from superparams.declare.experiment import Experiment
from superparams.errors import EngineError, RunError
from superparams.identity.code.fingerprint import Code
from superparams.outcomes.return_checks import is_async

__all__ = ["refuse_plain_run", "refuse_unknown", "refuse_without_run"]


def refuse_without_run(cls: type[Experiment]) -> None:
    """Refuse a class that has no ``run``, or a hook of an older version."""
    if cls.run is Experiment.run:
        raise RunError(f"{cls.__name__} has no run() method; write one before run_all()")
    legacy.refuse_old_hook(cls)


def refuse_plain_run(cls: type[Experiment], engine: str) -> None:
    """Refuse an event loop for a ``run`` that is not a coroutine function."""
    if engine == "asyncio" and not is_async(cls):
        raise EngineError(
            f'engine="asyncio" runs coroutines, and {cls.__name__}.run() is none: write async def '
            'run(self), or give engine="threads"'
        )


def refuse_unknown(code: Code) -> None:
    """Refuse code whose text is not known: it could neither be recorded nor sent to workers."""
    if not code.unknown:
        return
    what = f"{', '.join(code.unknown)} in memory differs from the file: "
    if code.old_copies:
        for copy in code.old_copies:
            with suppress(OSError):
                os.unlink(copy)
        raise RunError(
            f"{what}the file was written twice within a second, and Python has loaded an outdated "
            "compiled copy of it. This copy is deleted now. Start Python again"
        )
    raise RunError(
        f"{what}the file was edited after this process imported it, and the imported text is not "
        "known. Start Python again, or use importlib.reload() on the module and on all modules "
        "that import from it"
    )
