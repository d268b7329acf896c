"""What it costs to keep everything: planning, reading, recording, memory, and a table that grows.

    python benchmarks/ledger.py [--quick]

Each row has the median and the least of several tries, the bar that it must stay under, and beside
it what the least that one would do by hand takes. A million settings are run once for this.
"""

from __future__ import annotations

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

import superparams.run.loop  # noqa: F401  # imports are counted on no side
from superparams import Experiment, Params, Results, search
from superparams.declare.experiment_place import name_of
from superparams.declare.keys import Keys
from superparams.identity.code.fingerprint import fingerprint
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.run.plan import plan
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import experiment_folder
from superparams.store.staleness.current_codes import CurrentCodes
from superparams.store.table.index import read_index


class Nothing(Experiment):
    """Settings that only hand two numbers back."""

    i: int = search(range(1000))
    j: int = search(range(100))

    def run(self) -> dict[str, float]:
        return {"sum": self.i + self.j, "ratio": self.i / (self.j + 1)}


class Doubled(Params):
    """One of two alternatives: its settings have a code of their own."""

    by: int = 2

    def of(self, x: int) -> int:
        """What the setting does."""
        return self.by * x


class Squared(Params):
    """The other one."""

    def of(self, x: int) -> int:
        """What the setting does."""
        return x * x


class Chosen(Experiment):
    """As `Nothing`, with alternatives."""

    way: Doubled | Squared = search([Doubled(), Squared()])
    i: int = search(range(500))
    j: int = search(range(100))

    def run(self) -> dict[str, float]:
        return {"sum": self.way.of(self.i) + self.j}


