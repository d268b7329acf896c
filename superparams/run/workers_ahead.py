"""Starts the interpreter from which the workers of a first run come, while modules load.

In a process that has not run anything yet, loading these modules takes longer than all the rest of
a short run, and starting an interpreter for the workers takes about half as long. So both are done
at the same time, as is the start of the process of a sampler.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from superparams.declare.experiment_place import name_of
from superparams.declare.plain_attributes import has_resources
from superparams.executor.engines.registry import find
from superparams.store.runs.folder import experiment_folder

if TYPE_CHECKING:
    from superparams.declare.experiment import Experiment
    from superparams.run.options import RunOptions
    from superparams.store.results import Results

__all__ = ["run_all", "start_ahead"]

_LOOP: Final = "superparams.run.loop"


def run_all(space: Experiment, options: RunOptions) -> Results:
    """Run the settings of a space that are not done yet; see `Experiment.run_all`."""
    start_ahead(options, type(space))
    try:
        with _collecting_later():
            from superparams.run.loop import run_all

        return run_all(space, options)
    finally:
        _call(options.strategy, "end_unused")


@contextlib.contextmanager
def _collecting_later() -> Generator[None]:
    """A context in which modules load without the garbage collector.

    Their objects stay, and repeated garbage collections would take a tenth of the time.
    """
    if _LOOP in sys.modules or not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # after these two calls, only a full collection looks at the new objects
        gc.unfreeze()
        gc.enable()


def _call(strategy: object, name: str) -> None:
    """Call a method of a strategy, if it has that."""
    method = getattr(strategy, name, None)
    if method is not None:
        method()


def start_ahead(options: RunOptions, cls: type[Experiment]) -> None:
    """Have the engine start the interpreter from which its workers come, if a run is likely.

    Nothing starts if the modules of a run are loaded already, or if the experiment has a folder of
    results: perhaps all of its settings are done. The process of a sampler starts then, too, since
    it is needed to go on.

    Args:
        options: The options of the run.
        cls: The class of the experiment.
    """
    if _LOOP in sys.modules or has_resources(cls):  # the threads of its workers are not known yet
        return
    _call(options.strategy, "start_ahead")
    options = options.for_class(cls)
    with suppress(OSError, ValueError):  # if this is an error of the run, the run raises it
        if options.carrier is None or _has_folder(Path(options.results), name_of(cls)):
            return
        engine: Any = find(options.carrier)
        start = getattr(engine, "start_ahead", None)
        if start is not None:
            start(options.of_engine)


def _has_folder(results: Path, name: str) -> bool:
    return experiment_folder(results.expanduser(), name).exists()
