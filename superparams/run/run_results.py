"""The results of a run, and the recorded results of a space."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import name_of
from superparams.declare.keys import Keys
from superparams.declare.layout import has_range
from superparams.errors import RunError, SpaceError
from superparams.identity.code.fingerprint import fingerprint
from superparams.run.job import Job
from superparams.run.space_keys import LARGEST_PLAN, SMALL_SPACE, all_keys, is_sparse, keys_in_space
from superparams.space.groups import size_of
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder, has_records
from superparams.store.runs.results_folder import home_of, results_folder
from superparams.store.table.index import read_index
from superparams.store.table.merge import compact
from superparams.views.result_tables import notes_of_goal

__all__ = ["results_of", "results_of_run"]


def results_of(experiment: type[Experiment] | Experiment, results: str | Path) -> Results:
    """The recorded results of an experiment, or of a space; see `Experiment.results`."""
    cls, space = (
        (experiment, None) if isinstance(experiment, type) else (type(experiment), experiment)
    )
    if space is not None and has_range(space):
        name = cls.__name__
        raise SpaceError(
            f"{name}() has ranges, so it has no list of settings whose results could be looked up; "
            f"take {name}.results() for all that ran, or those of drawn settings, as in "
            f"{name}().sample(100).results()"
        )
    folder, code = results_folder(results), fingerprint(cls)
    root = home_of(folder, name_of(cls), code.digest).folder
    recorded = Results.load(root, code=code, of=experiment)
    if space is None:
        return recorded
    keys, index, size = Keys(space), read_index(root), size_of(space)
    if is_sparse(keys, size, index):
        return recorded.of_keys(keys_in_space(keys, index.keys))
    if size > LARGEST_PLAN:
        raise RunError(
            f"a space of {size:,} settings is too large to be looked up (at most "
            f"{LARGEST_PLAN:,}): take {cls.__name__}.results() and its where()"
        )
    return recorded.of_keys(all_keys(keys, size))


def results_of_run(job: Job, run: RunFolder | None, notes: Iterable[str]) -> Results:
    """The rows of this space or shard, in the order of the space; none is read yet."""
    options = job.known
    if job.searching is not None:
        notes = [*notes, *job.searching.notes_at_end()]
    if not has_records(job.root):
        results = Results.empty(job.root, **options)
    else:
        if run is not None or job.names is not None:
            # A table that cannot be written is an error after a run.
            compact(job.root, names=job.names)
        results = _of_space(Results.load(job.root, **options), job, run.name if run else "")
    results.notes = (*job.notes, *notes, *results.notes, *notes_of_goal(results))
    return results


def _of_space(results: Results, job: Job, run: str) -> Results:
    if job.proposing is not None:
        return results.of_keys(job.proposing.keys)
    plan, keys = job.plan, job.program.keys
    if plan.keys is None and set(results.runs) <= {run}:
        return results
    if plan.keys is None and plan.n_settings > SMALL_SPACE:
        index = read_index(job.root)
        if is_sparse(keys, plan.size, index, plan.n_settings):
            return results.of_keys(keys_in_space(keys, index.keys, plan.shard, plan.size))
    keys = plan.keys_of(keys)
    if keys is None:  # too many to be compared: the rows of this run
        return results.of_runs(run)
    return results.of_keys(keys)
