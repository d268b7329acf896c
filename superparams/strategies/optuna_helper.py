"""Asks samplers of Optuna for points, in a process of its own: ``python -m`` of this module.

This is the only module that imports Optuna. The driver starts it and sends the events of a search,
as plain data; the answer is a point. The driver can send everything again, so this process may be
killed at any time. It ends with the driver, and after some time without a request.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from inspect import signature
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from superparams.space.search_space import (
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
    SearchDimension,
    SearchPoint,
)
from superparams.strategies.parallel_cmaes import BASE as CMAES
from superparams.strategies.parallel_cmaes import NAME as PARALLEL_CMAES
from superparams.strategies.parallel_cmaes import numbers_of, parallel_cmaes, population_of
from superparams.strategies.sampler_events import (
    Event,
    FixedPoint,
    PointRequest,
    SamplerProblem,
    SearchStart,
    TrialEnd,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["main"]

_HEAD: Final = struct.Struct("<Q")
_IDLE: Final = 60.0  # seconds after which it ends; the driver starts another when it needs one
_TICK: Final = 0.2
_STUDY: Final = "search"


class _HelperSearch(Protocol):
    """A search in this process."""

    def take(self, event: Event) -> SearchPoint | None:
        """Take an event; return the point if the event is a `PointRequest`."""
        ...


def main() -> None:
    """Answer the driver until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends this
    watch = _Watch(os.getppid())
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # answers go through stdout, so libraries must not print to it
    warnings.simplefilter("ignore")
    with contextlib.suppress(EOFError, BrokenPipeError):
        search = _first_search(incoming)
        while True:
            watch.rest()
            events: Sequence[Event] = _received(incoming)
            watch.work()
            _send(outgoing, _answer(search, events))


def _first_search(incoming: BinaryIO) -> _HelperSearch | SamplerProblem:
    try:
        import optuna  # this may take longer than the driver needs to begin the search

        optuna.logging.disable_default_handler()
        start: SearchStart = _received(incoming)
        return (_MemorylessSearch if start.is_memoryless else _ReplayedSearch)(start)
    except EOFError:
        raise
    except Exception as error:
        return _problem(error)


def _answer(
    search: _HelperSearch | SamplerProblem, events: Sequence[Event]
) -> SearchPoint | SamplerProblem | None:
    if isinstance(search, SamplerProblem):
        return search
    point: SearchPoint | None = None
    try:
        for event in events:
            point = search.take(event)
    except Exception as error:
        return _problem(error)
    return point


def _problem(error: Exception) -> SamplerProblem:
    return SamplerProblem(f"{type(error).__name__}: {error}", traceback.format_exc())


def _received(file: BinaryIO) -> Any:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    (size,) = _HEAD.unpack(head)
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def _send(file: BinaryIO, x: object) -> None:
    data = pickle.dumps(x, protocol=5)
    file.write(_HEAD.pack(len(data)) + data)
    file.flush()


class _Watch:
    """Ends this process when the driver is gone, or has asked for nothing for a while."""

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._rests_since: float | None = time.monotonic()
        threading.Thread(target=self._look, daemon=True).start()

    def rest(self) -> None:
        """Note that this process is idle now."""
        self._rests_since = time.monotonic()

    def work(self) -> None:
        """Note that this process is busy now."""
        self._rests_since = None

    def _look(self) -> None:
        while os.getppid() == self._driver:
            time.sleep(_TICK)
            since = self._rests_since
            if since is not None and time.monotonic() - since > _IDLE:
                break
        os._exit(0)


# ---- searches


