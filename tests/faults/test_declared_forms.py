"""Row 75 and odd forms: structured where it can be, else refused when the class is created."""

from __future__ import annotations

import enum
import functools
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from superparams import Experiment, Params, SearchMeta, search, value
from superparams.errors import FieldError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Layer(Params):
    width: int = 8
    tags: list[str] = ["a"]


class Conv(Layer):
    kernel: int = 3


class Stack(Experiment):
    x: int = search([1, 2])
    layers: list[Layer] = [Layer(), Layer(width=16)]
    pair: tuple[Layer, ...] = (Layer(), Conv())
    named: dict[str, Layer] = {"in": Layer(width=4)}

    def run(self) -> dict[str, int]:
        self.layers[0].tags.append("b")
        self.layers.append(Layer())
        return {"n": len(self.layers), "tags": len(self.layers[0].tags)}


def test_75_groups_in_containers_are_structured_everywhere(tmp_path: Path) -> None:
    small = {"class": "Layer", "width": 8, "tags": ["a"]}
    layers = [small, small | {"width": 16}]
    setting = Stack()[0]
    assert setting.as_dict()["layers"] == layers
    assert setting.as_dict()["pair"] == (small, small | {"class": "Conv", "kernel": 3})
    assert json.loads(setting.to_json())["named"] == {"in": small | {"width": 4}}
    for num_proc in (1, 2):
        table = Stack().run_all(num_proc, results=tmp_path / str(num_proc), progress=False)
        assert table.counts == {"done": 2}
        for row in table:
            assert row["layers"] == layers
            assert (row["named.in.width"], row["named.in.class"]) == (4, "Layer")
            assert json.loads(row["pair"])[1]["kernel"] == 3
            assert (row["n"], row["tags"]) == (3, 2)  # each setting has copies of its own
        assert len(table.where(layers=[Layer(), Layer(width=16)])) == 2
        assert len(table.where(layers=[Layer()])) == 0
    several: list[list[Layer]] = [[Layer()], [Layer(width=9)], [Conv()], []]
    keys = {Stack(x=1, layers=x).key for x in several}
    assert len(keys) == 4
    assert Stack(x=1, layers=[Layer(width=8)]).key in keys
    assert Stack(x=1).layers[0].width == 8


def test_75_an_open_group_in_a_container_is_refused_with_the_remedy() -> None:
    with pytest.raises(FieldError, match=r"Stack\.layers: .* open space inside .* fix its axes"):
        Stack(layers=[Layer(width=search([1, 2]))])
    assert len(Stack(x=1, layers=search([[Layer()], [Conv()]]))) == 2


class Reaching(Params):
    width: int = value(derive=lambda s: s.depth * 2)
    own: int = search([1, 2])


class Item(Params):
    width: int = value(derive=lambda s: s["depth"] * 2)


class Deep(Params):
    item: Item = Item()


class Raises(Params):
    width: int = value(derive=lambda s: s.nothing)


def test_75_derive_that_asks_for_an_outer_field_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    class Run(Experiment):
        depth: int = search([1, 2])
        net: Any = None

        def run(self) -> dict[str, int]:
            return {"y": self.net.width}

    for group in (Reaching(), Reaching(own=1), Item(), Deep(), search([Layer(), Item()])):
        with pytest.raises(FieldError, match=r"(Reaching|Item)\.width: .* asks for 'depth', a f"):
            Run(net=group).run_all(results=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
    # What fails for another reason fails where it runs, and is recorded.
    assert Run(net=Raises()).run_all(results=tmp_path, progress=False).counts == {"failed": 2}


class Color(enum.Enum):
    RED = 1


class Frozen:
    """As scipy has them: a distribution with its parameters."""

    def rvs(self, size: int) -> list[float]:
        return [0.5] * size


def body(annotation: Any, *given: Any) -> Any:
    names = {"__annotations__": {"x": annotation}, **({"x": given[0]} if given else {})}
    return SearchMeta("Odd", (Params,), names)


def plain(x: int) -> int:
    return x


SHARED = {"a": 1, "b": 2}
REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    (float, (search(Frozen()),), "distribution.*search\\(x.rvs"),
    (int, (search(np.random.default_rng(0)),), "random generator.*search seeds"),
    (int, (search(np.random.RandomState(0)),), "random generator"),
    (int, (search(random.Random(0)),), "random generator"),
    (Any, (search(pd.DataFrame({"a": [1]})),), "a table.*one a row"),
    (Any, (search(pl.DataFrame({"a": [1]})),), "a table"),
    (Any, (search(pa.table({"a": [1]})),), "a table"),
    (int, (search(plain),), "a function.*search\\(f\\(\\)\\)"),
    (float, (search(random.random),), "a function"),
    (int, (search([]),), "no points"),
    (int, (search({}),), "no points"),
    (int, (search({1: 2}),), "must be text"),
    (int, (search(search([1])),), "search\\(\\) must be the whole"),
    (int, (search([1, search([2])]),), "search\\(\\) must be the whole"),
    (int, (value(search([1])),), "search\\(\\) must be the whole"),
    (int, (search([value(1)]),), "value\\(\\) must be the whole.*write 1 without value"),
    (int, (search({"a": value(1)}),), "write 1 without value"),
    (Any, ([value(1), 2],), "write 1 without value"),
    (Any, (search([value(plain, key="v1"), 1]),), "search names.*search\\(\\['v1', ...\\]\\)"),
    (Any, (search(value(factory=dict), 1),), "make the value from them.*value\\(derive="),
    (Any, ({"a": value(derive=plain)},), "make the value from them"),
    (Any, (search([value(secret="TOKEN")]),), "a secret is never searched"),
    ("flaot", (search(),), "not flaot.*did you mean float.*import flaot outside of"),
    ("Optional[Sizes]", (search(),), "not Optional\\[Sizes\\].*correct it, or import Sizes"),
    ("dtypes.Kind | bolo", (search(),), "did you mean bool.*import dtypes.Kind, bolo"),
    (Any, (search({object(), object()}),), "a set has no order.*list"),
    (Any, (iter([1]),), "used up.*list\\(...\\)"),
    (Any, (map(str, [1]),), "used up"),
    (Any, ((i for i in [1]),), "used up"),
    (Any, (zip([1], [2], strict=True),), "used up"),
    (Any, (filter(None, [1]),), "used up"),
    (Any, (SHARED.values(),), "a view changes"),
    (search([1, 2]), (), "in the place of the type; write x: float = search"),
    (value(3), (), "in the place of the type"),
    (search, (), "in the place of the type"),
    (10, (), "in the place of the type; write x: int = 10"),
    (0.5, (), "write x: float = 0.5"),
    (Color.RED, (), "in the place of the type"),
    (Layer(), (), "in the place of the type"),
    ([1, 2], (), "in the place of the type"),
    (int, ((3,),), "it ends with a comma; write x = 3"),
    (float | None, ((0.5,),), "a comma"),
    (Layer, ((Layer(),),), "a comma"),
    (Any, ((search([1]),),), "a comma"),
    (int, (property(lambda self: 1),), "property of that name hides it"),
    (int, (functools.cached_property(lambda self: 1),), "hides it"),
    (int, (staticmethod(plain),), "hides it"),
    (ClassVar[int], (search([1, 2]),), "a ClassVar, and so no field"),
]


