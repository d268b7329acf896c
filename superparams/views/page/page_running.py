"""The settings that run now, as the page shows them: their newest steps, and their curves."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.safe_text import lines
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.outcomes.step_batches import FIELD
from superparams.store.runs.run_records import Run
from superparams.store.runs.running_settings import RunningSetting, running_settings
from superparams.store.runs.running_steps import LastStep, RunningSteps
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.recorded_steps import OWN
from superparams.views.page.page_columns import simple_column
from superparams.views.page.private_paths import PrivatePaths
from superparams.views.result_tables import full

__all__ = ["SettingsNow"]

MOST: Final = 100  # settings
MOST_POINTS: Final = 300  # of a curve


class _RunNow(NamedTuple):
    """A run in progress, and its running settings."""

    run: Run
    settings: Sequence[RunningSetting]
    steps: RunningSteps

    @property
    def n_settings(self) -> int:
        """The number of its running settings if it is known, else the number of its workers."""
        indices = {entry.index for entry in self.settings} | {
            step.index for step in self.steps.last
        }
        return len(indices) or (self.run.num_proc or 1)


class SettingsNow:
    """The settings that the runs of an experiment run now. Their steps are read as they grow."""

    def __init__(self) -> None:
        """Start without runs."""
        self._runs: list[_RunNow] = []

    def update(self, runs: Sequence[Run]) -> None:
        """Read again which settings these runs run.

        Args:
            runs: All runs of the experiment.
        """
        steps_by_run = {run_now.run.name: run_now.steps for run_now in self._runs}
        self._runs = []
        for run in runs:
            if run.state == "running":
                steps = steps_by_run.get(run.name) or RunningSteps(run.folder)
                steps.update()
                # The list may be half a second old.
                settings = [x for x in running_settings(run.folder) if not steps.has_ended(x.index)]
                self._runs.append(_RunNow(run, settings, steps))

    def counts(self) -> dict[str, int]:
        """How many settings run, and how many wait for a worker."""
        running = todo = 0
        for run_now in self._runs:
            left = run_now.n_settings
            if run_now.run.todo is not None:
                left = max(0, run_now.run.todo - sum(run_now.run.counts.values()))
            now = min(run_now.n_settings, left)
            running, todo = running + now, todo + left - now
        return {"running": running, "todo": todo}

    def facts(self, paths: PrivatePaths) -> list[dict[str, Any]]:
        """The settings, each with its fields and its last step.

        Args:
            paths: Hides paths of the machine.
        """
        facts: list[dict[str, Any]] = []
        for run_now in self._runs:
            settings = {each.index: each for each in run_now.settings}
            last = {each.index: each for each in run_now.steps.last}
            for index in sorted(settings.keys() | last.keys())[: MOST - len(facts)]:
                facts.append(_fact(settings.get(index), last.get(index), paths))
        return facts

    @property
    def n_steps(self) -> dict[str, int]:
        """How many steps each setting has recorded, by its key."""
        return {each.key: each.step for run_now in self._runs for each in run_now.steps.last[:MOST]}

    def curves(
        self, keys: Container[str], params: Iterable[str], paths: PrivatePaths
    ) -> Iterator[pa.Table]:
        """The steps of settings, at most some hundred of each: a table for each run.

        Args:
            keys: The settings.
            params: The names of the columns of parameters, which fields of steps must not have.
            paths: Hides paths of the machine.
        """
        labels = {*OWN, *params}
        for run_now in self._runs:
            last = run_now.steps.last
            places = [place for place, each in enumerate(last[:MOST]) if each.key in keys]
            if places:
                yield _curves(run_now.steps.table(), last, places, labels, paths)


def _fact(
    running: RunningSetting | None, last: LastStep | None, paths: PrivatePaths
) -> dict[str, Any]:
    fact: dict[str, Any] = {
        "key": next(record.key for record in (running, last) if record is not None)
    }
    if running is not None:
        values = {name: full(name, x) for name, x in running.values.items()}
        fact["fields"] = {lines(name): lines(paths.hidden(x)) for name, x in values.items()}
        fact["started"], fact["worker"] = running.started, running.rank
        fact["in_setup"] = running.in_setup
    if last is not None:
        fact["step"], fact["seconds"] = last.step, last.seconds
        shown = {name: lines(paths.hidden(full(name, x))) for name, x in last.row.items()}
        fact["values"] = {lines(name): text for name, text in shown.items()}
    return fact


def _curves(
    steps: pa.Table,
    last: Sequence[LastStep],
    places: list[int],
    labels: Container[str],
    paths: PrivatePaths,
) -> pa.Table:
    """Some steps of each of these settings, the last one included, in the types of the page."""
    chosen = plain_array(places, pa.int64())
    steps = steps.filter(pc.is_in(steps.column("owner"), value_set=chosen))
    owner, step = flat(steps.column("owner")), flat(steps.column("step"))
    ends = plain_array([step.step for step in last], pa.int64()).take(owner)
    every = plain_array([-(-step.step // MOST_POINTS) for step in last], pa.int64()).take(owner)
    rest = pc.subtract(step, pc.multiply(pc.divide(step, every), every))
    is_kept = pc.or_(pc.equal(rest, plain_scalar(0, pa.int64())), pc.equal(step, ends))
    steps = steps.filter(is_kept)
    owner = flat(steps.column("owner"))
    arrays = {
        "key": plain_array([step.key for step in last], pa.string()).take(owner),
        "attempt": plain_array([step.attempt for step in last], pa.int32()).take(owner),
    }
    for field in list(steps.schema)[1:]:
        plain = field.name.removeprefix(FIELD)
        name = field.name if plain != field.name and plain in labels else plain
        arrays[name] = simple_column(steps.column(field.name), field, paths.hidden)
    return pa.table(arrays)
