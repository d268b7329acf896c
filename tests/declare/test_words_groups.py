"""Words that reach into groups, and groups that are given by their class."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.words import parse
from superparams.errors import FieldError


class Schedule(Params):
    steps: int = search([10, 20])
    warmup: int = 0


class Adam(Params):
    rate: float = search([0.1, 0.01])
    beta: float = 0.9
    schedule: Schedule = Schedule(warmup=3)


class SGD(Params):
    rate: float = 0.5
    momentum: float = search([0.0, 0.9])


class Needy(Params):
    size: int
    depth: int = 1


class Train(Experiment):
    one: Adam = Adam(beta=0.5)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    net: Needy = search({"small": Needy(size=8), "large": Needy(size=64)})
    maybe: Needy | None = None
    both: Adam | SGD | None = None
    data: Any = 1


def test_a_dotted_name_reaches_into_a_group() -> None:
    assert Train.from_cli(["one.rate=0.3"]).one == Adam(rate=0.3, beta=0.5)
    assert Train.from_cli(["one.rate=1,2", "one.beta=3"]).one == Adam(
        rate=search([1.0, 2.0]), beta=3.0
    )


def test_what_the_group_of_the_class_has_is_kept() -> None:
    one = Train.from_cli(["one.schedule.steps=5"]).one
    assert one == Adam(beta=0.5, schedule=Schedule(steps=5, warmup=3))
    one = Train.from_cli(["one.schedule.warmup=7"]).one
    assert one == Adam(beta=0.5, schedule=Schedule(warmup=7))


def test_a_dotted_name_reaches_into_the_points_that_have_it() -> None:
    assert Train.from_cli(["optimizer.rate=3"]) == Train(
        optimizer=search([Adam(rate=3.0), SGD(rate=3.0)])
    )
    assert Train.from_cli(["optimizer.momentum=0.5"]) == Train(
        optimizer=search([Adam(), SGD(momentum=0.5)])
    )
    assert Train.from_cli(["optimizer.beta=1,2", "optimizer.momentum=0.5"]) == Train(
        optimizer=search([Adam(beta=search([1.0, 2.0])), SGD(momentum=0.5)])
    )


def test_reaching_into_a_point_keeps_names_and_zip() -> None:
    class Zipped(Experiment):
        left: SGD = search([SGD(rate=1), SGD(rate=2)], zip="pair")
        right: int = search([1, 2], zip="pair")
        named: SGD = search({"a": SGD(rate=1), "b": SGD(rate=2)})

    found = Zipped.from_cli(["left.momentum=0", "named.momentum=0"])
    assert found.n_settings == 2 * 2
    assert found[0].as_row()["named"] == "a"
    assert [(s.left.rate, s.right) for s in found[::2]] == [(1, 1), (2, 2)]


def test_an_alternative_is_given_by_its_class() -> None:
    assert Train.from_cli(["optimizer=SGD"]).optimizer == SGD()
    assert Train.from_cli(["optimizer=SGD,Adam"]) == Train(optimizer=search([SGD(), Adam()]))
    assert Train.from_cli(["optimizer=Adam", "optimizer.rate=3"]) == Train(optimizer=Adam(rate=3.0))
    assert Train.from_cli(["optimizer.rate=3", "optimizer=Adam"]) == Train(optimizer=Adam(rate=3.0))
    assert Train.from_cli(["one=Adam"]).one == Adam(beta=0.5)


def test_several_points_of_one_class_share_its_name() -> None:
    class Many(Experiment):
        opt: Adam | SGD = search([SGD(rate=1), Adam(), SGD(rate=2)])

    assert Many.from_cli(["opt=SGD"]) == Many(opt=search([SGD(rate=1), SGD(rate=2)]))
    assert Many.from_cli(["opt=Adam"]).opt == Adam()


def test_a_class_that_is_only_annotated_is_made() -> None:
    assert Train.from_cli(["both=SGD"]).both == SGD()
    assert Train.from_cli(["both=Adam,SGD,None"]) == Train(both=search([Adam(), SGD(), None]))
    assert Train.from_cli(["both=SGD,Adam", "both.rate=2", "both.momentum=1"]) == Train(
        both=search([SGD(rate=2.0, momentum=1.0), Adam(rate=2.0)])
    )
    assert Train.from_cli(["both=None"]).both is None


def test_the_only_class_there_is_need_not_be_named() -> None:
    assert Train.from_cli(["maybe.size=3", "maybe.depth=2"]).maybe == Needy(size=3, depth=2)
    assert Train.from_cli(["maybe=Needy,None", "maybe.size=3"]) == Train(
        maybe=search([Needy(size=3), None])
    )

    class Required(Experiment):
        net: Needy

    assert Required.from_cli(["net.size=3"]).net == Needy(size=3)


def test_named_groups() -> None:
    assert Train.from_cli(["net=large"]).net == Needy(size=64)
    assert Train.from_cli(["net=large", "net.depth=2,3"]).net == Needy(
        size=64, depth=search([2, 3])
    )
    found = Train.from_cli(["net=large,small", "net.depth=7", "one=Adam"])
    assert found == Train(
        net=search({"large": Needy(size=64, depth=7), "small": Needy(size=8, depth=7)})
    )
    assert found[0].as_row()["net"] == "large"


T = TypeVar("T")


class Box(Params, Generic[T]):
    item: T
    more: int = 0


def test_generic_groups() -> None:
    class Boxed(Experiment):
        box: Box[int] | None = None

    assert Boxed.from_cli(["box.item=3"]).box == Box(item=3)


def test_groups_in_groups_are_made_too() -> None:
    class Outer(Params):
        inner: Needy
        other: int = 1

    class Deep(Experiment):
        outer: Outer | None = None

    assert Deep.from_cli(["outer.inner.size=3"]).outer == Outer(inner=Needy(size=3))
    with pytest.raises(
        FieldError, match=r"Needy\.size is required: give it, as in outer\.inner\.size=1"
    ):
        Deep.from_cli(["outer.inner.depth=3"])
    with pytest.raises(FieldError, match=r"Outer\.inner is required.*outer\.inner=Needy"):
        Deep.from_cli(["outer.other=3"])


class Node(Params):
    depth: int = 0
    child: Node | None = None


class Tree(Experiment):
    root: Node = Node()


def test_groups_that_hold_their_own_kind() -> None:
    found = Tree.from_cli(["root.child.child.depth=3"]).root
    assert found == Node(child=Node(child=Node(depth=3)))
    with pytest.raises(FieldError, match="goes deeper than groups are nested"):
        Tree.from_cli(["root." + "child." * 500 + "depth=3"])


class Abstract(Params):
    rate: float = 0.1

    @abstractmethod
    def step(self) -> float: ...


class Concrete(Abstract):
    def step(self) -> float:
        return self.rate


class Left(Params):
    a: Right | None = None
    b: Right | None = None
    c: Right | None = None


class Right(Params):
    a: Left | None = None
    b: Left | None = None
    depth: int = 0


class Maze(Experiment):
    a: Left = Left()
    seeds: int = search(range(3))
    any: Params = search([SGD(), Adam()])


def test_groups_that_hold_each_other() -> None:
    found = Maze.from_cli(["a.b.a.c.depth=1"]).a
    assert found == Left(b=Right(a=Left(c=Right(depth=1))))
    with pytest.raises(FieldError, match=r"of its own; did you mean a\.a\.depth\?"):
        Maze.from_cli(["depth=1"])
    with pytest.raises(FieldError, match="no field 'nowhere'; its fields"):
        Maze.from_cli(["nowhere=1"])


def test_nothing_is_inside_a_range() -> None:
    for words in (["seeds.x=1"], ["seeds=0..3", "seeds.x=1"]):
        with pytest.raises(FieldError, match=r"Maze\.seeds has no field 'x'"):
            Maze.from_cli(words)


def test_params_itself_is_no_alternative() -> None:
    with pytest.raises(FieldError, match=r"its names: SGD, Adam$"):
        Maze.from_cli(["any=Params"])


def test_an_abstract_class_is_none_that_can_be_made() -> None:
    class Fit(Experiment):
        opt: Abstract = search([Concrete()])
        empty: Abstract | None = None

    assert Fit.from_cli(["opt=Concrete"]).opt == Concrete()
    for words in (["opt=Abstract"], ["empty=Abstract"], ["empty.rate=1"]):
        with pytest.raises(FieldError):
            Fit.from_cli(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one=5"], "Train.one takes Adam, not '5'; its names: Adam"),
        (["one="], "Train.one takes Adam, not ''; its names: Adam"),
        (["optimizer=Adma"], "Train.optimizer takes Adam | SGD, not 'Adma'; did you mean Adam?"),
        (["optimizer=Adam,Adam"], "has Adam("),
        (
            ["one.rate=x"],
            "Adam.rate takes float, not 'x'; write one.rate=0.1, or one.rate=0.1,0.01",
        ),
        (["one.schedule.steps=x"], "Schedule.steps takes int, not 'x'; write one.schedule.steps=1"),
        (
            ["optimizer.size=1"],
            "Train.optimizer has no field 'size' to set to '1'; its fields: rate",
        ),
        (["optimizer=Adam", "optimizer.momentum=1"], "has no field 'momentum'"),
        (["net=tiny"], "Train.net takes Needy, not 'tiny'; its names: small, large, Needy$"),
        (
            ["both.rate=1"],
            "Train.both holds no group yet whose 'rate' could be given; say which, as in bo",
        ),
        (["both=None", "both.rate=1"], "Train.both holds no group yet"),
        (["maybe=Needy"], "Needy.size is required: give it, as in maybe.size=1"),
        (["data=0..3", "data.x=1"], "Train.data has no field 'x'"),
        (["data.x=1"], "Train.data has no field 'x' to set to '1'; its fields: none"),
        (
            ["one.schedule.stepz=1"],
            "Adam.schedule has no field 'stepz' to set to '1'; did you mean st",
        ),
        (["steps=1"], "Train has no field 'steps' of its own; did you mean one.schedule.steps?"),
        (["one.steps=1"], "Train.one has no field 'steps'"),
    ],
)
def test_what_reaches_nothing(words: list[str], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse(Train, words)
    assert message in f"{caught.value}$"


def test_a_group_that_a_factory_makes_is_not_made_anew() -> None:
    class Made(Experiment):
        one: SGD = value(factory=lambda: SGD(rate=7))

    with pytest.raises(FieldError, match=r"Made\.one holds no group yet.*as in one=SGD"):
        Made.from_cli(["one.rate=1"])
    assert Made.from_cli(["one=SGD", "one.rate=1"]).one == SGD(rate=1.0)


def test_classes_that_are_points_stay_classes() -> None:
    class Kinds(Experiment):
        kind: type[Params] = search([Adam, SGD])

    assert Kinds.from_cli(["kind=SGD"]).kind is SGD
    assert list(vars(Kinds.from_cli(["kind=SGD,Adam"]))["kind"]) == [SGD, Adam]


def test_alternatives_read_a_text_each_as_its_own_type() -> None:
    class Whole(Params):
        rate: int = 1

    class Mixed(Experiment):
        opt: Whole | SGD = search([Whole(), SGD()])

    whole, sgd = vars(Mixed.from_cli(["opt.rate=3"]))["opt"]
    assert (type(whole.rate), type(sgd.rate)) == (int, float)
    with pytest.raises(FieldError, match=r"Whole\.rate takes int, not '0\.5'"):
        Mixed.from_cli(["opt.rate=0.5"])
