"""What a field cannot be declared as."""

import enum
from typing import Literal

from superparams import Experiment, Params, Resources, search, value


class Color(enum.Enum):
    RED = "r"


class Kernel(str, enum.Enum):
    RBF = "rbf"


class Adam(Params):
    lr: float = search([0.1])


class SGD(Params):
    lr: float = search([0.1])


class Wrong(Experiment):
    listed: float = search(["a", "b"])  # error
    several: int = search(1, "a")  # error
    ranged: str = search(range(3))  # error
    one: int = search("abc")  # error
    named: int = search({"small": "a"})  # error
    literal: Literal["a", "b"] = search(["a", "c"])  # error
    literal_alone: Literal["a", "b"] = search("c")  # error
    literals: Literal["a", "b"] = search("a", "c")  # error
    literal_named: Literal["a", "b"] = search({"x": "c"})  # error
    literal_number: Literal["a", "b"] = search([1])  # error
    color: Color = search(["r"])  # error
    kernel: Kernel = search(["r"])  # error
    kernel_number: Kernel = search([1])  # error
    kernel_color: Kernel = search(Color)  # error: pyright, ty, pyrefly
    kernel_as_number: int = search([Kernel.RBF])  # error
    maybe: int = search([1, None])  # error
    shape: tuple[int, int] = search([(1, 2, 3)])  # error
    layers: list[int] = search([1, 2])  # error: pyright, ty, pyrefly
    group: Adam = search([Adam(), SGD()])  # error
    other: Adam = SGD()  # error
    plain: int = "a"  # error
    constant: int = value("a")  # error
    loaded: int = value(factory=str)  # error
    secret: int = value(secret="NAME")  # error
    nothing: int = value()  # error
    twice: int = value(1, factory=int)  # error
    both: int = value(factory=int, derive=lambda s: 1)  # error
    called: int = value(factory=1)  # error
    zipped: int = search([1], zip=3)  # error
    low_alone: float = search(low=1)  # error
    high_alone: float = search(high=1)  # error
    step_alone: int = search(step=1)  # error
    range_of_floats: int = search(low=0.5, high=2.5)  # error
    range_with_fraction: int = search(low=0, high=2, step=0.5)  # error
    range_of_texts: float = search(low="a", high="b")  # error
    range_as_text: str = search(low=1, high=2)  # error
    range_with_points: int = search([1], low=1, high=2)  # error
    range_with_zip: int = search(low=1, high=2, zip="z")  # error
    range_with_repeat: int = search(low=1, high=2, repeat=True)  # error
    repeated: int = search([1, 2], repeat="yes")  # error
    repeated_texts: int = search(["a"], repeat=True)  # error
    unknown: int = search([1], name="z")  # error


class OnAMachine(Experiment):
    resources = Resources(cpus="four")  # error


class OnAnother(Experiment):
    resources = Resources(gpus="1")  # error
