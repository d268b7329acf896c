"""Runs settings one after another; the same code under every engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import Place
from superparams.declare.field import copies_of, pristine
from superparams.declare.instance_state import (
    is_name_of_state,
    set_copies,
    set_key,
    state_of_log,
    state_of_place,
    without_settings,
)
from superparams.declare.keys import Keys
from superparams.declare.presentation import RowMaker
from superparams.declare.secrets import hide, variables_of
from superparams.declare.sequence import layout_of
from superparams.errors import Stopped, headline, traceback_text
from superparams.errors.user_lines import warn_user
from superparams.executor.fork_guard import ForkGuard
from superparams.executor.process_state.random_generators import Generators
from superparams.executor.setting_codes import SettingCodes
from superparams.executor.steps import Attempt, StepLog, Steps
from superparams.identity.digests.digest import key_text, seed_of
from superparams.outcomes.outcome import Outcome, Status
from superparams.outcomes.result_copies import checked, frozen
from superparams.outcomes.return_checks import called
from superparams.space.groups import is_open

if TYPE_CHECKING:
    from superparams.executor.carried_steps import CarriedStep
    from superparams.executor.setting_checkpoint import SettingCheckpoint

__all__ = ["Worker"]


class _Program(Protocol):
    """What a worker uses of `superparams.executor.program.Program`, which makes workers."""

    space: Experiment
    name: str
    keys: Keys
    rows: RowMaker
    generators: Generators | None
    on_failure: Callable[[BaseException], None] | None
    codes: SettingCodes | None

    def row(self, index: int) -> dict[str, Any]: ...


class Worker:
    """Runs settings one after another in one process or thread.

    Args:
        program: What to run.
        place: The rank of the worker, the number of workers, and the folder of the run.

    Attributes:
        on_set_up: Called after `setup` has returned, before the first setting runs.
    """

    _is_async = False

    def __init__(self, program: _Program, place: Place) -> None:
        self._program = program
        self._stopper: str | None = getattr(program, "stopper", None)
        self._space = program.space
        self._steps = StepLog(
            type(program.space).__name__, self._open_checkpoint, is_async=self._is_async
        )
        self._shared_attributes = state_of_place(place) | state_of_log(self._steps)
        self._place = place
        self.on_set_up: Callable[[], None] | None = None
        self._fork_guard = ForkGuard()
        self._run_label = f"{type(program.space).__name__}.run()"
        self._is_set_up = False
        self._set_up_error: BaseException | None = None
        self._set_up_trace: TracebackType | None = None
        self._secrets = variables_of(program.space)
        self._generators = program.generators
        self._codes = program.codes
        if self._generators is not None:
            self._generators.enter()
        self._row = program.rows.maker()
        self._layout = layout = layout_of(program.space) if is_open(program.space) else None
        self._point: Callable[[int], Any] = (lambda _: ()) if layout is None else layout.getter()
        self._key = program.keys.getter()
        # Whether a setting gets copies of mutable values, or has a `__post_init__`.
        self._needs_hand_over = layout is None or layout.make is not layout.bare
        # Whether code of the user runs before `run`, for the setting or for its columns.
        self._is_made_by_user = self._needs_hand_over or not program.rows.is_plain

    def move_to(self, place: Place) -> None:
        """Have another rank from now on, as the workers of executors have for each chunk."""
        if place != self._place:
            self._place = place
            self._shared_attributes.update(state_of_place(place))

    def run(self, index: int, attempt: int = 1) -> Outcome:
        """Run one setting. An error of the setting becomes a part of its outcome.

        Args:
            index: The index of the setting in the space.
            attempt: The number of the attempt, from 1.

        Raises:
            KeyboardInterrupt: After Ctrl-C, and when the user leaves the debugger.
        """
        started, clock_start = time.time(), time.perf_counter()
        result = error = trace = None
        params: dict[str, Any] | None = None
        status: Status = "done"
        key, steps = self._key(index), self._steps
        try:
            if not self._is_set_up:
                try:
                    self._set_up()
                finally:  # the time of `setup` is not the setting's
                    started, clock_start = time.time(), time.perf_counter()
            point = self._point(index)
            setting = self._setting(point, key)
            if self._is_made_by_user:
                params = self._row_if_known(setting)
                if self._needs_hand_over:
                    self._hand_over(setting, point)
                self._fork_guard.check_after(0.0, self._run_label)
            else:
                params = self._row(setting)
            steps.attempt = index, key, attempt, clock_start
            result = setting.run()
            if type(result) is GeneratorType:
                result = steps.run_through(setting, cast("Steps", result))
            result = frozen(result if type(result) is dict else checked(type(setting), result))
            if params is None:
                params = self._row(setting)
        except BaseException as raised:  # SystemExit too, which must not end the worker
            status, result = "failed", None
            if steps.is_stopped and isinstance(raised, Stopped):
                status = "stopped"
            else:
                error, trace = self._failure(raised)
        seconds = time.perf_counter() - clock_start
        steps.attempt = None
        self._fork_guard.check_after(seconds, self._run_label)
        if params is None:
            params = self._program.row(index)
        text, rank = key_text(key), self._place.rank
        outcome = Outcome(
            index, text, status, params, result, error, trace, started, seconds, rank, attempt
        )
        if self._codes is not None or steps.is_used:
            self._complete(outcome, (index, key, attempt, clock_start))
        return outcome

    def _complete(self, outcome: Outcome, attempt: Attempt) -> None:
        """Add to an outcome what the steps of its setting tell, and the code of the setting."""
        if self._steps.is_used:
            end = self._steps.end(outcome.status, outcome.result, outcome.seconds, attempt)
            outcome.status, outcome.result, outcome.seconds = end.status, end.result, end.seconds
            outcome.n_steps, outcome.steps = end.n_steps, end.kept
            outcome.carried_seconds = end.carried_seconds
            if outcome.status == "stopped":
                outcome.stopped_by = self._stopper
        if self._codes is not None:
            outcome.code = self._codes.at(outcome.index)

    def _open_checkpoint(self, attempt: Attempt, steps: list[CarriedStep]) -> SettingCheckpoint:
        from superparams.executor.setting_checkpoint import SettingCheckpoint  # few need it

        code = None if self._codes is None else self._codes.at(attempt[0])
        return SettingCheckpoint.of_attempt(
            type(self._space).__name__,
            self._place,
            getattr(self._program, "checkpoints", None),
            code,
            attempt,
            self._generators,
            steps,
        )

    def _row_if_known(self, setting: Experiment) -> dict[str, Any] | None:
        """The parameters of a setting; None where a derived field needs what `run` makes."""
        try:
            return self._row(setting)
        except Exception:
            return None

    def _failure(self, raised: BaseException) -> tuple[str | None, str | None]:
        """The error and the traceback of a setting that raised; Ctrl-C is raised again."""
        self._fork_guard.check(self._run_label, raised)
        if isinstance(raised, KeyboardInterrupt):
            raise raised
        if _leaves_debugger(raised):
            raise KeyboardInterrupt("left the debugger") from raised
        if self._program.on_failure is not None:
            self._program.on_failure(raised)
        error = hide(_with_remedy(raised), self._secrets)
        return error, hide(traceback_text(raised), self._secrets)

    def _setting(self, point: tuple[Any, ...], key: int) -> Experiment:
        """Build a setting as it was declared, before code of the user sees it."""
        if self._generators is not None:
            self._generators.seed(seed_of(key))
        layout = self._layout
        # A space of one is an object of the user, so the setting is a copy of it.
        setting: Experiment = pristine(self._space) if layout is None else layout.bare(point)
        vars(setting).update(self._shared_attributes)
        set_key(setting, key)
        return setting

    def _hand_over(self, setting: Experiment, point: tuple[Any, ...]) -> None:
        if self._layout is not None:
            self._layout.hand_over(setting, point)
        else:
            set_copies(setting, copies_of(self._space, setting))
            setting.__post_init__()

    def lose_steps(self) -> int:
        """How many steps the attempt had recorded that a KeyboardInterrupt has ended."""
        return self._steps.end("failed", None, 0.0).n_steps

    @property
    def is_to_set_up(self) -> bool:
        """Whether `setup` is called before the next setting."""
        was_called = self._is_set_up or self._set_up_error is not None
        return not was_called and type(self._space).setup is not Experiment.setup

    def _set_up(self) -> None:
        """Call `setup` once. If it has failed, raise its error for every setting."""
        self._steps.connect()
        if self._set_up_error is not None:
            raise self._set_up_error.with_traceback(self._set_up_trace)
        if type(self._space).setup is not Experiment.setup:
            instance = self._instance_to_set_up()
            names_before = set(instance.__dict__)
            name = f"{type(self._space).__name__}.setup()"
            try:
                called(name, instance.setup)
            except BaseException as error:
                self._note_set_up_error(name, error)
                raise
            self._keep_set_up(name, instance, names_before)
        self._is_set_up = True
        if self.on_set_up is not None:
            self.on_set_up()

    def _instance_to_set_up(self) -> Experiment:
        if self._generators is not None:  # `setup` draws the same numbers in every worker
            self._generators.seed_by(self._program.name)
        return self._setup_instance()

    def _note_set_up_error(self, name: str, error: BaseException) -> None:
        self._fork_guard.check(name, error)
        if not isinstance(error, KeyboardInterrupt):
            self._set_up_error, self._set_up_trace = error, error.__traceback__

    def _keep_set_up(self, name: str, instance: Experiment, names_before: set[str]) -> None:
        self._fork_guard.check(name)
        # Each setting has fields of its own, so only new attributes are shared.
        new = {name: x for name, x in vars(instance).items() if name not in names_before}
        shared = {name: x for name, x in new.items() if not is_name_of_state(name)}
        self._shared_attributes.update(shared)
        if self._generators is not None:
            self._generators.add(new)

    def _setup_instance(self) -> Experiment:
        """An instance with the fixed fields alone, for `setup` and `teardown`."""
        instance = object.__new__(type(self._space))
        fixed = without_settings(self._space)
        fixed.pop("run", None)  # the `run` of a space raises an error
        vars(instance).update(fixed | self._shared_attributes)
        return instance

    def close(self) -> None:
        """Call `teardown` if `setup` was called. Its errors become warnings."""
        if not self._is_to_tear_down():
            return
        name = f"{type(self._space).__name__}.teardown()"
        try:
            called(name, self._setup_instance().teardown)
        except BaseException as error:
            self._warn_of_teardown(name, error)
        self._fork_guard.check(name)

    def _is_to_tear_down(self) -> bool:
        is_set_up, self._is_set_up = self._is_set_up, False
        return is_set_up and type(self._space).teardown is not Experiment.teardown

    def _warn_of_teardown(self, name: str, error: BaseException) -> None:
        self._fork_guard.check(name, error)
        if not isinstance(error, Exception):
            raise error
        trace = hide(traceback_text(error), self._secrets)
        message = f"{name} failed in worker {self._place.rank}: {trace}"
        warn_user(message, RuntimeWarning, method=type(self._space).teardown)


def _leaves_debugger(error: BaseException) -> bool:
    """Whether the user quit pdb: BdbQuit, and from Python 3.14 on a SystemExit of pdb."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_of_pdb = trace is not None and trace.tb_frame.f_globals.get("__name__") == "pdb"
    return type(error).__name__ == "BdbQuit" or (isinstance(error, SystemExit) and is_of_pdb)


def _with_remedy(error: BaseException) -> str:
    """The error in one line, with a remedy after a write to shared memory."""
    from superparams.executor.payload import explain_readonly

    remedy = explain_readonly(error)
    return f"{headline(error)} ({remedy})" if remedy else headline(error)
