"""A setting as an instance: a dict where one is needed, read-only, copied and carried about."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import GeneratorType
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVC

from superparams import Experiment, Params, search, value
from superparams.adapters.content import same
from superparams.errors import FieldError, ReadOnlyError, SpaceError, SuperparamsError
from tests.timing import PATIENCE


class Adam(Params):
    lr: float = search([0.1, 0.2])
    beta: float = 0.9


class Train(Experiment):
    """A bit of everything that pickle can name."""

    batch_size: int = search([16, 32])
    opt: Adam = Adam()
    layers: list[int] = search([[64], [64, 64]])
    data: Any = value(factory=list)
    path: str = value(derive=str)
    names: dict[str, int] = {"a": 1}

    def run(self) -> dict[str, Any]:
        return {"size": self.batch_size}


class Simple(Experiment):
    a: int = 1
    b: str = "x"
    opt: Adam = Adam(lr=0.5)


def takes_anything(**given: Any) -> dict[str, Any]:
    return given


# -- a dict where one is needed --------------------------------------------------------------------


def test_a_setting_is_a_dict_where_one_is_needed() -> None:
    s = Simple()
    expected = {"a": 1, "b": "x", "opt": Adam(lr=0.5)}
    assert dict(s) == {**s} == takes_anything(**s) == dict(s.items()) == expected
    assert list(s.keys()) == ["a", "b", "opt"]
    assert s.values() == list(expected.values())
    assert (s["a"], s["opt"], s["opt.lr"]) == (1, Adam(lr=0.5), 0.5)
    assert "{a} {b}".format(**s) == "1 x"
    assert Simple(**s) == s


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a", True),
        ("opt", True),
        ("opt.lr", True),
        ("opt.x", False),
        ("a.b", False),
        ("run", False),
        ("", False),
        ("x.a", False),
    ],
)
def test_names_inside(name: str, inside: bool) -> None:
    s = Simple()
    assert (name in s) is inside
    if inside:
        assert s[name] is not None
    else:
        with pytest.raises(KeyError):
            _ = s[name]


def test_what_is_in_a_space() -> None:
    assert "lr" in Adam()
    assert Adam(lr=0.1) in Adam()
    assert Adam(lr=5.0) not in Adam()
    assert 3 not in Adam()


# -- equality and hash -----------------------------------------------------------------------------


class Odd(Experiment):
    x: Any = None
    y: Any = search([1, 2])


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.arange(3),
        lambda: float("nan"),
        lambda: [1, {"a": np.zeros(2)}],
        lambda: pd.DataFrame({"a": [1.0, None]}),
        lambda: SVC(C=2.0),
        lambda: (1, [2], float("nan")),
        lambda: {"b": {1, 2}},
        lambda: Adam(lr=0.5),
        lambda: Adam(),
    ],
)
def test_equality_and_hash_go_by_content(make: Any) -> None:
    constant = [Odd(x=make(), y=1), Odd(x=make(), y=1)]
    point = [Odd(x=search([0, make()]), y=1)[-1] for _ in range(2)]
    assert constant[0] == constant[1]
    assert point[0] == point[1]
    assert hash(constant[0]) == hash(constant[1])
    assert hash(point[0]) == hash(point[1])
    assert constant[0] != Odd(x=make(), y=2)
    assert constant[0] != Odd(x="other", y=1)
    if not isinstance(make(), Adam):
        assert constant[0] == point[0]
        assert hash(constant[0]) == hash(point[0])


def test_equality_knows_the_class() -> None:
    class Same(Params):
        lr: float = 0.5
        beta: float = 0.9

    assert Same() != Adam(lr=0.5)
    assert Adam(lr=0.5) != {"lr": 0.5, "beta": 0.9}
    assert Adam() == Adam()
    assert Adam() != Adam(lr=search([0.1, 0.3]))


def test_made_and_given_values_are_one() -> None:
    class X(Experiment):
        a: Any = value(factory=lambda: 5)
        b: Any = value(derive=lambda s: s.a + 1)
        c: Any = [1]

    made, given = X(), X(a=5, b=6, c=[1])
    assert hash(made) == hash(given)
    assert made == given
    assert hash(made) == hash(given)
    assert made != X(a=6)
    derived, plain = Simple(a=value(derive=lambda s: 5)), Simple(a=5)
    assert derived == plain
    assert hash(derived) == hash(plain)


def test_settings_as_keys() -> None:
    class X(Experiment):
        a: int = search(range(50))
        b: list[int] = search([[1], [2]])

    found = {s: i for i, s in enumerate(X())}
    assert len(found) == 100
    assert [found[s] for s in X()] == list(range(100))


# -- read-only -------------------------------------------------------------------------------------


def test_declared_fields_are_read_only() -> None:
    s = Simple()
    with pytest.raises(
        ReadOnlyError, match=r"Simple\.a is read-only.*tried to set 5.*setting\.replace\(a=\.\.\.\)"
    ) as caught:
        s.a = 5
    assert isinstance(caught.value, AttributeError)
    with pytest.raises(ReadOnlyError, match=r"Simple\.a is declared and cannot be deleted"):
        del s.a
    with pytest.raises(ReadOnlyError, match=r"Train\.batch_size is read-only"):
        Train().batch_size = 3
    assert s.a == 1


def test_undeclared_attributes_are_free() -> None:
    s = Simple()
    s.model = [1]
    assert s.model == [1]
    assert s == Simple()
    assert "model" not in s
    del s.model
    assert not hasattr(s, "model")


def test_attributes_of_a_space_are_not_those_of_its_settings() -> None:
    space = Adam()
    space.note = 1
    for each in (space, pickle.loads(pickle.dumps(space)), copy.copy(space)):
        assert each.note == 1
        assert not hasattr(each[0], "note")


def test_replace() -> None:
    s = Simple(a=3)
    assert s.replace(b="y") == Simple(a=3, b="y")
    assert s == Simple(a=3)
    dotted: dict[str, Any] = {"opt.lr": 9.0}
    assert s.replace(**dotted).opt == Adam(lr=9.0)
    assert len(s.replace(a=search([1, 2]))) == 2
    with pytest.raises(FieldError, match="did you mean"):
        s.replace(aa=1)


# -- copies and pickles ----------------------------------------------------------------------------

INSTANCES: list[Any] = [
    Simple(),
    Simple(a=search([1, 2])),
    Train(),
    Train()[3],
    Train(data=np.arange(3), names={"b": 2})[1],
    Train(batch_size=search({"s": 1, "l": 2})),
    Odd(x=search([float("nan"), SVC(), Adam()])),
    Adam(),
]


@pytest.mark.parametrize("instance", INSTANCES, ids=range(len(INSTANCES)))
@pytest.mark.parametrize("way", [2, 3, 4, 5, "copy", "deepcopy", "cloudpickle"])
def test_copies_are_equal_and_whole(instance: Any, way: Any) -> None:
    if isinstance(way, int):
        other = pickle.loads(pickle.dumps(instance, protocol=way))
    elif way == "cloudpickle":
        other = pickle.loads(cloudpickle.dumps(instance))
    else:
        other = getattr(copy, way)(instance)
    assert other == instance
    assert hash(other) == hash(instance)
    assert repr(other) == repr(instance)
    assert list(other) == list(instance)
    assert same([s.as_row() for s in other], [s.as_row() for s in instance])


def test_a_deep_copy_shares_nothing() -> None:
    s = Train()[0]
    other = copy.deepcopy(s)
    other.layers.append(1)
    other.names["b"] = 2
    assert (s.layers, s.names) == ([64], {"a": 1})


def test_undeclared_attributes_travel() -> None:
    s = Simple()
    s.model = {"w": np.ones(2)}
    assert pickle.loads(pickle.dumps(s)).model["w"][0] == 1


SCRIPT = """
from __future__ import annotations
import sys
from typing import Any, Generic, TypeVar
import cloudpickle
from superparams import Experiment, Params, search, value

