"""One run in worker processes: their payload, what each gets of the machine, and their outcomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from superparams.errors import EngineError
from superparams.executor import payload
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.executor.engines.drive import LoopThread, scheduler_of
from superparams.executor.engines.feed import Feed
from superparams.executor.engines.held_resources import OneMachine, WorkerEnviron
from superparams.executor.engines.processes import (
    process_start,
    template_handle,
    transport,
    worker_environ,
    worker_output,
)
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.fork_safety import other_threads
from superparams.executor.engines.processes.interpreter import warm_interpreter
from superparams.executor.engines.processes.process_carrier import ProcessCarrier

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds

__all__ = ["Pool"]


class Pool:
    """The worker processes of one run.

    Args:
        program: What they run.
        feed: The indices of the settings to run.
        options: What the run asks of any engine.
        control: Ends the run early, and takes notes.
        start_method: How workers start; None for the usual way.
        threads: BLAS and OpenMP threads of each worker; None to divide the cores.
        gpus: Devices to divide among the workers; None for no limit.
    """

    def __init__(
        self,
        program: Program,
        feed: Feed,
        options: Options,
        control: Control,
        start_method: str | None,
        threads: int | None,
        gpus: tuple[str | int, ...] | int | None,
    ) -> None:
        self._program = program
        self._feed = feed
        self._options = options
        self._control = control
        self._method = start_method or template_handle.default_method()
        self._threads = threads
        self._gpus = gpus
        self._carrier: ProcessCarrier | None = None

    def activity(self) -> list[Activity]:
        """What each worker runs."""
        return self._carrier.activity() if self._carrier else []

    def outcomes(self, *, is_ahead: bool = False) -> Iterator[bytes]:
        """Encoded outcomes as they arrive; workers start with the first one.

        Args:
            is_ahead: Whether to yield empty bytes first, as soon as the program is on its way to
                the template. Settings begin with the next item.
        """
        program, control = self._program, self._control
        threads = other_threads() if self._method == "fork" else []
        if threads:
            self._method = template_handle.default_method()
            control.note([_no_fork(threads)])
        if self._method != "fork":
            control.note(getattr(program, "script_notes", []))
        n_places = self._feed.most_places(self._options.num_proc)
        if not n_places:
            return
        machine = self._machine()
        boot = self._boot(machine)
        is_forked = boot.method == "forkserver" and not boot.varies
        interpreter = warm_interpreter(boot.environ, boot.path) if is_forked else None
        shares = worker_environ.ShareEnviron(n_threads=self._threads)
        if machine is not None:
            shares = replace(shares, variable=machine.devices.variable)
        self._carrier = ProcessCarrier(program, self._feed, boot, control, interpreter, shares)
        sharing = None if machine is None else machine.sharing
        scheduler = scheduler_of(n_places, self._feed, self._options, control, sharing)
        if not is_forked:
            program.prepare()  # there is no template to do it once for all workers
        loop = LoopThread(self._carrier, scheduler, self._feed, control)
        with ExitStack() as packed, loop as outcomes:
            try:
                # Meanwhile the template loads its modules.
                packed_program = self._packed(packed, threads)
                self._carrier.handles.put(packed_program and packed_program.handle)
                if packed_program is not None and self._options.folder is not None:
                    worker_output.note(self._options.folder, packed_program.report)
                if is_ahead:
                    yield b""
                yield from map(transport.opened, outcomes)  # not in the thread of workers
            except BaseException:
                loop.reader.leave()
                raise
            finally:
                self._carrier.handles.put(None)

    def _packed(self, stack: ExitStack, threads: list[str]) -> payload.Payload | None:
        """The payload, which exists until the stack ends; None for forks."""
        if self._method == "fork":
            return None
        try:
            packed_program = stack.enter_context(payload.pack(self._program))
        except Exception as error:
            if threads:
                raise EngineError(f"{_no_fork(threads)}. But {error}") from error
            raise
        self._control.payload = packed_program.sizes
        return packed_program

    def _machine(self) -> OneMachine | None:
        """The machine, if settings declare what they need of it."""
        needs: SettingNeeds | None = getattr(self._program, "setting_needs", None)
        if needs is None:
            return None
        machine = OneMachine(needs, devices=worker_environ.named_devices(self._gpus))
        needs.split(self._feed.first)
        return machine

    def _boot(self, machine: OneMachine | None) -> Boot:
        devices, n_threads, varies = None, self._threads, False
        num_proc = self._options.num_proc
        environ = worker_environ.threads(num_proc, n_threads, os.environ)
        if machine is not None:
            varies, cpus, _ = WorkerEnviron.of(machine.needs, has_more=self._feed.has_more)
            environ |= {} if cpus is None or n_threads else worker_environ.for_cpus(cpus)
        if self._gpus is not None and not (machine and machine.counts_devices):
            devices = worker_environ.devices(num_proc, self._gpus, os.environ)
        return Boot(
            method=self._method,
            options=self._options,
            handle=None,
            environ=environ,
            devices=devices,
            varies=devices is not None or varies,
            libraries=self._libraries() if self._method == "forkserver" else (),
            path=process_start.search_path(),
            argv=list(getattr(sys, "argv", [""])),
            decides_steps=self._control.judge is not None,
        )

    def _libraries(self) -> list[str]:
        """What the template may load while the program is packed for it."""
        first = next((indices[0] for indices in self._feed.first if indices), None)
        params = {} if first is None else self._program.row(first)
        return [*self._program.libraries(), *transport.loaded_ahead(params)]


def _no_fork(threads: list[str]) -> str:
    """Why workers are no forks of this process."""
    names = ", ".join(map(repr, threads[:3])) + ", ..." * (len(threads) > 3)
    return (
        f"start_method='fork' is not used: this process has other threads ({names}), and forks "
        "that need them or their locks hang; workers start from a clean process, as by default "
        "(to fork, end these threads before run_all)"
    )