class _MemorylessSearch:
    """A search with a new sampler for each point, which has its own random numbers.

    So a point depends only on the known outcomes and on the trials that still run.
    """

    def __init__(self, start: SearchStart) -> None:
        import optuna

        class Listed(optuna.storages.InMemoryStorage):
            """An Optuna storage that takes its trials from a list."""

            trials: list[FrozenTrial] = []

            def get_all_trials(
                self, study_id: int, deepcopy: bool = True, states: Any = None
            ) -> list[FrozenTrial]:
                if states is None:
                    return self.trials
                return [trial for trial in self.trials if trial.state in states]

            def set_trial_system_attr(self, trial_id: int, key: str, value: object) -> None:
                """Ignore notes of a sampler on its points, which nothing reads."""

        self._start = start
        self._storage = Listed()
        directions = [optuna.study.StudyDirection.MAXIMIZE] * start.n_goals
        self._storage.create_new_study(directions, _STUDY)
        self._distributions = _distributions(start)
        self._n_told = 0
        self._scored: list[FrozenTrial] = []  # the trials with an outcome, in order
        self._without_score: list[FrozenTrial] = []
        self._pending: dict[int, SearchPoint] = {}
        self._has_conditions = _has_conditions(start)
        self._together: dict[str, BaseDistribution] = {}  # once a trial has a score

    def take(self, event: Event) -> SearchPoint | None:
        """See `_HelperSearch`."""
        from optuna.trial import TrialState

        match event:
            case PointRequest(trial, attempt):
                return self._point_of_sampler(trial, attempt)
            case FixedPoint(trial, point):
                self._pending[trial] = point
            case TrialEnd(trial, point, scores):
                self._pending.pop(trial, None)
                study_trial = self._trial(self._n_told, TrialState.COMPLETE, point, scores)
                self._n_told += 1
                (self._scored if _is_finite(scores) else self._without_score).append(study_trial)
        return None

    def _point_of_sampler(self, trial: int, attempt: int) -> SearchPoint:
        from optuna.study import Study
        from optuna.trial import TrialState

        self._score_failures()
        pending = [
            self._trial(number, TrialState.RUNNING, point)
            for number, point in enumerate(self._pending.values(), self._n_told)
        ]
        self._storage.trials = [*self._scored, *pending]
        sampler = _sampler(self._start, (trial, attempt))
        study = Study(_STUDY, self._storage, sampler=sampler)
        new_trial = self._trial(self._n_told + len(pending), TrialState.RUNNING, {})
        return self._sampled(study, sampler, new_trial)

    def _sampled(self, study: Study, sampler: BaseSampler, trial: FrozenTrial) -> SearchPoint:
        sampler.before_trial(study, trial)
        if self._has_conditions or not self._together:
            self._together = sampler.infer_relative_search_space(study, trial)
        together = self._together  # to find them, a sampler compares all trials
        relative = sampler.sample_relative(study, trial, together)

        def value(dimension: SearchDimension) -> Any:
            name = dimension.name
            distribution = self._distributions[name]
            if name in relative and together.get(name) == distribution:
                x = relative[name]
            else:
                x = sampler.sample_independent(study, trial, name, distribution)
            trial.params[name] = x
            trial.distributions[name] = distribution
            return x

        return self._start.space.made(value)

    def _score_failures(self) -> None:
        """Give failures before the first score the worst score, as later failures have it."""
        if self._scored and self._without_score:
            scores = [trial.values for trial in self._scored]
            worst = [min(column) for column in zip(*scores, strict=True)]
            for trial in self._without_score:
                trial.values = worst
            self._scored = sorted([*self._scored, *self._without_score], key=lambda x: x.number)
            self._without_score.clear()

    def _trial(
        self, number: int, state: Any, point: SearchPoint, scores: Sequence[float] | None = None
    ) -> FrozenTrial:
        from optuna.trial import FrozenTrial, TrialState

        is_complete = state == TrialState.COMPLETE
        return FrozenTrial(
            number=number,
            state=state,
            value=None,
            datetime_start=datetime(2000, 1, 1),
            datetime_complete=datetime(2000, 1, 1) if is_complete else None,
            params=dict(point),
            distributions={name: self._distributions[name] for name in point},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=number,
            values=None if scores is None else list(scores),
        )