T = TypeVar("T")

class Adam(Params):
    lr: float = search([0.1, 0.2])

class SGD(Params):
    momentum: float = 0.5

class Main(Experiment, Generic[T]):
    opt: Adam | SGD = search([Adam(), SGD()])
    n: int = search(range(3))
    layers: list[int] = [1]
    act: Any = search([lambda x: x, lambda x: -x])
    twice: int = value(derive=lambda s: s.n * 2)
    data: Any = value(factory=lambda: bytearray(10))

    def valid(self) -> bool:
        return self.n != 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ready = True

    def run(self) -> dict[str, Any]:
        return {"x": self.act(self.twice), "ready": self.ready, "size": len(self.data)}

class Sub(Main[int]):
    n = search([5, 6])

    def run(self) -> dict[str, Any]:
        return {**super().run(), "sub": True}

def local() -> type[Experiment]:
    class Inner(Sub):
        n: int = search([7])
    return Inner

spaces = [Main(), Sub(), local()(), Main(n=value(2))]
cloudpickle.dump(([(s, [x.run() for x in s]) for s in spaces], Main()[0]), sys.stdout.buffer)
"""
READER = """
import pickle, sys
spaces, setting = pickle.load(sys.stdin.buffer)
for space, results in spaces:
    assert len(space) == len(results), (len(space), len(results))
    assert [s.run() for s in space] == results
    assert list(space.replace(layers=[2]))[0].layers == [2]
    for i, s in enumerate(space):
        assert space.index(s) == i
