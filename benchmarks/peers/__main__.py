"""Measure everything and write what came of it: `make bench`, `make bench QUICK=1`.

    python -m benchmarks.peers [--quick | --tiny] [--sides A,B] [--works A,B] [--into FOLDER]
    python -m benchmarks.peers --works A,B --add [--into FOLDER]
    python -m benchmarks.peers --redraw [--into FOLDER]

With --add, the works are put into the results that are there, and keep a date of their own.

Writes results.md, results.json and, where matplotlib is installed, results.svg; what was measured
in full also goes into the table of the README.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import catalog, machine, process
from benchmarks.peers.additions import added
from benchmarks.peers.picture import draw
from benchmarks.peers.report import report
from benchmarks.peers.rounds import Rounds
from benchmarks.peers.scale import FULL, QUICK, TINY, Scale
from benchmarks.peers.summary import put, summary
from benchmarks.peers.table import recorded
from benchmarks.peers.turn import ROOT, SHARED_MEMORY, Bench


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few minutes")
    size.add_argument("--tiny", action="store_true", help="whether it works at all")
    parser.add_argument("--sides", help="only these")
    parser.add_argument("--works", help="only these")
    parser.add_argument("--into", type=Path, default=ROOT / "benchmarks", help="where to write")
    parser.add_argument("--add", action="store_true", help="to the results that are there")
    parser.add_argument("--redraw", action="store_true", help="from results.json, nothing is run")
    return parser.parse_args()


def called(given: argparse.Namespace) -> str:
    """The command line that does this again, without places."""
    size = " --quick" if given.quick else " --tiny" if given.tiny else ""
    only = "".join(
        f" --{name} {given.__dict__[name]}" for name in ("sides", "works") if given.__dict__[name]
    )
    size += " --add" if given.add else ""
    made = {"": "make bench", " --quick": "make bench QUICK=1"}.get(size + only)
    return made or f"python -m benchmarks.peers{size}{only}"


def some(text: str | None, known: list[str]) -> set[str]:
    """What a comma-separated option names; all of it if it is not given."""
    names = text.split(",") if text else known
    if unknown := set(names) - set(known):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return set(names)


def measured(scale: Scale, sides: set[str], works: set[str], command: str) -> dict[str, Any]:
    """Everything, as it is kept in results.json."""
    process.adopt()
    before, load = shared(), os.getloadavg()[0]
    bench = Bench(scale)
    rounds = Rounds(scale, sides, works, bench)
    try:
        rounds.measure()
    finally:
        left = process.end_all(0)
        bench.close()
    chosen = [side for side in catalog.SIDES if side.name in sides]
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "minutes": rounds.elapsed / 60,
        "machine": machine.described(),
        "load": load,
        "limit": scale.limit,
        "hang": scale.hang,
        "versions": versions(chosen),
        "missing": {side.title: side.missing for side in chosen if side.missing},
        "left": rounds.left_behind(),
        "after": after(left, sorted(shared() - before)),
        "cells": recorded(rounds),
    }


def versions(sides: list[catalog.Side]) -> dict[str, str]:
    """Of all tools that are compared, and of what all of them stand on."""
    found = {side.distribution: side.version for side in sides if side.needs and not side.path}
    if "superparams" in found:
        found["superparams"] = machine.own_version()
    found |= {name: machine.version(name) for name in ("numpy", "pandas", "pyarrow")}
    return {name: version for name, version in found.items() if version}


def shared() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


def after(processes: list[str], files: list[str]) -> str:
    """What is there at the end that was not there before; others may use the machine too."""
    told = f"these processes were left and ended: {', '.join(processes)}" if processes else ""
    told = told or "nothing was left running"
    new = f"new in /dev/shm: {', '.join(files)}" if files else "nothing new was in /dev/shm"
    return f"{told}, and {new}"


def main() -> None:
    given = asked()
    scale = QUICK if given.quick else TINY if given.tiny else FULL
    kept = given.into / "results.json"
    if given.redraw:
        results = json.loads(kept.read_text())
    else:
        works = list(dict.fromkeys(cell.work for cell in scale.cells()))
        results = measured(
            scale,
            some(given.sides, [side.name for side in catalog.SIDES]),
            some(given.works, works),
            called(given),
        )
        if given.add:
            results = added(json.loads(kept.read_text()), results)
        given.into.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(results, indent=1) + "\n")
    (given.into / "results.md").write_text(report(results))
    draw(results, given.into / "results.svg")
    if results["command"] == "make bench" and given.into.resolve() == (ROOT / "benchmarks"):
        put(summary(results), ROOT / "README.md")
    print(f"{given.into / 'results.md'}: {results['after']}")


if __name__ == "__main__":
    main()
