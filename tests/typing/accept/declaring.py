"""A field reads as the type of one value, however it is declared."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Optional, TypeVar

from typing_extensions import assert_type

from superparams import (
    Experiment,
    GridSearch,
    Params,
    Resources,
    maximize,
    minimize,
    search,
    value,
)

T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Kernel(str, enum.Enum):
    RBF = "rbf"
    LINEAR = "linear"


KernelName = Literal["rbf", "linear"]
KERNELS: list[KernelName] = ["rbf", "linear"]


class Adam(Params):
    lr: float = search([1e-3, 1e-2])
    beta: float = 0.9


class SGD(Params):
    lr: float = search([0.1, 1])
    momentum: float = search(0.0, 0.9)


class Dataset:
    size: int = 3


def load() -> Dataset:
    return Dataset()


def relu(x: float) -> float:
    return max(x, 0.0)


def square(x: float) -> float:
    return x * x


class Everything(Experiment):
    """One field of each kind."""

    required: int
    plain: float = 3
    listed: float = search([0.1, 0.2])
    whole: float = search([1, 2])
    several: int = search(1, 2, 3)
    one: int = search(5)
    ranged: int = search(range(10))
    generated: int = search(x * x for x in range(3))
    cut: int = search(itertools.islice(itertools.count(), 5))
    text: str = search(["a", "b"])
    texts: str = search("a", "b")
    single: str = search("abc")
    raw: bytes = search(b"abc")
    unordered: str = search({"a", "b"})
    named: int = search({"small": 1, "large": 2})
    flag: bool = search()
    color: Color = search()
    colors: Color = search(Color)
    few: Color = search([Color.RED])
    maybe: int | None = search([1, None])
    old: Optional[float] = search([None, 0.5])  # noqa: UP045
    literal: Literal["a", "b"] = search(["a", "b"])
    literals: Literal["a", "b"] = search("a", "b")
    all_literals: Literal["a", "b"] = search()
    literal_alone: Literal["a", "b"] = search("a")
    literal_or_none: Literal["a"] | None = search([None, "a"])
    literal_named: KernelName = search({"gaussian": "rbf", "none": "linear"})
    literal_unordered: KernelName = search({"rbf", "linear"})
    literal_elsewhere: KernelName = search(KERNELS)
    literal_joined: KernelName = search([*KERNELS, "rbf"])
    literal_generated: KernelName = search(name for name in KERNELS)
    literal_number: Literal[1, 2] = search([1, 2])
    literal_mixed: Literal["rbf"] | int = search(["rbf", 3])
    literal_inside: tuple[KernelName, int] = search([("rbf", 1), ("linear", 2)])
    kernel: Kernel = search()
    kernels: Kernel = search(Kernel)
    kernels_listed: Kernel = search([Kernel.RBF, Kernel.LINEAR])
    kernels_apart: Kernel = search(Kernel.RBF, Kernel.LINEAR)
    kernels_of_list: Kernel = search(list(Kernel))
    kernels_named: Kernel = search({"gaussian": Kernel.RBF})
    kernels_generated: Kernel = search(kernel for kernel in Kernel)
    kernel_alone: Kernel = search(Kernel.RBF)
    kernel_few: Kernel = search([Kernel.RBF])
    kernel_or_none: Kernel | None = search([None, Kernel.RBF])
    kernel_literal: Literal[Kernel.RBF] = search([Kernel.RBF])
    kernel_zipped: Kernel = search([Kernel.RBF, Kernel.LINEAR], zip="z")
    shape: tuple[int, int] = search([(1, 2), (3, 4)])
    shapes: tuple[int, ...] = search((1,), (2, 3))
    layers: list[int] = search([[64], [64, 64]])
    options: dict[str, int] = search([{"a": 1}, {}])
    act: Callable[[float], float] = search([relu, square])
    kind: type[Params] = search(Adam, SGD)  # in a list, mypy joins their signatures
    path: Path = search([Path("a"), Path("b")])
    nested: Adam = Adam()
    fixed: Adam = Adam(lr=0.1)
    nested_open: Adam = Adam(lr=search([1.0, 2.0]))
    alternatives: Adam | SGD = search([Adam(), SGD()])
    alternatives_apart: Adam | SGD = search(Adam(), SGD(momentum=0.5))
    base: Params = search([Adam(), SGD()])
    or_none: Adam | None = search([None, Adam()])
    zipped: int = search([1, 2], zip="z")
    zipped_too: str = search(["a", "b"], zip="z")
    mutable: list[int] = [1, 2]
    constant: Dataset = value(Dataset())
    keyed: Dataset = value(Dataset(), key="v1")
    loaded: Dataset = value(factory=load)
    token: str = value(secret="API_TOKEN")
    loaded_keyed: Dataset = value(factory=load, key="v1")
    derived: str = value(derive=lambda s: f"data/{s.text}")
    seed: int = search(range(3))
    rate: float = search(low=1e-5, high=1e-1, log=True)
    whole_rate: float = search(low=0, high=1)
    stepped: float = search(low=0, high=1.0, step=0.1)
    rate_or_none: float | None = search(low=0.0, high=1.0)
    size: int = search(low=16, high=512, log=True)
    even: int = search(low=0, high=10, step=2)
    repeated: int = search(range(5), repeat=True)
    repeated_apart: int = search(1, 2, repeat=True)
    repeated_named: str = search({"a": "x"}, repeat=True)
    repeated_flag: bool = search(repeat=True)
    anything: Any = search([1, "a", None])
    shared: ClassVar[int] = 3

    def __post_init__(self) -> None:
        self.model = [self.listed]

    def valid(self) -> bool:
        return self.listed < self.plain

    def run(self) -> dict[str, Any]:
        assert_type(self.required, int)
        assert_type(self.plain, float)
        assert_type(self.listed, float)
        assert_type(self.whole, float)
        assert_type(self.several, int)
        assert_type(self.text, str)
        assert_type(self.raw, bytes)
        assert_type(self.flag, bool)
        assert_type(self.color, Color)
        assert_type(self.maybe, int | None)
        assert_type(self.literal, Literal["a", "b"])
        assert_type(self.kernels_listed, Kernel)
        assert_type(self.literal_elsewhere, Literal["rbf", "linear"])
        assert_type(self.shape, tuple[int, int])
        assert_type(self.layers, list[int])
        assert_type(self.alternatives, Adam | SGD)
        assert_type(self.nested.lr, float)
        assert_type(self.loaded, Dataset)
        assert_type(self.derived, str)
        assert_type(self.model, list[float])
        assert_type(self.rank, int | Any)
        assert_type(self.n_proc, int | Any)
        assert_type(self.key, str | Any)
        assert_type(self.folder, Path | Any)
        if isinstance(self.alternatives, Adam):
            assert_type(self.alternatives.beta, float)
        return {"score": self.act(self.listed)}


class Closed(Everything):
    """Fields are inherited, closed, opened and overridden."""

    required: int = 1
    listed: float = 0.5
    plain: float = search([1.0, 2.0])

    def run(self) -> dict[str, Any]:
        return {**super().run(), "more": self.required}


class Old(GridSearch):
    a: int = search([1, 2])


class Holder(Experiment, Generic[T]):
    parts: T

    def first(self) -> T:
        return self.parts


Everything(required=1)
Closed()
Closed(listed=search([0.1, 0.2]), several=4, alternatives=SGD(), nested=Adam(lr=1))
Closed(literal=search("a"), literals=search(["a", "b"]), kernel=search(Kernel))
Closed(kernels=search([Kernel.RBF]), kernel_few=search(Kernel.RBF, Kernel.LINEAR))
assert_type(Holder(parts=[1]).first(), list[int])
assert_type(Holder[int](parts=1).parts, int)


class Aims(Experiment):
    lr: float = search([0.1, 1])
    goal = maximize("accuracy")


class AimsElsewhere(Aims):
    goal = minimize("loss")


class OnAMachine(Experiment):
    width: int = search([8, 16])
    resources = Resources(cpus=4, gpus=0.5, memory="16GB", timeout="2h")


class OnTwoMachines(OnAMachine):
    resources = Resources(nodes=2, tasks=4, memory=10**9, timeout=90)


class ByMethod(Experiment):
    width: int = search([8, 16])

    def resources(self) -> Resources:
        return Resources(cpus=self.width // 8)


assert_type(Resources(memory="16GB").memory, int | None)
