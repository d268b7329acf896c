"""Makes the search of a run from the options of the run, and refuses options that do not fit."""

from __future__ import annotations

from typing import Any

from superparams.declare.experiment import Experiment
from superparams.errors import EngineError, RunError
from superparams.errors.short_repr import shorten
from superparams.run.options import RunOptions
from superparams.run.search_options import check_end, check_space, with_goals
from superparams.run.searching import Searching

__all__ = ["searching_of"]


def searching_of(space: Experiment, options: RunOptions) -> Searching:
    """The search of a run.

    Raises:
        RunError: With an option that a search cannot have, or without anything to search.
        EngineError: For more workers than trials may run at once.
        StrategyError: Without a goal, or for a search that would never end.
    """
    strategy: Any = options.strategy
    name = type(strategy).__name__
    if options.only is not None:
        raise RunError(
            f"only={shorten(options.only)} cannot be used with strategy={strategy!r}, which "
            "chooses the settings itself: leave only= out"
        )
    check_space(space, strategy)
    strategy, goals = with_goals(strategy, type(space))
    search = Searching(space, strategy, goals, resumes=options.resume, reports=options.progress)
    ahead, num_proc = search.ahead, options.of_engine.num_proc
    if ahead is not None and num_proc > ahead and not options.is_auto:
        raise EngineError(
            f"num_proc={num_proc} workers would wait for each other: at most ahead={ahead} trials "
            f"of {name} run at once; give {name}(ahead={num_proc}), or num_proc={ahead}"
        )
    check_end(strategy, search.proposed)
    return search
