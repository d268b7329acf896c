"""The options of pandas, which every worker gets."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from typing import Any, Final

from superparams.adapters.process_options import Notes, Part

__all__ = ["PANDAS_OPTIONS"]

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


def _flat(tree: Mapping[str, object], above: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, x in tree.items():
        options.update(
            _flat(x, f"{above}{name}.") if isinstance(x, dict) else {f"{above}{name}": x}  # pyright: ignore[reportUnknownArgumentType]
        )
    return options


class _Pickled(bytes):
    """A function, pickled by value."""


def _read_options(notes: Notes) -> dict[str, Any]:
    options = _options()
    for name, x in list(options.items()):
        if not isinstance(x, bool | int | float | str | None):
            pickled = _pickled(x)
            if pickled is None:
                notes.append(f"the option {name!r} of pandas does not reach workers")
                del options[name]
            else:
                options[name] = pickled
    return options


def _pickled(x: object) -> _Pickled | None:
    import cloudpickle

    try:
        pickled = _Pickled(cloudpickle.dumps(x))
    except Exception:  # whatever the user's objects do
        return None
    return pickled if len(pickled) <= _LARGEST else None


def _apply_options(values: Mapping[str, object], notes: Notes) -> None:
    pandas: Any = sys.modules["pandas"]
    for name in _options().keys() - values.keys():
        pandas.reset_option(name)
    for name, x in values.items():
        try:
            pandas.set_option(name, pickle.loads(x) if isinstance(x, _Pickled) else x)
        except Exception as error:
            notes.append(f"the option {name!r} of pandas cannot be set in workers: {error}")


def _show_options(values: Mapping[str, object], _: str) -> dict[str, Any]:
    return {name: "a function" if isinstance(x, _Pickled) else x for name, x in values.items()}


PANDAS_OPTIONS: Final = (
    Part("pandas options", "pandas", _read_options, _apply_options, waits=True, show=_show_options),
)
