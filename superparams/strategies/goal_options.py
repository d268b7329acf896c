"""The goal options that stoppers and strategies share, and checks of options."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from superparams.declare.goal import Goal
from superparams.errors import StrategyError
from superparams.errors.short_repr import shorten

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GoalOptions"]


class GoalOptions:
    """A stopper or a strategy with a goal. Subclasses are dataclasses.

    They have the fields `maximize` and `minimize`, the names of columns. Without both, the goal is
    that of the experiment.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]

    def for_goal(self, goal: Goal | None, of: str) -> Self:
        """The same object if it names a goal itself, else a copy with the goal of an experiment.

        Args:
            goal: The goal of the experiment; None if it has none.
            of: The name of the experiment, for messages.

        Raises:
            StrategyError: When neither has a goal.
        """
        options: Any = self
        if options.maximize or options.minimize:
            return self
        if goal is None:
            name = type(self).__name__
            raise StrategyError(
                f"{name}() does not say which result to maximize or minimize, and {of} has no "
                f'goal: give {name}(maximize="accuracy") (in the command: --maximize accuracy), or '
                f'write goal = maximize("accuracy") into {of}'
            )
        name = "maximize" if goal.mode == "max" else "minimize"
        return cast("Self", replace(options, **{name: goal.column}))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._changed().values())})"

    def _changed(self) -> dict[str, str]:
        """The options that are not the default, as text such as ``trials=100``."""
        values = {each.name: repr(getattr(self, each.name)) for each in fields(self) if each.init}
        defaults = {each.name: repr(each.default) for each in fields(self)}
        return {name: f"{name}={x}" for name, x in values.items() if x != defaults[name]}

    def _refused(self, name: str, remedy: str) -> StrategyError:
        """The error for a value that an option cannot have."""
        x = shorten(getattr(self, name))
        return StrategyError(f"{type(self).__name__}.{name}={x}: {remedy}")

    def _at_least(self, name: str, least: float, *, is_whole: bool = True) -> None:
        """Refuse an option that is no number, or too small.

        An option whose default is None may be None.

        Args:
            name: The option.
            least: The smallest number that it may be.
            is_whole: Whether it has to be an int.

        Raises:
            StrategyError: Names the option, its value and the remedy.
        """
        x: object = getattr(self, name)
        or_none = any(each.name == name and each.default is None for each in fields(self))
        kinds = (int,) if is_whole else (int, float)
        if (or_none and x is None) or (
            isinstance(x, kinds) and not isinstance(x, bool) and x >= least
        ):
            return
        what = "a whole number" if is_whole else "a number"
        which = f", {least:g} or more" if math.isfinite(least) else ""
        raise self._refused(name, f"give {what}{which}{', or None' if or_none else ''}")

    def _above(self, name: str, bound: float, remedy: str) -> None:
        """Refuse an option that is no number above a bound.

        Raises:
            StrategyError: Names the option, its value and the remedy.
        """
        x: object = getattr(self, name)
        if isinstance(x, bool) or not isinstance(x, int | float) or not x > bound:
            raise self._refused(name, remedy)