try:
    setting.n = 3
except AttributeError as error:
    assert "read-only" in str(error)
else:
    raise SystemExit("not read-only")
print("fine")
"""


def test_classes_by_value_travel_to_another_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*arguments: object, given: bytes = b"") -> bytes:
        command = [sys.executable, "-W", "error", *map(str, arguments)]
        done = subprocess.run(
            command,
            env=environment,
            input=given,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    assert run("-c", READER, given=run(script)) == b"fine\n"


def test_one_class_by_value_stays_one_class() -> None:
    class Local(Experiment):
        a: int = search([1, 2])

    one, other = pickle.loads(cloudpickle.dumps((Local(), Local())))
    assert one == other
    assert type(one) is type(other)


# -- calls that cannot work ------------------------------------------------------------------------


class Picky(Experiment):
    batch_size: int
    flag: bool = True
    depth = 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Picky(bach_size=3), r"Picky has no field 'bach_size'; did you mean batch_size\?"),
        (lambda: Picky(zzz=3), r"Picky has no field 'zzz'; its fields: batch_size, flag"),
        (lambda: Picky(depth=4), r"Picky\.depth has no annotation; write depth: int = 3 in the cl"),
        (lambda: Picky(run=4), r"Picky has no field 'run'; its fields: batch_size, flag"),
        (lambda: Picky(), r"Picky\.batch_size is required: give it at.*Picky\(batch_size=\.\.\.\)"),
        (lambda: Picky(3, 4), r"Picky\(3, 4\): fields are given by name.*Picky\(batch_size=3\)"),
        (lambda: Params(3), r"Params\(3\): fields are given by name, and it has none"),
        (lambda: Picky(batch_size=search([])), r"Picky\.batch_size: search\(\[\]\) has no points"),
        (lambda: Picky(batch_size=search()), r"Picky\.batch_size: search\(\) without points"),
        (lambda: Picky(batch_size=[search([1])]), r"Picky\.batch_size: search\(\[1\]\) stands"),
        (lambda: Picky(batch_size=value()), r"Picky\.batch_size: value\(\) takes exactly one"),
        (lambda: Picky(batch_size=value(Adam())), r"Picky\.batch_size: value\(Adam.*open space"),
        (lambda: Picky(batch_size=3, self=4), r"Picky has no field 'self'"),
    ],
)
def test_calls_that_cannot_work(call: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message) as caught:
        call()
    assert isinstance(caught.value, SuperparamsError)


def test_any_name_may_be_a_field() -> None:
    class X(Experiment):
        self: int = search([1, 2])
        cls: int = 3
        point: int = search([4, 5])
        new: int = 6
        after: int = 7
        s: int = 8

    assert len(X()) == 4
    assert X(self=5, point=1, cls=0).replace(self=6)["self"] == 6
    assert X()[3].as_row() == {"self": 2, "cls": 3, "point": 5, "new": 6, "after": 7, "s": 8}

    class Group(Params):
        run: int = search([1, 2])
        key: str = "k"

    assert [g.run for g in Group()] == [1, 2]
    assert [g.run for g in pickle.loads(cloudpickle.dumps(Group()))] == [1, 2]


def test_run_on_an_open_space() -> None:
    message = r"Train has open axes \(batch_size, opt, layers\).*iterate it, fix them.*run_all\(\)"
    for space in (Train(), pickle.loads(pickle.dumps(Train()))):
        with pytest.raises(SpaceError, match=message):
            space.run()
    assert Train()[0].run() == {"size": 16}


def test_without_a_run_of_its_own() -> None:
    with pytest.raises(NotImplementedError, match=r"Simple has no run\(\); write one"):
        Simple().run()


def test_errors_travel() -> None:
    for error in (FieldError("X.a: no"), ReadOnlyError("x"), SpaceError("y")):
        other = pickle.loads(pickle.dumps(error))
        assert (type(other), str(other)) == (type(error), str(error))


# -- odd points and constants ----------------------------------------------------------------------

ODD_POINTS: list[Any] = [
    len,
    int,
    SVC,
    SVC(C=3.0),
    lambda x: x,
    threading.Lock(),
    np.arange(3),
    pd.DataFrame({"a": [1, 2]}),
    pd.DataFrame,
    {"a": [1]},
    {1, 2},
    [[]],
    float("nan"),
    object(),
    bytearray(b"x"),
    slice(1, 2),
    NotImplemented,
    ...,
    type("Meta", (type,), {})("Made", (), {}),
    ValueError("an error as a point"),
    (i for i in range(3)),
    np.dtype("f4"),
    np.array(5),
    memoryview(b"ab"),
]


@pytest.mark.parametrize("odd", ODD_POINTS, ids=lambda x: type(x).__name__)
def test_odd_points_are_accepted(odd: Any) -> None:
    space = Odd(x=search([None, odd]))
    settings = list(space)
    assert len(space) == 4
    assert [space.index(s) for s in settings] == [0, 1, 2, 3]
    assert space[-1] == settings[-1] == space[3]
    assert repr(space)
    assert repr(settings[-1])
    assert isinstance(hash(settings[-1]), int)
    assert settings[-1].as_row()["y"] == 2
    if isinstance(odd, GeneratorType):  # the first setting would use it up
        with pytest.raises(FieldError, match="used up"):
            Odd(x=odd, y=1)
    else:
        constant = Odd(x=odd, y=1)
        assert constant == constant
    assert len(Odd(x=value(odd))) == 2


def test_settings_are_safe_in_threads() -> None:
    space = Train()

    def work(i: int) -> tuple[int, list[int]]:
        setting = space[i % len(space)]
        setting.layers.append(i)
        setting.names["x"] = i
        return space.index(space[i % len(space)]), setting.layers

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(400)))
    assert [i for i, _ in found] == [i % len(space) for i in range(400)]
    assert all(layers in ([64, i], [64, 64, i]) for i, (_, layers) in enumerate(found))
    assert list(space) == list(Train())
