"""What each worker gets of the machine: threads for BLAS and OpenMP, and devices."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

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


def cores() -> int:
    """Processors this process may use: its affinity, and the processor time its cgroup grants."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(count or 1, int(quota) if quota else count or 1))


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


def _quota() -> float | None:
    """Processors' worth of time of the control group (version 2, then 1); None without a limit."""
    with suppress(OSError, ValueError):
        for line in _lines("/proc/self/cgroup"):
            if line.startswith("0::"):
                limit, span = _lines(f"/sys/fs/cgroup{line[3:]}/cpu.max")[0].split()
                return int(limit) / int(span) if limit != "max" else None
    with suppress(OSError, ValueError):
        most = int(_lines("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")[0])
        period = int(_lines("/sys/fs/cgroup/cpu/cpu.cfs_period_us")[0])
        return most / period if most > 0 else None
    return None


def _lines(path: str) -> list[str]:
    with open(path, encoding="ascii") as file:
        return file.read().splitlines()
