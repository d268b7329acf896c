"""superparams, as it stands in this checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import curves, pages, task
from benchmarks.peers.superparams_nothing import Nothing
from superparams import Experiment, maximize, minimize, search, strategies, value
from superparams.executor import Processes


def ahead() -> None:
    """Import what a run imports: no experiment does that itself, and its workers need not."""
    import superparams.run.loop  # noqa: F401


def space(n: int) -> Nothing:
    a, b = task.axes(n)
    return Nothing(a=search(a), b=search(b))


def noop(n: int, workers: int, folder: Path) -> None:
    assert len(space(n).run_all(workers, results=folder, progress=False)) == n


resume = noop


def expand(n: int) -> int:
    return sum(1 for _ in space(n))


def read(folder: Path) -> int:
    from superparams import Results

    (place,) = folder.iterdir()
    return int(Results.load(place).to_arrow().num_rows)


class Sums(Experiment):
    """The sum of one slice."""

    at: int = search(range(task.SLICES))
    data: Any = value(None)

    def run(self) -> dict[str, float]:
        return {"sum": task.part(self.data, self.at)["sum"]}


def sums(workers: int, folder: Path, data: Any, start_method: Any = None) -> float:
    engine = None if start_method is None else Processes(start_method)
    results = Sums(data=data).run_all(workers, engine=engine, results=folder, progress=False)
    return task.total(results.to_arrow().select(["sum"]).to_pylist())


def array(size: int, workers: int, folder: Path) -> float:
    return sums(workers, folder, value(task.made(size)))


def array_with_key(size: int, workers: int, folder: Path) -> float:
    return sums(workers, folder, value(task.made(size), key="ones"))


def array_of_factory(size: int, workers: int, folder: Path) -> float:
    made = value(factory=lambda: task.made(size), key="ones")
    return sums(workers, folder, made)


def array_forked(size: int, workers: int, folder: Path) -> float:
    return sums(workers, folder, value(task.made(size), key="ones"), "fork")


class Deadly(Experiment):
    """Settings one of which kills its worker."""

    i: int = search(range(task.SETTINGS))

    def run(self) -> dict[str, int]:
        return {"x": task.deadly(self.i)["x"]}


def kill(workers: int, folder: Path) -> int:
    results = Deadly().run_all(workers, results=folder, progress=False)
    return len(results) - len(results.failures)


class Distance(Experiment):
    """A point of five ranges."""

    x0: float = search(low=curves.LOW, high=curves.HIGH)
    x1: float = search(low=curves.LOW, high=curves.HIGH)
    x2: float = search(low=curves.LOW, high=curves.HIGH)
    x3: float = search(low=curves.LOW, high=curves.HIGH)
    x4: float = search(low=curves.LOW, high=curves.HIGH)
    goal = minimize("loss")

    @property
    def point(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in curves.NAMES}

    def run(self) -> dict[str, float]:
        return {"loss": curves.loss(self.point)}


def proposed(strategy: Any, workers: int, folder: Path) -> int:
    return len(Distance().run_all(workers, strategy=strategy, results=folder, progress=False))


def random_search(n: int, workers: int, folder: Path) -> int:
    return proposed(strategies.Random(trials=n), workers, folder)


def tpe(n: int, workers: int, folder: Path) -> int:
    return proposed(strategies.TPE(trials=n), workers, folder)


def cmaes(n: int, workers: int, folder: Path) -> int:
    return proposed(strategies.CMAES(trials=n), workers, folder)


class Curve(Experiment):
    """A setting that tells its accuracy after each epoch."""

    x: float = search(low=0.0, high=1.0)
    goal = maximize("accuracy")

    def run(self) -> Iterator[dict[str, float]]:
        for epoch in range(1, curves.EPOCHS + 1):
            yield {"epoch": epoch, "accuracy": curves.accuracy(self.x, epoch)}


def asha(n: int, workers: int, folder: Path) -> int:
    stopper = strategies.ASHA(reduction_factor=curves.FACTOR, max_resource=curves.EPOCHS)
    return len(Curve().sample(n).run_all(workers, stop=stopper, results=folder, progress=False))


class Nap(Distance):
    """Trials of 50 ms."""

    notes: str

    def run(self) -> dict[str, float]:
        task.nap(self.notes)
        return super().run()


def naps(n: int, workers: int, folder: Path) -> int:
    space, strategy = Nap(notes=str(folder)), strategies.TPE(trials=n)
    return len(space.run_all(workers, strategy=strategy, results=folder, progress=False))


after_naps = task.rested


class Noted(Distance):
    """Trials that note when they begin, and do nothing."""

    notes: str

    def run(self) -> dict[str, float]:
        task.noted(self.notes)
        return super().run()


def kept_trials(strategy: Any, workers: int, folder: Path) -> int:
    space = Noted(notes=str(folder))
    return len(space.run_all(workers, strategy=strategy, results=folder, progress=False))


def keep_random(n: int, workers: int, folder: Path) -> int:
    return kept_trials(strategies.Random(trials=n), workers, folder)


def keep_tpe(n: int, workers: int, folder: Path) -> int:
    return kept_trials(strategies.TPE(trials=n), workers, folder)


def go_on_random(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_random, workers, folder)


def go_on_tpe(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_tpe, workers, folder)


class SlowCurve(Curve):
    """Settings that differ in how quick they are."""

    def run(self) -> Iterator[dict[str, float]]:
        for epoch in range(1, curves.EPOCHS + 1):
            yield {"epoch": epoch, "accuracy": curves.slow_accuracy(self.x, epoch)}


class SlowDistance(Distance):
    """Settings that differ in how quick they are."""

    def run(self) -> dict[str, float]:
        return {"loss": curves.slow_loss(self.point)}


def asha_rows(n: int, workers: int, folder: Path) -> list[Any]:
    stopper = strategies.ASHA(reduction_factor=curves.FACTOR, max_resource=curves.EPOCHS)
    space = SlowCurve().sample(n)
    rows = space.run_all(workers, stop=stopper, results=folder, progress=False)
    return sorted((row["x"], row["n_steps"], row["accuracy"]) for row in rows)


def tpe_rows(n: int, workers: int, folder: Path) -> list[Any]:
    strategy = strategies.TPE(trials=n)
    rows = SlowDistance().run_all(workers, strategy=strategy, results=folder, progress=False)
    return sorted((*(row[name] for name in curves.NAMES), row["loss"]) for row in rows)


def equal_asha(n: int, workers: int, folder: Path) -> dict[str, bool]:
    return task.equal(asha_rows, n, workers, folder)


def equal_tpe(n: int, workers: int, folder: Path) -> dict[str, bool]:
    return task.equal(tpe_rows, n, workers, folder)


class Steps(Experiment):
    """Settings that do nothing but record steps."""

    at: int = search(range(2))
    n: int

    def run(self) -> Iterator[dict[str, float]]:
        for epoch in range(self.n):
            yield {"loss": epoch * 0.5}


def steps(n: int, workers: int, folder: Path) -> None:
    space = Steps(at=search(range(workers)), n=n // workers)
    assert len(space.run_all(workers, results=folder, progress=False)) == workers


def after_steps(value: None, n: int, workers: int, folder: Path) -> int:
    from superparams import Results

    (place,) = (path for path in folder.iterdir() if path.is_dir())
    return len(Results.load(place).steps)


def before_page(n: int, folder: Path) -> None:
    Distance().sample(n).run_all(2, results=folder, progress=False)


def page(n: int, folder: Path) -> int:
    from superparams import Results

    (place,) = folder.iterdir()
    results = Results.load(place)
    results.to_html(folder / pages.NAME)
    return len(results)


def after_page(value: int, n: int, folder: Path) -> dict[str, Any]:
    """The page says itself when all of it is drawn."""
    return pages.looked_at(folder, value, "document.body?.dataset.ready !== undefined")
