"""The stopper of a run: which settings it compares, and what such runs did earlier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from superparams.declare.experiment import Experiment
from superparams.declare.goal import goal_of
from superparams.declare.keys import Keys
from superparams.errors import EngineError, RunError, StrategyError
from superparams.errors.short_repr import shorten
from superparams.outcomes.arrow import plain_array
from superparams.run.options import RunOptions
from superparams.run.plan import Plan
from superparams.run.space_keys import LARGEST_PLAN, all_keys
from superparams.space.groups import size_of
from superparams.store.results import Results
from superparams.store.runs.folder import run_folders
from superparams.strategies.stop_decisions import StopDecisions
from superparams.strategies.stopper import Row, Stopper

__all__ = ["Stopping", "stopping_of"]

STOP: Final = "stop"  # in run.json


@dataclass(frozen=True)
class Stopping:
    """The stopper of a run.

    Attributes:
        stopper: The stopper, with the goal that it reads.
        selection: A digest of the settings that it compares.
    """

    stopper: Stopper
    selection: str

    @property
    def text(self) -> str:
        """The stopper as rows name it."""
        return repr(self.stopper)

    def manifest(self) -> dict[str, Any]:
        """The entry of run.json."""
        return {STOP: {"stopper": self.text, "selection": self.selection}}

    def same_runs(self, root: Path) -> list[str]:
        """The names of the runs that stopped settings by the same rules as this run."""
        entry = self.manifest()[STOP]
        return [run.name for run in run_folders(root) if run.manifest().get(STOP) == entry]

    def judge(self, plan: Plan, results: Results | None) -> StopDecisions:
        """The decisions of the stopper in a run.

        Args:
            plan: Which settings are to run.
            results: The recorded results of the experiment; None if there are none.
        """
        finished: list[tuple[int, Sequence[Row]]] = []
        if results is not None and plan.keys is not None and plan.n_todo < plan.size:
            finished = list(_finished(plan, results))
        return StopDecisions(self.stopper, plan.todo, finished=finished)


def stopping_of(
    space: Experiment, options: RunOptions, keys: Keys, engine: object, selection: str | None = None
) -> Stopping | None:
    """The stopper of a run, if it has one that counts; ``debug`` stops nothing early.

    Args:
        space: The settings.
        options: The options of the run.
        keys: The keys of the settings.
        engine: The engine of the run; None for a pool of Python itself.
        selection: Identifies the settings, if they are not known beforehand.

    Raises:
        StrategyError: When neither the stopper nor the experiment has a goal, and for an attribute
            of a stopper that means nothing.
        EngineError: When the engine carries no steps.
        RunError: For a space that is too large.
    """
    stopper, cls = options.stop, type(space)
    if stopper is None or options.debug:
        return None
    if not getattr(engine, "carries_steps", engine is not None):
        name = getattr(engine, "name", "a pool of Python")
        raise EngineError(
            f"stop={stopper!r} cannot be used with engine={name!r}: an executor hands over nothing "
            'before a setting ends; give engine="processes", "threads" or "serial"'
        )
    size = 0 if selection is not None else size_of(space)
    if size > LARGEST_PLAN:
        raise RunError(
            f"stop={stopper!r}: a space of {size:,} settings is too large to compare them (at most "
            f"{LARGEST_PLAN:,}); take a sample() or a slice of it"
        )
    _check_options(stopper)
    with_goal = getattr(stopper, "for_goal", None)
    if with_goal is not None:
        stopper = with_goal(goal_of(cls), cls.__name__)
    if selection is not None:
        return Stopping(stopper, selection)
    only: Any = options.only  # a run of some keys compares only these
    digest = hashlib.blake2b(all_keys(keys, size).buffers()[1], digest_size=16)
    digest.update(b"" if only is None or isinstance(only, str) else "\n".join(only).encode())
    return Stopping(stopper, digest.hexdigest())


def _check_options(stopper: object) -> None:
    """Refuse attributes of a stopper that mean nothing, see `Stopper`.

    Raises:
        StrategyError: Names the attribute, its value and the remedy.
    """
    name, order = type(stopper).__name__, getattr(stopper, "order", "index")
    if order not in ("index", "arrival"):
        raise StrategyError(f'{name}.order={shorten(order)}: give "index" or "arrival"')
    for method, argument in (("reads", "row"), ("group", "index"), ("for_goal", "goal, of")):
        x = getattr(stopper, method, None)
        if x is not None and not callable(x):
            raise StrategyError(
                f"{name}.{method}={shorten(x)}: write a method, def {method}(self, {argument}), or "
                f"call the attribute something else"
            )


def _finished(plan: Plan, results: Results) -> Iterator[tuple[int, Sequence[Row]]]:
    """The settings of the space that are not to run, with their steps, by their index."""
    places: dict[str, int] = {}
    todo = {index for indices in plan.todo for index in indices}
    for index, key in enumerate(plan.keys.to_pylist()):
        if index not in todo:
            places.setdefault(key.hex(), index)
    keys = plain_array([bytes.fromhex(key) for key in places], plan.keys.type)
    rows = results.of_keys(keys).where(stale=False)
    status = dict(
        zip(rows.column("key").to_pylist(), rows.column("status").to_pylist(), strict=True)
    )
    by_key = rows.steps.by_key()
    for key, index in places.items():
        if status.get(key) in ("done", "stopped"):
            yield index, by_key.get(key, [])
