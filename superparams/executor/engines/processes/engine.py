"""The engine of processes: a pool of our own making, whose workers may die.

If a worker dies, the setting that it ran is lost, and settings whose outcomes it had not sent run
again. The other modules of this folder are the parts of the engine. They are loaded when a run
begins, since scripts import this class.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast, get_args

from superparams.errors import EngineError
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    has_processes,
)
from superparams.executor.engines.option_fields import devices, one_of, option, settle, whole

if TYPE_CHECKING:
    from superparams.executor.engines.feed import Feed, Todo
    from superparams.executor.engines.processes.pool import Pool
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds

__all__ = ["Processes", "StartMethod"]

StartMethod = Literal["forkserver", "spawn", "fork"]


@dataclass(frozen=True)
class Processes:
    """Worker processes, for `engine=`; ``engine="processes"`` means `Processes()`.

    What settings print goes to logs/<rank>.log of the run.

    Args:
        start_method: How workers start; by default "forkserver" on Linux, "spawn" elsewhere.
            ``"forkserver"``: a clean process attaches the payload once and forks the workers.
            ``"spawn"``: every worker is a fresh interpreter. ``"fork"``: workers are forks of this
            process as it is, unless it has other threads.
        threads: BLAS and OpenMP threads of each worker; by default the cores are divided.
        gpus: Devices to divide among the workers, by number or name; by default each sees all.

    Raises:
        EngineError: For a value that an option cannot have, and on a system that lacks what worker
            processes need.
    """

    start_method: StartMethod | None = option(
        None,
        'How workers start; by default "forkserver" on Linux, "spawn" elsewhere.',
        check=one_of(get_args(StartMethod)),
    )
    threads: int | None = option(
        None,
        "BLAS and OpenMP threads of each worker; by default the cores are divided.",
        check=whole(1, "give a whole number, 1 or more, or None to divide the cores"),
    )
    gpus: Iterable[str | int] | int | None = option(
        None,
        "Devices to divide among the workers, by number or name; by default each sees all.",
        check=devices(
            "give the devices, as in ['0', '1'], or their number, 1 or more, "
            "or None to leave every worker what this process sees"
        ),
    )
    _pool: Pool | None = field(default=None, init=False, repr=False, compare=False)

    name = "processes"

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, EngineError, "Processes.")
        if not has_processes():
            raise EngineError(
                'engine="processes" needs a system with fork and Unix sockets, which this one '
                'lacks; give engine="threads", or an executor such as engine=ProcessPoolExecutor(4)'
            )

    def check(self, options: Options) -> None:
        """Worker processes support all options; see `Engine.check`."""

    def places_for(self, needs: SettingNeeds, options: Options) -> int:
        """How many settings may run at once; see `Engine.places_for`."""
        from superparams.executor.engines.held_resources import OneMachine
        from superparams.executor.engines.processes.worker_environ import named_devices

        gpus = cast("tuple[str | int, ...] | int | None", self.gpus)
        return OneMachine(needs, devices=named_devices(gpus)).most_places(options.num_proc)

    def start_ahead(self, options: Options) -> None:
        """Start the interpreter that the workers of a run come from, before the run is known."""
        from superparams.executor.engines.processes.interpreter import warm_interpreter
        from superparams.executor.engines.processes.process_start import search_path
        from superparams.executor.engines.processes.worker_environ import threads

        if self._has_interpreter:
            environ = threads(options.num_proc, self.threads, os.environ)
            warm_interpreter(environ, search_path())

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        return self._new_pool(program, todo, options, control).outcomes()

    def execute_ahead(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Do the same as `execute`, but prepare a clean process for the program at once.

        Settings begin when the iterator is asked for an outcome. It is a generator: close it.
        """
        if not self._has_interpreter:
            return self.execute(program, todo, options, control)
        outcomes = self._new_pool(program, todo, options, control).outcomes(is_ahead=True)
        next(outcomes, None)
        return outcomes

    @property
    def _has_interpreter(self) -> bool:
        """Whether an interpreter that stays warm makes the template."""
        return self.gpus is None and self.start_method in (None, "forkserver")

    def _new_pool(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Pool:
        from superparams.executor.engines.feed import Feed
        from superparams.executor.engines.processes.pool import Pool

        gpus = cast("tuple[str | int, ...] | int | None", self.gpus)
        pool = Pool(program, Feed.of(todo), options, control, self.start_method, self.threads, gpus)
        object.__setattr__(self, "_pool", pool)
        return pool

    def activity(self) -> list[Activity]:
        """What each worker runs, read from the memory that it shares with the driver."""
        return self._pool.activity() if self._pool else []
