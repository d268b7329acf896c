"""A run: plan it, hand out its settings, record and show their outcomes, and make the table."""

from __future__ import annotations

import concurrent.futures  # loads its pool of processes on first use
import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from superparams.declare.checkpoint_methods import keeps_checkpoints
from superparams.declare.experiment import Experiment
from superparams.declare.goal import goal_of
from superparams.errors import SettingFailed, traceback_text
from superparams.errors.units import counted
from superparams.errors.user_lines import warn_user
from superparams.executor.code_snapshot import importing_from
from superparams.executor.engines.contract import Control
from superparams.executor.fork_guard import ForkGuard
from superparams.outcomes.outcome import FAILURES
from superparams.run.code_record import HURRIED, PATIENCE, CodeRecord
from superparams.run.debugger import post_mortem
from superparams.run.early_outcomes import EarlyOutcomes
from superparams.run.ended_checkpoints import EndedCheckpoints
from superparams.run.interrupts import Interrupts
from superparams.run.job import Job, prepare
from superparams.run.options import RunOptions
from superparams.run.plan import Plan
from superparams.run.run_results import results_of_run
from superparams.run.running_record import RunningRecord
from superparams.run.search_thread import SearchThread
from superparams.run.shards import is_another_shard, shard_text
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.results import Results
from superparams.store.runs.concurrent_runs import MOST_KEYS, runs_in_progress
from superparams.store.runs.folder import RunFolder, State
from superparams.store.runs.heartbeat import Heartbeat
from superparams.store.runs.report import save_report
from superparams.store.table.merge import compact
from superparams.views.notebook import in_one_line
from superparams.views.progress import Progress, conclude, say
from superparams.views.result_tables import summary_of

__all__ = ["run_all"]

MOST_OF_PYTHON: Final = 61  # workers: more are refused by Python's own pool on Windows


def run_all(
    space: Experiment,
    options: RunOptions,
    *,
    control: Control | None = None,
    has_summary: bool = True,
) -> Results:
    """Run the settings of a space that are not done yet; see `Experiment.run_all`.

    Args:
        space: What to run.
        options: How to run it.
        control: Ends the run early, and says whether the user asked for that.
        has_summary: Whether to end with a line of counts at a terminal.
    """
    control = control or Control()
    options = options.for_class(type(space))
    if options.carrier is not None:
        return _run(space, options, control, has_summary)
    num_proc = min(options.of_engine.num_proc, MOST_OF_PYTHON)
    with concurrent.futures.ProcessPoolExecutor(num_proc) as pool:
        options = dataclasses.replace(options, engine=pool, num_proc=num_proc)
        return _run(space, options, control, has_summary)


def _run(space: Experiment, options: RunOptions, control: Control, has_summary: bool) -> Results:
    _keep_standard_files()
    fork_guard, name = ForkGuard(), type(space).__name__
    try:
        return _run_here(space, options, control, has_summary, fork_guard)
    except BaseException as error:
        fork_guard.check(name, error)
        raise
    finally:
        fork_guard.check(name)


def _run_here(
    space: Experiment,
    options: RunOptions,
    control: Control,
    has_summary: bool,
    fork_guard: ForkGuard,
) -> Results:
    began = time.monotonic()
    job = prepare(space, options)
    fork_guard.check(type(space).__name__)
    has_progress = options.progress
    run = shown = None
    try:
        if job.n_todo:
            run, shown = _execute(job, control, fork_guard)
        elif has_progress:
            _say_plan(job.plan)
            if job.proposing is not None and job.proposing.is_over:
                say(f"the search is over: {job.proposing.trials.ending}; a larger budget goes on")
    finally:
        job.close()
    if job.proposing is not None and job.proposing.differs is not None:
        return _run_here(space, options, control, has_summary, fork_guard)  # a new search
    results = results_of_run(job, run, control.notes)
    results.elapsed = time.monotonic() - began if run else None
    if has_summary and has_progress:
        conclude(lambda: summary_of(results, results.elapsed), shown)
    # Lost rows have had a warning already.
    notes = [note for note in results.notes if note not in results.lost]
    for note in notes if has_progress else ():
        say(f"note: {note}")
    if type(space).report is not Experiment.report and options.shard is None:
        results.report = _report(space, results)
    return results


