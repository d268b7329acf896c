"""Options of pandas and defaults of torch."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.executor.process_state.part import Notes, Part, differing

__all__ = ["PARTS"]

_CONFIG: Final = "pandas._config.config"
_LARGEST: Final = 64 * 1024  # pickled bytes of a function that is the value of an option


def _options() -> dict[str, Any]:
    """The options of pandas that are not the defaults, by their full names."""
    config: Any = sys.modules.get(_CONFIG)
    registered = getattr(config, "_registered_options", {})
    deprecated = getattr(config, "_deprecated_options", {})
    held = _flat(getattr(config, "_global_config", {}), "")
    return {
        name: held[name]
        for name, option in registered.items()
        if name in held and name not in deprecated and held[name] != option.defval
    }


def _flat(tree: Mapping[str, Any], above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, x in tree.items():
        found.update(_flat(x, f"{above}{name}.") if isinstance(x, dict) else {f"{above}{name}": x})  # pyright: ignore[reportUnknownArgumentType]
    return found


class _Pickled(bytes):
    """A function, pickled by value."""


def _take_pandas(notes: Notes) -> dict[str, Any]:
    found = _options()
    for name, x in list(found.items()):
        if not isinstance(x, bool | int | float | str | None):
            made = _pickled(x)
            if made is None:
                notes.append(f"the option {name!r} of pandas does not reach workers")
                del found[name]
            else:
                found[name] = made
    return found


def _pickled(x: Any) -> _Pickled | None:
    import cloudpickle

    try:
        made = _Pickled(cloudpickle.dumps(x))
    except Exception:  # whatever the user's objects do
        return None
    return made if len(made) <= _LARGEST else None


def _apply_pandas(values: Mapping[str, Any], notes: Notes) -> None:
    pandas: Any = sys.modules["pandas"]
    for name in _options().keys() - values.keys():
        pandas.reset_option(name)
    for name, x in values.items():
        try:
            pandas.set_option(name, pickle.loads(x) if isinstance(x, _Pickled) else x)
        except Exception as error:
            notes.append(f"the option {name!r} of pandas cannot be set in workers: {error}")


def _show_pandas(values: Mapping[str, Any], _: str) -> dict[str, Any]:
    return {name: "a function" if isinstance(x, _Pickled) else x for name, x in values.items()}


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


def _take_torch(_: Notes) -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    found = {
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
    found.update({f"cudnn.{name}": getattr(cudnn, name) for name in switches})
    return differing(found, _TORCH)


def _apply_torch(values: Mapping[str, Any], notes: Notes) -> None:
    torch: Any = sys.modules["torch"]
    now = {**_TORCH, **_take_torch([])}
    wanted = {**_TORCH, **values}
    for name in [name for name in _TORCH if wanted[name] != now[name]]:
        try:
            _set_torch(torch, name, wanted)
        except Exception as error:
            notes.append(f"the {name} of torch cannot be set in workers: {error}")


def _set_torch(torch: Any, name: str, wanted: Mapping[str, Any]) -> None:
    x = wanted[name]
    if name == "default dtype":
        torch.set_default_dtype(getattr(torch, x))
    elif name == "default device":
        torch.set_default_device(x)
    elif name.startswith("deterministic"):
        torch.use_deterministic_algorithms(
            wanted["deterministic algorithms"],
            warn_only=wanted["deterministic algorithms only warn"],
        )
    elif name == "float32 matmul precision":
        torch.set_float32_matmul_precision(x)
    elif name == "gradients":
        torch.set_grad_enabled(x)
    elif name == "detect anomaly":
        torch.autograd.set_detect_anomaly(x)
    else:
        setattr(torch.backends.cudnn, name.partition(".")[2], x)


PARTS: Final = (
    Part("pandas options", "pandas", _take_pandas, _apply_pandas, waits=True, show=_show_pandas),
    Part(
        "torch defaults",
        "torch",
        _take_torch,
        _apply_torch,
        waits=True,
        is_of_thread=True,
        defaults=_TORCH,
    ),
)
