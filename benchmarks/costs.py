"""Where the time goes: of a setting that does nothing, and of the start and end of a run.

    python benchmarks/costs.py [--quick]

Settings: each part of the route that one takes is timed alone, in one process, over many settings,
as a loop of that part and nothing else. Beside their sum stands the processor time that a whole run
on two workers takes, start-up taken off, counted by the system over all of its processes: what is
in that and in no part is handing out, waking up, and the watch over workers.

Start-up: a run of two settings on two workers, in a new process each time, and when it reached
what.
"""

from __future__ import annotations

import gc
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import superparams.run.loop
from superparams import Experiment, search
from superparams.declare.experiment_place import (
    Place,
    name_of,
)
from superparams.declare.keys import Keys
from superparams.declare.sequence import layout_of
from superparams.executor import close
from superparams.executor.engines.processes import pool, protocol, worker_cells
from superparams.executor.engines.processes.process_carrier import ProcessCarrier
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.transport import opened, pickled
from superparams.executor.engines.processes.worker_cells import Cells
from superparams.executor.engines.processes.worker_output import WorkerOutput
from superparams.executor.program import Program
from superparams.outcomes.batches import counts
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import parts as parts_of
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import RunFolder
from superparams.store.table.merge import compact

WORKERS = 2
BATCH = 4_000  # about what a worker sends at once, every 20 ms


class Nothing(Experiment):
    """Settings that only hand one number back."""

    i: int = search(range(100_000))

    def run(self) -> dict[str, int]:
        return {"x": self.i}


def seconds(action: Callable[[], object]) -> float:
    """How long it takes, without the collection of garbage of others, as `timeit` does it."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        action()
        return time.perf_counter() - began
    finally:
        gc.enable()


def asked(what: str, *words: object) -> str:
    """What one of ASKED prints in a process of its own."""
    command = [sys.executable, __file__, "--ask", what, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# ---- a setting


def parts(folder: Path, n: int) -> dict[str, float]:
    """Seconds for `n` settings, by the part of the route."""
    program = Program(space(n), WORKERS, name_of(Nothing))
    found: dict[str, float] = {}
    layout, key_of = layout_of(program.space), Keys(program.space).getter()
    found["its key"] = seconds(lambda: [key_of(i) for i in range(n)])
    found["build it"] = seconds(lambda: [layout.at(i) for i in range(n)])
    settings = [layout.at(i) for i in range(n)]
    found["run it"] = seconds(lambda: [one.run() for one in settings])
    worker = program.enter(Place(0, WORKERS, folder))
    whole = seconds(lambda: [worker.run(i) for i in range(n)])
    found["time it, catch what it raises, note its columns"] = whole - sum(found.values())
    outcomes = [worker.run(i) for i in range(n)]
    found["flush its output, note where it stands in the log"] = logged(folder, n)
    found["tell the driver what runs"] = told(n)
    places = range(0, n, BATCH)
    parcels: list[Any] = []
    found["pickle its outcome, by columns"] = seconds(
        lambda: parcels.extend(pickled(parts_of(outcomes[at : at + BATCH])) for at in places)
    )
    found["send it"] = sent(parcels)
    batches: list[bytes] = []
    found["make Arrow of it, in the driver"] = seconds(lambda: batches.extend(map(opened, parcels)))
    run = RunFolder.create(folder / "results")
    found["record it: ledger, counts"] = recorded(run, batches)
    run.finish()
    found["write it into the table"] = seconds(lambda: compact(folder / "results"))
    return found


def space(n: int) -> Nothing:
    """A space of `n` settings."""
    return Nothing(i=search(range(n)))


def logged(folder: Path, n: int) -> float:
    """Seconds for `n` marks of a log, in a fork, whose output becomes that log for good."""
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        output = WorkerOutput(folder, 0)
        took = seconds(lambda: [output.mark() for _ in range(n)])
        os.write(theirs, str(took).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours) as file:
        told = file.read()
    os.waitpid(child, 0)
    return float(told)


def told(n: int) -> float:
    """Seconds for what a worker writes into the memory that it shares with the driver."""
    cells = Cells.make(1)
    with cells.of(0) as shared:
        took = seconds(lambda: _mark(shared, n))
    cells.close()
    return took


def _mark(shared: memoryview, n: int) -> None:
    for i in range(n):
        shared[worker_cells.START] = time.monotonic_ns()
        shared[worker_cells.ATTEMPT] = 1
        shared[worker_cells.LOG] = 0
        shared[worker_cells.INDEX] = i
        shared[worker_cells.UNSENT] = i
        shared[worker_cells.INDEX] = -1


def sent(batches: list[bytes]) -> float:
    """Seconds to send all of these over a socket, and to read them at its other end."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        for one in batches:
            protocol.send(theirs, Frame(Kind.DATA, body=one))

    thread = threading.Thread(target=send)

    def act() -> None:
        thread.start()
        for _ in batches:
            protocol.receive(ours)
        thread.join()

    with ours, theirs:
        return seconds(act)


def recorded(run: RunFolder, batches: list[bytes]) -> float:
    """Seconds to append all of these to a ledger, and to count their outcomes."""

    def act() -> None:
        with Ledger(run.ledger) as ledger:
            for one in batches:
                ledger.append(one)
                for batch in decode(one):
                    counts(batch)

    return seconds(act)