def _keep_standard_files() -> None:
    """Open the file descriptors 0, 1 and 2 if a daemon closed them.

    Otherwise the ledger could get such a number, and prints of C code would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            lowest = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            if lowest == number:
                os.set_inheritable(lowest, True)  # workers need it, too
            else:  # another thread was quicker, or something other than a file has the number
                os.close(lowest)


def _report(space: Experiment, results: Results) -> Path | None:
    """Call `report` of the experiment; if it fails, that is a warning."""
    try:
        return save_report(results.root, space.report(results))
    except Exception as error:
        what = f"{type(space).__name__}.report() failed: {traceback_text(error)}"
        warn_user(what.rstrip(), RuntimeWarning)
        return None


def _say_plan(planned: Plan) -> None:
    parts = [
        (planned.done, "done by the same code: skipped"),
        (planned.stale, "made by other code: run again"),
        (planned.again, "failed before: run again"),
        (planned.stopped, "stopped early in another run: run again"),
        (planned.others, "not selected: left out"),
        (planned.repeated, "more than once in the space: run once"),
    ]
    text = "; ".join(f"{count:,} {what}" for count, what in parts if count)
    head = counted(planned.size, "setting")
    if planned.shard is not None:
        head = f"{shard_text(planned.shard)}, {planned.n_settings:,} of {head}"
    if text or planned.shard is not None:
        say(f"{head}: {text}" if text else head)


@dataclasses.dataclass(frozen=True)
class _StartedRun:
    """A run whose workers are getting ready.

    Attributes:
        batches: Its outcomes; settings begin when the first is asked for.
        interrupts: The handling of signals.
        context: Ends the workers and the handling of signals when it is closed.
        early: Records outcomes before `batches` yields them.
    """

    batches: Iterator[bytes]
    interrupts: Interrupts
    context: contextlib.ExitStack
    early: EarlyOutcomes

    def tick(self, recorded: RunningRecord) -> None:
        """Record what waits and what runs; called by the thread of the heartbeat."""
        self.early.update()
        recorded.update()


def _execute(job: Job, control: Control, fork_guard: ForkGuard) -> tuple[RunFolder, Progress]:
    assert job.carrier is not None
    manifest = job.manifest(job.carrier.name)
    control.judge = job.judge()
    run = RunFolder.reserve(job.root)
    with contextlib.ExitStack() as context:
        started = _start(job, run, control, context)
        record = CodeRecord(job)  # meanwhile, workers get ready
        run.begin(manifest)
        record.start(run, control.begun)
        recorded = RunningRecord(run, job.program, job.carrier.activity)
        with recorded, Heartbeat(run.path, lambda: started.tick(recorded)):
            return _execute_in(run, record, job, control, fork_guard, started)


def _start(
    job: Job, run: RunFolder, control: Control, context: contextlib.ExitStack
) -> _StartedRun:
    """Have workers get ready; an error of this is raised when outcomes are first read."""
    carrier, decides = job.carrier, control.judge is not None
    options = dataclasses.replace(job.options.of_engine, folder=run.path, decides_steps=decides)
    assert carrier is not None
    if job.options.debug:
        job.program.on_failure = post_mortem
    interrupts = context.enter_context(Interrupts(control))
    # For modules that are imported here meanwhile.
    context.enter_context(importing_from(job.program.snapshot))
    execute = getattr(carrier, "execute_ahead", carrier.execute)
    batches: Iterator[bytes]
    try:
        batches = execute(job.program, job.todo, options, control)
    except BaseException as error:
        batches = _raising(error)
    context.callback(_close, batches)
    return _StartedRun(batches, interrupts, context, EarlyOutcomes(control))


def _raising(error: BaseException) -> Iterator[bytes]:
    raise error
    yield b""


def _close(batches: Iterator[bytes]) -> None:
    close = getattr(batches, "close", None)  # a generator has one
    if close is not None:
        close()


def _tell_others(job: Job, run: RunFolder, control: Control) -> None:
    """Note which other runs are in progress; in the results, if no progress is shown."""
    for other in runs_in_progress(job.root, run):
        if is_another_shard(job.plan.shard, other.run.manifest):
            continue  # it has other settings
        keys = job.todo_keys() if job.plan.n_todo <= MOST_KEYS else None
        note = other.note(job.program.name, keys)
        if job.options.progress:
            say(f"note: {note}")
        else:
            control.note([note])


def _execute_in(
    run: RunFolder,
    record: CodeRecord,
    job: Job,
    control: Control,
    fork_guard: ForkGuard,
    started: _StartedRun,
) -> tuple[RunFolder, Progress]:
    options, carrier, interrupts = job.options, job.carrier, started.interrupts
    search = job.proposing
    if search is not None:
        search.open(run, options.of_engine.num_proc)
    assert carrier is not None
    _tell_others(job, run, control)
    if options.progress:
        _say_plan(job.plan)
    shown = Progress(
        type(job.space).__name__,
        job.n_todo,
        job.plan.done,
        activity=carrier.activity,
        label=job.label,
        style=Progress.style_for(
            options.progress and not options.debug, in_process=carrier.name == "serial"
        ),
        goal=goal_of(type(job.space)),
        options=options.of_engine,
        control=control,
    )
    checkpoints = EndedCheckpoints(
        job.root, job.code.digest, are_kept=keeps_checkpoints(type(job.space))
    )
    telling = SearchThread(search, control, shown.expect, is_inline=carrier.name == "serial")
    state: State = "interrupted"
    is_hurried = True
    try:
        with RunLedgers(run) as ledgers, started.context, shown, interrupts.expected(), telling:
            started.early.record_by(ledgers)
            for batch in _recorded(started.batches, ledgers, control, fork_guard):
                n_done = shown.take(batch).get("done", 0)
                checkpoints.recorded(batch, n_done)
                job.returned.add(batch, n_done)
                telling.take(batch)
                _heed_failures(batch, shown, options, control)
            telling.finish()
        checkpoints.close()
        control.note([] if control.judge is None else control.judge.notes)
        state = "finished" if job.is_over(shown.n_left) else "interrupted"
        is_hurried = shown.n_left > 0 and (control.interrupted or interrupts.is_terminated)
    finally:
        entries: dict[str, Any] = {"counts": shown.counts, "payload": control.payload}
        if control.notes or job.returned.notes:
            entries["notes"] = [*job.notes, *control.notes]
        _finish(run, state, is_hurried, record, entries)
    _leave_if_asked(interrupts, shown, job)
    return run, shown


def _recorded(
    batches: Iterator[bytes], ledgers: RunLedgers, control: Control, fork_guard: ForkGuard
) -> Iterator[pa.RecordBatch]:
    """Outcomes that are in the ledger."""
    try:
        for data in batches:
            fork_guard.check("a setting")
            control.steps.check()
            for batch in ledgers.append(data):
                control.steps.ended(batch)
                yield batch
        control.steps.check()
    finally:
        fork_guard.check("a setting")
        _close(batches)


def _heed_failures(
    batch: pa.RecordBatch, shown: Progress, options: RunOptions, control: Control
) -> None:
    if options.on_error == "raise":
        _raise_first_failure(batch)
    most = options.max_failures
    if most is not None and shown.n_failed >= most and not control.draining:
        control.drain()
        left = shown.n_left
        if options.progress and left:
            what = f"{shown.n_failed:,} failed (max_failures={most:,})"
            say(f"{what}: finishing what runs, {left:,} left")


def _raise_first_failure(batch: pa.RecordBatch) -> None:
    for place, status in enumerate(batch.column("status").to_pylist()):
        if status in FAILURES:
            row = {name: batch.column(name)[place].as_py() for name in batch.schema.names}
            params = [f"{n[6:]}={x!r}" for n, x in row.items() if n.startswith("param.")]
            what = f"setting {row['key']} ({', '.join(params)}) {status}: {row['error']}"
            raise SettingFailed(f"{what}\n{row['traceback'] or ''}".rstrip())


def _leave_if_asked(interrupts: Interrupts, shown: Progress, job: Job) -> None:
    if interrupts.is_terminated:
        shard = "" if job.plan.shard is None else f"{shard_text(job.plan.shard)}: "
        say(f"{shard}ended by SIGTERM: {_how_far(shown, job)}")
        raise SystemExit(143)
    if interrupts.is_interrupted and shown.n_ended < job.n_todo:
        if not interrupts.is_hurried:
            compact(job.root)  # the table has the settings that ran
        raise in_one_line(KeyboardInterrupt(_how_far(shown, job)))


def _how_far(shown: Progress, job: Job) -> str:
    text = f"{shown.n_ended:,} of {counted(job.n_todo, 'setting')} ran"
    return f"{text}; run it again for the rest" if shown.n_ended < job.n_todo else text


def _finish(
    run: RunFolder, state: State, is_hurried: bool, record: CodeRecord, entries: dict[str, Any]
) -> None:
    # An error of the run, or a user who waits for its end, comes first.
    with contextlib.suppress(Exception) if is_hurried else contextlib.nullcontext():
        try:
            record.finish(HURRIED if is_hurried else PATIENCE)
        finally:  # its warning may be an error
            run.finish(state, **entries)
