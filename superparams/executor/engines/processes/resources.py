"""The share of the machine that each worker gets: threads for BLAS and OpenMP, and devices."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress

from superparams.adapters.processors import cores

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
DEVICES = "CUDA_VISIBLE_DEVICES"


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


def devices(
    num_proc: int, gpus: Sequence[str | int] | int, environ: Mapping[str, str]
) -> list[str]:
    """The devices of each rank, as values of `CUDA_VISIBLE_DEVICES`.

    If there are at most as many ranks as devices, each device belongs to one rank. Otherwise each
    rank gets one device, and several ranks share a device.

    Args:
        num_proc: The number of ranks.
        gpus: The devices, or how many of them to use.
        environ: The environment of the driver, which may limit the devices.
    """
    if isinstance(gpus, int):
        visible = [name for name in environ.get(DEVICES, "").split(",") if name]
        names = visible[:gpus] if visible else [str(number) for number in range(gpus)]
    else:
        names = [str(device) for device in gpus]
    if not names:
        return [""] * num_proc
    if len(names) < num_proc:
        return [names[rank % len(names)] for rank in range(num_proc)]
    return [",".join(names[rank::num_proc]) for rank in range(num_proc)]


def limit_loaded_libraries(variables: Mapping[str, str]) -> None:
    """Lower the threads of libraries that are loaded already, if threadpoolctl is installed."""
    if "OMP_NUM_THREADS" not in variables:
        return
    with suppress(ImportError):
        importlib.import_module("threadpoolctl").threadpool_limits(
            int(variables["OMP_NUM_THREADS"])
        )