class _ReplayedSearch:
    """A search with one sampler, which keeps state in a study, so it is replayed from trial 0."""

    def __init__(self, start: SearchStart) -> None:
        import optuna

        self._start = start
        self._distributions = _distributions(start)
        self._study = optuna.create_study(
            sampler=_sampler(start, ()), directions=["maximize"] * start.n_goals
        )
        self._open: dict[int, tuple[Trial, SearchPoint]] = {}

    def take(self, event: Event) -> SearchPoint | None:
        """See `_HelperSearch`."""
        match event:
            case PointRequest(trial):
                return self._point_of_sampler(trial)
            case FixedPoint(trial, point):
                self._study.enqueue_trial(dict(point))
                self._point_of_sampler(trial)
            case TrialEnd(trial, point, scores):
                self._tell(trial, point, scores)
        return None

    def _point_of_sampler(self, number: int) -> SearchPoint:
        trial = self._study.ask()
        point = self._start.space.made(lambda dimension: _suggested(trial, dimension))
        self._open[number] = trial, point
        return point

    def _tell(self, number: int, point: SearchPoint, scores: Sequence[float]) -> None:
        from optuna.trial import TrialState, create_trial

        open_trial = self._open.pop(number, None)
        is_same = open_trial is not None and self._start.space.checked(open_trial[1]) == dict(point)
        if open_trial is not None:
            is_scored = is_same and _is_finite(scores)
            self._study.tell(
                open_trial[0],
                list(scores) if is_scored else None,
                state=TrialState.COMPLETE if is_scored else TrialState.FAIL,
            )
        if not is_same and _is_finite(scores):
            distributions = {name: self._distributions[name] for name in point}
            self._study.add_trial(
                create_trial(values=list(scores), params=dict(point), distributions=distributions)
            )


# ---- distributions and samplers


def _distributions(start: SearchStart) -> Mapping[str, BaseDistribution]:
    every = start.space.every_dimension()
    return {dimension.name: _distribution(dimension) for dimension in every}


def _distribution(dimension: SearchDimension) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(dimension, NumberRange):
        low, high, log = dimension.low, dimension.high, dimension.log
        if dimension.is_int:
            return IntDistribution(int(low), int(high), log=log, step=int(dimension.step or 1))
        return FloatDistribution(low, high, log=log, step=dimension.step)
    if isinstance(dimension, OrderedNumbers):
        return IntDistribution(0, dimension.size - 1)
    return CategoricalDistribution(tuple(range(dimension.size)))


def _suggested(trial: Trial, dimension: SearchDimension) -> Any:
    name = dimension.name
    if isinstance(dimension, NumberRange):
        low, high, log = dimension.low, dimension.high, dimension.log
        if dimension.is_int:
            step = int(dimension.step or 1)
            return trial.suggest_int(name, int(low), int(high), log=log, step=step)
        return trial.suggest_float(name, low, high, log=log, step=dimension.step)
    if isinstance(dimension, OrderedNumbers):
        return trial.suggest_int(name, 0, dimension.size - 1)
    return trial.suggest_categorical(name, tuple(range(dimension.size)))


def _sampler(start: SearchStart, numbers_of_trial: tuple[int, ...]) -> BaseSampler:
    """The sampler, with random numbers for the search or for one trial of it."""
    import optuna

    kind: Any = start.sampler
    options = {**start.options}
    if kind == PARALLEL_CMAES:
        numbers = {name: _distributions(start)[name] for name in numbers_of(start.space)}
        size = options.setdefault("popsize", population_of(len(numbers)))
        kind = parallel_cmaes(getattr(optuna.samplers, CMAES), numbers, size)
    elif isinstance(kind, str):
        kind = getattr(optuna.samplers, kind)
    takes = signature(kind).parameters
    if options.get("multivariate") and "group" in takes:
        options.setdefault("group", _has_conditions(start))
    if "warn_independent_sampling" in takes and start.sampler != "TPESampler":
        options.setdefault("warn_independent_sampling", False)
    if "seed" in takes:
        text = " ".join(map(str, (start.seed, *numbers_of_trial)))
        digest = blake2b(text.encode(), digest_size=4).digest()
        options.setdefault("seed", int.from_bytes(digest, "little"))
    sampler: BaseSampler = kind(**options)
    return sampler


def _has_conditions(start: SearchStart) -> bool:
    return any(isinstance(dimension, ConditionalChoice) for dimension in start.space.dimensions)


def _is_finite(scores: Sequence[float]) -> bool:
    return all(abs(score) < float("inf") for score in scores)


if __name__ == "__main__":
    main()
