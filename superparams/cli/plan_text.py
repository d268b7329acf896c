"""The plan of a run as text: which settings would run, and how long they may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from superparams.declare.experiment import Experiment
from superparams.declare.resources import Resources
from superparams.errors import safe_text, units
from superparams.errors.units import counted
from superparams.run.job import Job, prepare
from superparams.run.options import RunOptions
from superparams.run.recorded_counts import OUTCOME_KINDS, count_outcomes
from superparams.run.searching import Searching
from superparams.run.shards import shard_text
from superparams.run.space_keys import is_sparse, keys_in_space
from superparams.store.runs.folder import has_records
from superparams.store.table.index import mean_seconds, read_index

__all__ = ["PlannedRun", "PlannedSearch", "planned"]


@dataclass(frozen=True)
class PlannedGroup:
    """Settings to run that need the same resources.

    Attributes:
        need: What each of them needs.
        count: Their number.
        at_once: How many of them can run at the same time.
    """

    need: Resources
    count: int
    at_once: int

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        return {**vars(self.need), "settings": self.count, "at_once": self.at_once}

    @property
    def text(self) -> str:
        """As text, for people."""
        return f"{counted(self.count, 'setting')} with {self.need}: {self.at_once:,} at once"


@dataclass(frozen=True)
class PlannedRun:
    """The plan of a run, which is not carried out.

    Attributes:
        job: The run.
        counts: The number of settings by their recorded outcome; empty for a space that is too
            large to be compared.
        each: The mean seconds of a recorded setting; None if there is none.
    """

    job: Job
    counts: Mapping[str, int]
    each: float | None

    code = 0  # settings that are still to run are no failure

    @property
    def workers(self) -> int:
        """The number of workers with something to do."""
        return max(1, min(self.job.options.of_engine.num_proc, self.job.plan.n_todo))

    @cached_property
    def groups(self) -> list[PlannedGroup]:
        """The settings to run by the resources that they need; empty if they need none."""
        needs = self.job.program.setting_needs
        groups: list[PlannedGroup] = []
        if needs is None:
            return groups
        for need, ranges in needs.split(self.job.plan.todo).items():
            most = math.inf if needs.capacity is None else needs.capacity(need)
            at_once = min(most, self.job.options.of_engine.num_proc)
            groups.append(PlannedGroup(need, sum(map(len, ranges)), int(at_once)))
        return groups

    @property
    def seconds(self) -> float | None:
        """The seconds that the run may take."""
        if self.each is None:
            return None
        return self.each * math.ceil(self.job.plan.n_todo / self.workers)

    @property
    def repeated(self) -> int:
        """The number of settings that the space has twice, and that run once."""
        return self.job.plan.n_settings - sum(self.counts.values()) if self.counts else 0

    @property
    def _shard(self) -> dict[str, Any]:
        """The shard, and the number of its settings; the counts are those of the shard."""
        plan = self.job.plan
        return {} if plan.shard is None else {"shard": plan.shard, "in_shard": plan.n_settings}

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        return {
            "experiment": self.job.program.name,
            "settings": self.job.plan.size,
            **self._shard,
            **self.counts,
            "repeated": self.repeated,
            "todo": self.job.plan.n_todo,
            "num_proc": self.job.options.of_engine.num_proc,
            **(
                {"resources": [planned_group.document for planned_group in self.groups]}
                if self.groups
                else {}
            ),
            "seconds_each": self.each,
            "seconds": self.seconds,
        }

    @property
    def lines(self) -> Iterator[str]:
        """As text, for people."""
        plan = self.job.plan
        counts = {**self.counts, "repeated": self.repeated}
        parts = [f"{count:,} {name}" for name, count in counts.items() if count]
        recorded = f" ({', '.join(parts)})" if parts else ""
        todo = f"{plan.n_todo:,} to run" if plan.n_todo else "nothing to run"
        name = safe_text.line(self.job.program.name)
        size = counted(plan.size, "setting")
        if plan.shard is not None:
            size = f"{shard_text(plan.shard)}, {plan.n_settings:,} of {size}"
        yield f"{name}: {size}{recorded}; {todo}"
        if plan.n_todo and self.seconds is not None:
            took = f"{units.duration(self.each)} a setting so far"
            workers = counted(self.workers, "worker")
            yield f"  may take {units.duration(self.seconds)} with {workers} ({took})"
        elif plan.n_todo:
            yield "  the time is not known, since no setting has run yet"
        for planned_group in self.groups:
            yield f"  {planned_group.text}"


@dataclass(frozen=True)
class PlannedSearch:
    """The next step of a search, which is not carried out.

    Attributes:
        job: The run.
        search: Its search.
    """

    job: Job
    search: Searching

    code = 0

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        trials = self.search.trials
        n_ended, best, score = trials.standing
        return {
            "experiment": self.job.program.name,
            "strategy": repr(self.search.strategy),
            "trials": n_ended,
            "best": None if score is None else self.search.value_of(score),
            "best_trial": best,
            "ending": trials.ending,
            "next": [self.job.program.row(index) for index in self.search.first],
            "todo": self.job.n_todo,
        }

    @property
    def lines(self) -> Iterator[str]:
        """As text, for people."""
        trials = self.search.trials
        n_ended, best, score = trials.standing
        name = safe_text.line(self.job.program.name)
        parts = [f"{counted(n_ended, 'trial')} so far"]
        if score is not None and best is not None:
            goal = self.search.goals[0].column
            parts.append(f"best {goal} {self.search.value_of(score):g} (trial {best})")
        if trials.ending is None and self.job.n_todo:
            parts.append(f"{self.job.n_todo:,} to run")
        yield safe_text.line(f"{name}: {self.search.strategy!r}: {', '.join(parts)}")
        if trials.ending is not None and not self.search.first:
            yield safe_text.line(f"  the search is over: {trials.ending}")
        for index in self.search.first:
            yield safe_text.line(f"  next: {self.job.label(index)}")


def planned(space: Experiment, options: RunOptions) -> PlannedRun | PlannedSearch:
    """The plan of ``run_all`` with these options; nothing is written."""
    job = prepare(space, options)
    job.close()
    if job.proposing is not None:
        return PlannedSearch(job, job.proposing)
    return PlannedRun(job, _counts(job), mean_seconds(job.root))


def _counts(job: Job) -> dict[str, int]:
    plan, keys = job.plan, job.program.keys
    n_settings = plan.n_settings
    index = read_index(job.root) if has_records(job.root) else None
    if index is None and plan.keys is None:  # no setting is in it twice
        return dict.fromkeys(OUTCOME_KINDS, 0) | {"new": n_settings}
    if plan.keys is None and index is not None and is_sparse(keys, plan.size, index, n_settings):
        some = keys_in_space(keys, index.keys, plan.shard, plan.size)
        return count_outcomes(some, index, job.codes) | {"new": n_settings - len(some)}
    every = plan.keys_of(keys)
    return {} if every is None else count_outcomes(every.unique(), index, job.codes)
