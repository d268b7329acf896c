"""Places in this process: threads, or tasks of an event loop. They put messages into one queue."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from superparams.declare.experiment_place import Place
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.executor.engines.drive import LoopThread, scheduler_of
from superparams.executor.engines.feed import Feed, Todo
from superparams.executor.engines.held_resources import MachineSharing, options_for
from superparams.executor.engines.output_log import PlaceLog, current_log
from superparams.executor.pool_code import pools_take_code
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.steps import Row, step_recorder, step_teller
from superparams.outcomes.batches import encode, warm_up
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program

_FLUSH = 0.02  # seconds that outcomes wait at most, to be encoded together with others
PATIENCE = 0.5  # seconds that an ended run waits for settings that nothing can interrupt
_LONG = 0.03  # seconds after which a setting delays the rest of its chunk


@dataclass(frozen=True, slots=True)
class SettingEnded:
    """A setting has ended: its outcome, or its index if it is to run again."""

    rank: int
    outcome: Outcome | int


PlaceMessage = (
    SettingEnded | m.PlaceReady | m.ChunkOver | m.PlaceGone | m.StepMade | BaseException | None
)
Messages = queue.SimpleQueue[PlaceMessage]
# The index of a setting, since when it runs, its attempt, and where its output begins in the log.
Running = tuple[int, float, int, int | None]


def with_log(outcome: Outcome, log: PlaceLog) -> Outcome:
    """An outcome, with the positions in a log where its output begins and ends."""
    outcome.log_start, outcome.log_end = log.take(outcome.seconds)
    return outcome


class LocalPlace(Protocol):
    """A thread or a task that runs chunks of settings, one chunk after another."""

    def is_alive(self) -> bool:
        """Whether the place runs, so that further messages may come from it."""
        ...

    def start(self) -> None:
        """Start the thread or the task."""
        ...

    def begin(self, chunk: Chunk) -> None:
        """Run the settings of a chunk."""
        ...

    def activity(self) -> Activity:
        """What the place does now."""
        ...

    def return_rest(self) -> int | None:
        """Give back the rest of the chunk if the setting that runs is long.

        Returns:
            The index of the setting that runs, after which no other of the chunk begins; None if
            nothing is given back.
        """
        ...

    def answer(self, *, goes_on: bool) -> None:
        """Answer the step of the setting that waits for an answer."""
        ...

    def end(self, *, is_hurried: bool) -> None:
        """End after the setting that runs.

        Args:
            is_hurried: Whether to end this setting as well, where that is possible.
        """
        ...

    def join(self, seconds: float, /) -> None:
        """Wait until the place has ended, at most so long."""
        ...


class ChunkSettings:
    """Hands out the settings of a chunk one by one.

    The place takes settings in its own thread, while the thread of the carrier may take back the
    settings that have not begun.

    Attributes:
        is_ending: Whether no more settings are handed out.
        is_cut_off: Whether a setting did not get the answer to a step, so that it has no outcome.
    """

    def __init__(self, context: PlaceContext) -> None:
        self.is_ending = False
        self.is_cut_off = False
        self._messages = context.messages
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._rank = context.rank
        self._control = context.control
        self._lock = threading.Lock()
        self._rest: Iterator[int] = iter(())
        self._log = context.log
        self._running: Running | None = None
        self._attempt = 1
        self._n_left = 0  # of the chunk, not begun

    def begin(self, chunk: Chunk) -> None:
        """Hand out the settings of a chunk."""
        self._rest, self._attempt, self._n_left = iter(chunk), chunk.attempt, len(chunk)

    def next(self) -> int | None:
        """The index of the next setting, which begins now; None at the end of the chunk."""
        with self._lock:
            if not self._n_left or self.is_ending or self._control.draining:
                self._running = None
                return None
            self._n_left -= 1
            index = next(self._rest)
            self.note(index, self._attempt)
            return index

    def note(self, index: int, attempt: int) -> None:
        """Note that an attempt begins now."""
        self._running = index, time.monotonic(), attempt, self._log.end

    def end(self) -> None:
        """Hand out nothing more; a setting that waits for the answer to a step does not go on."""
        self.is_ending = True
        for _ in range(2):  # one answer for a setting that waits, one if it is about to wait
            self._answers.put(False)

    def carry_steps(self) -> None:
        """Record the steps of the settings that run in this context from now on."""
        step_recorder.set(self._control.steps.outbox.add)
        step_teller.set(None if self._control.judge is None else self.tell_step)

    def tell_step(self, row: Row) -> bool:
        """Pass on a step of the setting that runs, and wait in its thread for the answer.

        Returns:
            Whether the setting goes on.
        """
        if self._running is None:
            return False
        if not self.is_ending:
            self._messages.put(m.StepMade(self._rank, self._running[0], row))
        goes_on = self._answers.get()
        self.is_cut_off |= self.is_ending
        return goes_on

    def answer(self, *, goes_on: bool) -> None:
        """Answer the step of the setting that waits."""
        self._answers.put(goes_on)

    @property
    def running(self) -> Running | None:
        """The setting that runs, if one does."""
        return self._running

    def activity(self, *, in_setup: bool = False) -> Activity:
        """What the place does now, for the line of progress.

        Args:
            in_setup: Whether `setup` runs before the setting.
        """
        running = self._running
        if running is None:
            return Activity(self._rank, None, 0.0)
        index, start, attempt, log = running
        return Activity(self._rank, index, time.monotonic() - start, attempt, in_setup, log)

    def return_rest(self) -> int | None:
        """Give back the rest of the chunk if the setting that runs is long; see `LocalPlace`."""
        with self._lock:
            running = self._running
            if running is None or not self._n_left or time.monotonic() - running[1] < _LONG:
                return None
            self._n_left = 0
            return running[0]


class PlaceContext(NamedTuple):
    """What a place needs to run settings.

    Attributes:
        program: The program that the place runs.
        rank: The number of the place, from 0.
        options: The options of the run.
        control: Ends the run early.
        messages: The queue for its messages.
        log: Keeps what its settings print, once it is opened in the thread or task of the place.
    """

    program: Program
    rank: int
    options: Options
    control: Control
    messages: Messages
    log: PlaceLog

    def enter(self) -> Any:
        """The worker of this place; see `Program.enter`."""
        return self.program.enter(Place(self.rank, self.options.num_proc, self.options.folder))


MakePlace = Callable[[PlaceContext], LocalPlace]


class LocalCarrier:
    """The places of one run in this process; see `Carrier`.

    Args:
        make_place: Makes a place.
        program: What the places run.
        feed: The settings.
        options: What the run asks of any engine.
        control: Ends the run early.
    """

    def __init__(
        self,
        make_place: MakePlace,
        program: Program,
        feed: Feed,
        options: Options,
        control: Control,
    ) -> None:
        self._make_place = make_place
        self._program = program
        self._options = options
        self._control = control
        self._places: dict[int, LocalPlace] = {}
        self._outer_log = current_log()
        self._logs: dict[int, PlaceLog] = {}
        self._messages: Messages = queue.SimpleQueue()
        self._n_ended: dict[int, int] = {}
        self._deadline = float("inf")
        feed.on_change(lambda: self._messages.put(None))

    def activity(self) -> list[Activity]:
        """What each place runs."""
        return [place.activity() for _, place in sorted(self._places.copy().items())]

    def begin(self) -> None:
        """Load what outcomes take, before places compete for the interpreter."""
        warm_up()

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Start places, and give them chunks."""
        if isinstance(instruction, m.StartPlace):
            rank = instruction.rank
            if rank in self._logs:  # of a place that has retired
                self._logs[rank].close()
            log = self._logs[rank] = PlaceLog(self._options.folder, rank, self._outer_log)
            options = options_for(instruction.share, self._options)
            parts = self._program, rank, options, self._control, self._messages, log
            self._places[rank] = self._make_place(PlaceContext(*parts))
            self._places[rank].start()
        elif isinstance(instruction, m.RetirePlace):
            self._places[instruction.rank].end(is_hurried=False)
        elif isinstance(instruction, m.AnswerStep):
            self._places[instruction.rank].answer(goes_on=instruction.goes_on)
        elif isinstance(instruction, m.SendChunk):
            self._n_ended[instruction.rank] = 0
            self._places[instruction.rank].begin(instruction.chunk)
        return b""

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        """Collect the messages of places; see `Carrier`."""
        if not has_room:
            time.sleep(0.001)
            return
        messages = self._arrived(seconds)
        ends = [message for message in messages if isinstance(message, SettingEnded)]
        if ends:
            self._control.steps.outbox.flush()
        if outcomes := [end.outcome for end in ends if isinstance(end.outcome, Outcome)]:
            yield encode(outcomes)
        for rank in dict.fromkeys(end.rank for end in ends):
            of_place = [end.outcome for end in ends if end.rank == rank]
            self._n_ended[rank] += len(of_place)
            to_retry = tuple(outcome for outcome in of_place if isinstance(outcome, int))
            yield m.SettingsEnded(rank, self._n_ended[rank], to_retry)
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            if isinstance(message, m.PlaceReady | m.ChunkOver | m.PlaceGone | m.StepMade):
                yield message
        if wants_rest:
            yield from self._take_rests()

    def _arrived(self, seconds: float) -> list[PlaceMessage]:
        """The messages of places within a moment; it ends early if the scheduler waits for one."""
        messages: list[PlaceMessage] = []
        limit = time.monotonic() + seconds
        with suppress(queue.Empty):
            while True:
                messages.append(self._messages.get(timeout=max(0.0, limit - time.monotonic())))
                if not isinstance(messages[-1], SettingEnded):
                    break
                if len(messages) == 1:
                    limit = time.monotonic() + _FLUSH
        return messages

    def _take_rests(self) -> Iterator[m.Event]:
        for rank, place in self._places.items():
            last = place.return_rest()
            if last is not None:
                yield m.RestReturned(rank, last)

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Have places tear down; see `Carrier`."""
        for place in self._places.values():
            place.end(is_hurried=is_hurried)
        while any(place.is_alive() for place in self._places.values()):
            is_late = is_hurried and time.monotonic() > self._deadline_to_end()
            items = list(self.poll(_FLUSH, wants_rest=False, has_room=True))
            yield from (item for item in items if isinstance(item, bytes))
            if is_late and not items:
                return
        while items := list(self.poll(0.0, wants_rest=False, has_room=True)):
            yield from (item for item in items if isinstance(item, bytes))

    def _deadline_to_end(self) -> float:
        """The time until which places may end: half a second after the first call of this."""
        self._deadline = min(self._deadline, time.monotonic() + PATIENCE)
        return self._deadline

    def explain(self, error: BaseException) -> BaseException:
        """An error as the user should read it."""
        return error

    def close(self) -> None:
        """End all places, and wait for a moment until they have ended."""
        for place in self._places.values():
            place.end(is_hurried=True)
        for place in self._places.values():
            place.join(max(0.0, self._deadline_to_end() - time.monotonic()))
        for log in self._logs.values():
            log.close()
        self._control.steps.outbox.pause()


class LocalEngine(MachineSharing):
    """What engines share whose places are in this process; see `Engine`."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._carrier: LocalCarrier | None = None

    def carrier(
        self, program: Program, feed: Feed, options: Options, control: Control
    ) -> LocalCarrier:
        """The places of one run."""
        raise NotImplementedError

    def activity(self) -> list[Activity]:
        """What each place runs."""
        return self._carrier.activity() if self._carrier else []

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        feed = Feed.of(todo)
        n_places = feed.most_places(options.num_proc)
        scheduler = scheduler_of(n_places, feed, options, control, self.sharing(program))
        self._carrier = self.carrier(program, feed, options, control)
        with (
            pools_take_code(getattr(program, "pool_code", None)),
            LoopThread(self._carrier, scheduler, feed, control) as outcomes,
        ):
            yield from outcomes
