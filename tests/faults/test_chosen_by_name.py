"""Rows 55 and 72: a point is chosen by its name at any depth, and no text stands for a group."""

from __future__ import annotations

from typing import Any

import pytest

from superparams import Experiment, Params, search, value
from superparams.errors import FieldError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Base(Params):
    lr: float = 0.1


class SGD(Base):
    pass


class Adam(Base):
    beta: float = 0.9


class Named(Params):
    opt: Base = search({"SGD": SGD(lr=0.2), "adam": Adam()})
    n: int = search({"small": 1, "large": 2})


class Unnamed(Params):
    opt: Base = search([SGD(), Adam()])


class Fixed(Params):
    opt: Base = Base()
    n: int = 3


class Fit(Experiment):
    o: Base = search({"sgd": SGD(), "adam": Adam()})
    p: Base | None = search([SGD(), Adam(), None])
    n: int = search({"small": 1, "large": 2})
    s: Named = Named()
    t: Unnamed = Unnamed()
    u: Fixed = Fixed(opt=search({"sgd": SGD(), "adam": Adam()}), n=search({"a": 1, "b": 2}))
    v: Fixed = Fixed(opt=search([SGD(), Adam()]))
    w: Named | Unnamed = search([Named(), Unnamed()])
    y: Base = Base()
    free: Any = search([SGD(), "text"])

    def run(self) -> dict[str, int]:
        return {"y": 1}


CHOSEN: list[tuple[str, Any, Any]] = [
    ("o", "sgd", SGD()),
    ("o", "SGD", SGD()),
    ("o", "Adam", Adam()),
    ("p", "SGD", SGD()),
    ("p", None, None),
    ("n", "large", 2),
    ("s.opt", "SGD", SGD(lr=0.2)),
    ("s.opt", "adam", Adam()),
    ("s.opt", "Adam", Adam()),
    ("s.n", "small", 1),
    ("t.opt", "SGD", SGD()),
    ("t.opt", "Adam", Adam()),
    ("u.opt", "sgd", SGD()),
    ("u.opt", "SGD", SGD()),
    ("u.n", "b", 2),
    ("u.n", 7, 7),
    ("v.opt", "Adam", Adam()),
    ("y", Adam(beta=0.5), Adam(beta=0.5)),
    ("free", "SGD", "SGD"),
    ("free", "text", "text"),
]


@pytest.mark.parametrize(("name", "x", "wanted"), CHOSEN)
def test_55_a_point_is_chosen_by_its_name_at_any_depth(name: str, x: Any, wanted: Any) -> None:
    for made in (Fit(**{name: x}), Fit().replace(**{name: x})):
        assert made[name] == wanted
        assert type(made[name]) is type(wanted)


def test_55_several_points_are_chosen_by_their_names() -> None:
    made = Fit(o=search(["adam", "sgd"]), n=search(["large", 7]), p=search(["Adam", None]))
    assert list(made["o"]) == [Adam(), SGD()]
    assert list(made["n"]) == [2, 7]
    assert list(made["p"]) == [Adam(), None]
    named = [(row["o"], row["n"], row["p"]) for row in (one.as_row() for one in made)]
    assert ("adam", "large", "Adam") in named

    class Narrow(Fit):
        o = "SGD"
        p = "Adam"

    assert (Narrow()["o"], Narrow()["p"]) == (SGD(), Adam())


def test_55_the_chosen_point_is_what_runs_and_what_is_found(tmp_path: Any) -> None:
    class Small(Experiment):
        s: Named = Named(n="small")
        u: Fixed = Fixed(opt=search({"x": SGD(), "y": Adam()}))

        def run(self) -> dict[str, str]:
            return {"ran": f"{type(self.s.opt).__name__} {type(self.u.opt).__name__}"}

    Small(**{"s.opt": "SGD", "u.opt": "Adam"}).run_all(results=tmp_path, progress=False)
    found = Small.results(tmp_path)
    assert found.counts == {"done": 1}
    (row,) = found.where(**{"s.opt": "SGD", "u.opt": "y"})
    assert row["ran"] == "SGD Adam"


REFUSED: list[tuple[str, Any, str]] = [
    ("o", "x", "Fit.o='x'.*a Base.*SGD\\(\\).*'sgd', 'adam', 'SGD', 'Adam'"),
    ("o", 3, "Fit.o=3.*a Base"),
    ("o", ["sgd"], "Fit.o=.*name of a point"),
    ("p", "x", "Fit.p='x'.*'SGD', 'Adam'"),
    ("s.opt", "x", "Named.opt='x'.*'SGD', 'adam', 'Adam'"),
    ("t.opt", 3, "Unnamed.opt=3"),
    ("u.opt", "x", "Fixed.opt='x'.*give an instance, such as Base\\(\\)"),
    ("v.opt", "x", "Fixed.opt='x'"),
    ("w.opt", "adam", "Unnamed.opt='adam'.*'SGD', 'Adam'"),
    ("y", "Base", "Fit.y='Base'.*Base\\(\\)"),
    ("y", 3.5, "Fit.y=3.5"),
    ("y", [SGD()], "Fit.y=.*must be a Base"),
    ("y", {"lr": 3}, "Fit.y=.*must be a Base"),
    ("y", value("x"), "Fit.y='x'"),
    ("y", value("x", key="k"), "Fit.y='x'"),
    ("y", search([SGD(), "x"]), "Fit.y='x'"),
    ("y", search(range(3)), "Fit.y=0"),
    ("y", search({"a": 1}), "Fit.y=1"),
    ("y", SGD, "class, where an instance of it is meant; write SGD\\(\\)"),
]


@pytest.mark.parametrize(("name", "x", "said"), REFUSED)
def test_55_what_is_no_group_is_refused_when_it_is_given(name: str, x: Any, said: str) -> None:
    with pytest.raises(FieldError, match=said):
        Fit(**{name: x})
    with pytest.raises(FieldError, match=said):
        Fit().replace(**{name: x})


@pytest.mark.parametrize("x", ["x", 3, search(["x"]), value("x")])
def test_55_what_is_no_group_is_refused_in_a_class_body(x: Any) -> None:
    with pytest.raises(FieldError, match=r"Wrong.b='?[x3]'?: the value must be a Base"):

        class Wrong(Experiment):  # pyright: ignore[reportUnusedClass]
            b: Base = x

            def run(self) -> None: ...


def test_55_none_and_values_of_wider_annotations_are_allowed() -> None:
    class Wide(Params):
        a: Base = None  # type: ignore[assignment] # pyright: ignore
        b: Base | str = "x"
        c: Base | None = None
        d: Any = 3
        e: object = "x"

    assert (Wide().a, Wide().b, Wide(b=SGD()).b, Wide(d="SGD").d) == (None, "x", SGD(), "SGD")