def space(n: int) -> Nothing:
    """A space of `n` settings, or a few less."""
    return Nothing(i=search(range(max(1, n // 100))), j=search(range(min(n, 100))))


def place(folder: str) -> Path:
    """Where results of `Nothing` lie in a results folder."""
    return experiment_folder(Path(folder), name_of(Nothing))


@dataclass
class Row:
    """A measured thing: tries of ours, of what one would do by hand, and what ours must be under.

    unit: how many of it there are to one of what is measured, and its name.
    """

    name: str
    ours: list[float]
    bar: float
    unit: tuple[float, str]
    by_hand: list[float] | None = None

    def __str__(self) -> str:
        factor, unit = self.unit
        median, least = statistics.median(self.ours) * factor, min(self.ours) * factor
        hand = ""
        if self.by_hand:
            ratio = statistics.median(self.ours) / statistics.median(self.by_hand)
            hand = f"{statistics.median(self.by_hand) * factor:12.2f}{ratio:8.2f}"
        told = f"{self.name:52}{median:10.2f}{least:10.2f} {unit:4}{self.bar * factor:8.4g}"
        return f"{told}  {'yes' if self.holds else 'NO':5}{hand}"

    @property
    def holds(self) -> bool:
        """Whether it was under the bar at least once: other people use the machine too."""
        return min(self.ours) < self.bar


def seconds(action: Callable[[], Any]) -> float:
    """How long an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def in_new_process(what: str, *words: str | int | Path) -> float:
    """What one of ASKED gives in a process of its own, as a script would call it."""
    command = [sys.executable, __file__, "--ask", what, *map(str, words)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# ---- asked in processes of their own


def run(folder: str, n: str) -> float:
    """Seconds of `run_all` on two workers, or of finding that all is done."""
    return seconds(lambda: space(int(n)).run_all(2, results=folder, progress=False))


def grown(folder: str, n: str) -> float:
    """Bytes of memory that the driver took at most, while it ran so many settings."""
    space(int(n)).run_all(2, results=folder, progress=False)
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def planned(folder: str, n: str) -> float:
    """Seconds a setting of planning a space that is all done."""
    searched = space(int(n))
    code = fingerprint(Nothing).digest

    def act() -> None:
        todo = plan(Keys(searched), len(searched), read_index(place(folder)), [code])
        assert todo.n_todo == 0

    return seconds(act) / len(searched)


def planned_by_setting(folder: str, n: str) -> float:
    """As `planned`, of an experiment whose settings have different codes; it runs first."""
    searched = Chosen(i=search(range(int(n) // 200)))
    searched.run_all(progress=False, results=folder)
    root = experiment_folder(Path(folder), name_of(Chosen))
    code = fingerprint(Chosen)
    assert code.alternatives

    def act() -> None:
        codes = CurrentCodes(root, code).codes
        todo = plan(Keys(searched), len(searched), read_index(root), codes)
        assert todo.n_todo == 0

    return seconds(act) / len(searched)


def looked_up(_: str, n: str) -> float:
    """Seconds a setting of the least that one could do: a hash, and a look into a set."""
    searched = space(int(n))
    points = [(i, j) for i in range(len(searched) // 100) for j in range(100)]
    known = {hashlib.blake2b(repr(one).encode()).digest() for one in points}

    def act() -> None:
        assert all(hashlib.blake2b(repr(one).encode()).digest() in known for one in points)

    return seconds(act) / len(points)


def read(folder: str) -> float:
    """Seconds from the folder of an experiment to an Arrow table of all rows and columns."""
    return seconds(lambda: Results.load(place(folder)).to_arrow())


def read_plainly(folder: str) -> float:
    """Seconds that pyarrow takes for the same file, without looking for damage."""
    return seconds(lambda: parquet.read_table(place(folder) / "results.parquet"))


def added(folder: str, i: str) -> float:
    """Seconds to run one setting more, with the table that is there."""
    return seconds(lambda: Nothing(i=-int(i), j=-1).run_all(results=folder, progress=False))


ASKED: dict[str, Callable[..., float]] = {
    each.__name__: each
    for each in (run, grown, planned, planned_by_setting, looked_up, read, read_plainly, added)
}

# ---- here


def recorded(times: int) -> tuple[list[float], list[float]]:
    """Seconds to record one outcome at a time, and to write it as a line of JSON."""
    ours: list[float] = []
    by_hand: list[float] = []
    with tempfile.TemporaryDirectory() as name, open(Path(name, "lines"), "w") as file:
        ledger = Ledger(Path(name, "ledger"))

        def record(outcome: Outcome) -> None:
            ledger.append(encode([outcome]))

        def write(one: Outcome) -> None:
            file.write(json.dumps([one.key, one.status, one.params, one.result]) + "\n")
            file.flush()

        for at in range(times):
            outcome = Outcome(at, f"{at:032x}", "done", {"i": at}, {"sum": at, "ratio": at / 7})
            ours.append(seconds(lambda one=outcome: record(one)))
            by_hand.append(seconds(lambda one=outcome: write(one)))
        ledger.close()
    return ours, by_hand


def main() -> None:
    if sys.argv[1:2] == ["--ask"]:
        print(ASKED[sys.argv[2]](*sys.argv[3:]))
        return
    quick = "--quick" in sys.argv[1:]
    some, many, tries = (10_000, 100_000, 3) if quick else (100_000, 1_000_000, 7)
    head = f"{'':52}{'median':>10}{'least':>10} {'':4}{'bar':>8}"
    print(f"{head}  {'holds':5}{'by hand':>12}{'ratio':>8}")

    def asked(what: str, *words: str | int | Path) -> list[float]:
        return [in_new_process(what, *words) for _ in range(tries)]

    ours, by_hand = recorded(2000)
    print(Row("one outcome recorded, and a line of JSON", ours, 1e-3, (1e6, "us"), by_hand))
    with tempfile.TemporaryDirectory() as name:
        in_new_process("run", name, some)
        ours, by_hand = asked("planned", name, some), asked("looked_up", name, some)
        text = f"{some:,} done settings planned, each; hash and look-up"
        print(Row(text, ours, 5e-6, (1e6, "us"), by_hand))
        text = f"{some:,} done settings with alternatives planned, each"
        print(Row(text, asked("planned_by_setting", name, some), 5e-6, (1e6, "us")))
        print(Row(f"{some:,} done settings: run_all", asked("run", name, some), 1.0, (1, "s")))
    with tempfile.TemporaryDirectory() as name:
        few = [in_new_process("grown", Path(name, f"few{at}"), 1000) for at in range(3)]
        most = in_new_process("grown", name, many)
        text = f"driver memory, {many:,} against 1,000 settings"
        print(Row(text, [most - one for one in few], 200e6, (1e-6, "MB")))
        ours, by_hand = asked("read", name), asked("read_plainly", name)
        print(Row(f"to_arrow(), {many:,} rows; pyarrow alone", ours, 1.0, (1, "s"), by_hand))
        ours = [in_new_process("added", name, at) for at in range(1, tries + 1)]
        print(Row(f"one setting more than {many:,}: run_all", ours, 5.0, (1, "s")))


if __name__ == "__main__":
    main()
