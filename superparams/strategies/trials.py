"""The trials of a search: when a strategy is asked for a trial, and which outcomes it has then.

The strategy is asked for trial i when the trials up to i - `ahead` have ended. It has been told
exactly the outcomes of these, in order. So the proposals are the same for any number of workers and
any timing. If a search was interrupted, its strategy is asked again from trial 0, and is told the
recorded outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from superparams.declare.goal import Goal
from superparams.errors import StrategyError, headline
from superparams.errors.units import counted
from superparams.outcomes.outcome import FAILURES
from superparams.space.random_bits import RandomBits
from superparams.space.search_space import SearchPoint, SearchSpace
from superparams.strategies.strategy import Strategy, TrialOutcome, TrialStatus
from superparams.strategies.trial_records import (
    LEFT_OUT,
    Answer,
    Budget,
    HistoryRow,
    ReplayDiffers,
    TrialRecords,
    first_of,
    turned,
)

__all__ = ["NOTHING_MORE", "Trials"]

NOTHING_MORE: Final = "the strategy has nothing more to try"
MOST_KNOWN: Final = 20  # proposals in a row without a run, after which a random point is tried
MOST_ATTEMPTS: Final = 1000  # attempts to find a point that `valid` keeps, or a new point
MOST_LISTED: Final = 100_000  # points of a small space that are searched for a new one


@dataclass
class _Trial:
    """One proposal, and the answers of its settings; None for a setting without an answer yet."""

    point: SearchPoint
    keys: Sequence[str]
    answers: list[Answer | None]

    @property
    def is_complete(self) -> bool:
        return None not in self.answers


class Trials:
    """The trials of one search.

    Args:
        strategy: Proposes points.
        space: The space of points.
        records: The records of settings.
        goals: The results that the strategy learns; at least one.
        budget: When the search ends.
        seed: The seed of the strategy.
        ahead: How many trials may run at once.
        order: ``"index"``, or ``"arrival"`` to tell outcomes as they come.
        enqueued: Points to try first.
        history: Outcomes from before the search.
        points: The recorded points of the first trials, until ``valid`` has refused a point; a
            strategy with a method ``take`` gets them instead of a request.

    Attributes:
        ending: Why the search has ended; None while it goes on.
        best: The best trial so far and its score, among the trials that the strategy has learned.
        n_scores: How many outcomes had a value of each goal.
        told_for: The trials that were told just before each trial, if they are told as they come.
        doing: The present activity of the strategy, in words.
    """

    def __init__(
        self,
        strategy: Strategy,
        space: SearchSpace,
        records: TrialRecords,
        *,
        goals: Sequence[Goal],
        budget: Budget,
        seed: int = 0,
        ahead: int = 1,
        order: Literal["index", "arrival"] = "index",
        enqueued: Sequence[SearchPoint] = (),
        history: Iterable[HistoryRow] = (),
        points: Mapping[int, SearchPoint] | None = None,
    ) -> None:
        self._strategy, self._space, self._records = strategy, space, records
        self._goals, self._budget, self._ahead, self._order = goals, budget, ahead, order
        self._enqueued = enqueued
        self._random = RandomBits(seed)
        takes = order == "index" and hasattr(strategy, "take")
        self._points = (points or {}) if takes else {}
        self._trials: list[_Trial] = []
        self._n_complete = 0  # all trials before this one are complete
        self._told: list[int] = []
        self._arrived: list[int] = []
        self._first_of: dict[str, int] = {}  # the index of the first setting with a key
        self._waiting: dict[int, list[int]] = {}  # later settings with the same key
        self._n_known = 0  # proposals in a row without a run
        self._worst = [-math.inf] * len(goals)
        self.n_scores = 0
        self.told_for: dict[int, list[int]] = {}
        self.best: tuple[int, float] | None = None
        self.ending: str | None = None
        self.doing = ""
        self._call("begin", None, space, seed)
        rows = list(history)
        for number, row in enumerate(rows, -len(rows)):
            self._tell(number, self._outcome(row.point, row.answers))

    # ---- the interface for the run

    @property
    def n_trials(self) -> int:
        """How many trials have begun."""
        return len(self._trials)

    @property
    def is_complete(self) -> bool:
        """Whether the search waits for no outcome."""
        return all(trial.is_complete for trial in self._trials[self._n_complete :])

    @property
    def standing(self) -> tuple[int, int | None, float | None]:
        """How many trials have ended, the best of them and its score."""
        complete = [
            (number, trial) for number, trial in enumerate(self._trials) if trial.is_complete
        ]
        scored = [(self._mean(trial), number) for number, trial in complete]
        best = max(((x, -number) for x, number in scored if x is not None), default=None)
        return (len(scored), None, None) if best is None else (len(scored), -best[1], best[0])

    @property
    def keys(self) -> list[str]:
        """The keys of all settings, in order, each once."""
        return list(self._first_of)

    def advance(self) -> list[int]:
        """Propose as many trials as may be proposed now.

        Returns:
            The indices of settings to run, in ascending order.

        Raises:
            ReplayDiffers: When a proposal differs from the recorded one of this search.
            StrategyError: When the strategy raises an error, or proposes something that is no
                point.
        """
        todo: list[int] = []
        while self.ending is None and self._may_ask():
            trial = len(self._trials)
            self._tell_before(trial)
            self.ending = self._why_over(trial)
            point = None if self.ending else self._proposal(trial)
            if point is not None:
                todo += self._begin(trial, point)
        if self.ending is not None and self.is_complete:
            self._tell_before(None)
        return todo

    def ended(self, index: int, answer: Answer) -> None:
        """Take the outcome of a setting, by its index."""
        n_each = len(self._trials[0].keys)
        for waiting_index in (index, *self._waiting.pop(index, ())):
            number, repetition = divmod(waiting_index, n_each)
            trial = self._trials[number]
            trial.answers[repetition] = answer
            if trial.is_complete:
                self._arrived.append(number)
        self._look_for_complete()

    # ---- asking

    def _may_ask(self) -> bool:
        trial = len(self._trials)
        if self._order == "arrival":
            return trial - len(self._arrived) < self._ahead
        return self._n_complete > trial - self._ahead

    def _tell_before(self, trial: int | None) -> None:
        """Tell the strategy the outcomes that it may know before a trial; None: all outcomes."""
        if self._order == "arrival":
            ready = self._arrived_before(trial)
        else:
            end = self._n_complete if trial is None else max(0, trial - self._ahead + 1)
            ready = list(range(len(self._told), end))
        for number in ready:
            complete = self._trials[number]
            outcome = self._outcome(complete.point, [x for x in complete.answers if x is not None])
            self._told.append(number)
            if outcome.count and (self.best is None or outcome.score > self.best[1]):
                self.best = number, outcome.score
            self._tell(number, outcome)

    def _arrived_before(self, trial: int | None) -> list[int]:
        """The trials to tell now: new ones, or in a replay those that were told here before."""
        told_trials = set(self._told)
        new = [number for number in self._arrived if number not in told_trials]
        recorded = None if trial is None else self._records.told_before(trial)
        if recorded is not None and set(recorded) <= set(new):
            new = list(recorded)
        if trial is not None:
            self.told_for[trial] = new
        return new

    def _why_over(self, trial: int) -> str | None:
        """Why the search ends before a trial; None if it does not."""
        best, budget = self.best, self._budget
        if budget.trials is not None and trial >= budget.trials:
            return f"all {counted(budget.trials, 'trial')} of the budget"
        target, patience, seconds = budget.target, budget.patience, budget.seconds
        if best is not None and target is not None and best[1] >= turned(target, self._goals[0]):
            return f"trial {best[0]} has reached the target {target:g}"
        n_after = len(self._told) - (0 if best is None else 1 + self._told.index(best[0]))
        if self._goals and patience is not None and n_after >= patience:
            what = "with a value of the goal" if best is None else f"after trial {best[0]}"
            return f"no {'better ' if best else ''}trial {what} (patience={patience:,})"
        is_new = trial >= self._records.n_recorded
        if seconds is not None and is_new and budget.elapsed() >= seconds:
            return f"{seconds:g} seconds are over"
        return None

    def _proposal(self, trial: int) -> dict[str, Any] | None:
        """The point of the next trial; None if there is nothing more to try."""
        if trial < len(self._enqueued):
            return dict(self._enqueued[trial])
        if self._n_known >= MOST_KNOWN:
            return self._new_point(trial)
        recorded = self._recorded(trial)
        if recorded is not None and self._call("take", trial, trial, recorded):
            return recorded
        for _ in range(MOST_ATTEMPTS):
            proposal = self._call("ask", trial, trial)
            if proposal is None:
                self.ending = NOTHING_MORE
                return None
            try:
                point = self._space.checked(proposal)
            except StrategyError as error:
                raise self._error(f"has proposed no point for trial {trial}: {error}") from None
            if self._records.is_kept(point):
                return point
            self._tell(trial, self._lost(point, "refused"))
        raise self._error(
            f"has proposed {MOST_ATTEMPTS:,} points for trial {trial} that valid() refuses; search "
            f"over ranges and points that it keeps, or derive the field that depends on others"
        )

    def _recorded(self, trial: int) -> dict[str, Any] | None:
        """The recorded point of a trial, so that a strategy need not compute it again.

        None for the last trials: these show whether the strategy still proposes the same points.
        """
        if trial >= self._records.n_recorded - self._ahead or trial not in self._points:
            return None
        point = self._space.checked(self._points[trial])
        keys = self._records.propose(trial, point)
        recorded = [self._records.own(trial * len(keys) + n) or ("",) for n in range(len(keys))]
        return point if [key for key, *_ in recorded] == list(keys) else None

    def _new_point(self, trial: int) -> dict[str, Any] | None:
        """A random point without a known outcome; None if there seems to be none."""
        self._n_known = 0
        for attempt in range(MOST_ATTEMPTS):
            point = self._space.drawn(self._random, trial, attempt)
            if self._records.is_kept(point) and self._is_new(trial, point):
                return point
        size = self._space.size
        for point in self._space.listed() if size is not None and size <= MOST_LISTED else ():
            if self._records.is_kept(point) and self._is_new(trial, point):
                return point
        self.ending = "every point of the space has an outcome"
        return None

    def _is_new(self, trial: int, point: SearchPoint) -> bool:
        keys = self._records.propose(trial, point)
        return any(
            key and key not in self._first_of and not self._records.known(trial, key)
            for key in keys
        )

    def _begin(self, trial: int, point: SearchPoint) -> list[int]:
        """Note a trial, and return the settings to run."""
        keys = self._records.propose(trial, point)
        answers: list[Answer | None] = [None] * len(keys)
        new_trial = _Trial(point, keys, answers)
        self._trials.append(new_trial)
        todo: list[int] = []
        is_known = True
        for repetition, key in enumerate(keys):
            if not key:
                answers[repetition] = LEFT_OUT
                continue
            index = trial * len(keys) + repetition
            own = self._records.own(index)
            if own is not None and own[0] != key:
                raise ReplayDiffers(trial)
            first = self._first_of.setdefault(key, index)
            if own is not None:
                answers[repetition], is_known = own[1], False
            elif first != index:
                answers[repetition] = self._answer_at(first)
                if answers[repetition] is None:
                    self._waiting.setdefault(first, []).append(index)
            else:
                answers[repetition] = self._records.known(trial, key)
                if answers[repetition] is None:
                    todo.append(index)
                    is_known = False
        self._n_known = self._n_known + 1 if is_known else 0
        if new_trial.is_complete:
            self._arrived.append(trial)
        self._look_for_complete()
        return todo

    def _answer_at(self, index: int) -> Answer | None:
        number, repetition = divmod(index, len(self._trials[0].keys))
        return self._trials[number].answers[repetition]

    def _look_for_complete(self) -> None:
        trials = self._trials
        while self._n_complete < len(trials) and trials[self._n_complete].is_complete:
            self._n_complete += 1

    # ---- telling

    def _outcome(self, point: SearchPoint, answers: Sequence[Answer]) -> TrialOutcome:
        """The outcomes of the settings of a point."""
        rows = [self._scores_of(answer) for answer in answers if answer is not LEFT_OUT]
        scored = [row for row in rows if row is not None]
        if not scored or len(scored) < len(rows):
            return self._lost(point, "failed")
        scores = tuple(math.fsum(column) / len(column) for column in zip(*scored, strict=True))
        worst = zip(self._worst, scores, strict=True)
        self._worst = [min(x, y) if self.n_scores else y for x, y in worst]
        self.n_scores += 1
        is_stopped = any(answer.status == "stopped" for answer in answers)
        status: TrialStatus = "stopped" if is_stopped else "done"
        return TrialOutcome(point, first_of(scores), scores, len(scored), status)

    def _lost(self, point: SearchPoint, status: TrialStatus) -> TrialOutcome:
        """The outcome of a point without a score: the worst one."""
        return TrialOutcome(point, first_of(self._worst), tuple(self._worst), 0, status)

    def _mean(self, trial: _Trial) -> float | None:
        """The mean score of the first goal; None after a failure, or without a goal."""
        rows = [self._scores_of(x) for x in trial.answers if x not in (None, LEFT_OUT)]
        firsts = [row[0] for row in rows if row]
        return math.fsum(firsts) / len(firsts) if firsts and len(firsts) == len(rows) else None

    def _scores_of(self, answer: Answer) -> list[float] | None:
        """The score of each goal; None for a failure."""
        if answer.status in FAILURES:
            return None
        scores: list[float] = []
        for goal, x in zip(self._goals, answer.values, strict=True):
            if x is None or not math.isfinite(x):
                return None
            scores.append(turned(x, goal))
        return scores

    def _tell(self, trial: int, outcome: TrialOutcome) -> None:
        self._call("tell", trial, trial, outcome)

    def _call(self, method: str, trial: int | None, *args: object) -> Any:
        """Call a method of the strategy; errors name the method and the trial."""
        where = "" if trial is None else f" at trial {trial}"
        self.doing = f"{type(self._strategy).__name__} is in {method}(){where}"
        try:
            return getattr(self._strategy, method)(*args)
        except Exception as error:
            raise self._error(f"raised an error in {method}(){where}: {headline(error)}") from error

    def _error(self, what: str) -> StrategyError:
        return StrategyError(f"{type(self._strategy).__name__} {what}")
