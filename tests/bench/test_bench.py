"""`make bench` at tiny sizes, so that it works on the day it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from runs import environment, output

from benchmarks.peers import catalog, memory, process, report, summary, table, task, ways
from benchmarks.peers.rounds import Rounds, easier
from benchmarks.peers.scale import FULL, QUICK, TINY, Cell
from benchmarks.peers.turn import Bench, Sample, checked

pytestmark = pytest.mark.usefixtures("no_leaks")

SIDES = ("superparams", "joblib", "pool")


def bench(folder: Path, *words: str) -> dict[str, Any]:
    """What the command wrote into a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--into", str(folder), *words],
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "results.json").read_text()))


@pytest.mark.thorough
def test_all_kinds_of_work_are_measured(tmp_path: Path) -> None:
    results = bench(tmp_path, "--tiny", "--sides", ",".join(SIDES))
    cells = results["cells"]
    assert {one["side"] for one in cells} == set(SIDES)
    on_clusters = {"cluster", "cluster-naps"}
    assert {one["work"] for one in cells} == {cell.work for cell in FULL.cells()} - on_clusters
    killed = {one["side"]: one["samples"][0] for one in cells if one["work"] == "kill"}
    others = [one for one in cells if one["work"] != "kill"]
    wrong = [one for one in others if [each["fate"] for each in one["samples"]] != ["done"]]
    assert wrong == []
    assert (killed["superparams"]["fate"], killed["superparams"]["value"]) == ("done", 19)
    assert (killed["joblib"]["fate"], killed["joblib"]["value"] < 19) == ("done", True)
    assert killed["pool"]["fate"] == "over", "multiprocessing.Pool waits for ever"
    assert killed["pool"]["value"] > 0, "what it gave before that counts"
    ours = {(one["work"], one["label"]): one["samples"][0]["value"] for one in others}
    assert ours["equal", "ASHA"] == ours["equal", "TPE"] == {"equal": True}
    assert ours["naps", ""]["steady"] > 0.8, "ten trials of 50 ms on two workers"
    assert ours["page", ""]["count"] == 20
    page = (tmp_path / "results.md").read_text()
    assert "| superparams | **yes** (1 run) | **yes** (1 run) |" in page
    held = [one["samples"][0]["most"] for one in cells if one["work"] == "memory"]
    assert min(held) > 2**20
    assert results["left"] == {}
    assert results["after"].startswith("nothing was left running")


@pytest.mark.thorough
def test_searches_are_measured_with_the_same_samplers(tmp_path: Path) -> None:
    cells = bench(
        tmp_path, "--tiny", "--sides", "superparams,optuna-memory", "--works", "search,asha"
    )
    done = [
        (one["label"], one["samples"][0]["fate"], one["samples"][0]["value"])
        for one in cells["cells"]
    ]
    assert sorted(done) == sorted([(x, "done", 20) for x in ("random", "TPE", "CMA-ES", "")] * 2)
    page = (tmp_path / "results.md").read_text()
    tables = [part for part in page.split("\n\n") if part.startswith("|")]
    assert [table.count("**") for table in tables] == [2] * 4, (
        "one best for each sampler, and for ASHA"
    )


def test_a_search_that_lost_trials_is_a_failure() -> None:
    cell = Cell("search", ways.SEARCH[0], 100)
    assert checked(cell, Sample("done", 1.0, 100)).fate == "done"
    wrong = checked(cell, Sample("done", 1.0, 99))
    assert (wrong.fate, wrong.reason) == ("failed", "there were 99 trials that ended, not 100")


def test_what_another_tool_recorded_is_counted(tmp_path: Path) -> None:
    sides, works = "optuna-journal,jsonl", "naps,go-on,steps"
    cells = bench(tmp_path, "--tiny", "--sides", sides, "--works", works)["cells"]
    found = {
        (one["work"], one["side"], one["label"]): one["samples"][0]["value"]
        for one in cells
        if [each["fate"] for each in one["samples"]] == ["done"]
    }
    assert len(found) == len(cells) == 5
    assert found["steps", "jsonl", ""] == 20
    assert found["naps", "optuna-journal", ""]["count"] == 10
    assert 0 < found["go-on", "optuna-journal", "random"]["seconds"] < 60
    assert "10 trials of TPE that sleep for 50 ms each" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize(("work", "value"), [("steps", 19), ("naps", {"count": 9}), ("keep", 21)])
