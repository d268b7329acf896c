"""What the driver tells a template or a fresh worker before it can start."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superparams.executor.engines.contract import Options
from superparams.executor.payload import script


@dataclass(frozen=True)
class Boot:
    """What the driver tells a new process.

    Attributes:
        method: The start method.
        options: The options of the run.
        handle: The handle of the packed program; None if workers are forks of the driver, and as
            long as the program is being packed.
        environ: The thread variables of BLAS and OpenMP.
        devices: The variable that limits each rank to its devices; None for no limit.
        varies: Whether each worker has an environment of its own, which is set before it loads
            anything.
        libraries: Packages that the program will need, to be loaded while it is packed.
        path: The `sys.path` of the driver.
        argv: The `sys.argv` of the driver.
        decides_steps: Whether settings wait for an answer to each step.
        own_logs: The folder of logs on a node that does not see the folder of the run.
    """

    method: str
    options: Options
    handle: Any
    environ: Mapping[str, str]
    devices: Sequence[Mapping[str, str]] | None
    libraries: Sequence[str]
    path: list[str]
    argv: list[str]
    decides_steps: bool = False
    varies: bool = False
    own_logs: Path | None = None

    @property
    def log_folder(self) -> Path | None:
        """The folder whose `logs` has the output of workers; None to leave the output as it is."""
        return self.own_logs or self.options.folder

    def adopt(self) -> None:
        """Make modules importable here as they are in the driver."""
        sys.path[:] = self.path
        sys.argv[:] = self.argv
        script.mark_as_worker()

    def set_environ(self, rank: int | None = None) -> None:
        """Set the thread variables and, for a rank, its devices."""
        os.environ.update(self.environ)
        if rank is not None and self.devices is not None:
            os.environ.update(self.devices[rank])


def load_modules(names: Iterable[str]) -> None:
    """Import modules. Errors are ignored here: they come again where a module is needed."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
