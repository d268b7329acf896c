"""How many settings of a run fit on the machine at once, by the resources that they need."""

from __future__ import annotations

from dataclasses import replace

from superparams.executor.engines.contract import Engine
from superparams.executor.engines.held_resources import places_for
from superparams.executor.program import Program
from superparams.executor.setting_needs import needs_of
from superparams.run.options import RunOptions
from superparams.run.plan import Plan

__all__ = ["limited_by_resources"]


def limited_by_resources(
    program: Program, planned: Plan, engine: Engine | None, options: RunOptions
) -> RunOptions:
    """Tell the program what its settings need, and limit the number of workers by that.

    Args:
        program: What workers run.
        planned: The settings to run, as far as they are known beforehand.
        engine: The engine of the run.
        options: The options of the run. The debugger ignores resources.

    Returns:
        The options, with at most as many workers as there is room for.

    Raises:
        EngineError: When the engine does not have what a setting needs.
        RunError: When `resources` fails for a setting.
    """
    has_work = planned.n_todo or program.proposed is not None
    needs = needs_of(program.space) if has_work and not options.debug else None
    if needs is None or engine is None:
        return options
    needs.split(planned.todo)
    program.setting_needs = needs
    program.n_proc = places_for(engine, needs, options.of_engine)
    if options.is_on_cluster:  # nodes that come later give more room
        return options
    return replace(options, num_proc=program.n_proc)
