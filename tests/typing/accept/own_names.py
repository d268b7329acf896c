"""Names of superparams as fields: no error in a subclass, and our type where no field has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

from superparams import Experiment, Params, Results, search, value


class Lora(Experiment):
    rank: int = search([4, 8])
    n_proc: int = 3
    key: str = value("a")
    seed: int = search(range(3))
    index: int = 3
    folder: Path = Path("data")
    results: str = "x"
    values: list[int] = [1, 2]
    items: int = 3
    log: bool = False
    sample: float = 0.5
    save: str = "best"
    load: float = search([0.5, 0.9])
    checkpoint: Path | None = None
    keep_checkpoints: bool = True
    grid: int = search([1, 2])
    as_dict: bool = False
    as_row: bool = False
    to_json: bool = search([True, False])
    from_cli: bool = False
    inline_repr: bool = False
    n_settings: int = 1
    seed_globals: bool = True

    def run(self) -> dict[str, Any]:
        assert_type(self.rank, int)
        assert_type(self.index, int)
        assert_type(self.folder, Path)
        assert_type(self.results, str)
        assert_type(self.place.rank, int)
        assert_type(self.place.folder, Path)
        assert_type(self.load, float)
        assert_type(self.checkpoint, Path | None)
        assert_type(self.place.checkpoint, Path)
        self.place.save({"epoch": 1})
        self.place.save(epoch=1, w=[0.5])
        state: dict[str, int] = self.place.load({"epoch": 0})
        return {"state": state, "rank": self.rank, "worker": self.place.rank}


class OtherTypes(Experiment):
    rank: str = search(["low", "high"])
    n_proc: list[int] = [1]
    key: int = value(1)
    seed: str = "a"
    index: str = value(derive=lambda s: s.rank)
    folder: str = search(["a", "b"])
    results: Path = Path("x")
    values: float = search([0.1, 0.2])
    items: list[str] = search([["a"], ["b"]])
    as_dict: dict[str, int] = {}
    checkpoint: str = "last"
    save: bool = search([True, False])
    load: list[str] = []
    keep_checkpoints: int = 3
    as_row: int = 3
    to_json: Callable[[int], str] = str
    from_cli: Path | None = None
    inline_repr: int = 3
    n_settings: tuple[int, ...] = (1,)
    seed_globals: str = search(["a"])


class Group(Params):
    rank: int = search([4, 8])
    index: str = "a"
    items: list[int] = [3]
    run: str = "a group has no run"
    report: bool = True


class Larger(Group):
    key: str = "a"
    values: int = 3


class Plain(Experiment):
    a: int = search([1, 2])
    group: Group = Group()

    def setup(self) -> None:
        self.model = [self.rank]

    def run(self) -> dict[str, Any]:
        assert_type(self.rank, int | Any)
        assert_type(self.folder, Path | Any)
        assert_type(self.checkpoint, Path | Any)
        self.save(epoch=1)
        epoch: int = self.load({"epoch": 0})["epoch"]
        self.log(epoch=epoch)
        assert_type(self.key, str | Any)
        assert_type(self.seed, int | Any)
        path: Path = self.folder / "model"
        rank: int = self.rank
        return {"path": str(path), "rank": rank, "more": self.key.upper()}


class Mine(Experiment):
    a: int = search([1, 2])

    def index(self) -> str:
        return "mine"


class Off(Experiment):
    seed_globals = False
    keep_checkpoints = True


space = Plain()
assert_type(space.place.rank, int)
assert_type(space.place.n_proc, int)
assert_type(space.place.key, str)
assert_type(space.place.seed, int)
assert_type(space.place.folder, Path)
assert_type(space.place.index(space[0]), int)
assert_type(space.place.n_settings, int)
assert_type(space.place.values(), list[Any])
assert_type(space.place.items(), list[tuple[str, Any]])
assert_type(space.place.as_dict(), dict[str, Any])
assert_type(space.place.as_row(), dict[str, Any])
assert_type(space.place.to_json(indent=2), str)
assert_type(space.place.inline_repr, str)
assert_type(space.place.results(), Results)
assert_type(space.place.from_cli(["a=1"]), Plain)
assert_type(Plain.place.from_cli(["a=1"]), Plain)
assert_type(Plain.place.results("elsewhere"), Results)
assert_type(Lora.place.results(), Results)
assert_type(space.group.place.items(), list[tuple[str, Any]])
assert_type(space.group.rank, int)
assert_type(Lora().rank, int)
assert_type(Lora(rank=4, key="b", log=True).place.key, str)
assert_type([one.rank for one in OtherTypes()], list[str])
assert_type(Mine().index(), str)
words: Iterable[str] = ["a=1"]
made: Plain = Plain.from_cli(words)
found: Results = Plain.results()
