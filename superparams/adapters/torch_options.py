"""The defaults of torch, which every worker gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.adapters.process_options import Notes, Part, differing

__all__ = ["TORCH_OPTIONS"]

_TORCH: Final[dict[str, Any]] = {
    "default dtype": "float32",
    "default device": "cpu",
    "deterministic algorithms": False,
    "deterministic algorithms only warn": False,
    "float32 matmul precision": "highest",
    "gradients": True,
    "detect anomaly": False,
    "cudnn.benchmark": False,
    "cudnn.deterministic": False,
    "cudnn.enabled": True,
    "cudnn.allow_tf32": True,
}


def _read_defaults(_: Notes) -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    options = {
        "default dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "default device": str(getattr(torch, "get_default_device", lambda: "cpu")()),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic algorithms only warn": (
            torch.is_deterministic_algorithms_warn_only_enabled()
        ),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "gradients": torch.is_grad_enabled(),
        "detect anomaly": torch.is_anomaly_enabled(),
    }
    cudnn = torch.backends.cudnn
    switches = ("benchmark", "deterministic", "enabled", "allow_tf32")
    options.update({f"cudnn.{name}": getattr(cudnn, name) for name in switches})
    return differing(options, _TORCH)


def _apply_defaults(values: Mapping[str, object], notes: Notes) -> None:
    torch: Any = sys.modules["torch"]
    now = {**_TORCH, **_read_defaults([])}
    options = {**_TORCH, **values}
    for name in [name for name in _TORCH if options[name] != now[name]]:
        try:
            _set_torch(torch, name, options)
        except Exception as error:
            notes.append(f"the {name} of torch cannot be set in workers: {error}")


def _set_torch(torch: Any, name: str, options: Mapping[str, Any]) -> None:
    x = options[name]
    if name == "default dtype":
        torch.set_default_dtype(getattr(torch, x))
    elif name == "default device":
        torch.set_default_device(x)
    elif name.startswith("deterministic"):
        torch.use_deterministic_algorithms(
            options["deterministic algorithms"],
            warn_only=options["deterministic algorithms only warn"],
        )
    elif name == "float32 matmul precision":
        torch.set_float32_matmul_precision(x)
    elif name == "gradients":
        torch.set_grad_enabled(x)
    elif name == "detect anomaly":
        torch.autograd.set_detect_anomaly(x)
    else:
        setattr(torch.backends.cudnn, name.partition(".")[2], x)


TORCH_OPTIONS: Final = (
    Part(
        "torch defaults",
        "torch",
        _read_defaults,
        _apply_defaults,
        waits=True,
        is_of_thread=True,
        defaults=_TORCH,
    ),
)
