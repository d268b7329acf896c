"""`results.average()`: what is averaged with what, and what the columns hold."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, maximize, search, value
from superparams.errors import StoreError
from superparams.identity.code.fingerprint import Code
from superparams.strategies import ASHA

pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    rate: float = search([0.1, 0.2])
    decay: float | None = search([None, 0.5])


class SGD(Params):
    rate: float = 0.1


class Fit(Experiment):
    goal = maximize("score")
    lr: float = search([1.0, 2.0])
    optimizer: Adam | SGD = search([Adam(), SGD()])
    layers: list[int] = search([[1], [1, 2]])
    seed: int = search(range(3), repeat=True)
    fold: int = search([0, 1], repeat=True)
    name: str = value(derive=lambda s: f"{s.lr}-{s.seed}")  # another one for each seed
    twice: float = value(derive=lambda s: 2 * s.lr)

    def run(self) -> dict[str, Any]:
        if self.lr == 2.0 and self.seed == 2:
            raise ValueError("this seed fails")
        score = self.lr * (self.seed + 10 * self.fold) + self.optimizer.rate
        none = None if self.seed else 1.0
        return {"score": score, "n": self.seed, "ok": self.fold > 0, "text": "x", "none": none}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Fit().run_all(results=tmp_path_factory.mktemp("results"), progress=False)


PARAMS = ["lr", "optimizer", "optimizer.rate", "optimizer.decay", "layers", "twice"]


def test_each_setting_has_one_row_without_its_repetitions(results: Results) -> None:
    averages = results.average()
    assert averages.over == results.repeats == ("seed", "fold")
    assert len(averages) == 2 * (4 + 1) * 2
    rows = list(averages)
    assert [row["lr"] for row in rows] == [1.0] * 10 + [2.0] * 10  # in the order of the space
    assert list(rows[0])[:6] == PARAMS
    assert len({str([row[name] for name in PARAMS]) for row in rows}) == 20
    for row in rows:
        seeds = range(3 if row["lr"] == 1.0 else 2)
        scores = [row["lr"] * (s + 10 * f) + row["optimizer.rate"] for s in seeds for f in (0, 1)]
        assert row["score"] == pytest.approx(statistics.mean(scores))
        assert row["score_std"] == pytest.approx(statistics.stdev(scores))
        assert (row["score_count"], row["done"]) == (len(scores), len(scores))
        assert (row["score_min"], row["score_max"]) == (min(scores), max(scores))
        assert row["failed"] == 6 - len(scores)
        assert row["n_max"] == seeds[-1]
        assert isinstance(row["n_max"], int)
        assert row["ok"] == 0.5
        assert (row["none"], row["none_count"]) == (1.0, 2)
        assert row["twice"] == 2 * row["lr"]
    assert not {"text", "seed", "fold", "name", "status", "key"} & set(averages.columns)


def test_averages_over_columns_that_are_named(results: Results) -> None:
    by_fold = results.average("seed")
    assert len(by_fold) == 40
    assert {row["fold"] for row in by_fold} == {0, 1}
    whole = results.average("seed", "fold", "layers", "optimizer")
    assert [row["lr"] for row in whole] == [1.0, 2.0]
    assert [row["done"] + row["failed"] for row in whole] == [60, 60]
    with pytest.raises(StoreError, match=r"average\('sed'\): no column 'sed'; did you mean 'seed'"):
        results.average("sed")
    with pytest.raises(StoreError, match=r"average\('score'\): no column 'score'; there are lr,"):
        results.average("score")


@pytest.mark.parametrize("wrong", [5, None, ["seed"], 1.5])
def test_what_names_no_column_is_told(results: Results, wrong: Any) -> None:
    with pytest.raises(StoreError, match=r"average\(.*is not the name of a column.*average\('"):
        results.average(wrong)


def test_the_best_of_averages(results: Results) -> None:
    best = results.average().best()  # by the goal
    assert best["optimizer.rate"] == 0.2
    assert best["score"] == max(row["score"] for row in results.average())
    assert results.average().best("score_std", "min")["score_std"] == min(
        row["score_std"] for row in results.average()
    )
    assert results.where(lr=1.0).average().best("score")["lr"] == 1.0
    with pytest.raises(StoreError, match="no column 'scor'"):
        results.average().best("scor")


def test_averages_go_into_frames(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    averages = results.average()
    assert averages.to_pandas()["score"].tolist() == [row["score"] for row in averages]
    assert averages.to_polars()["score"].to_list() == [row["score"] for row in averages]
    assert polars.DataFrame(averages).shape == averages.to_pandas().shape
    by_hand = results.to_pandas().groupby(["lr", "optimizer"], sort=False)["score"].mean()
    assert isinstance(by_hand, pandas.Series)
    text = repr(averages)
    assert text.startswith("20 averages over seed, fold\n")
    assert "score_std" in text
    assert "score_std" in averages._repr_html_()


def test_results_without_the_class_know_the_repetitions(results: Results) -> None:
    loaded = Results.load(results.root)
    assert loaded.repeats == ("seed", "fold")
    rows = list(loaded.average())
    assert {row.pop("code") for row in rows} == set(loaded.to_arrow()["code"].to_pylist())
    assert rows == list(results.average())
    assert list(Fit.results(results.root.parent).average()) == list(results.average())


class Plain(Experiment):
    a: int = search([1, 2])
    seed: int = 0

    def run(self) -> dict[str, float]:
        return {"y": self.a + self.seed}


def test_a_repetition_may_be_declared_at_the_call(tmp_path: Path) -> None:
    how: dict[str, Any] = {"results": tmp_path, "progress": False}
    plain = Plain().run_all(**how)
    with pytest.raises(StoreError, match=r"no axis is a repetition: declare one, as in seed: int"):
        plain.average()
    assert [row["y"] for row in plain.average("seed")] == [1.0, 2.0]
    assert next(iter(plain.average("seed")))["y_std"] is None  # of one value
    repeated = Plain(seed=search([1, 3], repeat=True)).run_all(**how)
    assert [row["y"] for row in repeated.average()] == [3.0, 4.0]
    assert [row["y_std"] for row in repeated.average()] == [pytest.approx(math.sqrt(2))] * 2
    drawn = Plain(a=search(low=0, high=9), seed=search([1, 3], repeat=True)).sample(4)
    found = drawn.run_all(**how).average()
    assert [row["y"] for row in found] == [2.0 + a for a in dict.fromkeys(x.a for x in drawn)]
    again = Plain(seed=search(range(4))).run_all(**how)  # the class does not say so
    with pytest.raises(StoreError, match="no axis is a repetition"):
        again.average()


class Curve(Experiment):
    rate: float = search([1.0, 2.0])
    seed: int = search(range(2), repeat=True)

    def run(self) -> Any:
        polars = pytest.importorskip("polars")
        return polars.DataFrame({"step": [0, 1], "loss": [self.rate, self.rate + self.seed]})


def test_rows_of_frames_are_averaged_with_those_of_the_same_number(tmp_path: Path) -> None:
    found = Curve().run_all(results=tmp_path, progress=False).average()
    rows = [(row["rate"], row["row"], row["step"], row["loss"], row["done"]) for row in found]
    assert rows == [(1, 0, 0, 1, 2), (1, 1, 1, 1.5, 2), (2, 0, 0, 2, 2), (2, 1, 1, 2.5, 2)]


class Named(Experiment):
    """A derived field that calls fix distinguishes settings."""

    seed: int = search(range(2), repeat=True)
    path: str = value(derive=lambda s: f"run-{s.seed}")

    def run(self) -> dict[str, float]:
        return {"y": len(self.path) + self.seed, "y_std": 1.0, "done": 7}


def test_derived_fields_and_names_that_are_taken(tmp_path: Path) -> None:
    how: dict[str, Any] = {"results": tmp_path, "progress": False}
    (row,) = Named().run_all(**how).average()
    assert "path" not in row
    assert (row["y"], row["y_std"], row["y_std_"], row["done"], row["done_"]) == (
        5.5,
        1.0,
        pytest.approx(math.sqrt(0.5)),
        7.0,
        2,
    )
    for path in ("a", "bb"):
        Named(path=path).run_all(**how)
    some = list(Named.results(tmp_path).where(path="a").average())
    assert [(row["y"], row["done_"]) for row in some] == [(1.5, 2)]
    assert len(Named.results(tmp_path).average()) == 4  # two of one row, and the two that are fixed


class Stopped(Experiment):
    lr: float = search([0.1, 0.2])  # 0.2 is better with both seeds
    seed: int = search(range(2), repeat=True)  # seed 0 is the harder one
    goal = maximize("accuracy")

    def run(self) -> Any:
        for epoch in range(1, 10):
            yield {"accuracy": (0.6 + 0.4 * self.lr + 0.1 * self.seed) * (1 - 0.5**epoch)}


def test_repetitions_that_a_stopper_ended_are_counted_and_not_averaged(tmp_path: Path) -> None:
    whole = Stopped().run_all(results=tmp_path / "whole", progress=False).average()
    assert "stopped" not in whole.columns
    found = Stopped().run_all(stop=ASHA(), results=tmp_path, progress=False)
    averages = found.average()
    rows = [(row["lr"], row["done"], row["stopped"], row["failed"]) for row in averages]
    assert rows == [(0.1, 2, 0, 0), (0.2, 1, 1, 0)]
    (done,) = found.where(lr=0.2, status="done")
    (row,) = [row for row in averages if row["lr"] == 0.2]
    assert (row["accuracy"], row["accuracy_count"]) == (done["accuracy"], 1)
    assert averages.best()["lr"] == whole.best()["lr"] == 0.2


def test_averages_of_stale_rows_alone_say_what_was_left_out(results: Results) -> None:
    other = Results.load(results.root, code=Code("now", {}, {}))
    averages = other.average()
    assert len(averages) == 0
    rows = f"{len(results)} rows of other code"
    assert averages.summary == f"0 averages over seed, fold · {rows} left out"
    for ask in (lambda: averages.best("score"), averages.best, lambda: averages.best("nothing")):
        with pytest.raises(StoreError, match=f"{rows} were left out: take"):
            ask()
    best = other.average(stale=True).best("score")
    assert best["score"] == results.average().best("score")["score"]
    assert "other code" not in results.average().summary
