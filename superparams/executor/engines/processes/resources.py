"""What each worker gets of the machine: threads for BLAS and OpenMP, and devices."""

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


def threads(num_proc: int, asked: int | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to set in workers; a number the user asked for goes before one in `environ`."""
    share = asked or max(1, cores() // num_proc)
    return {name: str(share) for name in THREAD_VARIABLES if asked or not environ.get(name)}


def devices(
    num_proc: int, gpus: Sequence[str | int] | int, environ: Mapping[str, str]
) -> list[str]:
    """The devices of each rank, as `CUDA_VISIBLE_DEVICES` wants them.

    As many ranks as devices or fewer: each device belongs to one rank. More ranks: they take turns.
    """
    if isinstance(gpus, int):
        visible = [one for one in environ.get(DEVICES, "").split(",") if one]
        names = visible[:gpus] if visible else [str(one) for one in range(gpus)]
    else:
        names = [str(one) for one in gpus]
    if not names:
        return [""] * num_proc
    if len(names) < num_proc:
        return [names[rank % len(names)] for rank in range(num_proc)]
    return [",".join(names[rank::num_proc]) for rank in range(num_proc)]


def limit_loaded_libraries(variables: Mapping[str, str]) -> None:
    """Lower the threads of libraries that are loaded already, if threadpoolctl is there."""
    if "OMP_NUM_THREADS" not in variables:
        return
    with suppress(ImportError):
        importlib.import_module("threadpoolctl").threadpool_limits(
            int(variables["OMP_NUM_THREADS"])
        )