def test_a_wrong_number_of_trials_or_steps_is_a_failure(work: str, value: Any) -> None:
    way = next(iter(ways.STEPS))
    wrong = checked(Cell(work, way, 20), Sample("done", 1.0, value))
    assert wrong.fate == "failed"
    assert wrong.reason.startswith("there were ")
    right = {"count": 20} if isinstance(value, dict) else 20
    assert checked(Cell(work, way, 20), Sample("done", 1.0, right)).fate == "done"


def test_tables_are_compared_of_one_and_of_two_workers(tmp_path: Path) -> None:
    def rows(n: int, workers: int, folder: Path) -> list[Any]:
        return list(range(n)) if folder.is_dir() else []

    def others(n: int, workers: int, folder: Path) -> list[Any]:
        return [workers] * n

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert task.equal(rows, 3, 2, tmp_path / "a") == {"equal": True}
    assert task.equal(others, 3, 2, tmp_path / "b") == {"equal": False}
    with pytest.raises(FileExistsError):
        task.equal(rows, 3, 2, tmp_path / "a")


def test_the_wait_for_a_trial_is_not_that_for_an_earlier_one(tmp_path: Path) -> None:
    task.noted(tmp_path)
    called = time.time()
    with pytest.raises(ValueError, match="empty"):
        task.until_new(called, tmp_path)
    task.noted(tmp_path)
    assert 0 < task.until_new(called, tmp_path)["seconds"] < 60


def test_works_are_added_to_what_was_measured(tmp_path: Path) -> None:
    """They take the place of their own earlier cells, and keep their date; the rest stays."""
    kept = given(noop("superparams", 2.0), cell("asha", "tune", [sample(9.0)], 100))
    (tmp_path / "results.json").write_text(json.dumps(kept))
    bench(tmp_path, "--tiny", "--sides", "superparams", "--works", "asha", "--add")
    results = bench(tmp_path, "--tiny", "--sides", "superparams", "--works", "asha", "--add")
    assert [(one["work"], one["side"], one["size"]) for one in results["cells"]] == [
        ("noop", "superparams", 1000),
        ("asha", "superparams", 20),
    ]
    assert (results["command"], results["date"]) == (kept["command"], kept["date"])
    (later,) = results["added"]
    assert later["works"] == ["asha"]
    page = (tmp_path / "results.md").read_text()
    assert f"`make bench` made this file, in 1 minutes on {kept['date']}" in page
    assert later["load"] > 0
    shown = f"another day than the others: {later['date']}, by `{later['command']}`"
    assert shown in " ".join(page.split())


@pytest.mark.parametrize(("load", "is_busy"), [(9.3, True), (1.5, False)])
def test_a_busy_machine_is_told(load: float, is_busy: bool) -> None:
    """Times of an idle and of a busy machine do not compare."""
    later = {
        "works": ["asha"],
        "date": "2026-01-01",
        "command": "x",
        "machine": "2 cores",
        "load": load,
        "versions": {},
    }
    kept = {**given(cell("asha", "tune", [sample(9.0)], 100)), "added": [later]}
    shown = "busy with other work (9 processes wanted its 2 cores)"
    assert (shown in report.report(kept)) == is_busy
    whole = {**given(cell("asha", "tune", [sample(9.0)], 100)), "load": load}
    assert ("busy with other work when this began" in report.report(whole)) == is_busy


def test_what_is_written_names_no_place(tmp_path: Path) -> None:
    bench(tmp_path, "--tiny", "--sides", "superparams,hydra", "--works", "expand,noop")
    page = (tmp_path / "results.md").read_text()
    assert (
        "`python -m benchmarks.peers --tiny --sides superparams,hydra --works expand,noop`" in page
    )
    for place in (tmp_path, Path.home(), sys.prefix, Path(catalog.__file__).parents[2]):
        assert str(place) not in page
        assert str(place) not in (tmp_path / "results.json").read_text()
    if catalog.side("hydra").missing:
        assert "- Hydra, basic launcher is not installed: not in this environment" in page


def test_results_are_shown_again(tmp_path: Path) -> None:
    """Pages and pictures can be made anew from what is kept, and are the same each time."""
    slow = noop("pool", 20.0, fate="over")
    kept = given(noop("superparams", 2.0, 2.1), noop("joblib", 1.0), slow)
    (tmp_path / "results.json").write_text(json.dumps(kept))
    shown = []
    for _ in range(2):
        assert bench(tmp_path, "--redraw") == kept
        shown.append({path.name: path.read_text() for path in tmp_path.iterdir()})
    assert shown[0] == shown[1]
    assert "| joblib | **1.00 s** (1 run) |" in shown[0]["results.md"]
    if find_spec("matplotlib"):
        assert "multiprocessing.Pool" in shown[0]["results.svg"]


