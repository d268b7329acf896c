"""`Experiment`: declared fields and the logic that runs on each setting of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, overload

from superparams.declare.checkpoint_methods import checkpoint_of, load_of, save_of
from superparams.declare.experiment_place import (
    ExperimentPlaceOf,
    OwnDraw,
    folder_of,
    n_proc_of,
    rank_of,
    recorded_results,
    seed_of_setting,
    text_of_key,
)
from superparams.declare.goal import Goal
from superparams.declare.joined_space import checked_settings, on_joined_space, space_of
from superparams.declare.legacy import with_new_names
from superparams.declare.log_method import log_of
from superparams.declare.metaclass import SearchMeta
from superparams.declare.own_names import OwnClassMethod, OwnMethod, OwnValue
from superparams.declare.params import Params
from superparams.declare.plain_attributes import PLAIN_ATTRIBUTES, refuse_on_setting
from superparams.space.algebra import Slice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from typing_extensions import Self, Unpack

    from superparams.declare import drawn_settings
    from superparams.declare.drawn_settings import ChosenSettings
    from superparams.declare.resources import Resources
    from superparams.executor.engines.contract import Engine
    from superparams.executor.engines.registry import EngineName
    from superparams.outcomes.outcome import Status
    from superparams.run.options import OldOptions, OnError, Only
    from superparams.store.results import Results
    from superparams.strategies.stopper import Stopper
    from superparams.strategies.strategy import Strategy

__all__ = ["Experiment", "GridSearch", "Params", "SearchMeta", "Settings"]

if not TYPE_CHECKING:
    from superparams.declare.experiment_place import drawn_settings

E = TypeVar("E", bound="Experiment")


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

    goal: ClassVar[Goal | None] = None
    """The goal, `maximize(column)` or `minimize(column)`, or None for an experiment without one."""
    resources = cast("Resources | Any", None)
    """What a setting needs of a machine; `Resources(...)`, or a method that returns them."""

    def run(self) -> Any:
        """Run one setting. Override this method; it may be ``async def``, and it may yield steps.

        Returns:
            A dict (one row of the table), None (a row without results, or the last step, if there
            is one), or a data frame (rows).
        """
        raise NotImplementedError(f"{type(self).__name__} has no run(); write one")

    def setup(self) -> Awaitable[None] | None:
        """Prepare a worker, once before its first setting: load a model, open a connection.

        Every setting of the worker has the attributes that this method sets. The method can read
        only fixed fields, since other fields differ from setting to setting. Like ``run``, it may
        be a coroutine function.
        """

    def teardown(self) -> Awaitable[None] | None:
        """Clean up a worker, once after its last setting; ``self`` has what ``setup`` has set."""

    def report(self, results: Results) -> Any:
        """Make a figure or a summary, once in the driver after the last setting, on the space.

        Args:
            results: The results that ``run_all`` is about to return.

        Returns:
            A value to keep beside the table. This may be text (``report.md``), a figure with
            ``savefig`` (``report.png``), a frame (``report.parquet``), a value that JSON can hold
            (``report.json``), the path of a file that the method wrote, or None.
            ``results.report`` is the path of the kept file.
        """

    # Names that a field may take, see `superparams.declare.own_names`.

    place = ExperimentPlaceOf()
    """The attributes of superparams on this experiment, under names that no field hides."""
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
    log = OwnMethod(log_of)
    """Record a step of this setting: a row, at once."""
    checkpoint = OwnValue(checkpoint_of)
    """The directory of this setting and its code, for files that a later attempt needs."""
    save = OwnMethod(save_of)
    """Save an object, with the steps so far, for `load` in a later attempt of this setting."""
    load = OwnMethod(load_of)
    """The object that `save` has saved last, in this or an earlier attempt of the setting."""
    keep_checkpoints = cast("bool | Any", False)
    """Whether checkpoints stay when their setting is done."""
    results = OwnClassMethod(recorded_results)
    """Load the recorded results of the class or the space, without running anything."""
    sample = OwnDraw(drawn_settings.sample)
    """Settings of points that are drawn at random."""
    sobol = OwnDraw(drawn_settings.sobol)
    """Settings of points that cover the space more evenly than random ones."""
    latin_hypercube = OwnDraw(drawn_settings.latin_hypercube)
    """Settings of n points, one in each of n equal parts of each axis."""
    grid = OwnDraw(drawn_settings.grid)
    """All settings with at most k values of each range."""
    one_at_a_time = OwnDraw(drawn_settings.one_at_a_time)
    """A setting, and each setting of the space that differs from it in one axis."""

    @overload
    def __getitem__(self, index: int, /) -> Self: ...
    @overload
    def __getitem__(self, index: slice, /) -> Settings[Self]: ...
    @overload
    def __getitem__(self, index: str, /) -> Any: ...
    def __getitem__(  # pyright: ignore[reportIncompatibleMethodOverride]  # a slice is more
        self, index: int | slice | str, /
    ) -> Any:
        selection: Any = super().__getitem__(index)
        return Settings(selection) if isinstance(index, slice) else selection

    def __setattr__(self, name: str, x: Any) -> None:
        if name in PLAIN_ATTRIBUTES:
            refuse_on_setting(type(self), name, x)
        super().__setattr__(name, x)

    def __superparams_chosen__(self, chosen: ChosenSettings) -> Settings[Self]:
        return Settings.of(chosen)

    @with_new_names
    def run_all(
        self,
        num_proc: int | Literal["auto"] | None = None,
        *,
        engine: EngineName | Engine | Executor | None = None,
        resume: bool = True,
        only: Only | None = None,
        shard: tuple[int, int] | None = None,
        timeout: float | None = None,
        setup_timeout: float | None = None,
        retries: int = 0,
        retry_on: Iterable[Status] = ("killed", "timeout"),
        retry_wait: float = 0.0,
        on_error: OnError = "continue",
        max_failures: int | None = None,
        stop: Stopper | None = None,
        strategy: Strategy | None = None,
        debug: bool = False,
        results: str | Path = "results",
        progress: bool = True,
        **old: Unpack[OldOptions],
    ) -> Results:
        """Run every setting and return the table of results.

        Args:
            num_proc: The number of workers; by default 1, on a cluster all.
                ``"auto"`` takes all cores.
            engine: What runs settings; by default worker processes, this process with one worker,
                or an event loop for async def run. The name of an engine, one with options as in
                `superparams.executor.Processes(gpus=2)`, an executor, or an engine of your own.
            resume: Whether to skip settings that are done by the same code.
            only: The settings to run: "failed", "stopped" or "new" ones, or those with these keys.
            shard: Run only part i of n, with i from 0 to n - 1, as one task of a job array.
            timeout: Seconds that run() of a setting may take before its worker is killed.
            setup_timeout: Seconds that setup() may take; by default 10 times timeout, at least 60.
            retries: Extra attempts for a setting whose status is in retry_on.
            retry_on: Which statuses to try again: any of "failed", "killed" and "timeout".
            retry_wait: Seconds before a second attempt, twice as many before a third, and so on.
            on_error: Whether to ``"continue"`` after a failure, or to ``"raise"`` an error at the
                first one.
            max_failures: Start no more settings after so many failures.
            stop: Decides at the steps of settings whether they go on, such as ASHA().
            strategy: Proposes settings from the outcomes so far, such as Evolution(trials=100).
            debug: Run one setting after another; stop in pdb where one raises.
            results: The folder under which all results are kept.
            progress: Whether to show the progress.
            **old: Deprecated options, which `superparams.executor.Processes` takes.

        Raises:
            RunError: Before anything starts, when there is nothing to run.
            EngineError: When the engine does not support an option, or workers cannot start.
            PayloadError: When something cannot be sent to the workers, or memory is too small.
            StoreError: When `results` is not a folder, or its records cannot be read.
            SettingFailed: With ``on_error="raise"``.
        """
        options = {name: x for name, x in locals().items() if name not in ("self", "old")}
        from superparams.run.options import RunOptions, in_new_words
        from superparams.run.workers_ahead import run_all

        return run_all(self, RunOptions(**in_new_words(options, old, type(self))))


class Settings(Slice[E]):
    """Some settings of an experiment, which run as a space does.

    A slice of a space gives such an object: ``space[10:20].run_all(4)``. Any settings of one class
    can be combined, too: ``Settings([space[3], Fit(C=2.0)])``. It is a sequence, like a space.
    """

    __slots__ = ()

    def __init__(self, settings: Sequence[E] | Slice[E], /) -> None:
        """Settings of one class, none of them open; raises SpaceError for anything else."""
        if isinstance(settings, Slice):
            super().__init__(settings._at, settings._indices)
        else:
            listed = checked_settings(tuple(settings))
            super().__init__(listed.__getitem__, range(len(listed)))

    @classmethod
    def of(cls, chosen: ChosenSettings, /) -> Settings[Any]:
        """Settings that are made when they are needed."""
        settings: Settings[Any] = cls(())
        settings._at, settings._indices = chosen, range(chosen.size)
        return settings

    def as_space(self) -> E:
        """A space of these settings, in this order: their fields advance together."""
        from superparams.declare.drawn_settings import ChosenSettings

        source: Any = self._at
        joined: E | None = (
            source.joined(self._indices) if isinstance(source, ChosenSettings) else None
        )
        return space_of(list(self)) if joined is None else joined

    @on_joined_space(Experiment.run_all)
    def run_all(self) -> Results:
        """Run these settings; see `Experiment.run_all`."""
        raise NotImplementedError

    def results(self, results: str | Path = "results") -> Results:
        """Load the recorded results of these settings, as ``space.results()`` does."""
        return recorded_results(self.as_space(), results)


GridSearch = Experiment
