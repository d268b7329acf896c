"""One run of one cell: its command, its folder, its environment, and what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import catalog, process
from benchmarks.peers.catalog import Side
from benchmarks.peers.scale import Cell, Scale
from benchmarks.peers.ways import Way

ROOT = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")
# A virtual machine is slow to touch memory that nobody has used lately: every way finds its memory
# touched, if it takes enough to matter.
ENOUGH = 2**24
TOUCH = "import numpy; numpy.ones({bytes} // 8)"
# What there must be exactly as many of as a cell has settings, trials, steps or rows.
COUNTED = {
    "expand": "settings",
    "search": "trials that ended",
    "asha": "trials that ended",
    "keep": "trials that ended",
    "naps": "trials that ended",
    "steps": "steps",
    "cluster": "settings",
    "cluster-naps": "settings",
    "page": "rows",
}
COUNTED_INSIDE = ("naps", "page")  # their values have a count among other things
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
}


@dataclass
class Sample:
    """What one run came to.

    fate: "done", "over" the limit, "died" with its own process, or "failed", with a reason.
    value: what the function gave. most: bytes that the process tree held at most.
    """

    fate: str
    seconds: float = 0.0
    value: Any = None
    most: int = 0
    reason: str = ""
    left: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class Bench:
    """Where runs take place: a folder for all of them, removed at the end."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.shared = None
        if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
            self.shared = Path(tempfile.mkdtemp(prefix="bench-", dir=SHARED_MEMORY))
            self.opened = os.open(self.shared, os.O_RDONLY)  # others see that it is in use
        self.runs = 0

    def close(self) -> None:
        if self.shared:
            os.close(self.opened)
        for folder in (self.folder, self.shared):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)

    def room(self) -> Path:
        """A folder for one run, with what belongs into it."""
        self.runs += 1
        room = self.folder / str(self.runs)
        for name in ("results", "home", "t"):
            (room / name).mkdir(parents=True)
        return room

    def leave(self, room: Path) -> None:
        shutil.rmtree(room, ignore_errors=True)

    def environment(self, side: Side, room: Path) -> dict[str, str]:
        """Nothing of the user's: no settings of theirs, and nothing that a tool could tell."""
        paths = [str(path) for path in (side.path, ROOT) if path]
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        places = {"HOME": "home", "TMPDIR": "t", "RAY_TMPDIR": "t"}
        if self.shared:
            # joblib would use /dev/shm itself; in a folder of ours nothing can be left there.
            inherited["JOBLIB_TEMP_FOLDER"] = str(self.shared)
        return {
            **inherited,
            **QUIET,
            **{name: str(room / place) for name, place in places.items()},
            "PYTHONPATH": os.pathsep.join(paths),
        }

    def run(self, cell: Cell, room: Path) -> Sample:
        """Measure a cell once."""
        side = catalog.side(cell.way.side)
        if cell.work in ("array", "memory") and cell.size >= ENOUGH:
            touch = TOUCH.format(bytes=3 * cell.size)
            subprocess.run([sys.executable, "-c", touch], check=True)
        is_command = cell.work in ("import", "help")
        sample = (self.timed if is_command else self.asked)(side, cell, room)
        if sample.fate == "over":
            sample.reason = f"over {self.scale.patience(cell.work):g} s"
        return sample

    def timed(self, side: Side, cell: Cell, room: Path) -> Sample:
        """A command from its start to its end, as a user waits for it."""
        imported = (sys.executable, "-c", side.statement)
        command = imported if cell.work == "import" else side.command
        limits = process.Limits(self.scale.patience(cell.work))
        environment = self.environment(side, room)
        ended = process.run(command, limits, room / "results", room / "log", environment)
        return self.judged(ended, room, {"seconds": ended.seconds, "value": None})

    def asked(self, side: Side, cell: Cell, room: Path) -> Sample:
        """A function of a side's file, timed in its own process."""
        asked = {"folder": str(room / "results"), **side.given, **arguments(cell)}
        if cell.work == "expand":
            del asked["folder"]
        limit, watch = self.scale.patience(cell.work), cell.work == "memory"
        ended = self.one(side, cell.way.function, asked, room, limit, watch)
        sample = self.judged(ended, room, answer(room))
        if cell.work == "kill" and sample.fate != "done":
            sample.value = self.kept(side, room)
        return checked(cell, sample)

    def one(
        self,
        side: Side,
        function: str,
        given: dict[str, Any],
        room: Path,
        limit: float,
        watch: bool = False,
    ) -> process.Ended:
        """Call a function of a side's file in another process."""
        files = room / "begun", room / "answer"
        for file in files:
            file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "benchmarks.peers.one", str(room / "answer"), side.file]
        command += [function, json.dumps(given)]
        environment = self.environment(side, room)
        limits = process.Limits(limit, *files)
        return process.run(command, limits, room / "results", room / "log", environment, watch)

    def kept(self, side: Side, room: Path) -> int:
        """What can still be had of a run that did not end well, asked in another process."""
        given = {"folder": str(room / "results"), **side.given}
        self.one(side, "kept", given, room, self.scale.limit)
        return int(answer(room).get("value") or 0)

    def judged(self, ended: process.Ended, room: Path, told: dict[str, Any]) -> Sample:
        sample = Sample("done", ended.seconds, most=ended.most, left=ended.left)
        if ended.status is None and not told:
            sample.fate = "over"
        elif told and not (ended.status and ended.status > 0):
            sample.seconds, sample.value = told["seconds"], told["value"]
        elif ended.status and ended.status < 0:
            sample.fate, sample.reason = "died", f"signal {-ended.status}"
        else:
            sample.fate, sample.reason = "failed", self.reason(room)
        return sample

    def reason(self, room: Path) -> str:
        """The last exception that was printed, without places of this machine."""
        lines = (room / "log").read_text("utf-8", "replace").splitlines()
        errors = [line.strip() for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        told = (errors or lines or ["no reason was given"])[-1]
        for place in (room, self.folder, ROOT, catalog.ENVIRONMENT):
            told = told.replace(str(place), "...")
        return told[:200]


def arguments(cell: Cell) -> dict[str, Any]:
    """What a function is called with, without its folder and what its side always gives."""
    if cell.work in ("array", "memory"):
        return {"size": cell.size, "workers": cell.workers}
    if cell.work in ("expand", "page"):
        return {"n": cell.size}
    if cell.work in ("read", "import", "help"):
        return {}
    return {"workers": cell.workers} if cell.work == "kill" else sized(cell)


def sized(cell: Cell) -> dict[str, Any]:
    """So many settings, trials or steps on so many workers."""
    return {"n": cell.size, "workers": cell.workers}


def answer(room: Path) -> dict[str, Any]:
    path = room / "answer"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def checked(cell: Cell, sample: Sample) -> Sample:
    """A fast answer that is wrong is no answer."""
    if sample.fate == "done" and (wrong := fault(cell, sample.value)):
        return Sample("failed", reason=wrong)
    return sample


def fault(cell: Cell, value: Any) -> str:
    if cell.work in ("array", "memory") and value != cell.size // 8:
        return f"the sum was {value}, not {cell.size // 8}"
    if cell.work == "read" and value < cell.size:
        return f"there were {value} rows, not {cell.size}"
    count = value["count"] if cell.work in COUNTED_INSIDE else value
    if cell.work in COUNTED and count != cell.size:
        return f"there were {count} {COUNTED[cell.work]}, not {cell.size}"
    return ""


def preparing(cell: Cell) -> Cell:
    """The run whose results a cell reads, finds done, or goes on from."""
    if cell.work == "go-on":
        function = cell.way.function.replace("go_on", "keep")
        way = Way(cell.way.side, function, cell.way.label)
        return Cell("keep", way, cell.size, cell.workers)
    return Cell("noop", Way(cell.way.side, "noop"), cell.size, cell.workers)
