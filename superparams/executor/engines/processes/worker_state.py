"""What the driver knows of one worker."""

from __future__ import annotations

import enum
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from superparams.executor.engines.contract import Options
from superparams.executor.engines.processes import protocol
from superparams.executor.engines.processes.process_memory import anonymous_memory
from superparams.executor.engines.processes.template_handle import Template
from superparams.executor.engines.processes.worker_cells import Mark, anonymous_file
from superparams.executor.scheduler.chunk import Chunk

_MOST_STACK = 1 << 16  # bytes of a stack that are kept, the last ones


class WorkerState(enum.Enum):
    """Where a worker is in its life."""

    STARTING = enum.auto()
    IDLE = enum.auto()
    BUSY = enum.auto()
    CLOSING = enum.auto()  # it tears down what it set up
    LEAVING = enum.auto()


@dataclass(frozen=True, slots=True)
class TimeOfMark:
    """The monotonic time, in nanoseconds, of an action that concerns the setting of `mark`."""

    mark: Mark
    time: int


@dataclass(eq=False)
class WorkerHandle:
    """One worker process, as the driver sees it.

    Attributes:
        chunk: The settings that it got last.
        sent: The number of these whose outcomes it has sent.
        again: Which settings of its next parcel have no outcome, since they are to run again.
        deadline_passed: When the time of its setting was up.
        cut: When the driver began to take back the rest of its chunk.
        urged: The setting during which it was asked to send its outcomes.
        channel_closed: Whether its channel has ended, at the time `ended`.
        used: Whether it has ever got a chunk.
        spoiled: What happened to its channel, if the worker is killed for that.
        options: The options of the run, with the limits of its settings.
        memory_limit: Bytes that its settings may use; None for no limit.
        pid: Its process id, once it is ready.
        first_memory: The bytes of memory that it had then.
        memory_exceeded: The setting that used more than its limit, and how many bytes.
    """

    rank: int
    channel: socket.socket
    fault: int
    reader: protocol.FrameReader
    options: Options
    state: WorkerState = WorkerState.STARTING
    chunk: Chunk = field(default_factory=lambda: Chunk(()))
    sent: int = 0
    again: list[int] = field(default_factory=list[int])
    deadline_passed: TimeOfMark | None = None
    cut: TimeOfMark | None = None
    urged: Mark | None = None
    channel_closed: bool = False
    ended: float = 0.0
    used: bool = False
    asked_to_leave: float = 0.0
    spoiled: str = ""
    memory_limit: int | None = None
    pid: int = 0
    first_memory: int = 0
    memory_exceeded: tuple[Mark, int] | None = None

    @classmethod
    def make(
        cls,
        rank: int,
        template: Template,
        options: Options,
        changes: Mapping[str, object],
        *,
        boots: bool,
    ) -> WorkerHandle:
        """Have the template start a worker.

        Args:
            rank: The number of the worker.
            template: Starts it.
            options: The options of the run, with the limits of its settings.
            changes: See `Template.start`.
            boots: Whether it is a fresh interpreter.
        """
        fault, key = _fault_file(), secrets.randbits(32)
        try:
            channel = template.start(rank, fault, boots=boots, key=key, changes=changes)
        except BaseException:
            os.close(fault)
            raise
        return cls(rank, channel, fault, protocol.FrameReader(channel, key), options)

    @property
    def is_limited(self) -> bool:
        """Whether `run` or `setup` have a limit of time."""
        return self.options.timeout is not None or self.options.setup_limit is not None

    @property
    def unsent(self) -> Chunk:
        """The settings of its chunk whose outcomes it has not sent."""
        return self.chunk.split(self.sent)[1]

    def begin(self, chunk: Chunk, cut: int, points: bytes = b"") -> None:
        """Send it a chunk, which is over when its cell shows another number than `cut`.

        points: Those of its settings, where the worker does not know them.
        """
        if points:
            self.say(protocol.Frame(protocol.Kind.POINTS, body=points))
        self.chunk, self.sent, self.state, self.used = chunk, 0, WorkerState.BUSY, True
        self.say(
            protocol.Frame(
                protocol.Kind.RUN, chunk.attempt, cut, protocol.pack_ranges(chunk.ranges)
            )
        )

    def note_pid(self, pid: int) -> None:
        """Note that the worker is ready; pid: its process id."""
        self.pid = pid
        if self.memory_limit is not None:
            self.first_memory = anonymous_memory(pid)

    def rest(self) -> None:
        """Note that its chunk is over."""
        self.state, self.chunk, self.sent, self.again = WorkerState.IDLE, Chunk(()), 0, []
        self.deadline_passed = self.cut = self.urged = None

    def leave(self) -> None:
        """Ask the worker to end."""
        self.state, self.asked_to_leave = WorkerState.CLOSING, time.monotonic()
        self.say(protocol.Frame(protocol.Kind.CLOSE))

    def say(self, frame: protocol.Frame) -> None:
        """Send it a frame; should it be dead, the template will tell."""
        with suppress(ConnectionError):
            protocol.send(self.channel, frame)

    def stack(self) -> str:
        """The Python stack that its fault handler wrote, if any."""
        size = os.fstat(self.fault).st_size
        data = os.pread(self.fault, _MOST_STACK, max(0, size - _MOST_STACK))
        return data.decode(errors="replace")

    def close(self) -> None:
        """Close the driver's ends."""
        self.channel.close()
        os.close(self.fault)


def _fault_file() -> int:
    fd = anonymous_file("superparams-fault")
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd
