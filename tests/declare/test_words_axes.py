"""Several values between commas, ranges, and what a field is given by name: an axis."""

from __future__ import annotations

import math
import sys
import time
import tracemalloc
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from one_field import made, meant, points

from superparams import Experiment, search, value
from superparams.errors import FieldError


class Color(Enum):
    RED = 1
    BLUE = 2


AXES: list[tuple[Any, str, list[Any]]] = [
    (int, "1,2,3", [1, 2, 3]),
    (int, " 1 , 2 ", [1, 2]),
    (float, "1e-5,1e-4", [1e-5, 1e-4]),
    (float, "1,inf", [1.0, math.inf]),
    (list[int], "[64,64],[128]", [[64, 64], [128]]),
    (list[int], "[64,64], [128], []", [[64, 64], [128], []]),
    (tuple[int, int], "(3,3),(5,5)", [(3, 3), (5, 5)]),
    (dict[str, int], "{a:1,b:2},{}", [{"a": 1, "b": 2}, {}]),
    (str, "a,b", ["a", "b"]),
    (str, '"a,b",c', ["a,b", "c"]),
    (str, "it's,'fine, too'", ["it's", "fine, too"]),
    (str, "f(x,y),g(x)", ["f(x,y)", "g(x)"]),
    (str, "a),b", ["a)", "b"]),
    (str, "a,''", ["a", ""]),
    (list[str], "[a, b], [c]", [["a", "b"], ["c"]]),
    (bool, "true,false", [True, False]),
    (Color, "RED,BLUE", [Color.RED, Color.BLUE]),
    (Literal["a", 1], "a,1", ["a", 1]),
    (int | None, "None,1", [None, 1]),
    (Path, "a.csv, b.csv", [Path("a.csv"), Path("b.csv")]),
    (Any, "1,a,[2,3]", [1, "a", [2, 3]]),
    # ranges, both ends included
    (int, "0..3", [0, 1, 2, 3]),
    (int, "3..0", [3, 2, 1, 0]),
    (int, "-2..1", [-2, -1, 0, 1]),
    (int, "0..100..25", [0, 25, 50, 75, 100]),
    (int, "0..9..4", [0, 4, 8]),
    (int, "9..0..4", [9, 5, 1]),
    (int, "9..0..-4", [9, 5, 1]),
    (int, "5..5", [5]),
    (int, "0..2,7", [0, 1, 2, 7]),
    (int, "7,2..0,10..30..10", [7, 2, 1, 0, 10, 20, 30]),
    (int, "1_000..1_002", [1000, 1001, 1002]),
    (int | None, "None,0..2", [None, 0, 1, 2]),
    (str, "0..2,a", ["0..2", "a"]),
    (int | str, "0..2,1", ["0..2", 1]),
]


