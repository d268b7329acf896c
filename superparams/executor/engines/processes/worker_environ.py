"""The share of the machine that each worker gets: threads for BLAS and OpenMP, and devices."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superparams.adapters.processors import cores
from superparams.adapters.visible_devices import CUDA, Devices, devices_of_variable
from superparams.executor.engines.contract import Options
from superparams.executor.engines.held_resources import options_for

if TYPE_CHECKING:
    from superparams.executor.engines.processes.boot import Boot
    from superparams.executor.scheduler.machine import MachineShare

# Read by the libraries once, when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Read by joblib and loky for the number of their workers.
_CPU_VARIABLES = (*THREAD_VARIABLES, "LOKY_MAX_CPU_COUNT")


def threads(num_proc: int, n_threads: int | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment variables for the threads of each worker.

    Args:
        num_proc: The number of workers.
        n_threads: The threads of each worker, which replace those in `environ`; None to divide the
            cores, for the variables that `environ` does not have.
        environ: The environment of the driver.
    """
    share = n_threads or max(1, cores() // num_proc)
    return {name: str(share) for name in THREAD_VARIABLES if n_threads or not environ.get(name)}


def named_devices(gpus: Sequence[str | int] | int | None) -> Devices | None:
    """The devices of an option `gpus`, to hand them out; None for all devices."""
    if gpus is None:
        return None
    return _devices_of(gpus, os.environ)


def _devices_of(gpus: Sequence[str | int] | int, environ: Mapping[str, str]) -> Devices:
    """Devices by name; or the first ones of those to which a variable limits this process."""
    limit = devices_of_variable(environ)
    variable = CUDA if limit is None else limit.variable
    if not isinstance(gpus, int):
        names = tuple(dict.fromkeys(map(str, gpus)))
        return Devices(names, variable, f"Processes(gpus={list(gpus)!r})")
    names = tuple(map(str, range(gpus))) if limit is None else limit.names[:gpus]
    origin = "" if limit is None else f" of {limit.source}"
    return Devices(names, variable, f"Processes(gpus={gpus}){origin}")


def devices(
    num_proc: int, gpus: Sequence[str | int] | int, environ: Mapping[str, str]
) -> list[dict[str, str]]:
    """The environment variable that limits each rank to its devices.

    If there are at most as many ranks as devices, each device belongs to one rank. Otherwise each
    rank gets one device, and several ranks share a device.

    Args:
        num_proc: The number of ranks.
        gpus: The devices, or how many of them to use.
        environ: The environment of the driver, which may limit the devices.
    """
    names, variable, _ = _devices_of(gpus, environ)
    if 0 < len(names) < num_proc:
        return [{variable: names[rank % len(names)]} for rank in range(num_proc)]
    return [{variable: ",".join(names[rank::num_proc])} for rank in range(num_proc)]


@dataclass(frozen=True)
class ShareEnviron:
    """How the boot of a worker differs from that of the template, by the worker's share.

    Attributes:
        variable: The variable that limits a worker to its devices.
        n_threads: The threads of each worker, if these do not follow from its processors.
    """

    variable: str = CUDA
    n_threads: int | None = None

    def changes(self, share: MachineShare | None, boot: Boot) -> tuple[Options, dict[str, Any]]:
        """The options of a worker, and the attributes in which its boot differs."""
        options = options_for(share, boot.options)
        changes: dict[str, Any] = {} if options is boot.options else {"options": options}
        if share is not None and boot.varies:
            changes["environ"] = {**boot.environ, **self._variables_of(share)}
        return options, changes

    def _variables_of(self, share: MachineShare) -> dict[str, str]:
        cpus = None if self.n_threads else share.need.cpus
        devices = {} if share.devices is None else {self.variable: ",".join(share.devices)}
        return {**devices, **({} if cpus is None else for_cpus(cpus))}


def for_cpus(cpus: int) -> dict[str, str]:
    """The environment variables of a worker that has so many processors."""
    return dict.fromkeys(_CPU_VARIABLES, str(cpus))


def limit_loaded_libraries(variables: Mapping[str, str]) -> None:
    """Lower the threads of libraries that are loaded already, if threadpoolctl is installed."""
    if "OMP_NUM_THREADS" not in variables:
        return
    with suppress(ImportError):
        importlib.import_module("threadpoolctl").threadpool_limits(
            int(variables["OMP_NUM_THREADS"])
        )
