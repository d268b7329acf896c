"""Which devices (GPUs) this process may use, without loading a library that uses them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["CUDA", "NO_DEVICES", "Devices", "devices_of_variable", "visible_devices"]

CUDA: Final = "CUDA_VISIBLE_DEVICES"
_HIP: Final = "HIP_VISIBLE_DEVICES"
# The variables that limit a process to some devices: of CUDA, of ROCm (two), of Level Zero.
_VARIABLES: Final = (CUDA, _HIP, "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
_PATIENCE: Final = 20.0  # seconds that nvidia-smi may take


class Devices(NamedTuple):
    """The devices that a process may use.

    Attributes:
        names: Their names, as the variable has them.
        variable: The environment variable that limits a process to some of them.
        source: Where they are known from, in a few words.
    """

    names: tuple[str, ...]
    variable: str
    source: str


NO_DEVICES: Final = Devices((), CUDA, "no driver of NVIDIA or AMD shows any")


def visible_devices(environ: Mapping[str, str]) -> Devices:
    """The devices of a process.

    Args:
        environ: Its environment, which may limit them.
    """
    limit = devices_of_variable(environ)
    if limit is not None:
        return limit
    n_nvidia = _count_nvidia()
    if n_nvidia:
        return Devices(tuple(map(str, range(n_nvidia))), CUDA, "as the driver of NVIDIA says")
    n_amd = _count_amd()
    if n_amd:
        return Devices(tuple(map(str, range(n_amd))), _HIP, "as the driver of AMD says")
    return NO_DEVICES


def devices_of_variable(environ: Mapping[str, str]) -> Devices | None:
    """The devices to which a variable limits a process; None without such a variable."""
    for variable in _VARIABLES:
        if variable in environ:
            names = _names(environ[variable])
            return Devices(names, variable, f"{variable}={environ[variable]}")
    return None


def _names(text: str) -> tuple[str, ...]:
    """The devices that a variable lists; as in CUDA, it ends before the first invalid name."""
    names: list[str] = []
    for part in text.split(","):
        name = part.strip()
        if not name or name.startswith("-") or name == "NoDevFiles":
            break
        names.append(name)
    return tuple(dict.fromkeys(names))


def _count_nvidia() -> int:
    """The device files of its kernel driver; without any, what nvidia-smi lists, as on WSL."""
    with suppress(OSError):
        files = [path for path in Path("/dev").iterdir() if re.fullmatch(r"nvidia\d+", path.name)]
        if files:
            return len(files)
    with suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--list-gpus"]
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
        return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return 0


def _count_amd() -> int:
    """Nodes of the kernel driver that have compute units; processors are nodes without any."""
    count = 0
    for node in Path("/sys/class/kfd/kfd/topology/nodes").glob("*/properties"):
        with suppress(OSError):
            count += bool(re.search(r"^simd_count [1-9]", node.read_text(), re.MULTILINE))
    return count
