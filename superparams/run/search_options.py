"""What any strategy says of its search by its attributes: goals, budget, and which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from superparams.declare.experiment import Experiment
from superparams.declare.goal import Goal, goal_of
from superparams.declare.search_points import SearchPoints
from superparams.errors import SpaceError, StrategyError
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_open
from superparams.strategies.strategy import BUDGET

__all__ = ["budget_of", "goals_of", "identity_of", "point_to_try"]

_PLAIN: Final = (int, float, str, bool, type(None))


def budget_of(strategy: Any) -> dict[str, Any]:
    """The options of a strategy that say when its search ends, as far as they are given."""
    given = {name: getattr(strategy, name, None) for name in BUDGET}
    return {name: x for name, x in given.items() if x is not None}


def goals_of(strategy: Any, cls: type[Experiment]) -> list[Goal]:
    """The goals of any strategy."""
    found: list[Goal] = []
    for option, mode in (("maximize", "max"), ("minimize", "min")):
        given: Any = getattr(strategy, option, None)
        names = [] if given is None else [given] if isinstance(given, str) else list(given)
        found += [Goal(name, mode) for name in names]  # type: ignore[arg-type]
    goal = goal_of(cls)
    if not found and goal is None and not hasattr(strategy, "for_goal"):
        name = type(strategy).__name__
        raise StrategyError(
            f"{name} does not say what is to be large or small, and {cls.__name__} has no goal: "
            f'set maximize = "accuracy" in {name}, or goal = maximize("accuracy") in {cls.__name__}'
        )
    return found or ([] if goal is None else [goal])


def point_to_try(space: Any, points: SearchPoints, given: Any) -> dict[str, Any]:
    """The point of a setting, or of a mapping of fields to values.

    Raises:
        StrategyError: When the space has no such point.
    """
    setting: Any = given
    try:
        if isinstance(given, Mapping):
            setting = space.replace(**given)
            if is_open(setting) and not SearchPoints(setting).space.dimensions:
                setting = setting[0]  # with any of its repetitions
        if is_open(setting):
            raise SpaceError("it leaves axes open: give a value for each")
        return points.point_of(setting)
    except SpaceError as error:
        raise StrategyError(f"enqueue: {shorten(given)} is no point to try: {error}") from None


def identity_of(strategy: Any) -> str:
    """A text that is the same for the same strategy and options, without its budget."""
    found = getattr(strategy, "identity", None)
    if isinstance(found, str):
        return found
    cls: type[Any] = strategy.__class__
    if "__repr__" in {name for base in cls.__mro__[:-1] for name in vars(base)}:
        return repr(strategy)
    held: dict[str, Any] = getattr(strategy, "__dict__", {})
    plain = {name: x for name, x in sorted(held.items()) if isinstance(x, _PLAIN)}
    return f"{cls.__module__}.{cls.__qualname__} {plain}"
