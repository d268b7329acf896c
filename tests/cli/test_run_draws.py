"""`--sample`, `--sobol`, `--grid`: settings of ranges, and what later verbs say of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

RANGES = '''
from __future__ import annotations

import numpy as np

from superparams import Experiment, Params, search


class Adam(Params):
    rate: float = search(low=1e-5, high=0.1, log=True)


class SGD(Params):
    rate: float = search([0.1, 0.2])


class Train(Experiment):
    """Train it."""

    lr: float = search(low=1e-5, high=0.1, log=True)
    width: int = search(low=16, high=512)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    seed: int = search(range(2), repeat=True)

    def run(self) -> dict[str, float]:
        return {"loss": self.lr * self.width + self.seed}


class Steps(Experiment):
    rate: float = search(np.arange(0, 1, 0.1))

    def run(self) -> dict[str, float]:
        return {"y": self.rate}
'''


@pytest.fixture
def ranges(project: Project) -> Project:
    return project.write({"experiments/RQ1.py": RANGES})


def told(project: Project, *words: str) -> dict[str, Any]:
    done = project.run(*words, "--json")
    assert done.code == 0, done.err
    (one,) = done.document
    return dict(one)


def test_samples_run_are_planned_and_are_shown_later(ranges: Project) -> None:
    assert told(ranges, "RQ1.Train", "--sample", "5", "--plan")["new"] == 10
    assert told(ranges, "RQ1.Train", "--sample", "5", "-n", "2")["counts"] == {"done": 10}
    plan = told(ranges, "RQ1.Train", "--sample", "8", "--plan")
    assert (plan["settings"], plan["done"], plan["todo"]) == (16, 10, 6)
    assert told(ranges, "RQ1.Train", "--sobol", "4")["settings"] == 8
    grid = told(ranges, "RQ1.Train", "--grid", "2", "--plan")
    assert grid["settings"] == 2 * 2 * (2 + 2) * 2
    other = told(ranges, "RQ1.Train", "--sample", "5", "--draw-seed", "1", "--plan")
    assert other["new"] == 10
    rows = told(ranges, "results", "RQ1.Train")["rows"]
    assert len(rows) == 18
    assert {row["optimizer"] for row in rows} == {"Adam", "SGD"}
    some = told(ranges, "results", "RQ1.Train", "--where", "width>100", "--where", "lr<=0.01")[
        "rows"
    ]
    assert 0 < len(some) < 18
    assert all(row["width"] > 100 and row["lr"] <= 0.01 for row in some)
    for words in (["status", "RQ1.Train"], ["status", "RQ1.Train", "--import"]):
        status = told(ranges, *words)
        assert (status["done"], status["todo"], status["size"]) == (18, None, None)
        assert "lr, width" in status["why"]
        assert status["why"].endswith("a run draws some, as with --sample 100")
    listed = ranges.run("list").out
    assert "recorded 18 done" in listed
    assert "2 or more ranges to draw from" in listed
    assert "3 ranges to draw from" in ranges.run("list", "--import").out


def test_words_make_ranges(ranges: Project) -> None:
    words = ["lr=1e-3..1e-2:log", "width=32..64:range", "optimizer=SGD", "optimizer.rate=0..1..0.5"]
    assert told(ranges, "RQ1.Train", *words, "--sample", "20")["settings"] == 40
    rows = told(ranges, "results", "RQ1.Train")["rows"]
    assert all(1e-3 <= row["lr"] <= 1e-2 and 32 <= row["width"] <= 64 for row in rows)
    assert {row["optimizer.rate"] for row in rows} == {0.0, 0.5, 1.0}
    listed = told(ranges, "RQ1.Train", "width=16..18", "lr=0.1", "optimizer=SGD", "--plan")
    assert listed["settings"] == 3 * 2 * 2


def test_each_wrong_call_says_what_to_write(ranges: Project) -> None:
    for words, says in [
        (
            ["RQ1.Train"],
            "Train.lr is a range, so Train has no list of settings to run: draw settings ",
        ),
        (["RQ1.Train", "lr=0.1"], "Train.width is a range"),
        (["RQ1.Train", "--sample", "3", "--sobol", "4"], "--sample and --sobol exclude each other"),
        (["RQ1.Train", "--grid", "2", "--draw-seed", "4"], "--draw-seed needs --sample N or"),
        (["RQ1.Train", "--sample", "0"], "0 is not in the range"),
        (["RQ1.Train", "lr=1..0", "--sample", "3"], "Train.lr: low=1.0 must be below high=0.0"),
        (["RQ1.Train", "lr=0..1:log", "--sample", "3"], "low=0.0 has no logarithm"),
        (["RQ1.Train", "lr=0..1..0.3", "--sample", "3"], "the nearest are 0.9 and 1.2"),
        (
            ["RQ1.Train", "lr=0..1..0.3", "--sample", "3"],
            "a range is lr=LOW..HIGH, lr=LOW..HIGH:log",
        ),
        (["RQ1.Train", "lr=0.1,0.2..0.3"], "a range of numbers stands alone, as in lr=0.2..0.3"),
        (["RQ1.Train", "width=9..1:range", "--sample", "3"], "width=LOW..HIGH:range"),
        (["RQ1.Train"], "--grid 5), search (--strategy random --trials 100), or give"),
        (
            ["RQ1.Train", "lr=0..inf", "--sample", "3"],
            "Train.lr: high=inf cannot be an end of a range",
        ),
        (["RQ1.Train", "lr=nan..1", "--sample", "3"], "give a finite number, such as low=1.0"),
        (
            ["RQ1.Train", "lr=-Infinity..1:log", "--grid", "3"],
            "low=-inf cannot be an end of a range",
        ),
        (["RQ1.Train", "width=1..inf", "--sample", "3"], "such as high=1. As a word, a range is"),
        (
            ["RQ1.Train", "lr=0.1..1:0.3", "--sample", "3"],
            "write lr=0.1..1..0.3 for the range from 0.1 to 1",
        ),
    ]:
        done = ranges.run(*words)
        assert done.code == 2, words
        assert says in " ".join(done.err.split()), (words, done.err)
    told(ranges, "RQ1.Train", "--sample", "2")
    done = ranges.run("results", "RQ1.Train", "--where", "lr=0.1..0.5")
    assert done.code == 2
    assert "a range of floats is two conditions, lr>=LOW and lr<=HIGH" in " ".join(done.err.split())


def test_all_classes_of_a_file_are_drawn(ranges: Project) -> None:
    done = ranges.run("RQ1", "--sample", "4", "--json")
    assert [one["settings"] for one in done.document] == [8, 4]
    assert all(one["failed"] == 0 for one in done.document)


def test_a_word_finds_what_arange_made(ranges: Project) -> None:
    assert told(ranges, "RQ1.Steps")["counts"] == {"done": 10}
    for word in ("rate=0.3", "rate=0.6", "rate=0.7", "rate=0.3,0.6"):
        assert told(ranges, "RQ1.Steps", word, "--plan")["todo"] == 0, word
    assert told(ranges, "RQ1.Steps", "rate=0.35", "--plan")["todo"] == 1
    rows = told(ranges, "results", "RQ1.Steps", "--where", "rate=0.3")["rows"]
    assert [row["rate"] for row in rows] == [0.1 + 0.2]
    assert told(ranges, "results", "RQ1.Steps", "--where", "rate=0.3000000000000001")["rows"] == []


def test_drawn_settings_run_again_by_their_keys(ranges: Project) -> None:
    before = ranges.run("RQ1.Train", "--sample", "8", "--json").document[0]
    rows = ranges.run("results", "RQ1.Train", "--format", "json").document
    alternatives = {row["optimizer"]: row for row in rows}
    assert set(alternatives) == {"Adam", "SGD"}
    keys = [row["key"] for row in alternatives.values()]
    (again,) = ranges.run("rerun", "RQ1.Train", keys[0][:6], keys[1], "--json").document
    assert again["counts"] == {"done": 2}
    names = ("key", "lr", "width", "optimizer", "optimizer.rate", "seed", "loss")
    for row in again["rows"]:
        wanted = next(one for one in rows if one["key"] == row["key"])
        assert {name: row[name] for name in names} == {name: wanted[name] for name in names}
        assert row["run"] != wanted["run"]
    assert before["counts"] == {"done": 16}
    refused = ranges.run("rerun", "RQ1.Train", "zz")
    assert refused.code == 2
    assert "no setting of RQ1.Train has a key that begins with 'zz'" in refused.err


def test_a_drawn_setting_outside_of_a_range_that_has_become_narrower(ranges: Project) -> None:
    ranges.run("RQ1.Train", "--sample", "8")
    rows = ranges.run("results", "RQ1.Train", "--format", "json").document
    wide = max(rows, key=lambda row: row["width"])
    ranges.write({"experiments/RQ1.py": RANGES.replace("high=512", f"high={wide['width'] - 1}")})
    refused = ranges.run("rerun", "RQ1.Train", wide["key"])
    assert refused.code == 2
    assert "is recorded, but is not in the space that the file declares" in refused.err
    allowed = min(rows, key=lambda row: row["width"])
    assert ranges.run("rerun", "RQ1.Train", allowed["key"]).code == 0
