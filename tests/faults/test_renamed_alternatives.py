"""Row 72: without the class, filters go by what the names of alternatives meant in each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, Params, Results, search
from superparams.cli.conditions import matching
from superparams.errors import StoreError
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")


class SGD(Params):
    lr: float = search({"slow": 0.1, "fast": 0.2})


class Adam(Params):
    lr: float = search({"slow": 0.01, "fast": 0.1})
    beta: float = 0.9


class Net(Params):
    o: SGD | Adam = SGD()


class Wide(Params):
    o: SGD | Adam = Adam()


def one(x: float) -> float:
    return x


def two(x: float) -> float:
    return 2 * x


def fit(alternatives: Any) -> type[Experiment]:
    """The experiment `Fit` of which this is the class body now."""

    class Fit(Experiment):
        o: SGD | Adam = search(alternatives)

        def run(self) -> dict[str, Any]:
            return {"cls": type(self.o).__name__, "y": self.o.lr}

    return Fit


def nested(of_net: Any, of_wide: Any) -> type[Experiment]:
    class Fit(Experiment):
        net: Net | Wide = search([Net(o=search(of_net)), Wide(o=search(of_wide))])

        def run(self) -> dict[str, Any]:
            return {"cls": type(self.net.o).__name__, "y": self.net.o.lr}

    return Fit


def things(points: Any) -> type[Experiment]:
    class Fit(Experiment):
        thing: Any = search(points)

        def run(self) -> dict[str, Any]:
            return {"y": self.thing.__name__ if callable(self.thing) else str(self.thing)}

    return Fit


AB = {"a": SGD(), "b": Adam()}
BA = {"a": Adam(), "b": SGD()}
AC = {"c": Adam(), "a": SGD()}
FACES: dict[str, list[Any]] = {
    "swapped": [AB, BA],
    "swapped back": [AB, BA, AB],
    "renamed": [AB, AC],
    "three": [AB, BA, {"b": Adam(beta=0.5), "a": Adam(), "c": SGD()}],
    "another class": [AB, {"a": Adam()}],
    "no names": [AB, [SGD(), Adam()]],
    "names first": [[SGD(), Adam()], BA],
    "as classes": [{"SGD": Adam(), "Adam": SGD()}, {"sgd": SGD(), "adam": Adam()}],
}


def without_class(results: Results) -> list[Results]:
    """The results by their folder, and by the table alone."""
    return [Results.load(results.root), Results(results.root, parquet.read_table(results.path))]


def held(results: Results, column: str = "cls") -> list[Any]:
    return sorted(row[column] for row in results)


@sweep(3, "face", FACES)
def test_72_alternatives_are_found_by_their_class_without_the_class(
    tmp_path: Path, face: str
) -> None:
    for alternatives in FACES[face]:
        ran = fit(alternatives)().run_all(results=tmp_path / "r", progress=False)
    for results in without_class(ran):
        every = [(row["cls"], row["y"], row["o.lr"]) for row in results]
        for cls in (SGD, Adam):
            of_it = [y for name, y, _ in every if name == cls.__name__]
            assert of_it
            for x in (cls, cls.__name__):
                assert held(results.where(o=x)) == [cls.__name__] * len(of_it), x
            shown = matching(results.to_arrow(), [f"o={cls.__name__}"]).column("cls").to_pylist()
            assert shown == [cls.__name__] * len(of_it)
            for y in (0.01, 0.1, 0.2):
                both = results.where(o=cls).where(**{"o.lr": y})
                again = results.where(**{"o.lr": y}).where(o=cls)
                assert held(both, "y") == [z for z in of_it if z == y]
                assert held(again, "y") == [z for z in of_it if z == y]
        assert held(results.where(o=SGD())) == sorted(name for name, _, _ in every if name == "SGD")
        for y in (0.01, 0.1, 0.2):
            assert held(results.where(**{"o.lr": y}), "y") == [z for _, z, _ in every if z == y]


def test_72_the_same_names_in_two_groups_mean_what_they_mean_there(tmp_path: Path) -> None:
    for names in ((AB, BA), (BA, AB)):
        ran = nested(*names)().run_all(results=tmp_path / "r", progress=False)
    for results in without_class(ran):
        for cls in ("SGD", "Adam"):
            assert held(results.where(**{"net.o": cls})) == [cls] * 4
            wide = results.where(net="Wide", **{"net.o": cls})
            assert held(wide) == [cls] * 2
        assert not len(results.where(net=Net, **{"net.o": SGD}).where(**{"net.o": Adam}))


def test_72_functions_and_lists_whose_names_were_swapped(tmp_path: Path) -> None:
    things({"f": one, "g": two, "h": [1]})().run_all(results=tmp_path / "r", progress=False)
    ran = things({"g": one, "h": two, "f": [1]})().run_all(results=tmp_path / "r", progress=False)
    for results in without_class(ran):
        for x, y in ((one, "one"), (two, "two"), ([1], "[1]")):
            assert held(results.where(thing=x), "y") == [y]
            assert not len(results.where(thing="g").where(thing=two))


def test_72_there_is_one_record_of_what_names_mean(tmp_path: Path) -> None:
    for names in (AB, BA):
        ran = fit(names)().run_all(results=tmp_path / "r", progress=False)
    head = json.loads(parquet.read_schema(ran.path).metadata[b"superparams"])
    assert "names" not in head
    assert head["meanings"]
    for path in ran.root.glob("runs/*/run.json"):
        assert "names" not in json.loads(path.read_text("utf-8"))


def test_72_a_name_that_means_nothing_any_more_is_refused(tmp_path: Path) -> None:
    for names in (AB, AC):
        ran = fit(names)().run_all(results=tmp_path / "r", progress=False)
    for results in without_class(ran):
        with pytest.raises(StoreError, match="no row has o='b'; there are"):
            results.where(o="b")
