"""Row 71: `experiment diff` tells the fields that two runs fixed to different values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.store.runs.run_records import runs
from superparams.store.staleness.run_difference import difference
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")


class Sgd(Params):
    lr: float = 0.1
    momentum: float = 0.9


class Deep(Params):
    inner: Sgd = Sgd(lr=search([0.1, 0.2]))
    depth: int = 3


class Fit(Experiment):
    x: int = search([1, 2])
    epochs: int = 30
    data: np.ndarray = np.zeros(1000)
    plain: Sgd = Sgd()
    opened: Sgd = Sgd(lr=search([0.1, 0.2]))
    deep: Deep = Deep()
    named: Sgd = search({"a": Sgd(), "b": Sgd(lr=5.0)})
    size: int = search({"small": 1, "large": 2})
    keyed: object = value(object, key="v1")
    twice: int = value(derive=lambda s: 2 * s.epochs)

    def run(self) -> dict[str, int]:
        return {"y": 1}


def told(tmp_path: Path, before: Experiment, after: Experiment) -> dict[str, tuple[object, object]]:
    """What differs besides what was searched, of two runs of one of their settings each."""
    results = None
    for space in (before, after):
        results = space.run_all(only=[space[0].key], results=tmp_path, progress=False, resume=False)
    assert results is not None
    return dict(difference(*runs(results.root)[-2:]).fixed)


def test_71_a_fixed_field_that_differs_is_told(tmp_path: Path) -> None:
    other = np.zeros(1000)
    other[500] = 1
    assert told(tmp_path, Fit(), Fit()) == {}
    changed = Fit(
        epochs=50,
        plain=Sgd(momentum=0.5),
        keyed=value(object, key="v2"),
        **{"opened.momentum": 0.7, "deep.depth": 4, "deep.inner.momentum": 0.1},
    )
    found = told(tmp_path, Fit(), changed)
    assert found.pop("plain") == ("Sgd(lr=0.1, momentum=0.9)", "Sgd(lr=0.1, momentum=0.5)")
    keys = found.pop("keyed")
    assert all("object" in str(one) for one in keys)
    assert found == {
        "epochs": ("30", "50"),
        "opened.momentum": ("0.9", "0.7"),
        "deep.depth": ("3", "4"),
        "deep.inner.momentum": ("0.9", "0.1"),
    }
    found = told(tmp_path, Fit(), Fit(data=other))
    assert list(found) == ["data"]
    assert found["data"][0] != found["data"][1]
    assert told(tmp_path, Fit(), Fit(x=1, epochs=search([1, 2]))) == {
        "x": (None, "1"),
        "epochs": ("30", None),
    }
    assert told(tmp_path, Fit(), Fit(twice=5)) == {"twice": (None, "5")}


def test_71_a_name_that_stands_for_something_else_is_told(tmp_path: Path) -> None:
    changed = Fit(
        named=search({"a": Sgd(momentum=0.0), "b": Sgd(lr=5.0)}), size=search({"small": 3})
    )
    found = told(tmp_path, Fit(), changed)
    assert found["named 'a'"] == ("Sgd(lr=0.1, momentum=0.9)", "Sgd(lr=0.1, momentum=0.0)")
    assert found["size 'small'"] == ("1", "3")
    assert len(found) == 2


PROJECT = """
from superparams import Experiment, search

class Fit(Experiment):
    x: int = search([1, 2])
    epochs: int = 30

    def run(self):
        return {"y": 1}
"""


def test_71_the_command_tells_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/f.py": PROJECT})
    for words in ([], ["epochs=50"], ["epochs=50", "--rerun"]):
        assert project.run("run", "f", *words).code == 0
    shown = project.run("diff", "f", "last~2", "last").out
    assert "space: the same" not in shown
    assert "\nspace\n  epochs  30 → 50\n" in shown
    found = project.run("diff", "f", "last~2", "last", "--json").document
    assert (found["space"], found["fixed"]) == ([], {"epochs": {"before": "30", "after": "50"}})
    assert "space: the same" in project.run("diff", "f", "last~1", "last").out
