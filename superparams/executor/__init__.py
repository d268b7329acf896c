"""Runs settings: brings the experiment to workers, and collects outcomes.

`program` is what a worker needs, `payload` brings it to workers, `worker` runs settings, `engines`
start workers and hand out settings, and `process_state` carries process-wide options of a script.
`experiment_modules` and `code_snapshot` import code in workers, `code_names` reads which names code
uses, and `fork_guard` ends forks that user code leaves behind. This room imports from the rooms up
to `outcomes`. Users import `Processes` from here, the engine of worker processes with its options.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from superparams.executor.engines.processes import Processes as Processes

__all__ = ["Processes", "close"]


def close() -> None:
    """End the interpreter that stays warm between runs.

    Runs in progress are not disturbed, and the next run starts another interpreter. The interpreter
    also ends with this process, and when no run has needed it for five minutes.
    """
    module = sys.modules.get("superparams.executor.engines.processes.interpreter")
    if module is not None:
        module.close()


def __getattr__(name: str) -> type[Processes]:
    # This module is loaded with any part of the room, and most parts do without engines.
    if name != "Processes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from superparams.executor.engines.processes import Processes

    return Processes