class TestSummary:
    """The table of the README says what was measured, and nothing else."""

    def test_of_several_ways_the_best_counts_for_every_tool(self) -> None:
        ours = cell("noop", "superparams", [sample(2.0)], 10_000)
        ways = ("optuna-memory", "optuna-journal")
        theirs = [noop(side, at, size=10_000) for side, at in zip(ways, (3.0, 1.0), strict=True)]
        slow = noop("labtech", 20.0, fate="over", size=10_000)
        lost = cell("kill", "joblib", [sample(1.0, "failed", 6), sample(1.0, "failed", 7)])
        hung = cell("kill", "pool", [sample(30.0, "over", 19)])
        lines = summary.summary(given(ours, *theirs, slow, lost, hung)).splitlines()
        rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines[2:]}
        assert rows["superparams"][1] == "2.00 s"
        assert rows["Optuna"][1] == "**1.00 s**"
        assert rows["labtech"][1] == "over 20 s"
        assert rows["joblib"][1] == "-"
        assert rows["joblib"][-1] == "6 to 7 of 20, fails |"
        assert rows["multiprocessing.Pool"][-1] == "19 of 20, does not end |"

    def test_columns_are_those_that_were_measured_on_an_idle_machine(self) -> None:
        naps = [sample(7.5, value={"count": 200, "steady": 1.2})]
        same, other = ([sample(1.0, value={"equal": value})] for value in (True, False))
        cells = (
            noop("superparams", 2.0, size=10_000),
            cell("naps", "hyperopt", naps, 200),
            cell("asha", "tune", [sample(9.0)], 1000),
            cell("equal", "superparams", same, 30),
            cell("equal", "tune", same, 30),
            cell("equal", "tune", other, 30),
            cell("steps", "wandb", [sample(1.0, value=20)], 20),
        )
        later = {"date": "2026-01-01", "machine": "2 cores", "versions": {"hyperopt": "0.3"}}
        added = [
            {**later, "works": ["naps"], "load": 1.0},
            {**later, "works": ["asha"], "load": 9.0},
        ]
        text = summary.summary({**given(*cells), "added": added})
        lines = text.splitlines()
        heads = "10,000 settings that do nothing | 200 TPE trials of 50 ms, to ideal"
        assert lines[0] == f"|  | {heads} | equal for 1 and 2 workers |"
        assert lines[2:6] == [
            "| superparams | **2.00 s** | - | **yes** |",
            "| Hyperopt | - | **1.50** | - |",
            "| Ray Tune | - | - | no |",
            "",
        ]
        assert "on 2026-01-01: 200 TPE trials of 50 ms, to ideal." in " ".join(text.split())
        assert "hyperopt 0.3" in text

    def test_the_readme_has_what_make_bench_wrote(self, tmp_path: Path) -> None:
        root = Path(__file__).parents[2]
        results = json.loads((root / "benchmarks" / "results.json").read_text())
        assert results["command"] == "make bench"
        readme = (root / "README.md").read_text()
        (tmp_path / "README.md").write_text(readme)
        summary.put(summary.summary(results), tmp_path / "README.md")
        assert (tmp_path / "README.md").read_text() == readme
        assert report.report(results) == (root / "benchmarks" / "results.md").read_text()


def test_every_way_is_a_function_of_its_file() -> None:
    """Files of tools that are not installed here cannot be imported: their text is looked at."""
    folder = Path(catalog.__file__).parent
    for cell in {cell.way: cell for cell in FULL.cells()}.values():
        text = (folder / f"{catalog.side(cell.way.side).file}.py").read_text()
        name = cell.way.function
        assert name in ("import", "help") or f"def {name}(" in text or f"{name} = " in text, name


def test_all_rounds_would_end_in_time() -> None:
    """However long the last run takes, which begins just before the time is over."""
    last = process.STARTING + FULL.patience("memory") + process.CLOSING + 3 * process.GRACE
    assert FULL.minutes * 60 + last < 30 * 60
    assert QUICK.minutes * 60 + last < 10 * 60


