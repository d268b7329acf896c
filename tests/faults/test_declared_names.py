"""Rows 55, 71 and 72: each row names its alternative, and one key has one name in every way."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, search
from superparams.errors import FieldError, StoreError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Base(Params):
    eta: float = 1.0


class Sub(Base):
    g: float = 0.9


class Open(Params):
    rate: float = search([0.1, 0.2])
    momentum: float = 0.0


class Outer(Params):
    inner: Base | Open = search([Base(), Open()])
    more: int = 1


class Run(Experiment):
    def run(self) -> dict[str, float]:
        return {"y": 1.0}


class Plain(Run):
    o: Base = search([Base(), Sub()])


class Fixed(Run):
    o: Base = Base()


class Optional(Run):
    o: Base | None = search([None, Base(), Sub()])


class Named(Run):
    o: Open = search({"plain": Open(), "fixed": Open(rate=3.0), "heavy": Open(momentum=0.9)})


class Kinds(Run):
    o: Base = search({"base": Base(), "sub": Sub()})


class Nested(Run):
    o: Outer = search({"one": Outer(), "two": Outer(inner=Open(momentum=0.5), more=2)})


class Zipped(Run):
    o: Base = search({"base": Base(), "sub": Sub()}, zip="z")
    width: int = search({"small": 1, "large": 2}, zip="z")


class Twice(Run):
    o: Base = search({"first": Base(), "second": Base(eta=1.0), "third": Base(eta=2.0)})
    n: int = search({"one": 1, "uno": 1, "two": 2})


def names(space: Any, field: str = "o") -> list[Any]:
    return [setting.as_row().get(field, "no column") for setting in space]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def ran(space: Experiment, results: Path, num_proc: int = 1) -> Results:
    return space.run_all(num_proc, results=results, progress=False)


def test_71_each_row_has_the_name_of_its_class(results: Path) -> None:
    table = ran(Plain(), results)
    assert [row["o"] for row in table] == ["Base", "Sub"] == names(Plain())
    for wanted in ("Base", Base, Base()):
        assert [row["o"] for row in table.where(o=wanted)] == ["Base"]
    for wanted in ("Sub", Sub, Sub()):
        assert [row["o"] for row in table.where(o=wanted)] == ["Sub"]
    dicts = [setting.as_dict()["o"] for setting in Plain()]
    assert [one["class"] for one in dicts] == ["Base", "Sub"]
    assert json.loads(Plain()[0].to_json())["o"] == {"class": "Base", "eta": 1.0}
    assert len(table.to_pandas().groupby("o")) == 2


def test_71_a_fixed_alternative_has_its_name_whatever_way_it_was_fixed(results: Path) -> None:
    for cls in (Plain, Fixed):
        ways = [cls(o=Base()), cls(o=search([Base(), Sub()]))[0], cls.from_cli(["o=Base"])]
        assert [names(way) for way in ways] == [["Base"]] * 3
        assert len({way.key for way in ways}) == 1
    ran(Fixed(), results)
    table = ran(Fixed(o=search([Base(), Sub()])), results)
    assert [row["o"] for row in table] == ["Base", "Sub"]


def test_71_optional_groups_and_unions_name_what_they_hold(results: Path) -> None:
    table = ran(Optional(), results, 2)
    assert [row["o"] for row in table] == [None, "Base", "Sub"]
    assert [len(table.where(o=x)) for x in (None, Base, "Sub", Sub())] == [1, 1, 1, 1]
    assert names(Nested(o=Outer(inner=Base())), "o.inner") == ["Base"]


def test_71_rows_of_older_tables_are_found_by_the_class(results: Path) -> None:
    import pyarrow as pa

    table = ran(Plain(), results)
    arrow = table.to_arrow()
    older = arrow.set_column(0, arrow.schema.field(0), pa.array([None, "Sub"]))
    assert arrow.column_names[0] == "o"
    before = Results(table.root, older, of=Plain())
    assert [len(before.where(o=x)) for x in ("Base", Base, Base(), "Sub")] == [1, 1, 1, 1]


def test_55_named_alternatives_with_an_open_axis_have_their_names(results: Path) -> None:
    table = ran(Named(), results, 2)
    assert names(Named()) == ["plain", "plain", "fixed", "heavy", "heavy"]
    assert [row["o"] for row in table] == names(Named())
    assert [len(table.where(o=x)) for x in ("plain", "fixed", "heavy")] == [2, 1, 2]
    assert [len(table.where(o=x)) for x in (Open(), Open(rate=3.0), Open(momentum=0.9))] == [
        2,
        1,
        2,
    ]
    assert [len(table.where(o=x)) for x in (Open, "Open")] == [5, 5]
    assert len(table.where(o=Open(rate=0.1))) == 1
    assert names(Nested()) == ["one", "one", "one", "two", "two"]
    assert names(Nested(), "o.inner") == ["Base", "Open", "Open", "Open", "Open"]
    assert names(Zipped()) == ["base", "sub"]
    assert names(Zipped(), "width") == ["small", "large"]
    copies = [pickle.loads(pickle.dumps(Named())), copy.deepcopy(Named()), Named().replace()]
    assert [names(each) for each in copies] == [names(Named())] * 3
    assert names(pickle.loads(pickle.dumps(Named()[3]))) == ["heavy"]


def test_55_names_given_at_the_call_hold_for_what_is_made_from_it(results: Path) -> None:
    space = Fixed(o=search({"a": Base(), "b": Sub()}))
    assert names(space) == ["a", "b"]
    assert names(space[1].replace(**{"o.g": 0.1})) == ["b"]
    assert names(space.replace(**{"o.eta": 3.0})) == ["a", "b"]
    assert names(space.replace(o="b")) == ["b"]
    assert space.replace(o="b")[0].o == Sub()
    assert names(space.replace(o=search({"c": Sub()}))) == ["c"]
    assert [len(ran(space, results).where(o=x)) for x in ("a", "b", Sub, Base())] == [1] * 4


def test_72_one_key_has_one_name_whatever_way_it_was_reached(results: Path) -> None:
    changed = {"o.g": 0.5}
    ways = [
        Kinds.from_cli(["o=sub", "o.g=0.5"]),
        Kinds(o="sub", **changed),
        Kinds(o=Sub(g=0.5)),
        Kinds(**changed)[1],
        Kinds.from_cli(["o.g=0.5"])[1],
        Kinds.from_cli(["o=base,sub", "o.g=0.5"])[1],
        Kinds()[1].replace(**changed),
        Kinds()[1].replace(o=Sub(g=0.5)),
        Kinds(o=search([Base(), Sub(g=0.5)]))[1],
        Kinds(o=Sub(g=search([0.1, 0.5])))[1],
        pickle.loads(pickle.dumps(Kinds(**changed)))[1],
    ]
    assert len({way.key for way in ways}) == 1
    assert [names(way) for way in ways] == [["sub"]] * len(ways)
    table = ran(Kinds(**changed), results)
    assert len(table.where(o="sub")) == len(table.where(o=Sub(g=0.5))) == 1
    assert len(table.where(o=Sub())) == 0


def test_72_the_nearest_named_point_of_the_class_names_a_changed_group() -> None:
    ways: list[list[str]] = [["o=heavy", "o.rate=5"], ["o=plain,heavy", "o.rate=5"], ["o.rate=5"]]
    assert [names(Named.from_cli(words))[-1] for words in ways] == ["heavy"] * 3
    # What is changed into another named point has the name of that one.
    assert names(Named.from_cli(["o=plain", "o.momentum=0.9"])) == ["heavy", "heavy"]
    assert names(Named(o="plain", **{"o.momentum": 0.9})) == ["heavy", "heavy"]
    assert names(Named(o=Open(rate=7.0, momentum=0.1))) == ["plain"]
    assert names(Kinds(o=Open(rate=1.0))) == ["Open"]


def test_72_of_equal_points_the_first_gives_the_name_and_where_finds_it_by_each(
    results: Path,
) -> None:
    assert names(Twice(n=1)) == ["first", "first", "third"]
    assert names(Twice(o="first"), "n") == ["one", "one", "two"]
    table = ran(Twice(), results)
    assert [len(table.where(o=x, n="two")) for x in ("first", "second", "third")] == [1, 1, 1]
    assert [len(table.where(n=x, o="third")) for x in ("one", "uno", "two", 1)] == [1, 1, 1, 1]


def test_72_plain_points_have_one_name_too() -> None:
    class Width(Run):
        n: int = search({"small": 64, "large": 512})

    ways = [Width(n=128), Width.from_cli(["n=128"]), Width.from_cli(["n=small,128"])[1]]
    assert [way.as_row() for way in ways] == [{"n": "128"}] * 3
    ways = [Width(n=64), Width(n="small"), Width.from_cli(["n=small"]), Width.from_cli(["n=64"])]
    assert [way.as_row() for way in ways] == [{"n": "small"}] * 4

    class Closed(Width):
        n = "large"

    assert Closed()[0].n == 512


def test_72_a_name_that_no_point_has_is_a_value_or_refused() -> None:
    with pytest.raises(FieldError, match="Kinds"):
        Kinds(**{"o.nothing": 3})


def test_72_names_of_points_in_a_plain_list_are_refused() -> None:
    class Named(Experiment):
        o: Params = search({"a": Params(), "b": Params()})
        n: int = search({"one": 1, "two": 2})
        tags: list[str] = search({"x": ["x", "y"]})

    for given in (["a", "b"], ("a", "b"), ["b"], ["a", "nothing"]):
        with pytest.raises(FieldError, match=r"Named\.o=.*write o=search\(\['"):
            Named(o=given)
    with pytest.raises(FieldError, match=r"Named\.n=.*write n=search\(\['one', 'two'\]\)"):
        Named(n=["one", "two"])
    assert Named(n=search(["one", "two"]), o="a").n_settings == 2
    assert Named(o="a", n=1, tags=["x", "z"]).tags == ["x", "z"]  # a list is what it holds


def test_72_a_point_of_the_class_gets_no_second_name_at_the_call() -> None:
    class Named(Experiment):
        o: Base = search({"base": Base(), "fast": Base(eta=0.5)})
        n: int = search({"one": 1, "two": 2})

    for field, given, name in (
        ("o", {"quick": Base(eta=0.5)}, "fast"),
        ("o", {"base": Base(eta=0.5)}, "fast"),
        ("o", {"base": Base(), "quick": Base(eta=0.5)}, "fast"),
        ("n", {"zwei": 2}, "two"),
    ):
        with pytest.raises(
            FieldError, match=rf"Named\.{field}: .*write {field}=search\(\['{name}'"
        ):
            Named(**{field: search(given)})
        with pytest.raises(FieldError, match="name the same point"):
            Named(o="base", n=1).replace(**{field: search(given)})
    more = Named(o=search({"fast": Base(eta=0.5), "slow": Base(eta=0.01)}), n=search({"three": 3}))
    assert [str(each.o.eta) for each in more] == ["0.5", "0.01"]


def test_72_an_unnamed_point_of_the_class_gets_no_name_at_the_call() -> None:
    class Plain(Experiment):
        o: Base = search([Base(), Base(eta=0.5)])
        n: int = search([1, 2])

    for field, given, shown in (
        ("o", {"quick": Base(eta=0.5)}, r"Base\(eta=0\.5\)"),
        ("n", {"two": 2}, "2"),
        ("n", {"three": 3, "two": 2}, "2"),
    ):
        with pytest.raises(FieldError, match=rf"Plain\.{field}: .*{field}=search\(\[{shown}\]\)"):
            Plain(**{field: search(given)})
        with pytest.raises(FieldError, match="name the same point"):
            Plain(o=Base(), n=1).replace(**{field: search(given)})
    more = Plain(o=search({"Base": Base(), "slow": Base(eta=0.01)}), n=search({"three": 3}))
    assert names(more, "o") == ["Base", "slow"]
    assert names(more, "n") == ["three", "three"]


def test_72_the_name_of_an_unnamed_alternative_selects_it_at_the_call() -> None:
    class Fast(Base):
        gain: float = 0.9

    class Plain(Experiment):
        o: Base = search([Base(), Fast()])

    class Union(Experiment):
        o: Base | Fast = search([Base(eta=2.0), Fast(gain=0.1)])

    class Words(Experiment):
        o: Base | str = search([Base(), "Base", "Fast"])

    for cls in (Plain, Union):
        whole = list(cls())
        assert [cls(o=name).key for name in ("Base", "Fast")] == [each.key for each in whole]
        assert cls.from_cli(["o=Fast"])[0].key == whole[1].key
        assert whole[0].replace(o="Fast").as_row() == whole[1].as_row()
    assert Words(o="Base").o == "Base"


class Words(Experiment):
    z: str = search({"a": "alpha", "b": "beta", "beta": "gamma"})

    def run(self) -> dict[str, str]:
        return {"y": self.z}


def test_55_a_named_text_is_found_by_its_name_and_by_its_value(results: Path) -> None:
    first = ran(Words(), results)
    found = {"alpha": "alpha", "a": "alpha", "b": "beta", "gamma": "gamma", "beta": "gamma"}
    for rows in (first, Words.results(results)):
        for text, y in found.items():  # a name comes before a value
            assert [row["y"] for row in rows.where(z=text)] == [y]
        with pytest.raises(StoreError, match="no row has z='nothing'; there are 'a', 'b', 'beta'"):
            rows.where(z="nothing")
