"""Runs settings: brings the experiment to workers, and collects outcomes.

`program` is what a worker needs, `payload` brings it to workers, `worker` runs settings, `engines`
start workers and hand out settings, and `process_state` carries process-wide options of a script.
`experiment_modules` and `code_snapshot` import code in workers, `code_names` reads which names code
uses, and `fork_guard` ends forks that user code leaves behind. This room imports from the rooms up
to `outcomes`. Users import engines with options from here: `Processes`, `Dask`, `Ray`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from superparams.executor.engines.clusters.dask_agents import Dask as Dask
    from superparams.executor.engines.clusters.ray_agents import Ray as Ray
    from superparams.executor.engines.processes import Processes as Processes

__all__ = ["Dask", "Processes", "Ray", "close"]

# The modules of the engines that users import from here. This module is loaded with any part of the
# room, and most parts do without engines.
_ENGINES: Final = {
    "Dask": "superparams.executor.engines.clusters.dask_agents",
    "Processes": "superparams.executor.engines.processes",
    "Ray": "superparams.executor.engines.clusters.ray_agents",
}


def close() -> None:
    """End the interpreter that stays warm between runs.

    Runs in progress are not disturbed, and the next run starts another interpreter. The interpreter
    also ends with this process, and when no run has needed it for five minutes.
    """
    module = sys.modules.get("superparams.executor.engines.processes.interpreter")
    if module is not None:
        module.close()


def __getattr__(name: str) -> Any:
    if name not in _ENGINES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ENGINES[name]), name)