@pytest.mark.parametrize(("annotation", "text", "expected"), AXES)
def test_an_axis(annotation: Any, text: str, expected: list[Any]) -> None:
    found = points(annotation, text)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, "1,,2", "takes int, not '': there is nothing between two commas"),
        (int, "1,", "there is nothing between two commas"),
        (int, ",", "there is nothing between two commas"),
        (str, "a,", "there is nothing between two commas; '' is the empty text"),
        (int, "1,x", "takes int, not 'x'"),
        (int, "1,1", "has 1 twice in '1,1'"),
        (int, "0..5,3", "has 3 twice in '0..5,3'"),
        (list[int], "[1],[1]", r"has [1] twice"),
        (Any, "1,1.0", "has 1.0 twice"),
        (list[int], "[1,2],[3,4", "a bracket is never closed"),
        (list[int], "[1,2],3", "takes list[int], not '3'"),
        (str, "a, b", "may be one text or several; write x=a,b for two, or quotes in the word, "),
        (str, "Once upon a time, there was", "may be one text or several"),
        (int, "0..9..0", "its step does not lead from its first number to its last"),
        (int, "0..9..-1", "its step does not lead"),
        (int, "range(3)", "write x=1, or x=1,2 to search, or x=0..9 for all from 0 to 9"),
        (int, "0...9", "takes int, not '0...9'"),
        (int, "0..9.5", "takes int, not '0..9.5'"),
        (int, "0..x", "takes int, not '0..x'"),
        (int, "0..", "takes int, not '0..'"),
        (int, f"0..{sys.maxsize}", "it has more points than Python counts"),
        (int, f"0..{10**30}", "it has more points than Python counts"),
        (int, f"0..{'9' * 400}", "it has more points than Python counts"),
        (float, f"0..{'9' * 400}", "is too large for a float"),
        (int, f"0..{'9' * 5000}", "Python reads no number with so many digits"),
        (int, "0..10**18", "takes int, not '0..10**18'"),
        (int, "0..1000000,-1", "it has more than 1,000,000 points"),
        (float, "0..2,5", "a range of numbers stands alone, as in x=0..2"),
        (bool, "0..1", "a range is for int and float fields"),
    ],
)
def test_what_is_no_axis(annotation: Any, text: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        meant(annotation, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("Made.x")


def test_two_values_that_python_tells_apart_are_two_points() -> None:
    assert points(Any, "1,True,0,False") == [1, True, 0, False]


def test_a_range_is_never_laid_out() -> None:
    tracemalloc.start()
    try:
        for text in ("0..999999999", f"0..{10**18}", "-5..1000000000000..7"):
            space = made(int).from_cli([f"x={text}"])
            assert isinstance(vars(space)["x"].points, range)
            assert space[len(space) - 1].x == vars(space)["x"].points[-1]
        with pytest.raises(FieldError, match="more than 1,000,000 points"):
            made(int).from_cli(["x=0..999999999,-1"])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_many_points_take_little_time() -> None:
    started = time.process_time()
    assert len(points(int, ",".join(map(str, range(20_000))))) == 20_000
    assert len(points(list[int], ",".join(f"[{i}]" for i in range(5_000)))) == 5_000
    assert time.process_time() - started < 10


# -- by name ---------------------------------------------------------------------------------------


def relu(x: float) -> float:
    return max(x, 0.0)


def tanh(x: float) -> float:
    return math.tanh(x)


class Named(Experiment):
    size: int = search({"small": 8, "large": 64})
    odd: str = search({"a": "b", "b": "a", "x, y": "c", "1..3": "d"})
    activation: Callable[[float], float] = search([relu, tanh])
    kind: type = search([int, float])
    table: object = search({"one": [1], "two": [2]})
    loss: Callable[[float], float] = search({"plain": lambda x: x, "twice": lambda x: 2 * x})


def column(words: list[str], name: str) -> list[Any]:
    return [setting.as_row()[name] for setting in Named.from_cli(words)[:4]]


def test_named_points_are_given_by_their_names() -> None:
    assert Named.from_cli(["size=small"]).size == 8
    assert column(["size=small"], "size")[0] == "small"
    axis = vars(Named.from_cli(["size=large,small"]))["size"]
    assert (list(axis.points), axis.labels) == ([64, 8], ("large", "small"))
    assert Named.from_cli(["loss=twice"]).loss(3) == 6
    assert Named.from_cli(["table=two"]).table == [2]


def test_other_values_of_the_type_may_stand_beside_named_points() -> None:
    assert Named.from_cli(["size=5"]).size == 5
    axis = vars(Named.from_cli(["size=small,5,10..12"]))["size"]
    assert list(axis.points) == [8, 5, 10, 11, 12]
    assert axis.labels[:2] == ("small", "5")
    assert len(set(axis.labels)) == 5


def test_two_names_may_stand_for_one_value() -> None:
    class Same(Experiment):
        x: int = search({"a": 1, "b": 1, "": 2})

    assert vars(Same.from_cli(["x=b,a"]))["x"].labels == ("b", "a")
    assert Same.from_cli(["x="]).x == 2
    assert vars(Same.from_cli(["x='',a"]))["x"].labels == ("", "a")


def test_a_name_comes_before_a_value() -> None:
    assert Named.from_cli(["odd=a"]).odd == "b"
    assert Named.from_cli(["odd=b"]).odd == "a"
    assert Named.from_cli(["odd=1..3"]).odd == "d"
    assert Named.from_cli(['odd="x, y"']).odd == "c"


def test_functions_and_classes_are_given_by_their_names() -> None:
    assert Named.from_cli(["activation=tanh"]).activation is tanh
    axis = vars(Named.from_cli(["activation=tanh,relu"]))["activation"]
    assert list(axis.points) == [tanh, relu]
    assert Named.from_cli(["kind=float"]).kind is float


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("size=smal", r"Named\.size takes int, not 'smal'; did you mean small\? Its names: small,"),
        ("activation=rel", r"takes Callable, not 'rel'; did you mean relu\? Its names: relu, tanh"),
        ("loss=x", r"Named\.loss takes Callable, not 'x'; its names: plain, twice"),
        ("size=small,small", "has 'small' twice"),
        ("odd='a", r"Its names: a, b, 'x, y', 1\.\.3"),
    ],
)
def test_a_name_that_is_none(word: str, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Named.from_cli([word])


# -- in place of what the class says ---------------------------------------------------------------


class Declared(Experiment):
    needed: int
    searched: int = search([1, 2])
    shared: list[int] = value([1])
    made: list[int] = value(factory=lambda: [1])
    derived: int = value(derive=lambda s: s.needed + 1)
    left: int = search([1, 2], zip="pair")
    right: int = search([3, 4], zip="pair")


def test_every_kind_of_field_can_be_given() -> None:
    words = ["needed=5", "searched=7", "shared=[2]", "made=[3]", "derived=9", "left=1", "right=2"]
    assert Declared.from_cli(words) == Declared(
        needed=5, searched=7, shared=[2], made=[3], derived=9, left=1, right=2
    )
    assert Declared.from_cli(["needed=1,2"]).n_settings == 2 * 2 * 2


def test_a_given_axis_stands_alone_as_at_the_call() -> None:
    found = Declared.from_cli(["needed=1", "left=1,2,3"])
    assert found == Declared(needed=1, left=search([1, 2, 3]))
    assert found.n_settings == 2 * 3 * 2


def test_a_derived_field_follows_what_was_given() -> None:
    assert [s.derived for s in Declared.from_cli(["needed=1,5", "searched=0", "left=0"])[::2]] == [
        2,
        6,
    ]


def test_a_required_field_says_how_to_give_it() -> None:
    with pytest.raises(FieldError, match=r"Declared\.needed is required: give it, as in needed=1"):
        Declared.from_cli([])


def test_what_takes_no_text_is_required_in_python() -> None:
    class Needy(Experiment):
        call: Callable[[], int]

    with pytest.raises(FieldError, match=r"give it in Python, as in Needy\(call=\.\.\.\)"):
        Needy.from_cli([])


RANGES: list[tuple[Any, str, str]] = [
    (float, "0..1", "low=0.0, high=1.0"),
    (float, "-1..1", "low=-1.0, high=1.0"),
    (float, "1e-4..1e-2:log", "low=0.0001, high=0.01, log=True"),
    (float, "0..1:range", "low=0.0, high=1.0"),
    (float, "0..1..0.1", "low=0.0, high=1.0, step=0.1"),
    (float | None, "0..1", "low=0.0, high=1.0"),
    (int, "1..9:range", "low=1, high=9"),
    (int, "1..512:log", "low=1, high=512, log=True"),
    (int, "0..9..3:range", "low=0, high=9, step=3"),
    (int, "1_000..2_000:range", "low=1000, high=2000"),
    (int, "1e2..1e3:range", "low=100, high=1000"),
    (int | None, "1..9:range", "low=1, high=9"),
    (int | float, "0.5..9", "low=0.5, high=9.0"),
    (int | float, "1..9:log", "low=1.0, high=9.0, log=True"),
]


@pytest.mark.parametrize(("annotation", "text", "expected"), RANGES)
def test_a_range_of_numbers(annotation: Any, text: str, expected: str) -> None:
    found = made(annotation).from_cli([f"x={text}"])
    assert found.inline_repr == f"Made(x=search({expected}))"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [(str, "1..9:log"), (str, "0.1..0.5"), (Any, "0.1..0.5"), (int | str, "0.1..0.5")],
)
def test_a_text_that_could_be_a_range_is_a_text(annotation: Any, text: str) -> None:
    assert meant(annotation, text) == text


def test_a_number_means_the_point_whose_short_form_it_is() -> None:
    given = [0.1 + 0.2, 0.7]
    assert made(float, search(given)).from_cli(["x=0.3"]).x == 0.1 + 0.2
    assert [one.x for one in made(float, search(given)).from_cli(["x=0.3,0.7"])] == given
    assert made(float, search([*given, 0.3])).from_cli(["x=0.3"]).x == 0.3
    assert made(float, search(given)).from_cli(["x=0.31"]).x == 0.31
    assert made(float | None, search([None, *given])).from_cli(["x=0.3"]).x == 0.1 + 0.2
