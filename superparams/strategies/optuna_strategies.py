"""Strategies of Optuna: the driver's side, which does not import Optuna."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from superparams.errors import StrategyError
from superparams.errors.short_repr import shorten
from superparams.space.search_space import SearchPoint, SearchSpace
from superparams.strategies.parallel_cmaes import NAME as PARALLEL_CMAES
from superparams.strategies.sampler_events import FixedPoint, PointRequest, SearchStart, TrialEnd
from superparams.strategies.strategy import GoalStrategy, TrialOutcome

__all__ = ["CMAES", "GP", "NSGA2", "TPE", "Optuna", "SamplerStrategy"]

_BITS: Final = 64
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(kw_only=True, repr=False)
class SamplerStrategy(GoalStrategy):
    """A strategy whose points come from a sampler of Optuna, in a process of its own.

    Random points come first, until `startup` trials have a score. The process proposes the later
    ones. It may be killed at any time: a new process then gets all events so far, and proposes the
    same points.

    Attributes:
        startup: How many trials have a score before the sampler proposes points.
    """

    startup: int = 10

    # Whether a point depends only on outcomes and pending points, not on earlier calls.
    is_memoryless: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("optuna",)
    least_startup: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the options, and that the packages are there.

        Raises:
            StrategyError: When they are not.
        """
        super().__post_init__()
        for name in ("startup", "ahead"):
            if getattr(self, name) is None:
                raise self._refused(name, "give a whole number")
        self._at_least("startup", self.least_startup)
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            more = [name for name in missing if name not in ("optuna", "cmaes")]
            words = " ".join(["'superparams[optuna]'", *more])
            raise StrategyError(
                f"{type(self).__name__} needs {' and '.join(missing)}, which cannot be imported "
                f"here: pip install {words}"
            )

    @property
    def sampler(self) -> str | type[Any]:
        """The name of a sampler of Optuna, or the class of another one."""
        raise NotImplementedError

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments of the sampler, without its seed."""
        return _NO_OPTIONS

    @property
    def n_random(self) -> int:
        """How many trials have a score before the sampler proposes points."""
        return self.startup

    @property
    def helper_pid(self) -> int | None:
        """The process that asks the sampler; None if there is none now."""
        return self._process.pid

    def start_ahead(self) -> None:
        """Start the process for a search that begins soon; `end_unused` ends an unused one."""
        from superparams.strategies.sampler_process import start_spare

        start_spare()

    def end_unused(self) -> None:
        """End the process that `start_ahead` has started, unless a search has taken it."""
        from superparams.strategies.sampler_process import end_spare

        end_spare()

    def begin(self, space: SearchSpace, seed: int) -> None:
        """Start a search; see `Strategy`."""
        from superparams.strategies.sampler_process import SamplerProcess

        if hasattr(self, "_process"):
            self.close()
        self._space, self._seed = space, seed
        self._n_scored = 0
        self._asked = (-1, 0)
        n_goals = max(1, len(self.goals))
        start = SearchStart(
            self.sampler, dict(self.sampler_options), space, seed, n_goals, self.is_memoryless
        )
        self._process = SamplerProcess(start, replays_requests=not self.is_memoryless)

    def ask(self, trial: int) -> SearchPoint | None:
        """The next point; see `Strategy`."""
        before, n_refused = self._asked
        request = PointRequest(trial, n_refused + 1 if before == trial else 0)
        self._asked = request
        is_starting = self._is_starting
        if is_starting:
            generator = random.Random(f"{self._seed} {trial} {request.attempt}")
            point = self._space.made(lambda dimension: dimension.at(generator.getrandbits(_BITS)))
        else:
            point = self._space.checked(self._process.point(request))
        if is_starting or self.is_memoryless:
            self._process.add(FixedPoint(trial, point))
        return point

    def take(self, trial: int, point: SearchPoint) -> bool:
        """Take a point as the proposal of a trial, without asking the sampler.

        Args:
            trial: The next trial.
            point: The proposal of this trial after the same outcomes, in an earlier run.

        Returns:
            Whether the point was taken; if not, `ask` has to compute it again.
        """
        if self.is_memoryless:
            self._process.add(FixedPoint(trial, point))
        return self.is_memoryless

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        """Take an outcome; see `Strategy`."""
        scores = tuple(outcome.scores) or (outcome.score,)
        self._process.add(TrialEnd(trial, dict(outcome.point), scores))
        self._n_scored += outcome.count > 0
        is_over = outcome.status != "refused"  # otherwise the same trial is requested again
        if is_over and self.trials is not None and trial >= self.trials - 1:
            self.close()

    def close(self) -> None:
        """End the process; another one starts if a point is asked for."""
        self._process.close()

    @property
    def _is_starting(self) -> bool:
        """Whether the next point is random."""
        return self._n_scored < self.n_random


@dataclass(kw_only=True, repr=False)
class TPE(SamplerStrategy):
    """Tree-structured Parzen estimator: values that good trials had more often than others.

    For all spaces, with alternatives and texts, and for up to some hundred trials.

    Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; Watanabe,
    Tree-Structured Parzen Estimator, arXiv:2304.11127. By Optuna's TPESampler.

    Attributes:
        multivariate: Whether all fields are chosen together, so that their combinations count.
    """

    multivariate: bool = True

    is_memoryless: ClassVar[bool] = True

    @property
    def sampler(self) -> str:
        """The name of the sampler in ``optuna.samplers``."""
        return "TPESampler"

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments with which the sampler is made."""
        return {
            "n_startup_trials": 1,
            "constant_liar": True,
            "multivariate": bool(self.multivariate),
        }


