"""The one loop: plan, hand out, record, show, and give back the table."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import pyarrow as pa
import pyarrow.compute as pc

from superparams.engines import Control, Engine, Options, find
from superparams.errors import RunError, SettingFailed
from superparams.experiment import Experiment, name_of
from superparams.identity.code import Code, fingerprint
from superparams.interrupts import Interrupts
from superparams.keys import Keys
from superparams.outcome import Status, decode
from superparams.plan import Only, Plan, plan
from superparams.progress import Progress
from superparams.store import Ledger, Results, RunFolder, experiment_folder, gather_later, read_index
from superparams.store.survey import key_bytes
from superparams.worker import Program

__all__ = ["results_of", "run_all"]

ON_ERROR: Final = ("continue", "raise")


def run_all(
    space: Experiment,
    num_proc: int,
    *,
    engine: str | Engine | Executor | None,
    resume: bool,
    only: Only | None,
    timeout: float | None,
    retries: int,
    retry_on: Iterable[Status],
    on_error: str,
    results: str | Path,
    start_method: str | None,
    threads_per_worker: int | None,
    gpus: Any,
    progress: bool,
) -> Results:
    """Run the settings of a space that are not done yet; see `Experiment.run_all`."""
    _check(space, on_error, only, retry_on)
    options = Options(
        num_proc=num_proc,
        timeout=timeout,
        retries=retries,
        retry_on=frozenset(retry_on),
        start_method=start_method,
        threads_per_worker=threads_per_worker,
        gpus=gpus,
    )
    carrier = find(engine if engine is not None else _usual(options))
    job = _prepare(space, options, Path(results), resume=resume, only=only)
    if job.plan.n_todo:
        _execute(job, carrier, on_error=on_error, progress=progress)
    elif progress:
        _tell(job.plan)
    return _results(job)


def _check(
    space: Experiment, on_error: str, only: str | None, retry_on: Iterable[str]
) -> None:
    name = type(space).__name__
    if type(space).run is Experiment.run:
        raise RunError(f"{name} has no run() method; write one before run_all()")
    if on_error not in ON_ERROR:
        raise RunError(f'on_error={on_error!r}: give "continue" or "raise"')
    if only not in (None, "failed"):
        raise RunError(f'only={only!r}: give "failed", or nothing')
    unknown = set(retry_on) - set(get_args(Status)) | {"done"} & set(retry_on)
    if unknown:
        raise RunError(f'retry_on={sorted(unknown)}: give any of "failed", "killed", "timeout"')


def _usual(options: Options) -> str:
    """One worker runs here, unless something is asked that needs a process to kill or to shape."""
    plain = Options(retries=options.retries, retry_on=options.retry_on)
    return "serial" if options == plain else "processes"


@dataclass
class _Job:
    """A run about to start."""

    space: Experiment
    options: Options
    root: Path
    program: Program
    code: Code
    plan: Plan


def _prepare(
    space: Experiment, options: Options, results: Path, *, resume: bool, only: Only | None
) -> _Job:
    name = name_of(type(space))
    root = experiment_folder(results, name).absolute()
    program = Program(space, options.num_proc, name, Keys(space))
    code = fingerprint(type(space))
    recorded = read_index(root) if (root / "runs").is_dir() else None
    planned = plan(
        program.keys, space.n_settings, recorded, [code.digest], resume=resume, only=only
    )
    return _Job(space, options, root, program, code, planned)


def _tell(planned: Plan) -> None:
    parts = [
        (planned.done, "done by the same code: skipped"),
        (planned.stale, "made by other code: run again"),
        (planned.again, "failed before: run again"),
        (planned.others, "left out by only="),
        (planned.repeated, "more than once in the space: run once"),
    ]
    told = "; ".join(f"{count:,} {what}" for count, what in parts if count)
    if told:
        print(f"{planned.size:,} settings: {told}", file=sys.stderr)


def _execute(job: _Job, carrier: Engine, *, on_error: str, progress: bool) -> None:
    provenance = gather_later(Path.cwd())
    run = RunFolder.create(job.root, _manifest(job, carrier))
    options = dataclasses.replace(job.options, folder=run.path)
    control = Control()
    if progress:
        _tell(job.plan)
    shown = Progress(
        type(job.space).__name__,
        job.plan.n_todo,
        job.plan.done,
        activity=carrier.activity,
        label=lambda index: _label(job.program, index),
        style=Progress.style_for(progress, in_process=carrier.name == "serial"),
    )
    state = "interrupted"
    try:
        with Ledger(run.ledger) as ledger, Interrupts(control) as interrupts, shown:
            batches = carrier.execute(job.program, job.plan.todo, options, control)
            _record(batches, ledger, shown, on_error)
            if not control.draining:
                state = "finished"
        _leave_if_asked(interrupts, shown, job.plan)
    finally:
        _finish(run, state, provenance, shown)


def _record(
    batches: Iterator[bytes], ledger: Ledger, shown: Progress, on_error: str
) -> None:
    try:
        for data in batches:
            ledger.append(data)
            for batch in decode(data):
                shown.add(_counts(batch))
                if on_error == "raise":
                    _raise_first_failure(batch)
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _counts(batch: pa.RecordBatch) -> dict[str, int]:
    """How many settings of a batch ended in which status."""
    status = batch.column("status").filter(pc.equal(batch.column("row"), 0))
    return {one["values"]: one["counts"] for one in status.value_counts().to_pylist()}


def _raise_first_failure(batch: pa.RecordBatch) -> None:
    for at, status in enumerate(batch.column("status").to_pylist()):
        if status != "done":
            error, trace, key = (batch.column(n)[at].as_py() for n in ("error", "traceback", "key"))
            raise SettingFailed(f"setting {key} {status}: {error}\n{trace or ''}".rstrip())


def _leave_if_asked(interrupts: Interrupts, shown: Progress, planned: Plan) -> None:
    if interrupts.is_terminated:
        raise SystemExit(143)
    if interrupts.is_interrupted and shown.n_ended < planned.n_todo:
        raise KeyboardInterrupt(
            f"{shown.n_ended:,} of {planned.n_todo:,} settings ran; run it again for the rest"
        )


def _finish(run: RunFolder, state: str, provenance: Future[Any], shown: Progress) -> None:
    try:
        provenance.result(timeout=30).save(run)
    except Exception as error:  # what is known of the code must not cost the results
        warnings.warn(f"the provenance of {run.path} is incomplete: {error!r}", stacklevel=2)
    run.finish(state, counts=shown.counts)  # type: ignore[arg-type]


def _manifest(job: _Job, carrier: Engine) -> dict[str, Any]:
    return {
        "experiment": job.program.name,
        "space": repr(job.space),
        "settings": job.plan.size,
        "todo": job.plan.n_todo,
        "engine": carrier.name,
        "num_proc": job.options.num_proc,
        "code": job.code.digest,
        "parts": job.code.parts,
        "notes": job.code.notes,
    }


def _label(program: Program, index: int) -> str:
    return ", ".join(f"{name}={x!r}" for name, x in program.row(index).items())


def results_of(cls: type[Experiment], results: str | Path) -> Results:
    """All that is recorded of an experiment; see `Experiment.results`."""
    root = experiment_folder(Path(results), name_of(cls)).absolute()
    return Results.load(root, codes=[fingerprint(cls).digest])


def _results(job: _Job) -> Results:
    """The rows of this space, in its order."""
    if not job.root.is_dir():
        raise RunError(f"{job.program.name}: nothing was to be run and nothing is recorded")
    loaded = Results.load(job.root, codes=[job.code.digest])
    if job.plan.keys is None:
        return loaded
    table = loaded.to_arrow()
    keys = key_bytes(pa.chunked_array(table.column("key").chunks, pa.string()).combine_chunks())
    place = pc.index_in(keys, value_set=job.plan.keys)
    ordered = table.append_column("place", place).filter(pc.is_valid(place))
    ordered = ordered.sort_by([("place", "ascending"), ("row", "ascending")]).drop_columns("place")
    return Results(job.root, ordered, codes=loaded.codes, notes=loaded.notes)
