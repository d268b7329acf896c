"""What a template or a fresh worker must know before it can start."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from superparams.executor.engines.contract import Options
from superparams.executor.payload import script


@dataclass(frozen=True)
class Boot:
    """The driver's words to a new process.

    method: the start method; handle: of the packed program (None when workers are forks of the
    driver, and as long as it is being packed); environ: thread variables; devices:
    `CUDA_VISIBLE_DEVICES` of each rank; libraries: what the program will need, to be loaded while
    it is packed; decides_steps: whether settings wait for an answer to each step; the rest: the
    driver's own.
    """

    method: str
    options: Options
    handle: Any
    environ: Mapping[str, str]
    devices: list[str] | None
    libraries: Sequence[str]
    path: list[str]
    argv: list[str]
    decides_steps: bool = False

    def adopt(self) -> None:
        """Make modules importable here as they are in the driver."""
        sys.path[:] = self.path
        sys.argv[:] = self.argv
        script.mark_as_worker()

    def set_environ(self, rank: int | None = None) -> None:
        """Set the thread variables and, for a rank, its devices."""
        os.environ.update(self.environ)
        if rank is not None and self.devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[rank]


def load_modules(names: Iterable[str]) -> None:
    """Import modules; one that cannot be imported fails where it is needed, and is told."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