def of_a_run(n: int) -> tuple[float, float]:
    """Seconds of processors, of all processes, and of the clock for a run of `n` settings."""
    with tempfile.TemporaryDirectory() as folder:
        before = processor()
        took = seconds(lambda: space(n).run_all(WORKERS, results=folder, progress=False))
        close()  # workers are counted once the interpreter that they come from has ended
        return processor() - before, took


def processor() -> float:
    """Seconds of processors that this process and what it waited for have used."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(one.ru_utime + one.ru_stime for one in used)


def print_parts(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, took in parts(Path(folder), n).items():
            print(f"{took / n * 1e6:.4f} {name}")


def print_run(n: int) -> None:
    of_a_run(100)  # what is loaded or made once
    few, many = of_a_run(100), of_a_run(n)
    print(*((more - less) / (n - 100) * 1e6 for less, more in zip(few, many, strict=True)))


def show_setting(n: int, repeats: int) -> None:
    tables = [asked("parts", n).splitlines() for _ in range(repeats)]
    columns = [[line.split(" ", 1) for line in lines] for lines in zip(*tables, strict=True)]
    medians = {
        lines[0][1]: statistics.median(float(line[0]) for line in lines) for lines in columns
    }
    runs = [tuple(map(float, asked("run", n).split())) for _ in range(repeats)]
    used, clock = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"A setting that does nothing, microseconds; {n:,} settings, median of {repeats}")
    for name, cost in medians.items():
        print(f"{cost:8.2f}  {name}")
    print(f"{sum(medians.values()):8.2f}  all of these, one after another")
    print(f"{used:8.2f}  processor time of a whole run, all processes")
    print(f"{clock:8.2f}  of the clock, on {WORKERS} workers")


# ---- start-up

Mark = Callable[[str], None]


def marked(owner: Any, name: str, mark: Mark, after: str) -> None:
    """Have the first return of a function noted."""
    inner = getattr(owner, name)

    def outer(*args: Any, **options: Any) -> Any:
        try:
            return inner(*args, **options)
        finally:
            mark(after)

    setattr(owner, name, outer)


def heard(mark: Mark) -> None:
    """Have noted what the template and the workers say first."""
    read, hear = ProcessCarrier._read_template, ProcessCarrier._hear  # pyright: ignore[reportPrivateUsage]

    def outer_read(self: Any) -> Any:
        yield from read(self)
        if self._forks is not None:
            mark("the template is ready: interpreter, superparams, the payload attached")

    def outer_hear(self: Any, member: Any, frame: Frame) -> Any:
        yield from hear(self, member, frame)
        if frame.kind is Kind.READY:
            mark("the first worker is forked and ready")
        elif frame.kind is Kind.END:
            mark("the first outcome has arrived")

    ProcessCarrier._read_template = outer_read  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
    ProcessCarrier._hear = outer_hear  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]


def print_course() -> None:
    """When a run of two settings reached what, milliseconds."""
    seen: dict[str, float] = {}
    lock = threading.Lock()

    def mark(what: str) -> None:
        with lock:
            seen.setdefault(what, time.perf_counter())

    run: Any = superparams.run.loop
    marked(run, "prepare", mark, "known what there is to do: code, keys, what is recorded")
    marked(RunFolder, "begin", mark, "the run folder is made, on disk")
    marked(ProcessCarrier, "begin", mark, "the template is started, the payload packed")
    heard(mark)
    marked(ProcessCarrier, "close", mark, "template and workers have ended")
    marked(pool.Pool, "outcomes", mark, "")
    marked(run, "_finish", mark, "the run folder is complete: source, git, machine, counts")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        space(2).run_all(WORKERS, results=folder, progress=False)
        mark("the table is written, and given back")
    seen.pop("", None)
    for what, at in sorted(seen.items(), key=lambda item: item[1]):
        print(f"{(at - began) * 1e3:.2f} {what}")


def show_course(repeats: int) -> None:
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for line in asked("course").splitlines():
            at, what = line.split(" ", 1)
            found.setdefault(what, []).append(float(at))
    medians = {what: statistics.median(times) for what, times in found.items()}
    print(f"Two settings on {WORKERS} workers, milliseconds since the call; median of {repeats}")
    for what, at in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{at:8.0f}  {what}")


def show_imports(repeats: int) -> None:
    print(f"Whole processes, milliseconds; median of {repeats}")
    for code in ("pass", "import superparams", "import pyarrow", "import superparams.run.loop"):
        command = [sys.executable, "-c", code]
        tries = [seconds(lambda: subprocess.run(command, check=True)) for _ in range(repeats)]  # noqa: B023
        print(f"{statistics.median(tries) * 1e3:8.0f}  python -c {code!r}")


ASKED: dict[str, Callable[..., None]] = {
    "parts": print_parts,
    "run": print_run,
    "course": print_course,
}


def main() -> None:
    if sys.argv[1:2] == ["--ask"]:
        ASKED[sys.argv[2]](*map(int, sys.argv[3:]))
        return
    n, repeats = (20_000, 3) if "--quick" in sys.argv[1:] else (100_000, 7)
    show_setting(n, repeats)
    print()
    show_course(repeats)
    print()
    show_imports(repeats)


if __name__ == "__main__":
    main()
