"""Reads and checks the attributes of a strategy: goals, budget, and the id of the search."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from superparams.declare.experiment import Experiment
from superparams.declare.goal import Goal, goal_of
from superparams.declare.joined_space import joined_fields
from superparams.declare.proposed_space import ProposedSpace
from superparams.declare.repeats import repeats_of
from superparams.declare.search_points import SearchPoints
from superparams.errors import RunError, SpaceError, StrategyError
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_open
from superparams.strategies.strategy import BUDGET

__all__ = [
    "budget_of",
    "check_end",
    "check_space",
    "id_of_search",
    "point_to_try",
    "with_goals",
]

MOST_POINTS: Final = 1_000_000  # of a space that is searched without a budget
_PLAIN: Final = (int, float, str, bool, type(None))


def budget_of(strategy: object) -> dict[str, Any]:
    """The options of a strategy that limit its search, without those that are None."""
    budget = {name: getattr(strategy, name, None) for name in BUDGET}
    return {name: x for name, x in budget.items() if x is not None}


def _check_options(strategy: object) -> None:
    """Refuse attributes of a strategy that are no options of a search, see `Strategy`.

    Raises:
        StrategyError: Names the attribute, its value and the remedy.
    """
    for name, (is_right, remedy) in _OPTIONS.items():
        x: object = getattr(strategy, name, None)
        if x is not None and not is_right(x):
            raise StrategyError(f"{type(strategy).__name__}.{name}={shorten(x)}: give {remedy}")


def _is_count(x: object) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def _is_number(x: object) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and x == x


def _are_names(x: object) -> bool:
    several = cast("Sequence[object]", x) if isinstance(x, list | tuple) else [x]
    return all(isinstance(name, str) and name.strip() for name in several)


# The check of each attribute of a strategy, and what to give instead; None is always allowed.
_OPTIONS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "maximize": (_are_names, "the name of a result, or a list of names"),
    "minimize": (_are_names, "the name of a result, or a list of names"),
    "trials": (_is_count, "a whole number, 1 or more, or None"),
    "patience": (_is_count, "a whole number, 1 or more, or None"),
    "ahead": (_is_count, "a whole number, 1 or more, or None if outcomes do not matter"),
    "seconds": (lambda x: _is_number(x) and x >= 0, "a number, 0 or more, or None"),
    "target": (_is_number, "a number, or None"),
    "seed": (lambda x: isinstance(x, int) and not isinstance(x, bool), "an int, such as seed=0"),
    "order": (lambda x: x in ("index", "arrival"), '"index" or "arrival"'),
    "enqueue": (
        lambda x: isinstance(x, Sequence) and not isinstance(x, str | bytes),
        "a list of settings, or of mappings of fields to values",
    ),
}


def with_goals(strategy: Any, cls: type[Experiment]) -> tuple[Any, list[Goal]]:
    """A strategy that knows its goals, and the goals: its own, or that of the experiment.

    Raises:
        StrategyError: When neither has a goal.
    """
    for_goal = getattr(strategy, "for_goal", None)
    if for_goal is not None:
        strategy = for_goal(goal_of(cls), cls.__name__)
        return strategy, list(strategy.goals)
    goals: list[Goal] = []
    for option, mode in (("maximize", "max"), ("minimize", "min")):
        columns: Any = getattr(strategy, option, None)
        names = [] if columns is None else [columns] if isinstance(columns, str) else list(columns)
        goals += [Goal(name, mode) for name in names]  # type: ignore[arg-type]
    goal = goal_of(cls)
    if not goals and goal is None:
        name = type(strategy).__name__
        raise StrategyError(
            f"{name} does not say which result to maximize or minimize, and {cls.__name__} has no "
            f'goal: set maximize = "accuracy" in {name}, or goal = maximize("accuracy") in '
            f"{cls.__name__}"
        )
    return strategy, goals or ([] if goal is None else [goal])


def check_space(space: Experiment, strategy: object) -> None:
    """Refuse a space that no strategy can search, and wrong options of a strategy.

    Raises:
        StrategyError: For an attribute of the strategy that is no option of a search.
        RunError: For one setting, and for a sample, a slice or a list of settings, in which each
            repetition is an item of its own.
    """
    _check_options(strategy)
    if not is_open(space):
        raise RunError(
            f"strategy={strategy!r}: {type(space).__name__} has no open axis, so there is one "
            "setting and nothing to search; leave strategy= out"
        )
    cls, joined = type(space), joined_fields(space)
    apart = [name for name in repeats_of(cls) if name in joined]
    if apart:
        raise RunError(
            f"strategy={strategy!r} cannot search a sample, a slice or a list of settings: these "
            f"take the repetitions of {cls.__name__}.{apart[0]} apart; search the space, as in "
            f"{cls.__name__}().run_all(strategy=...)"
        )


def check_end(strategy: object, proposed: ProposedSpace | None) -> None:
    """Refuse a search that would never end, or only after millions of trials.

    Args:
        strategy: The strategy.
        proposed: The space of its proposals; None if all settings are known beforehand.

    Raises:
        StrategyError: For a strategy without a budget, if the space has all floats of a range, or
            more than a million points.
    """
    if isinstance(getattr(strategy, "trials", 1), int) or budget_of(strategy) or proposed is None:
        return
    size = proposed.points.space.size
    if size is not None and size <= MOST_POINTS:
        return
    when = "never end" if size is None else f"end after {size:,} trials"
    raise StrategyError(
        f"{strategy!r} would {when}: give it a budget, such as "
        f"{type(strategy).__name__}(trials=100)"
    )


def point_to_try(space: Any, points: SearchPoints, trial: Any) -> dict[str, Any]:
    """The point of a setting, or of a mapping of fields to values.

    Raises:
        StrategyError: When the space has no such point.
    """
    setting: Any = trial
    try:
        if isinstance(trial, Mapping):
            setting = space.replace(**trial)
            if is_open(setting) and not SearchPoints(setting).space.dimensions:
                setting = next(iter(setting), None)  # any repetition of the point will do
        if setting is None:
            raise SpaceError("valid() refuses it")
        if is_open(setting):
            raise SpaceError("it leaves axes open: give a value for each")
        point = points.point_of(setting)
        if not points.kept(point):
            raise SpaceError("valid() refuses it")
        return point
    except SpaceError as error:
        raise StrategyError(f"enqueue: {shorten(trial)} is no point to try: {error}") from None


def id_of_search(strategy: object, seed: int, *more: object) -> str:
    """A name that is the same for the same strategy, seed, goal, space and stopper.

    Args:
        strategy: The strategy.
        seed: Chooses the random numbers.
        more: Everything else that identifies a search: goals, the space, `ahead`, the stopper.
    """
    *others, stop = more
    order = getattr(strategy, "order", None) or "index"
    what = [identity_of(strategy), seed, *others, order, stop and repr(stop)]
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def identity_of(strategy: object) -> str:
    """A text that is the same for the same strategy and options, without its budget."""
    identity = getattr(strategy, "identity", None)
    if isinstance(identity, str):
        return identity
    cls: type[Any] = strategy.__class__
    if "__repr__" in {name for base in cls.__mro__[:-1] for name in vars(base)}:
        return _repr_without_budget(strategy)
    held: dict[str, Any] = getattr(strategy, "__dict__", {})
    plain = {
        name: x for name, x in sorted(held.items()) if isinstance(x, _PLAIN) and name not in BUDGET
    }
    return f"{cls.__module__}.{cls.__qualname__} {plain}"


def _repr_without_budget(strategy: object) -> str:
    """The repr of a copy without a budget, for example of a dataclass with `trials`."""
    try:
        twin = copy.copy(strategy)
        twin.__dict__.update({name: None for name in BUDGET if name in twin.__dict__})
        return repr(twin)
    except Exception:  # the repr needs the budget, or the object cannot be copied
        return repr(strategy)