def _not_refused(annotation: Any, given: tuple[Any, ...], why: str) -> str | None:
    try:
        cls = body(annotation, *given)
    except FieldError as error:
        text = str(error)
        return None if re.search(rf"Odd\.x.*{why}", text) else f"{text!r} for {why!r}"
    return f"{cls} was made of {annotation!r} and {given!r}"


def test_odd_forms_are_refused_when_the_class_is_created() -> None:
    wrong = [told for case in REFUSED if (told := _not_refused(*case))]
    assert wrong == []

    hiding = "class Hidden(Params):\n    x: int\n    def x(self):\n        return 1"
    with pytest.raises(FieldError, match=r"Hidden\.x is annotated as a field.*rename"):
        exec(hiding, {"Params": Params, "__name__": __name__})
    with pytest.raises(FieldError, match=r"Bare\.lr.*has no annotation"):
        SearchMeta("Bare", (Params,), {"lr": search([1, 2])})


POINTS: list[tuple[Any, Any, list[Any]]] = [
    (Any, {"a": 1, "b": 2}.values(), [1, 2]),
    (Any, {"b": 1, "a": 2}.keys(), ["b", "a"]),
    (Any, {"a": 1}.items(), [("a", 1)]),
    (Any, (i for i in [3, 1]), [3, 1]),
    (Any, map(str, [1, 2]), ["1", "2"]),
    (Any, zip([1], "a", strict=True), [(1, "a")]),
    (int, pd.Series([1, 2], index=[5, 6]), [1, 2]),
    (int, pd.Index([1, 2]), [1, 2]),
    (int, pl.Series([1, 2]), [1, 2]),
    (int, pa.array([1, 2]), [1, 2]),
    (int, np.array([1, 2]), [1, 2]),
    (Any, "abc", ["abc"]),
    (Any, {3, 1, 2}, [1, 2, 3]),
    (Any, {"b", "a", 1}, [1, "a", "b"]),
    (bool, bool, [False, True]),
    (Any, Literal["a", "b"], ["a", "b"]),
    (Any, Color, [Color.RED]),
    (Callable[[int], int], plain, [plain]),
    (Any, [float("nan"), float("nan")], [float("nan")] * 2),
]


def test_odd_forms_of_points_are_their_elements() -> None:
    for annotation, given, points in POINTS:
        found = [setting["x"] for setting in body(annotation, search(given))()]
        assert repr(found) == repr(points), given
        assert [type(one) for one in found] == [type(one) for one in points], given
    sets = [{frozenset({1}), frozenset({2, 3})}, {frozenset({3, 2}), frozenset({1})}]
    first, second = ([s["x"] for s in body(Any, search(one))()] for one in sets)
    assert first == second
    # A function from elsewhere, a tuple and a lambda are values that a field can have.
    assert body(Any, plain)().x is plain
    assert body(tuple[int, ...], (3,))().x == (3,)


class Anything(Params):
    x: Any = None


JSON: list[tuple[Any, Any]] = [
    (plain, f"{__name__}.plain"),
    (Path("a/b"), "a/b"),
    (Color.RED, "RED"),
    ({2, 1}, [1, 2]),
    (np.float64(0.5), 0.5),
    (np.int64(3), 3),
    ([plain, {"a": Path("c")}], [f"{__name__}.plain", {"a": "c"}]),
    (int, "builtins.int"),
    (1 + 2j, "(1+2j)"),
]


def test_75_to_json_writes_what_json_does_not_have_as_tables_do() -> None:
    for x, wanted in JSON:
        assert json.loads(Anything(x=x).to_json()) == {"x": wanted}, x
        assert json.loads(Anything(x=Anything(x=x)).to_json())["x"]["x"] == wanted, x
    assert json.loads(Anything(x=Path("a")).to_json(default=lambda x: 7)) == {"x": 7}
    assert "0x" not in Anything(x=object()).to_json()
    with pytest.raises(FieldError, match=r"Anything\.x: .* cannot be written as JSON.*skipkeys"):
        Anything(x={(1, 2): 3}).to_json()
