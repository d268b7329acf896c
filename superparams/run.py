"""The one loop: plan, hand out, record, show, and give back the table."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import pyarrow as pa

from superparams.engines import Control, Engine, Options, find, has_processes
from superparams.errors import RunError, SettingFailed
from superparams.experiment import Experiment, name_of
from superparams.identity.code import Code, fingerprint
from superparams.identity.names import module_file
from superparams.identity.project import project_root
from superparams.interrupts import Interrupts
from superparams.keys import Keys
from superparams.outcome import Status, counts, decode
from superparams.plan import Only, Plan, plan
from superparams.progress import Progress
from superparams.snapshot import texts
from superparams.store import (
    Ledger,
    Results,
    RunFolder,
    compact,
    equivalent,
    experiment_folder,
    gather_later,
    read_index,
    save_source,
)
from superparams.store.folder import State
from superparams.store.provenance import Gathered
from superparams.store.report import keep_report
from superparams.worker import Program, trace_of

__all__ = ["results_of", "run_all"]

ON_ERROR: Final = ("continue", "raise")
# Seconds that a run waits at its end for what git and others tell; and when it ends early.
PATIENCE, HURRIED = 30.0, 0.3


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
    retry_on = _statuses(retry_on)
    _check(space, on_error, only)
    options = Options(
        num_proc=num_proc,
        timeout=timeout,
        retries=retries,
        retry_on=retry_on,
        start_method=start_method,
        threads_per_worker=threads_per_worker,
        gpus=gpus,
    )
    if engine is None and _usual(options) == "processes" and not has_processes():
        with ProcessPoolExecutor(options.num_proc) as pool:  # Windows: the workers of Python itself
            return _run(space, pool, options, Path(results), resume, only, on_error, progress)
    carrier = _usual(options) if engine is None else engine
    return _run(space, carrier, options, Path(results), resume, only, on_error, progress)


def _run(
    space: Experiment,
    engine: str | Engine | Executor,
    options: Options,
    results: Path,
    resume: bool,
    only: Only | None,
    on_error: str,
    progress: bool,
) -> Results:
    carrier = find(engine)
    job = _prepare(space, options, results, resume=resume, only=only)
    # Engines check what is asked of them when they are called, and start when they are iterated.
    carrier.execute(job.program, [], options, Control())
    run = None
    if job.plan.n_todo:
        run = _execute(job, carrier, on_error=on_error, progress=progress)
    elif progress:
        _tell(job.plan)
    found = _results(job, run)
    if progress and sys.stderr.isatty():  # the live line is gone
        print(found.summary, file=sys.stderr)
    for note in (*job.code.notes, *found.notes) if progress else ():
        print(f"note: {note}", file=sys.stderr)
    if type(space).report is not Experiment.report:
        found.report = _report(space, found)
    return found


def _report(space: Experiment, found: Results) -> Path | None:
    """What the experiment makes of its results; its failure must not cost them."""
    try:
        return keep_report(found.root, space.report(found))
    except Exception as error:
        what = f"{type(space).__name__}.report() failed: {trace_of(error)}"
        warnings.warn(what, RuntimeWarning, stacklevel=3)
        return None


def _statuses(retry_on: Iterable[Status]) -> frozenset[Status]:
    if isinstance(retry_on, str):
        raise RunError(f'retry_on={retry_on!r}: give several, as in retry_on=("{retry_on}",)')
    found = frozenset(retry_on)
    unknown = found - (set(get_args(Status)) - {"done"})
    if unknown:
        raise RunError(f'retry_on={sorted(unknown)}: give any of "failed", "killed", "timeout"')
    return found


def _check(space: Experiment, on_error: str, only: str | None) -> None:
    name = type(space).__name__
    if type(space).run is Experiment.run:
        raise RunError(f"{name} has no run() method; write one before run_all()")
    if on_error not in ON_ERROR:
        raise RunError(f'on_error={on_error!r}: give "continue" or "raise"')
    if only not in (None, "failed"):
        raise RunError(f'only={only!r}: give "failed", or nothing')


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
    codes: list[str]  # its fingerprint, and those that were accepted as equivalent
    plan: Plan


def _prepare(
    space: Experiment, options: Options, results: Path, *, resume: bool, only: Only | None
) -> _Job:
    name = name_of(type(space))
    root = experiment_folder(results, name).absolute()
    code = fingerprint(type(space))
    program = Program(space, options.num_proc, name, Keys(space), texts(code.files))
    codes = equivalent(root, code.digest)
    recorded = read_index(root) if (root / "runs").is_dir() else None
    planned = plan(program.keys, space.n_settings, recorded, codes, resume=resume, only=only)
    return _Job(space, options, root, program, code, codes, planned)


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


def _execute(job: _Job, carrier: Engine, *, on_error: str, progress: bool) -> RunFolder:
    gathered = gather_later(Path.cwd())
    run = RunFolder.create(job.root, _manifest(job, carrier))
    options = dataclasses.replace(job.options, folder=run.path)
    control = Control()
    keeping = _Keeping(run, gathered, job)
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
    state: State = "interrupted"
    try:
        with Ledger(run.ledger) as ledger, Interrupts(control) as interrupts, shown:
            batches = carrier.execute(job.program, job.plan.todo, options, control)
            with interrupts.expected():
                _record(batches, ledger, shown, on_error)
        if shown.n_ended == job.plan.n_todo:
            state = "finished"
    finally:
        _finish(run, state, keeping, shown)
    _leave_if_asked(interrupts, shown, job)
    return run


def _record(batches: Iterator[bytes], ledger: Ledger, shown: Progress, on_error: str) -> None:
    try:
        for data in batches:
            ledger.append(data)
            for batch in decode(data):
                shown.add(counts(batch))
                if on_error == "raise":
                    _raise_first_failure(batch)
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _raise_first_failure(batch: pa.RecordBatch) -> None:
    for at, status in enumerate(batch.column("status").to_pylist()):
        if status != "done":
            row = {name: batch.column(name)[at].as_py() for name in batch.schema.names}
            params = [f"{n[6:]}={x!r}" for n, x in row.items() if n.startswith("param.")]
            told = f"setting {row['key']} ({', '.join(params)}) {status}: {row['error']}"
            raise SettingFailed(f"{told}\n{row['traceback'] or ''}".rstrip())


def _leave_if_asked(interrupts: Interrupts, shown: Progress, job: _Job) -> None:
    if interrupts.is_terminated:
        raise SystemExit(143)
    if interrupts.is_interrupted and shown.n_ended < job.plan.n_todo:
        if not interrupts.is_hurried:
            compact(job.root)  # the table has what ran
        raise KeyboardInterrupt(
            f"{shown.n_ended:,} of {job.plan.n_todo:,} settings ran; run it again for the rest"
        )


class _Keeping:
    """Puts what is known of the code and its surroundings into the run folder, in a thread."""

    def __init__(self, run: RunFolder, gathered: Future[Gathered], job: _Job) -> None:
        self._run, self._gathered, self._job = run, gathered, job
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._keep, name="superparams-keeping", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        try:
            self._keep_source()
            self._gathered.result(PATIENCE).save(self._run)
        except Exception as error:  # told by `end`; what is not known must not cost the results
            self._error = error

    def _keep_source(self) -> None:
        """The files as the run began with them, whatever they are by now."""
        file = module_file(type(self._job.space).__module__)
        project = Path.cwd() if file is None else project_root(file)
        texts = {str(name): text for name, text in self._job.program.sources.items()}
        save_source(self._run, project, [], self._job.code.source, texts)

    def end(self, patience: float) -> None:
        """Wait for it so many seconds, and warn of what is missing."""
        self._thread.join(patience)
        error = TimeoutError("it takes too long") if self._thread.is_alive() else self._error
        if error is not None:
            what = f"what is kept in {self._run.path} of the code and the machine is incomplete"
            warnings.warn(f"{what}: {error!r}", stacklevel=2)


def _finish(run: RunFolder, state: State, keeping: _Keeping, shown: Progress) -> None:
    if state == "finished":
        keeping.end(PATIENCE)
        run.finish(state, counts=shown.counts)
        return
    # There is an error, or someone waits for the end: that comes first.
    with contextlib.suppress(Exception):
        keeping.end(HURRIED)
        run.finish(state, counts=shown.counts)


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
    return Results.load(root, codes=equivalent(root, fingerprint(cls).digest))


def _results(job: _Job, run: RunFolder | None) -> Results:
    """The rows of this space, in its order; none is read yet."""
    if not (job.root / "runs").is_dir():
        return Results.empty(job.root, codes=job.codes)
    return _of_space(Results.load(job.root, codes=job.codes), job, run.name if run else "")


def _of_space(found: Results, job: _Job, run: str) -> Results:
    if job.plan.keys is None and set(found.runs) <= {run}:
        return found
    keys = job.plan.keys_of(job.program.keys)
    if keys is None:  # too many to be compared: what this run did
        return found.of_runs(run)
    return found.of_keys(keys)