TOO_LONG = """
import json
from dataclasses import replace
from benchmarks.peers import process, table, ways
from benchmarks.peers.rounds import Tally
from benchmarks.peers.scale import TINY, Cell
from benchmarks.peers.turn import Bench
process.adopt()
bench = Bench(replace(TINY, limit=0.001))
cell = Cell("noop", next(way for way in ways.NOOP if way.side == "pool"), 10_000)
sample = bench.run(cell, bench.room())
bench.close()
print(json.dumps([sample.fate, table.number(table.record(cell, Tally([sample])), 15.0).note]))
"""


def test_what_took_too_long_says_how_long_it_had(tmp_path: Path) -> None:
    """Works that are added later may have another limit."""
    assert json.loads(output(tmp_path, TOO_LONG)) == ["over", "over 0.001 s"]


def test_nothing_is_prepared_when_the_time_is_over() -> None:
    """Results to go on from, or to read, may take a minute to make."""
    bench = Bench(replace(TINY, minutes=0.0))
    rounds = Rounds(bench.scale, {"superparams"}, {"go-on", "read"}, bench)
    rounds.measure()
    bench.close()
    assert {tally.note for tally in rounds.tallies.values()} == {"no time left"}
    assert (bench.runs, len(rounds.tallies)) == (0, 4)


class TestReport:
    """The best is bold, whoever has it, and what has no number says why."""

    def test_another_tool_is_better(self) -> None:
        page = report.report(given(noop("superparams", 2.0), noop("joblib", 1.0, 3.0, 1.5)))
        assert "| superparams | 2.00 s (1 run) |" in page
        assert "| joblib | **1.50 s** (1.00 s to 3.00 s, 3 runs) |" in page

    def test_no_tool_is_not_in_the_contest(self) -> None:
        page = report.report(given(noop("superparams", 2.0), noop("plain", 1.0)))
        assert "| superparams | **2.00 s** (1 run) |" in page
        assert "| *no tool* | 1.00 s (1 run) |" in page

    def test_too_slow(self) -> None:
        slow = noop("joblib", 20.0, fate="over")
        page = report.report(given(noop("superparams", 2.0), slow))
        assert "| joblib | over 20 s |" in page

    def test_of_rates_the_largest_is_best(self) -> None:
        ours = cell("steps", "superparams", [sample(2.0, value=20_000)], 20_000)
        theirs = cell("steps", "jsonl", [sample(0.5, value=20_000)], 20_000)
        page = report.report(given(ours, theirs))
        assert "| superparams | 10,000/s (1 run) |" in page
        assert "| lines of JSON by hand | **40,000/s** (1 run) |" in page

    def test_tables_that_differ_once_are_not_equal(self) -> None:
        values = [sample(1.0, value={"equal": value}) for value in (True, False)]
        once = cell("equal", "tune", values, 30)
        slow = cell("equal", "orion", [sample(40.0, "over")], 30)
        page = report.report(given(once, slow))
        assert "| Ray Tune | no (2 runs) |" in page
        assert "| Orion | over 80 s |" in page

    def test_a_page_has_three_numbers_for_each_size(self) -> None:
        value = {"count": 20, "bytes": 2**19, "shown": 0.25, "lacks": ""}
        lacks = {"shown": None, "lacks": "over 20 s"}
        ours = cell("page", "superparams", [sample(2.0, value=value)], 20)
        blind = cell("page", "hiplot", [sample(1.0, value={**value, **lacks})], 20)
        page = report.report(given(ours, blind))
        assert "|  | 20 rows: written | size | shown |" in page
        assert "| superparams | 2.00 s (1 run) | **512 KiB** (1 run) | **250 ms** (1 run) |" in page
        assert "| HiPlot | **1.00 s** (1 run) | **512 KiB** (1 run) | over 20 s |" in page

    def test_clusters_are_no_contest(self) -> None:
        sides = ("superparams-dask", "dask-tasks", "ray-tasks")
        ones = [cell("cluster", side, [sample(at + 1.0)], 20) for at, side in enumerate(sides)]
        page = report.report(given(*ones))
        assert "| superparams, on Dask | **1.00 s** (1 run) |" in page
        assert "| Dask, bare tasks | 2.00 s (1 run) |" in page
        assert "| Ray, bare tasks | **3.00 s** (1 run) |" in page

    def test_kept(self) -> None:
        ours = cell("kill", "superparams", [sample(1.0, value=19)])
        pool = cell("kill", "pool", [sample(30.0, "over", value=6), sample(30.0, "over", value=7)])
        page = report.report(given(ours, pool))
        assert "| superparams | **19 of 20** | ends | 1.00 s |" in page
        assert "| multiprocessing.Pool | 6 to 7 of 20 | does not end | - |" in page


