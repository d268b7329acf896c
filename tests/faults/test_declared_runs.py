"""Row 59: what is forgotten in a method is told, once, or before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import pytest

from superparams import Experiment, Params, Results, search
from superparams.errors import FieldError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Score(TypedDict):
    score: float


class Xs(Experiment):
    x: int = search([1, 2, 3])


class Forgotten(Xs):
    def run(self) -> dict[str, float | None]:  # type: ignore[return]
        {"y": self.x}  # noqa: B018  # pyright: ignore


class Typed(Xs):
    def run(self) -> Score:  # type: ignore[return]
        Score(score=self.x)


class Mapped(Xs):
    def run(self) -> Mapping[str, int]:  # type: ignore[return]
        if self.x > 1:
            return {"y": self.x}


class Frame(Xs):
    def run(self) -> pd.DataFrame:  # type: ignore  # noqa: F821
        pass


class Some(Xs):
    def run(self):  # type: ignore[no-untyped-def]
        return {"y": self.x} if self.x > 1 else None


class Nothing(Xs):
    def run(self) -> None:
        pass


class Silent(Xs):
    def run(self):  # type: ignore[no-untyped-def]
        pass


class Allowed(Xs):
    def run(self) -> dict[str, int] | None:
        return {"y": self.x} if self.x > 1 else None


class Full(Xs):
    def run(self) -> dict[str, Any]:
        return {"y": self.x, "z": None}


def notes(cls: type[Experiment], results: Path, num_proc: int = 1) -> tuple[Results, list[str]]:
    table = cls().run_all(num_proc, results=results, progress=False)
    told = [note for note in table.notes if "return" in note]
    (run,) = table.runs
    manifest = json.loads((table.root / "runs" / run / "run.json").read_text())
    assert [note for note in manifest["notes"] if "return" in note] == told
    return table, told


def test_59_a_forgotten_return_is_noted_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for cls, empty in ((Forgotten, 3), (Typed, 3), (Mapped, 1), (Frame, 3), (Some, 1)):
        _, told = notes(cls, tmp_path, num_proc=2 if cls is Mapped else 1)
        assert len(told) == 1, cls
        assert f"{cls.__name__}.run() gave no result for {empty} of 3 settings" in told[0]
    for quiet in (Nothing, Silent, Allowed, Full):
        assert notes(quiet, tmp_path)[1] == []
    capfd.readouterr()
    Forgotten().run_all(results=tmp_path, resume=False)
    assert capfd.readouterr().err.count("is a return missing?") == 1
    again = Forgotten().run_all(results=tmp_path, progress=False)  # nothing runs
    assert not any("return" in note for note in again.notes)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_59_a_misspelt_field_is_told_with_what_is_meant(tmp_path: Path, num_proc: int) -> None:
    class Misspelt(Xs):
        rate: float = 0.5

        def run(self) -> dict[str, Any]:
            return {"y": self.rat}  # type: ignore[attr-defined]  # pyright: ignore

    class Elsewhere(Xs):
        rate: float = 0.5

        def run(self) -> dict[str, Any]:
            return {"y": "text".rat}  # type: ignore[attr-defined]  # pyright: ignore

    def errors(space: Experiment) -> set[str]:
        table = space.run_all(num_proc, results=tmp_path, progress=False)
        return {row["error"] for row in table.failures}

    assert errors(Misspelt(x=0)) == {
        "AttributeError: 'Misspelt' object has no attribute 'rat' (did you mean rate?)"
    }
    assert errors(Elsewhere(x=0)) == {"AttributeError: 'str' object has no attribute 'rat'"}


def test_59_a_list_where_search_was_meant_is_noted(tmp_path: Path) -> None:
    class Net(Params):
        width: int = 8

    class Listed(Xs):
        rate: float = [0.1, 0.2]  # type: ignore[assignment]  # pyright: ignore
        name: str | None = None
        layers: list[int] = [64, 64]
        anything: Any = (1, 2)
        sizes: list[int] | int = search([[1, 2], 3])
        net: Net = Net()

        def run(self) -> dict[str, Any]:
            return {"y": repr(self.rate)}

    def told(space: Experiment) -> list[str]:
        table = space.run_all(results=tmp_path, progress=False)
        return [note for note in table.notes if "one value" in note]

    of_rate = (
        "Listed.rate is [0.1, 0.2], one value, though its annotation allows no list; to search "
        "these values, write rate=search([0.1, 0.2])"
    )
    assert told(Listed()) == [of_rate]
    assert told(Listed(rate=0.5)) == []
    assert told(Listed(rate=search([0.1, 0.2]))) == []
    calls: list[tuple[dict[str, Any], str]] = [
        ({"x": (1, 2)}, "Xs.x is (1, 2), one value, though its annotation allows no tuple"),
        ({"x": range(3)}, "write x=search(range(0, 3))"),
        ({"name": ["a", "b"]}, "write name=search(['a', 'b'])"),
        ({"net": Net(width=[8, 16])}, "Net.width is [8, 16], one value"),  # type: ignore[arg-type]  # pyright: ignore
    ]
    for others, note in calls:
        fields: dict[str, Any] = {"rate": 0.5, **others}
        (found,) = told(Listed(**fields))
        assert note in found


def test_59_valid_without_return_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    class Always(Full):
        def valid(self) -> bool:  # type: ignore[return]
            self.x > 1  # noqa: B015  # pyright: ignore

    class Branch(Full):
        def valid(self) -> bool:  # type: ignore[return]
            if self.x == 2:
                return False

    class Yields(Full):
        def valid(self) -> Any:
            yield self.x > 1

    class Later(Full):
        async def valid(self) -> bool:  # type: ignore[override]  # pyright: ignore
            return True

    for cls, what in (
        (Always, None),
        (Branch, None),
        (Yields, "a generator"),
        (Later, "a coroutine"),
    ):
        match = rf"{cls.__name__}\.valid\(\) returned {what or 'None'}.*return True to keep"
        for use in (list, len, lambda space: space.run_all(results=tmp_path, progress=False)):
            with pytest.raises(FieldError, match=match):
                use(cls())
    assert not list(tmp_path.iterdir())


def test_59_what_a_generator_yields_are_steps(tmp_path: Path) -> None:
    class Steps(Xs):
        def run(self) -> Iterator[dict[str, int]]:
            yield {"y": self.x}

    class Hidden(Xs):
        def run(self) -> Any:
            return ({"y": x} for x in [self.x])

    class Wrong(Xs):
        def run(self) -> Any:
            return (x for x in [self.x])

    for cls in (Steps, Hidden):
        table = cls().run_all(results=tmp_path, progress=False)
        assert [row["y"] for row in table] == [row["x"] for row in table]
    table = Wrong().run_all(results=tmp_path, progress=False)
    assert table.counts == {"failed": 3}
    assert all("a step is a dict" in row["error"] for row in table)


def test_59_setup_that_does_not_run_fails_and_what_it_returns_is_told(tmp_path: Path) -> None:
    class Later(Xs):
        async def setup(self) -> None:  # type: ignore[override]  # pyright: ignore
            self.model = 1

        def run(self) -> dict[str, int]:
            return {"y": self.x}

    table = Later().run_all(results=tmp_path, progress=False)
    assert {row["error"] for row in table} == {
        "TypeError: Later.setup() returned a coroutine, so none of its code ran; write it without "
        "yield and without async"
    }

    class Gives(Xs):
        def setup(self) -> int:  # type: ignore[override]  # pyright: ignore
            return 5

        def run(self) -> dict[str, int]:
            return {"y": self.x}

    with pytest.warns(RuntimeWarning, match=r"Gives\.setup\(\) returned 5, which is ignored"):
        assert Gives().run_all(results=tmp_path, progress=False).counts == {"done": 3}
