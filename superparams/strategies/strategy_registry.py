"""Finds strategies and stoppers by name, also those that installed packages register.

A package registers a class as an entry point of the group ``superparams.strategies`` or
``superparams.stoppers``.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, Final

from superparams.adapters.entry_points import loaded, registered
from superparams.errors import StrategyError
from superparams.errors.suggestions import similar

__all__ = ["STOPPERS", "STRATEGIES", "default_strategy", "find_named", "names_in"]

STRATEGIES: Final = "superparams.strategies"  # groups of entry points
STOPPERS: Final = "superparams.stoppers"
# The classes of this room, by the names that the command gives them.
_OWN: Final[dict[str, tuple[str, ...]]] = {
    STRATEGIES: ("Random", "Sobol", "Evolution", "TPE", "GP", "CMAES", "NSGA2"),
    STOPPERS: ("ASHA", "Hyperband", "Median", "Threshold", "Patience"),
}
_KINDS: Final = {STRATEGIES: "strategy", STOPPERS: "stopper"}


def default_strategy() -> str:
    """The name of the default strategy: the best one that is installed."""
    has_optuna = (
        "tpe" in _own_classes(STRATEGIES) and importlib.util.find_spec("optuna") is not None
    )
    return "tpe" if has_optuna else "evolution"


def names_in(group: str) -> list[str]:
    """The names of a group: `STRATEGIES` or `STOPPERS`."""
    return [
        *_own_classes(group),
        *sorted({entry.name for entry in registered(group)} - _own_classes(group).keys()),
    ]


def find_named(group: str, name: str) -> Any:
    """The class with a name, in lower case or as it is written in Python.

    Args:
        group: `STRATEGIES` or `STOPPERS`.
        name: The name.

    Raises:
        StrategyError: For an unknown name, with similar ones; and for a package that cannot be
            loaded.
    """
    own = _own_classes(group)
    if name.lower() in own:
        return own[name.lower()]
    entry = next((entry for entry in registered(group) if entry.name == name), None)
    if entry is None:
        names = names_in(group)
        near = similar(name, names)
        hint = f"did you mean {' or '.join(near)}?" if near else f"give one of {', '.join(names)}"
        raise StrategyError(f"{name!r} is not a {_KINDS[group]}: {hint}")
    try:
        return loaded(entry.target)
    except Exception as error:
        raise StrategyError(
            f"{name!r}, {entry.target!r} of {entry.owner}, cannot be loaded: "
            f"{type(error).__name__}: {error}. Repair or uninstall {entry.owner}"
        ) from error


def _own_classes(group: str) -> dict[str, Any]:
    room: Any = importlib.import_module("superparams.strategies")
    return {name.lower(): getattr(room, name) for name in _OWN[group] if hasattr(room, name)}
