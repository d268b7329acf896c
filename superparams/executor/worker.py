"""What runs a setting: the same code under every engine.

A `Program` is what a worker needs once: the space, what its factories made, and how to make the
keys. A `Worker` is a program in place: it has been set up, and runs one setting after another.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from superparams.declare.experiment import Experiment, Place
from superparams.declare.field import copies_of, pristine
from superparams.declare.instance_state import (
    is_name_of_state,
    set_copies,
    set_key,
    state_of_place,
    without_settings,
)
from superparams.declare.keys import Keys
from superparams.declare.layout import known_layout
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.declare.params import layout_of
from superparams.declare.presentation import RowMaker, row_of_field
from superparams.declare.secrets import hide, variables_of
from superparams.errors import headline, is_library_frame, skip_library_frames, traceback_text
from superparams.errors.user_lines import warn_user
from superparams.executor.code_snapshot import Snapshot, import_changing, install
from superparams.executor.experiment_modules import Package, adopt, packages
from superparams.executor.payload.lazy_values import declaration_of, given_of, made_on_demand
from superparams.executor.payload.own_process import Origin, this_process
from superparams.executor.payload.script import Names, Script
from superparams.executor.payload.script import adopt as adopt_script
from superparams.executor.preload import libraries_of
from superparams.executor.process_state import ProcessState
from superparams.executor.process_state.random_generators import Generators, aside
from superparams.identity.digests.digest import key_text, seed_of
from superparams.identity.module_names import main_name, set_main_name
from superparams.outcomes.outcome import Outcome, Status
from superparams.outcomes.result_copies import checked, frozen
from superparams.outcomes.return_checks import called
from superparams.space.groups import is_group, is_open

__all__ = [
    "Place",
    "Program",
    "Worker",
    "checked",
    "headline",
    "is_library_frame",
    "skip_library_frames",
    "traceback_text",
]


class Program:
    """A space and all that a worker needs to run its settings; packed once a run.

    Args:
        space: The experiment; a setting is a space of one.
        n_proc: How many workers there will be, which every setting can ask for.
        name: ``module.Class``, as the results folder is called.
        keys: The keys of the space, when they are known already.
        snapshot: The project's code as it was when the run began.

    Attributes:
        on_failure: Called with what a setting raises, where it was raised.
        surroundings: The set-up of the process in which the run began.
        generators: The global random generators to seed before each setting; None for none.
        script_changes: What the script changed in modules that workers import, as a sentence.
        notes: What could not be done in this process, in sentences for the user.
    """

    def __init__(
        self,
        space: Experiment,
        n_proc: int,
        name: str,
        keys: Keys | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.space = space
        self.n_proc = n_proc
        self.name = name
        self.keys = Keys(space) if keys is None else keys
        self.rows = RowMaker(space)
        self.on_failure: Callable[[BaseException], None] | None = None
        self._main = main_name()
        self.snapshot = snapshot or Snapshot()
        self._home = this_process()
        self.surroundings = ProcessState()
        self.generators: Generators | None = None
        self.script_changes: str | None = None
        self.notes: list[str] = []

    def __len__(self) -> int:
        return len(self.space)

    def prepare(self) -> None:
        """Make what the factories make, in this process: before it is forked, or packed."""
        origin = Origin()
        for owner, declared in made_on_demand(self.space):
            if declared.factory is not None:
                where = f"{owner[0].__name__}.{owner[1]}" if isinstance(owner, tuple) else "value"
                try:
                    with aside(self.generators, f"{self.name} {where}"):
                        declared.made(where)
                except BaseException as error:
                    origin.check(f"the factory of {where}", error)
                    raise
                origin.check(f"the factory of {where}")

    def libraries(self) -> list[str]:
        """Installed packages that it will need, which another process may load ahead."""
        cls = type(self.space)
        return libraries_of(cls, [given_of(self.space, name) for name in fields_of(cls)])

    def payload_parts(self) -> dict[str, Any]:
        """What may not be picklable, by the names that errors give it."""
        cls = type(self.space)
        parts = {f"{cls.__name__}.{name}": given_of(self.space, name) for name in fields_of(cls)}
        methods = {f"{cls.__name__}.{n}": x for n, x in vars(cls).items() if inspect.isfunction(x)}
        return {**parts, **methods, cls.__name__: cls}

    def enter(self, place: Place) -> Worker:
        """A worker at `place`, set up and ready to run."""
        if self._home != this_process():  # a fork: it was not made from a pickle
            install(self.snapshot)
        self.surround()
        return Worker(self, place)

    def surround(self) -> None:
        """Set up this process, or this thread, as that in which the run began was set up."""
        if self._home != this_process():
            self.notes += self.surroundings.apply()
        else:
            self.surroundings.apply_to_thread()

    def key(self, index: int) -> str:
        """The key of a setting, 32 hexadecimal digits."""
        return key_text(self.keys[index])

    def outcome_of_lost(self, index: int, *, status: Status, **known: Any) -> Outcome:
        """The outcome of a setting whose worker cannot tell it any more."""
        return Outcome(index, self.key(index), status, self.row(index), **known)

    def row(self, index: int) -> dict[str, Any]:
        """The columns of a setting, without anything of the user's that could fail."""
        layout = known_layout(self.space)
        if layout is None:
            setting = pristine(self.space)
        else:
            setting = layout.bare(layout.point(index))
        origin = Origin()
        try:
            return self.rows.maker()(setting)
        except Exception:  # a derived field that cannot be computed
            return _partial_row(setting)
        finally:
            origin.check(f"a derived field of {self.name}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Everything, with what factories have made; others make theirs in `prepare` on arrival.

        The code comes first, since all that follows is imported from it.
        """
        held = [(owner, x.content) for owner, x in made_on_demand(self.space) if x.is_carried]
        state = {n: x for n, x in self.__dict__.items() if n not in ("_main", "snapshot", "_home")}
        arrival = (self._main, Script.of_driver(), packages(), self.snapshot, self._home)
        return Program._arrived, arrival, {**state, "_content": held, "_names": Names()}

    @classmethod
    def _arrived(
        cls,
        main: str,
        script: Script,
        known: list[Package],
        snapshot: Snapshot,
        home: str,
    ) -> Program:
        """An empty one, in a process that from now on knows the code as the driver did."""
        if home != this_process():
            set_main_name(main)
            adopt_script(script)
            adopt(known)
            install(snapshot)
        program = cls.__new__(cls)
        program._main, program.snapshot, program._home = main, snapshot, home
        return program

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop("_content")
        state.pop("_names")
        if self._home != this_process():  # here they hold it already
            for owner, x in content:
                declaration_of(owner).carry(x)
            import_changing(self.snapshot)
        self.__dict__.update(state)
        if self._home != this_process() and self.script_changes:
            self.notes = [*self.notes, self.script_changes]


def _partial_row(setting: Experiment) -> dict[str, Any]:
    """The columns of a setting, None for a derived field that cannot be computed."""
    return dict(_known_cells(setting, ""))


def _known_cells(params: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, field in recorded_fields(params.__class__).items():
        try:
            yield from row_of_field(params, field, prefix)
        except Exception:  # it is derived, or such a field stands in a group
            group: Any = params.__dict__.get(name)
            yield from (
                _known_cells(group, f"{prefix}{name}.")
                if is_group(group)
                else [(prefix + name, None)]
            )


class Worker:
    """Runs settings, one at a time, at one place.

    Attributes:
        on_set_up: Called when `setup` has ended without an error, before the first setting runs.
    """

    def __init__(self, program: Program, place: Place) -> None:
        self._program = program
        self._space = program.space
        self._common = state_of_place(place)
        self._place = place
        self.on_set_up: Callable[[], None] | None = None
        self._origin = Origin()
        self._run_name = f"{type(program.space).__name__}.run()"
        self._is_set_up = False
        self._set_up_error: BaseException | None = None
        self._set_up_trace: TracebackType | None = None
        self._secrets = variables_of(program.space)
        self._generators = program.generators
        if self._generators is not None:
            self._generators.enter()
        self._row = program.rows.maker()
        self._layout = layout = layout_of(program.space) if is_open(program.space) else None
        self._point: Callable[[int], Any] = (lambda _: ()) if layout is None else layout.point
        self._is_handed_over = layout is None or layout.make is not layout.bare

    def run(self, index: int, attempt: int = 1) -> Outcome:
        """Run one setting; whatever it raises becomes its outcome, except KeyboardInterrupt."""
        started, begun = time.time(), time.perf_counter()
        result = error = trace = None
        params: dict[str, Any] | None = None
        status: Status = "done"
        key = self._program.keys[index]
        try:
            if not self._is_set_up:
                try:
                    self._set_up()
                finally:  # its time is no setting's
                    started, begun = time.time(), time.perf_counter()
            point = self._point(index)
            setting = self._setting(point, key)
            try:
                params = self._row(setting)
            except Exception:  # a derived field may need what `run` is going to make
                params = None
            if self._is_handed_over:
                self._hand_over(setting, point)
            self._origin.check_after(0.0, self._run_name)
            result = frozen(checked(type(setting), setting.run()))
            if params is None:
                params = self._row(setting)
        except KeyboardInterrupt as raised:
            self._origin.check(self._run_name, raised)
            raise
        except BaseException as raised:  # SystemExit too: a setting never ends its worker
            self._origin.check(self._run_name, raised)
            if _leaves_debugger(raised):
                raise KeyboardInterrupt("left the debugger") from raised
            if self._program.on_failure is not None:
                self._program.on_failure(raised)
            status, result = "failed", None
            error = hide(_with_remedy(raised), self._secrets)
            trace = hide(traceback_text(raised), self._secrets)
        seconds = time.perf_counter() - begun
        self._origin.check_after(seconds, self._run_name)
        return Outcome(
            index,
            key_text(key),
            status,
            self._program.row(index) if params is None else params,
            result,
            error,
            trace,
            started,
            seconds,
            self._place.rank,
            attempt,
        )

    def _setting(self, point: tuple[Any, ...], key: int) -> Experiment:
        """A setting as it was declared, which code of the user has not seen yet."""
        if self._generators is not None:
            self._generators.seed(seed_of(key))
        # A space of one is the user's own object: what a setting does to itself stays out of it.
        layout = self._layout
        setting: Experiment = pristine(self._space) if layout is None else layout.bare(point)
        vars(setting).update(self._common)
        set_key(setting, key)
        return setting

    def _hand_over(self, setting: Experiment, point: tuple[Any, ...]) -> None:
        if self._layout is not None:
            self._layout.hand_over(setting, point)
        else:
            set_copies(setting, copies_of(self._space, setting))
            setting.__post_init__()

    @property
    def is_to_set_up(self) -> bool:
        """Whether the next setting calls `setup` first."""
        is_over = self._is_set_up or self._set_up_error is not None
        return not is_over and type(self._space).setup is not Experiment.setup

    def _set_up(self) -> None:
        """Set up, once; where that failed, no setting can run."""
        if self._set_up_error is not None:
            raise self._set_up_error.with_traceback(self._set_up_trace)
        if type(self._space).setup is not Experiment.setup:
            stage = self._stage()
            before = set(stage.__dict__)
            name = f"{type(self._space).__name__}.setup()"
            if self._generators is not None:  # it makes the same in every worker
                self._generators.seed_by(self._program.name)
            try:
                called(name, stage.setup)
            except KeyboardInterrupt as error:
                self._origin.check(name, error)
                raise
            except BaseException as error:
                self._origin.check(name, error)
                self._set_up_error, self._set_up_trace = error, error.__traceback__
                raise
            self._origin.check(name)
            # What fields hold on this stage is of no setting: each makes its own.
            made = {k: x for k, x in stage.__dict__.items() if k not in before}
            self._common.update({k: x for k, x in made.items() if not is_name_of_state(k)})
            if self._generators is not None:
                self._generators.add(made)
        self._is_set_up = True
        if self.on_set_up is not None:
            self.on_set_up()

    def _stage(self) -> Experiment:
        """An instance with the fixed fields alone, for what is done once a worker."""
        stage = object.__new__(type(self._space))
        fixed = without_settings(self._space)
        fixed.pop("run", None)  # a space refuses to run
        vars(stage).update(fixed | self._common)
        return stage

    def close(self) -> None:
        """Tear down what was set up; a failure of that costs no outcome, so it is only told."""
        is_set_up, self._is_set_up = self._is_set_up, False
        if not is_set_up or type(self._space).teardown is Experiment.teardown:
            return
        name = f"{type(self._space).__name__}.teardown()"
        try:
            called(name, self._stage().teardown)
        except BaseException as error:
            self._origin.check(name, error)
            if not isinstance(error, Exception):
                raise
            trace = hide(traceback_text(error), self._secrets)
            what = f"{name} failed in worker {self._place.rank}: {trace}"
            warn_user(what, RuntimeWarning, method=type(self._space).teardown)
        self._origin.check(name)


def _leaves_debugger(error: BaseException) -> bool:
    """Whether somebody quit pdb: BdbQuit, and from Python 3.14 on a SystemExit of its own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_of_pdb = trace is not None and trace.tb_frame.f_globals.get("__name__") == "pdb"
    return type(error).__name__ == "BdbQuit" or (isinstance(error, SystemExit) and is_of_pdb)


def _with_remedy(error: BaseException) -> str:
    """`headline`, and what to do where a setting wrote into what all share."""
    from superparams.executor.payload import explain_readonly

    remedy = explain_readonly(error)
    return f"{headline(error)} ({remedy})" if remedy else headline(error)
