"""`Experiment`: declared fields and the logic that runs on each setting of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
)

from superparams.declare import SearchMeta
from superparams.legacy import with_new_names
from superparams.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor
    from pathlib import Path

    from superparams.engines import Engine
    from superparams.outcome import Status
    from superparams.plan import Only
    from superparams.store.results import Results

__all__ = ["Experiment", "GridSearch", "Params", "Place", "SearchMeta"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Place:
    """Where a setting runs: worker `rank` of `n_proc`, for the run that writes to `folder`."""

    rank: int = 0
    n_proc: int = 1
    folder: Path | None = None


ALONE: Final = Place()


def name_of(cls: type[Experiment]) -> str:
    """``module.Class``, the same whether its file is run or imported."""
    from superparams.identity import module_name

    return f"{module_name(cls.__module__)}.{cls.__qualname__.replace('<locals>.', '')}"


class _of_class_or_space(Generic[P, R]):
    """A method of a class, and of each of its instances as well: `self` is either."""

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.method = method

    def __get__(self, space: Any, cls: type[Any]) -> Callable[P, R]:
        return MethodType(self.method, cls if space is None else space)


class Experiment(Params):
    """A whole experiment: its fields, the space they are searched over, and what to run.

    Subclass it, annotate fields, write ``run``. An instance with open axes is a space: iterate
    it, or ``run_all()``. An instance without is a setting: ``run()`` runs it here and now.
    """

    seed_globals: ClassVar[bool] = True
    """Whether the global generators of `random`, `numpy.random` and torch are seeded from `seed`
    before each setting, if its code may draw from them."""

    def run(self) -> Any:
        """What one setting does: override it.

        Returns:
            A dict (one row of the table of results), None, or a data frame (many rows).
        """
        raise NotImplementedError(f"{type(self).__name__} has no run(); write one")

    def setup(self) -> None:
        """Runs once in each worker before its first setting: load a model, open a connection.

        Attributes it sets are there on every setting of that worker. It sees the fixed fields
        only, since the others differ from setting to setting.
        """

    def teardown(self) -> None:
        """Runs once in each worker after its last setting, with what ``setup`` made."""

    def report(self, results: Results) -> Any:
        """Runs once in the driver after the last setting, on the space: a figure, a summary.

        Args:
            results: What ``run_all`` is about to return.

        Returns:
            What to keep beside the table: text (``report.md``), a figure with ``savefig``
            (``report.png``), a frame (``report.parquet``), what JSON has (``report.json``), the
            path of a file it wrote itself, or None. ``results.report`` is the path.
        """

    @property
    def rank(self) -> int:
        """Which worker runs this setting: 0 to ``n_proc - 1``."""
        return self._place.rank

    @property
    def n_proc(self) -> int:
        """How many workers the run has."""
        return self._place.n_proc

    @property
    def _place(self) -> Place:
        place: Place = self.__dict__.get("~place", ALONE)
        return place

    @property
    def key(self) -> str:
        """What identifies this setting in every run: 32 hexadecimal digits.

        Raises:
            SpaceError: For an open space, whose settings have a key each.
            IdentityError: For a field whose value has no stable content.
        """
        from superparams.identity import key_text

        return key_text(self._key)

    @property
    def _key(self) -> int:
        held: dict[str, Any] = vars(self)
        if "~key" not in held:  # a setting outside of a run
            from superparams.keys import key_of

            held["~key"] = key_of(self)
        key: int = held["~key"]
        return key

    def _seed(self) -> int:
        """A seed that follows from the key, so the same in every run: ``0 <= seed < 2**63``.

        Nothing is seeded with it unasked: ``rng = numpy.random.default_rng(self.seed)``. A declared
        field ``seed`` takes its place.
        """
        from superparams.identity import seed_of

        return seed_of(self._key)

    if TYPE_CHECKING:
        seed = 0  # not annotated, and no property, so that a subclass may declare it as a field
    else:
        seed = property(_seed)

    @_of_class_or_space
    def results(self, results: str | Path = "results") -> Results:
        """What is recorded, without running anything.

        ``Class.results()`` gives the newest outcome of every setting of the experiment that ever
        ran, ``space.results()`` those of the settings of a space, in its order, as ``run_all``
        does; a setting is a space of one.

        Raises:
            StoreError: When nothing is recorded under the folder `results`.
        """
        from superparams.run import results_of

        return results_of(self, results)

    @property
    def folder(self) -> Path:
        """A directory of this setting's own, the same in every run, made on first use."""
        from superparams.store import experiment_folder
        from superparams.store.location import results_folder

        run = self._place.folder
        if run is None:
            root = experiment_folder(results_folder("results"), name_of(type(self)))
        else:
            root = run.parents[1]
        made = root.absolute() / "settings" / self.key
        made.mkdir(parents=True, exist_ok=True)
        return made

    @with_new_names
    def run_all(
        self,
        num_proc: int | Literal["auto"] = 1,
        *,
        engine: str | Engine | Executor | None = None,
        resume: bool = True,
        only: Only | None = None,
        timeout: float | None = None,
        setup_timeout: float | None = None,
        retries: int = 0,
        retry_on: Iterable[Status] = ("killed", "timeout"),
        on_error: str = "continue",
        max_failures: int | None = None,
        debug: bool = False,
        results: str | Path = "results",
        start_method: str | None = None,
        threads_per_worker: int | None = None,
        gpus: Iterable[str | int] | int | None = None,
        progress: bool = True,
    ) -> Results:
        """Run every setting and return the table of results.

        Args:
            num_proc: Workers. 1 runs in this process, so that prints and breakpoints work;
                ``"auto"`` takes as many as there are processors for this process.
            engine: ``"serial"``, ``"threads"``, ``"processes"``, an executor of
                `concurrent.futures`, or an engine; by default the first with one worker and no
                `timeout`, else processes.
            resume: Whether to leave out settings that are done already by the same code.
            only: ``"failed"`` runs only what failed, was killed or timed out before, ``"new"`` only
                what has no outcome yet, and a list of keys only settings with one of these.
            timeout: Seconds that `run` of a setting may take before its worker is killed.
            setup_timeout: Seconds that `setup` may take; by default 10 times `timeout`, at least 60
            retries: Extra attempts of a setting whose outcome is in `retry_on`.
            retry_on: Any of ``"failed"``, ``"killed"``, ``"timeout"``.
            on_error: ``"continue"`` records what failed and goes on; ``"raise"`` stops at the
                first one and raises `SettingFailed`.
            max_failures: After so many settings that failed, were killed or timed out, nothing
                more is handed out; the rest runs when it is called again.
            debug: Whether to stop in pdb where a setting raises, one setting after another in this
                process, whatever is asked of workers. Leaving the debugger with ``q`` ends the
                run, ``c`` goes on.
            results: The folder under which ``<module>.<Class>/results.parquet`` is kept.
            start_method: ``"forkserver"``, ``"spawn"`` or ``"fork"``, for processes.
            threads_per_worker: BLAS and OpenMP threads of each worker; by default the cores are
                divided among the workers.
            gpus: Devices to divide among the workers, by name or number.
            progress: Whether to show what is going on.

        Raises:
            RunError: Before anything starts, when there is nothing to run.
            EngineError: When the engine cannot do what is asked, or workers cannot be started.
            PayloadError: When something cannot travel to the workers, or there is no memory for it.
            StoreError: When `results` is no folder, or what is recorded there cannot be read.
            SettingFailed: With ``on_error="raise"``.
        """
        asked = {name: x for name, x in locals().items() if name != "self"}
        from superparams.run import run_all

        return run_all(self, **asked)


GridSearch = Experiment
