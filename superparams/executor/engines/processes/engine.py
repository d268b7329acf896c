"""The engine of processes: a pool of our own making, whose workers may die.

A worker that dies costs the setting it ran; what it had done but not sent is done again. The
other modules of this folder are the parts of the engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from superparams.errors import EngineError
from superparams.executor.engines.contract import Activity, Control, Options, Todo
from superparams.executor.engines.processes import (
    resources,
    template_handle,
    transport,
    worker_output,
)
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.dispatch import Dispatch
from superparams.executor.engines.processes.fork_safety import other_threads

if TYPE_CHECKING:
    from superparams.executor.program import Program

_METHODS = ("forkserver", "spawn", "fork")


class Processes:
    """Runs settings in worker processes.

    start_method: "forkserver" (where it is possible the default): a clean process attaches the
    payload once and forks the workers; "spawn": every worker is a fresh interpreter; "fork":
    workers are forks of this process as it is, unless it has other threads. With a run folder, what
    settings print goes to logs/<rank>.log; without one it stays where it goes.
    """

    name = "processes"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._dispatch: Dispatch | None = None

    def check(self, options: Options) -> None:
        """Refuse a start method that does not exist; see `Engine.check`."""
        method = options.start_method
        if method is not None and method not in _METHODS:
            known = ", ".join(map(repr, _METHODS))
            raise EngineError(f"start_method={method!r} is unknown: give one of {known}")

    def activity(self) -> list[Activity]:
        """What each worker runs, out of the memory that it shares."""
        return self._dispatch.activity() if self._dispatch else []

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        method = options.start_method or template_handle.default_method()
        threads = other_threads() if method == "fork" else []
        if threads:
            method = template_handle.default_method()
            control.note([_no_fork(threads)])
        if method != "fork":
            control.note(getattr(program, "script_notes", []))
        self._dispatch = Dispatch(program, todo, _boot(method, options, program, todo), control)
        if method != "forkserver" or options.gpus is not None:
            program.prepare()  # there is no template to do it once for all workers
        with ExitStack() as packed:

            def pack() -> Any:
                if method == "fork":
                    return None
                from superparams.executor import payload

                try:
                    made = packed.enter_context(payload.pack(program))
                except Exception as error:
                    if threads:
                        raise EngineError(f"{_no_fork(threads)}. But {error}") from error
                    raise
                if options.folder is not None:
                    worker_output.note(options.folder, made.report)
                control.payload = made.sizes
                return made.handle

            yield from self._dispatch.outcomes(pack)


def _no_fork(threads: list[str]) -> str:
    """Why workers are no forks of this process."""
    names = ", ".join(map(repr, threads[:3])) + ", ..." * (len(threads) > 3)
    return (
        f"start_method='fork' is not used: this process has other threads ({names}), and forks "
        "that need them or their locks hang; workers start from a clean process, as by default "
        "(to fork, end these threads before run_all)"
    )


def _boot(method: str, options: Options, program: Program, todo: Todo) -> Boot:
    devices, path = None, cast("list[object]", sys.path)
    if options.gpus is not None:
        devices = resources.devices(options.num_proc, options.gpus, os.environ)
    return Boot(
        method=method,
        options=options,
        handle=None,
        environ=resources.threads(options.num_proc, options.threads_per_worker, os.environ),
        devices=devices,
        libraries=_libraries(program, todo) if method == "forkserver" else (),
        path=[one for one in path if isinstance(one, str)],  # imports skip the others, too
        argv=list(getattr(sys, "argv", [""])),
    )


def _libraries(program: Program, todo: Todo) -> list[str]:
    """What the template may load while the program is packed for it."""
    first = next((one[0] for one in todo if one), None)
    params = {} if first is None else program.row(first)
    return [*program.libraries(), *transport.loaded_ahead(params)]
