"""`Experiment`: declared fields and the logic that runs on each setting of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, overload

from superparams.declare.field import Field
from superparams.declare.instance_state import key_on, place_on, set_key
from superparams.declare.joined_space import checked_settings, on_joined_space, space_of
from superparams.declare.legacy import with_new_names
from superparams.declare.metaclass import SearchMeta, fields_of
from superparams.declare.own_names import OwnClassMethod, OwnValue
from superparams.declare.params import Params
from superparams.declare.place import ParamsPlace
from superparams.declare.secrets import points_of
from superparams.space.algebra import Slice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from typing_extensions import Self, Unpack

    from superparams.executor.engines.contract import Engine, EngineName
    from superparams.outcomes.outcome import Status
    from superparams.run.options import OldOptions, OnError, Only
    from superparams.store.results import Results

__all__ = [
    "Experiment",
    "ExperimentPlace",
    "GridSearch",
    "Params",
    "Place",
    "SearchMeta",
    "Settings",
    "name_of",
    "notes_of_fields",
    "recorded_results",
    "seeds_globals",
]

E = TypeVar("E", bound="Experiment")


@dataclass(frozen=True)
class Place:
    """Where a setting runs: worker `rank` of `n_proc`, for the run that writes to `folder`."""

    rank: int = 0
    n_proc: int = 1
    folder: Path | None = None


ALONE: Final = Place()


def name_of(cls: type[Experiment]) -> str:
    """``module.Class``, the same whether its file is run or imported."""
    from superparams.identity.module_names import module_name

    return f"{module_name(cls.__module__)}.{cls.__qualname__.replace('<locals>.', '')}"


# -- what superparams knows of an experiment, whatever names its fields have ----------------------


def place_of(setting: Any) -> Place:
    """Where a setting runs; outside of a run, alone."""
    place: Place | None = place_on(setting)
    return ALONE if place is None else place


def rank_of(setting: Any) -> int:
    """The number of the worker that runs this setting: 0 to ``n_proc - 1``."""
    return place_of(setting).rank


def n_proc_of(setting: Any) -> int:
    """The number of workers of the run."""
    return place_of(setting).n_proc


def _number_of(setting: Any) -> int:
    """The key of a setting as a number."""
    key = key_on(setting)
    if key is None:  # a setting outside of a run
        from superparams.declare.keys import key_of

        key = key_of(setting)
        set_key(setting, key)
    return key


def text_of_key(setting: Any) -> str:
    """The identity of this setting in every run: 32 hexadecimal digits."""
    from superparams.identity.digests.digest import key_text

    return key_text(_number_of(setting))


def seed_of_setting(setting: Any) -> int:
    """A seed that is computed from the key, so it is the same in every run."""
    from superparams.identity.digests.digest import seed_of

    return seed_of(_number_of(setting))


def folder_of(setting: Any) -> Path:
    """The directory of this setting, the same in every run; it is created on first use."""
    from superparams.store.runs.folder import experiment_folder
    from superparams.store.runs.results_folder import results_folder

    run = place_of(setting).folder
    if run is None:
        root = experiment_folder(results_folder("results"), name_of(setting.__class__))
    else:
        root = run.parents[1]
    folder = root.absolute() / "settings" / text_of_key(setting)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def recorded_results(of: Any, results: str | Path = "results") -> Results:
    """Load the recorded results of a class or a space, without running anything."""
    from superparams.run.loop import results_of

    return results_of(of, results)


def seeds_globals(cls: type[Any]) -> bool:
    """Whether global generators are seeded before settings of this class.

    A field of the name ``seed_globals`` is a parameter, and says nothing about that.
    """
    held = [vars(base)["seed_globals"] for base in cls.__mro__ if "seed_globals" in vars(base)]
    return bool(next((x for x in held if not isinstance(x, Field)), True))


def notes_of_fields(space: Any) -> Iterator[str]:
    """A note on a field ``seed_globals`` that is False: it does not turn off any seeding."""
    field = fields_of(space.__class__).get("seed_globals")
    points = points_of(space.__dict__.get("seed_globals"))
    if field is not None and any(x is False for x in points):
        yield (
            f"{field.where} is a parameter, so global generators are seeded all the same; to turn "
            f"that off, write seed_globals = False without an annotation"
        )


class ExperimentPlace(ParamsPlace[E]):
    """What superparams knows of an experiment, under names that no field hides.

    Each of these names is an attribute of the experiment as well, unless a field, a method or
    another attribute of its class has the name: ``self.place.rank`` is ``self.rank`` there.
    """

    __slots__ = ()

    @property
    def rank(self) -> int:
        """The number of the worker that runs this setting: 0 to ``n_proc - 1``."""
        return rank_of(self._params)

    @property
    def n_proc(self) -> int:
        """The number of workers of the run."""
        return n_proc_of(self._params)

    @property
    def key(self) -> str:
        """The identity of this setting in every run: 32 hexadecimal digits.

        Raises:
            SpaceError: For an open space; each of its settings has a key.
            IdentityError: For a field whose value has no stable content.
        """
        return text_of_key(self._params)

    @property
    def seed(self) -> int:
        """A seed that is computed from the key, so it is the same in every run.

        ``0 <= seed < 2**63``. Use it as in ``rng = numpy.random.default_rng(self.seed)``. Global
        generators are seeded from it as well, see `seed_globals`.
        """
        return seed_of_setting(self._params)

    @property
    def seed_globals(self) -> bool:
        """Whether the global generators of `random`, `numpy.random` and torch are seeded from
        `seed` before each setting, if its code may draw from them.

        ``seed_globals = False`` in the class, without an annotation, turns that off.
        """
        return seeds_globals(self._cls)

    @property
    def folder(self) -> Path:
        """The directory of this setting, the same in every run; it is created on first use."""
        return folder_of(self._params)

    def results(self, results: str | Path = "results") -> Results:
        """Load the recorded results, without running anything.

        ``Class.results()`` returns the newest outcome of every setting that ever ran.
        ``space.results()`` returns the outcomes of the settings of a space, in its order, as
        ``run_all`` does. A setting is a space of one.

        Raises:
            StoreError: When nothing is recorded under the folder `results`.
        """
        return recorded_results(self._of, results)


class ExperimentPlaceOf:
    """Gives the `ExperimentPlace` of a class or of an instance."""

    def __get__(self, params: object, cls: type[E]) -> ExperimentPlace[E]:
        return ExperimentPlace(cls if params is None else cast("E", params))


class Experiment(Params):
    """A whole experiment: its fields, the space they are searched over, and its logic.

    Subclass it, annotate fields and write ``run``. An instance with open axes is a space: iterate
    over it, or call ``run_all()``. An instance without open axes is a setting: ``run()`` runs it in
    this process and records nothing.
    """

    __superparams_reserved__ = (
        "goal",
        "report",
        "resources",
        "run",
        "run_all",
        "setup",
        "teardown",
    )

    def run(self) -> Any:
        """Run one setting. Override this method; it may be ``async def``.

        Returns:
            A dict (one row of the table), None (a row without results), or a data frame (rows).
        """
        raise NotImplementedError(f"{type(self).__name__} has no run(); write one")

    def setup(self) -> Awaitable[None] | None:
        """Prepare a worker, once before its first setting: load a model, open a connection.

        Every setting of the worker has the attributes that this method sets. It can read fixed
        fields only: the others differ from setting to setting. It may be ``async def``, as ``run``.
        """

    def teardown(self) -> Awaitable[None] | None:
        """Clean up a worker, once after its last setting; has the attributes of ``setup``."""

    def report(self, results: Results) -> Any:
        """Make a figure or a summary, once in the driver after the last setting, on the space.

        Args:
            results: The results that ``run_all`` is about to return.

        Returns:
            A value to keep beside the table: text (``report.md``), a figure with ``savefig``
            (``report.png``), a frame (``report.parquet``), a value that JSON can hold
            (``report.json``), the path of a file that the method wrote, or None.
            ``results.report`` is the path of the kept file.
        """

    # Names that a field may take, see `superparams.declare.own_names`.

    place = ExperimentPlaceOf()
    """All that superparams knows of this experiment, under names that no field hides."""
    rank = OwnValue(rank_of)
    """The number of the worker that runs this setting: 0 to ``n_proc - 1``."""
    n_proc = OwnValue(n_proc_of)
    """The number of workers of the run."""
    key = OwnValue(text_of_key)
    """The identity of this setting in every run: 32 hexadecimal digits."""
    seed = OwnValue(seed_of_setting)
    """A seed that is computed from the key, so it is the same in every run."""
    seed_globals = cast("bool | Any", True)
    """Whether global random generators are seeded from `seed` before each setting."""
    folder = OwnValue(folder_of)
    """The directory of this setting, the same in every run; it is created on first use."""
    results = OwnClassMethod(recorded_results)
    """Load the recorded results of the class or the space, without running anything."""

    @overload
    def __getitem__(self, index: int, /) -> Self: ...
    @overload
    def __getitem__(self, index: slice, /) -> Settings[Self]: ...
    @overload
    def __getitem__(self, index: str, /) -> Any: ...
    def __getitem__(  # pyright: ignore[reportIncompatibleMethodOverride]  # a slice is more
        self, index: int | slice | str, /
    ) -> Any:
        found: Any = super().__getitem__(index)
        return Settings(found) if isinstance(index, slice) else found

    @with_new_names
    def run_all(
        self,
        num_proc: int | Literal["auto"] = 1,
        *,
        engine: EngineName | Engine | Executor | None = None,
        resume: bool = True,
        only: Only | None = None,
        timeout: float | None = None,
        setup_timeout: float | None = None,
        retries: int = 0,
        retry_on: Iterable[Status] = ("killed", "timeout"),
        retry_wait: float = 0.0,
        on_error: OnError = "continue",
        max_failures: int | None = None,
        debug: bool = False,
        results: str | Path = "results",
        progress: bool = True,
        **old: Unpack[OldOptions],
    ) -> Results:
        """Run every setting and return the table of results.

        Args:
            num_proc: The number of workers; 1 runs in this process, ``"auto"`` takes all
                processors. In this process, prints and breakpoints work.
            engine: What runs settings; by default worker processes, this process with one worker,
                or an event loop for async def run. ``"serial"``, ``"threads"``, ``"asyncio"``,
                ``"processes"``, worker processes with options as in
                `superparams.executor.Processes(gpus=2)`, an executor of `concurrent.futures`, or an
                engine of your own. One worker with a limit such as `timeout` is a process.
            resume: Whether to skip settings that are done by the same code.
            only: Run only settings that ``"failed"`` before, that are ``"new"``, or a list of keys.
            timeout: Seconds that run() of a setting may take before its worker is killed.
            setup_timeout: Seconds that setup() may take; by default 10 times the timeout, at least
                60.
            retries: Extra attempts for a setting whose status is in retry_on.
            retry_on: Which statuses to try again: any of ``"failed"``, ``"killed"`` and
                ``"timeout"``.
            retry_wait: Seconds before a second attempt, twice as many before a third, and so on.
            on_error: Whether to ``"continue"`` after a failure, or to ``"raise"`` an error at the
                first one.
            max_failures: Start no more settings after so many failures.
            debug: Run one setting after another; stop in pdb where one raises. In pdb, ``q`` ends
                the run and ``c`` continues.
            results: The folder under which all results are kept. The table is
                ``<module>.<Class>/results.parquet`` in it.
            progress: Whether to show the progress.
            **old: Deprecated options, which `superparams.executor.Processes` takes.

        Raises:
            RunError: Before anything starts, when there is nothing to run.
            EngineError: When the engine does not support an option, or workers cannot be started.
            PayloadError: When something cannot be sent to the workers, or memory is too small.
            StoreError: When `results` is no folder, or its records cannot be read.
            SettingFailed: With ``on_error="raise"``.
        """
        options = {name: x for name, x in locals().items() if name not in ("self", "old")}
        from superparams.run.loop import run_all
        from superparams.run.options import RunOptions, in_new_words

        return run_all(self, RunOptions(**in_new_words(options, old)))


class Settings(Slice[E]):
    """Some settings of an experiment, which run as a space does.

    A slice of a space is one: ``space[10:20].run_all(4)``. Settings of one class from anywhere make
    one as well: ``Settings([space[3], Fit(C=2.0)])``. It is a sequence, as a space is.
    """

    __slots__ = ()

    def __init__(self, settings: Sequence[E] | Slice[E], /) -> None:
        """Settings of one class, none of them open; raises SpaceError for anything else."""
        if isinstance(settings, Slice):
            super().__init__(settings._at, settings._indices)
        else:
            listed = checked_settings(tuple(settings))
            super().__init__(listed.__getitem__, range(len(listed)))

    def as_space(self) -> E:
        """A space of these settings, in this order: their fields advance together."""
        return space_of(list(self))

    @on_joined_space(Experiment.run_all)
    def run_all(self) -> Results:
        """Run these settings; see `Experiment.run_all`."""
        raise NotImplementedError

    def results(self, results: str | Path = "results") -> Results:
        """Load the recorded results of these settings, as ``space.results()`` does."""
        return recorded_results(self.as_space(), results)


GridSearch = Experiment