def test_what_was_too_much_is_not_tried_larger() -> None:
    way = ways.NOOP[0]
    small, large = Cell("noop", way, 100), Cell("noop", way, 1000)
    assert easier(small, large)
    assert not easier(large, small)
    assert not easier(small, small)
    assert not easier(small, Cell("resume", way, 1000))
    array, watched = Cell("array", way, 100), Cell("memory", way, 100)
    assert easier(array, watched), "it only takes longer when it is watched"
    assert not easier(watched, array)
    assert not easier(array, Cell("array", way, 1000, workers=4))


LEAVES = """
import json, sys
from pathlib import Path
from benchmarks.peers import process
process.adopt()
limits = process.Limits(float(sys.argv[1]))
ended = process.run(sys.argv[2:], limits, Path("."), Path("log"), {"PATH": "/usr/bin:/bin"})
print(json.dumps([ended.status, ended.left]))
"""


class TestProcess:
    """A process has its time, and nothing of it is left."""

    def test_one_that_ends(self, tmp_path: Path) -> None:
        assert output(tmp_path, LEAVES, "9", "sh", "-c", "exit 3").strip() == "[3, []]"

    def test_one_that_takes_too_long(self, tmp_path: Path) -> None:
        began = time.monotonic()
        told = output(tmp_path, LEAVES, "0.2", "sh", "-c", "sleep 60 & exec sleep 61")
        assert told.strip() == "[null, []]"
        assert time.monotonic() - began < 30

    def test_one_that_leaves_a_daemon(self, tmp_path: Path) -> None:
        told = output(tmp_path, LEAVES, "9", "sh", "-c", "setsid sleep 60 & exit 0")
        assert json.loads(told) == [0, ["sleep"]]

    def test_time_is_that_of_the_work(self, tmp_path: Path) -> None:
        """Neither imports nor what comes after the answer counts."""
        begun, answer = tmp_path / "begun", tmp_path / "answer"
        limits = process.Limits(5.0, begun, answer)
        long_ago = time.time() - 30
        assert not limits.over(long_ago), "it still imports"
        begun.touch()
        assert not limits.over(long_ago), "its work has just begun"
        assert process.Limits(-1.0, begun, answer).over(long_ago)
        answer.touch()
        assert not process.Limits(-1.0, begun, answer).over(long_ago), "it only has to end"


HOLDS = """
import mmap, os, sys
import numpy as np
kind = sys.argv[1]
ready, told = os.pipe()
if kind == "own":
    held = np.ones(2**23)
else:
    fd = os.memfd_create("held")
    os.write(fd, bytes(2**26))
    if kind == "mapped":
        held = np.frombuffer(mmap.mmap(fd, 2**26), float)
    for _ in range(2):
        if os.fork() == 0:
            if kind == "mapped":
                held.sum()
            os.write(told, b".")
            sys.stdin.read()
            os._exit(0)
    os.read(ready, 1), os.read(ready, 1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no /proc")
@pytest.mark.parametrize("kind", ["own", "memfd", "mapped"])
def test_memory_of_a_tree_counts_what_is_shared_once(kind: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert len(memory.tree(process.pid)) == (1 if kind == "own" else 3)
        held = memory.of_tree(process.pid) / 2**20
    assert 64 < held < 64 + 60, "64 MiB and a small Python"


def given(*cells: table.Record) -> dict[str, Any]:
    """Results of a run that has these cells."""
    return {
        "command": "make bench",
        "date": "2025-01-01",
        "minutes": 1.0,
        "machine": "2 cores",
        "limit": 20.0,
        "hang": 30.0,
        "versions": {"joblib": "1.0"},
        "missing": {},
        "left": {},
        "after": "nothing was left running",
        "cells": list(cells),
    }


def cell(work: str, side: str, samples: list[dict[str, Any]], size: int = 0) -> table.Record:
    return {
        "work": work,
        "side": side,
        "label": "",
        "size": size,
        "workers": 2,
        "note": "",
        "samples": samples,
    }


def noop(side: str, *seconds: float, fate: str = "done", size: int = 1000) -> table.Record:
    return cell("noop", side, [sample(each, fate) for each in seconds], size)


def sample(seconds: float, fate: str = "done", value: Any = None) -> dict[str, Any]:
    return {
        "fate": fate,
        "seconds": seconds,
        "value": value,
        "most": 0,
        "reason": "",
        "left": [],
    }