@dataclass(kw_only=True, repr=False)
class GP(SamplerStrategy):
    """Gaussian process: a smooth model of the goal, for few, expensive trials.

    For numbers, and for some texts. Fields of alternatives are chosen at random. It needs PyTorch
    and SciPy, and takes 0.1 to 0.2 s for each point.

    By Optuna's GPSampler.
    """

    is_memoryless: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("optuna", "torch", "scipy")

    @property
    def sampler(self) -> str:
        """The name of the sampler in ``optuna.samplers``."""
        return "GPSampler"

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments with which the sampler is made."""
        return {"n_startup_trials": 1}


@dataclass(kw_only=True, repr=False)
class CMAES(SamplerStrategy):
    """Covariance matrix adaptation: a cloud of points that moves and takes the shape of the goal.

    For ranges and ordered numbers, two of them or more, and for some hundred trials and more.
    Texts, and fields of alternatives, are chosen at random.

    Source: Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772. By Optuna's
    CmaEsSampler, changed so that the outcomes of all parallel trials count.

    Attributes:
        startup: How many trials have a score before the sampler proposes points; 0 is possible.
        population: How many trials make a generation; None for a number that follows from the
            number of fields.
    """

    startup: int = 0
    population: int | None = None

    packages: ClassVar[tuple[str, ...]] = ("optuna", "cmaes")
    least_startup: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("population", 2)

    @property
    def sampler(self) -> str:
        """The name of the sampler in ``optuna.samplers``."""
        return PARALLEL_CMAES

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments with which the sampler is made."""
        size = {} if self.population is None else {"popsize": self.population}
        return {"n_startup_trials": 0, **size}


@dataclass(kw_only=True, repr=False)
class NSGA2(SamplerStrategy):
    """NSGA-II: a population that approaches the best compromises between several goals.

    ``NSGA2(minimize=["loss", "seconds"])``, for all spaces, and for some hundred trials and more.
    By default, points are random until `population` trials have a score.

    Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE
    Transactions on Evolutionary Computation 6, 2002. By Optuna's NSGAIISampler.

    Attributes:
        population: How many trials make a generation.
    """

    startup: int = 0
    population: int = 50

    most_goals: ClassVar[int | None] = None
    least_startup: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("population", 2)

    @property
    def sampler(self) -> str:
        """The name of the sampler in ``optuna.samplers``."""
        return "NSGAIISampler"

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments with which the sampler is made."""
        return {"population_size": self.population}

    @property
    def n_random(self) -> int:
        """How many trials have a score before the sampler proposes points."""
        return self.startup or self.population


@dataclass(repr=False)
class Optuna(SamplerStrategy):
    """Any sampler of Optuna: ``Optuna("QMCSampler", minimize="loss", trials=64)``.

    Attributes:
        sampler: The name of a sampler in ``optuna.samplers``, or a class of an installed package.
        options: Its arguments, without ``seed``.
    """

    sampler: Any = field(default=None, kw_only=False)
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    startup: int = field(default=0, kw_only=True)

    most_goals: ClassVar[int | None] = None
    least_startup: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not isinstance(self.sampler, str | type):
            remedy = 'give the name of a sampler, as in Optuna("QMCSampler"), or its class'
            raise self._refused("sampler", remedy)
        if getattr(self.sampler, "__module__", "") == "__main__":
            remedy = "another process imports it, so write it into a module, and import it here"
            raise self._refused("sampler", remedy)
        for name, x in self.options.items():
            if " at 0x" in repr(x):
                raise StrategyError(
                    f"Optuna.options[{name!r}]={shorten(x)} has no text that says what it is, so "
                    "the search could not be resumed: give plain data, or an object with a repr"
                )

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """The arguments with which the sampler is made."""
        return self.options
