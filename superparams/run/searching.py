"""The search of a run: it hands proposals to the engine, and tells the strategy outcomes.

If a strategy ignores outcomes and only the number of trials ends the search, its settings are known
beforehand. They run as drawn settings do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from superparams.declare.experiment import Experiment
from superparams.declare.goal import Goal
from superparams.declare.keys import Keys
from superparams.declare.presentation import axes_of
from superparams.declare.proposed_space import ProposedSpace
from superparams.declare.sequence import has_valid
from superparams.errors.units import counted
from superparams.executor.engines.feed import Feed
from superparams.executor.scheduler.chunk import Chunk
from superparams.identity.digests.digest import key_of_text, key_text
from superparams.run.options import RunOptions
from superparams.run.order_wait import OrderWait
from superparams.run.proposal_watch import ProposalWatch
from superparams.run.search_options import (
    budget_of,
    id_of_search,
    point_to_try,
)
from superparams.run.search_records import (
    SearchRecords,
    TrialLog,
    answers_in,
    generation_of,
    history_of,
    runs_of_search,
)
from superparams.run.warm_start import WarmStart
from superparams.space.search_space import SearchPoint
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import SEARCH
from superparams.strategies.random_search import drawn_settings
from superparams.strategies.stop_decisions import StopDecisions
from superparams.strategies.stopper import Stopper
from superparams.strategies.strategy import AHEAD, Strategy
from superparams.strategies.trial_records import Answer, Budget, ReplayDiffers, turned
from superparams.strategies.trials import NOTHING_MORE, Trials
from superparams.views.progress import say

__all__ = ["Searching"]


class Searching:
    """The search of a run.

    Args:
        space: What to search.
        strategy: Proposes points; it knows its goals.
        goals: The results that the strategy learns.
        resumes: Whether to use recorded outcomes.
        reports: Whether to say at once, on stderr, that the strategy takes long.

    Attributes:
        space: The space whose settings run, an `Experiment`.
        proposed: The settings that were proposed; None if all are known beforehand.
        differs: The first trial whose point in a replay differs from its recorded point.
        notes: Sentences for the user.
        first: The settings that run first.
    """

    def __init__(
        self,
        space: Experiment,
        strategy: Strategy,
        goals: Sequence[Goal],
        *,
        resumes: bool = True,
        reports: bool = False,
    ) -> None:
        self.strategy, self.goals = strategy, goals
        drawn = drawn_settings(strategy, space)
        self.proposed = ProposedSpace(space) if drawn is None else None
        self.space: Any = drawn if self.proposed is None else self.proposed.settings
        self._of = space
        self.ahead: int | None = getattr(strategy, "ahead", AHEAD)
        self.seed = int(getattr(strategy, "seed", None) or 0)
        self.differs: int | None = None
        self.notes: list[str] = []
        self.first: list[int] = []
        self.log = TrialLog()
        self._resumes = resumes
        self._generation, self._id = 0, ""
        self._history: list[str] = []  # the earlier runs that this search continues
        self._warm = WarmStart(space, strategy, goals)
        self._n_settings = self._n_left = self._n_recorded = 0
        self._begun = time.monotonic()
        self._reports = reports
        self._watch = ProposalWatch(self._report, self._doing)
        self._wait = OrderWait(1)

    # ---- before the run

    def limited(self, options: RunOptions) -> RunOptions:
        """The options, with no more automatic workers than trials may run at once."""
        if not options.is_auto or self.ahead is None:
            return options
        return replace(options, num_proc=min(self.ahead, options.of_engine.num_proc))

    def _doing(self) -> str:
        name = type(self.strategy).__name__
        return self.trials.doing if hasattr(self, "trials") else f"{name} is in begin()"

    def _report(self, text: str) -> None:
        if self._reports:
            say(f"note: {text}")
        else:
            self.notes.append(text)

    def identify(self, keys: Keys, stop: Stopper | None) -> str:
        """Compute the id of the search.

        Args:
            keys: The keys of its settings.
            stop: The stopper of the run.

        Returns:
            The id: the same for the same strategy, seed, goal, space and stopper.
        """
        space = "" if self.proposed is None else repr(self.proposed.points.space)
        axes = {name: "".join(parts) for name, _, parts in axes_of(self._of)}
        digests = {name: str(x) for name, x in keys.digests.items()}
        goals = [list(goal) for goal in self.goals]
        more = space, axes, self._enqueued(), digests
        self._id = id_of_search(self.strategy, self.seed, goals, *more, self.ahead, stop)
        return self._id

    def _enqueued(self) -> list[dict[str, Any]]:
        if self.proposed is None:
            return []
        trials: Iterable[Any] = getattr(self.strategy, "enqueue", None) or ()
        return [point_to_try(self._of, self.proposed.points, trial) for trial in trials]

    def begin(self, root: Path, codes: Sequence[str], keys: Keys, options: dict[str, Any]) -> None:
        """Replay the records, and propose the first trials.

        Args:
            root: The folder of the experiment.
            codes: The codes that count as the current one.
            keys: The keys of the settings.
            options: The options of `Results.load`.
        """
        if self.proposed is None:
            return
        self._keys = keys
        self.records = SearchRecords(root, self.goals, codes, options)
        runs = runs_of_search(root, self._id)
        self._generation = max((generation_of(run) for run in runs), default=0)
        if not self._resumes:  # a new search without records
            self._generation, runs = self._generation + bool(runs), []
        self._load(runs)
        try:
            self._start()
        except ReplayDiffers as differs:
            self._go_on_as_new(differs.trial, runs)
            self._start()
        self.feed = Feed(Chunk.of(self.first).ranges, is_open=self.trials.ending is None)

    def _load(self, runs: Sequence[RunFolder]) -> None:
        assert self.proposed is not None
        own = [run for run in runs if generation_of(run) == self._generation]
        self.records.load(own)
        self._n_recorded = (max(self.records.rows, default=-1)) // self.proposed.repetitions + 1
        self._history = history_of(own[0]) if own else []
        if self._resumes and self.ahead is not None:
            self.notes += self._warm.begin(own, self.records.root, self.records.known)

    def _go_on_as_new(self, trial: int, runs: Sequence[RunFolder]) -> None:
        """Begin a new search, whose history is everything that this search has recorded."""
        records = self.records
        self._history = [run.name for run in runs]
        self._generation += 1
        self._n_recorded = 0
        name = type(self.strategy).__name__
        self.notes.append(
            f"trial {trial} of this search is now a different point than when it ran: {name} has "
            "changed, for example by an update of its library, or draws without its seed. The "
            "search goes on as a new one, which knows the trials before it"
        )
        self.records = SearchRecords(records.root, self.goals, records.codes, records.known)

    def _start(self) -> None:
        assert self.proposed is not None
        limits = budget_of(self.strategy)
        since = self._begun - (self.records.seconds if "seconds" in limits else 0.0)
        budget = Budget(**limits, elapsed=lambda: time.monotonic() - since)
        before = self.records.history_of_runs(self._history, self.proposed.points)
        with self._watch.thinking():
            self.trials = Trials(
                self.strategy,
                self.proposed.points.space,
                self,
                goals=self.goals,
                budget=budget,
                seed=self.seed,
                ahead=self.ahead or AHEAD,
                order=getattr(self.strategy, "order", None) or "index",
                enqueued=self._enqueued(),
                history=[*self._warm.rows, *before],
                points={} if has_valid(self._of) else self.records.points,
            )
        self.first = self._advance()

    # ---- the interface `TrialRecords` for the trials

    @property
    def n_recorded(self) -> int:
        """The number of the first trial without recorded outcomes, as for all later ones."""
        return self._n_recorded

    def propose(self, trial: int, point: SearchPoint) -> list[str]:
        """Take the point of a trial; return the keys of its settings, empty for those left out."""
        assert self.proposed is not None
        repetitions = self.proposed.points.kept(point)
        indices = enumerate(self.proposed.propose(trial, point))
        return [key_text(self._keys[index]) if n in repetitions else "" for n, index in indices]

    def is_kept(self, point: SearchPoint) -> bool:
        """Whether ``valid`` keeps a setting of a point."""
        assert self.proposed is not None
        return bool(self.proposed.points.kept(point))

    def own(self, index: int) -> tuple[str, Answer] | None:
        """The recorded outcome of a setting in this search."""
        return self.records.rows.get(index)

    def told_before(self, trial: int) -> list[int] | None:
        """The trials that were told just before one was asked for; see `TrialRecords`."""
        return self.records.told.get(trial)

    def known(self, trial: int, key: str) -> Answer | None:
        """The recorded outcome of a setting in other runs."""
        return self.records.other(key) if self._resumes else None

    # ---- in the run

    def open(self, run: RunFolder, n_workers: int) -> None:
        """Note trials in the folder of the run from now on; the run has so many workers."""
        self.log.open(run)
        self.log.write()
        self._wait = OrderWait(n_workers)

    def take(self, batch: pa.RecordBatch) -> None:
        """Tell the outcomes of a batch, and run the settings that are proposed next."""
        if self.proposed is None or self.differs is not None:
            return
        self._wait.pause()
        answers = answers_in(batch, self.goals)
        self._n_left -= len(answers)
        for index, (_, answer) in answers.items():
            self.trials.ended(index, answer)
        try:
            todo = self._advance()
        except ReplayDiffers as differs:
            self.differs = differs.trial
            self.feed.close()
            return
        self.log.write()
        if todo:
            self.feed.add(Chunk.of(todo).ranges)
        if self.trials.ending is not None and self.feed.is_open:
            self.feed.close()
        self._wait.go_on(self._n_left, is_over=self.trials.ending is not None)

    def _advance(self) -> list[int]:
        assert self.proposed is not None
        before = self.trials.n_trials if hasattr(self, "trials") else 0
        with self._watch.thinking():
            todo = self.trials.advance()
        reused, self.records.new = self.records.new, {}
        to_run = Counter(index // self.proposed.repetitions for index in todo)
        for trial in range(before, self.trials.n_trials):
            if trial >= self.n_recorded or to_run[trial]:
                told_trials = self.trials.told_for.get(trial)
                self.log.add(trial, self.proposed.point(trial), to_run[trial], reused, told_trials)
                reused = {}
        self._n_settings += len(todo)
        self._n_left += len(todo)
        return todo

    # ---- properties of the search

    def value_of(self, score: float) -> float:
        """The value of the first goal that has a score."""
        return turned(score, self.goals[0])

    @property
    def is_over(self) -> bool:
        """Whether the search has ended, and every outcome is there."""
        return self.proposed is None or (self.trials.ending is not None and not self._n_left)

    @property
    def n_expected(self) -> int:
        """How many settings run in this run, as far as is known now."""
        assert self.proposed is not None
        trials = budget_of(self.strategy).get("trials")
        if self.trials.ending is not None or trials is None:
            return self._n_settings
        more = max(0, int(trials) - self.trials.n_trials)
        return self._n_settings + more * self.proposed.repetitions

    @property
    def keys(self) -> pa.Array:
        """The keys of all of its settings, in order, 16 bytes each."""
        data = b"".join(key_of_text(key).to_bytes(16, "big") for key in self.trials.keys)
        return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])

    def manifest(self) -> dict[str, Any]:
        """The entries of run.json."""
        search = {
            "id": self._id,
            "generation": self._generation,
            "strategy": repr(self.strategy),
            "seed": self.seed,
            "goals": [list(goal) for goal in self.goals],
            "budget": budget_of(self.strategy),
            "ahead": self.ahead,
            "is_reproducible": "seconds" not in budget_of(self.strategy),
            "history": self._history,
            "repetitions": 1 if self.proposed is None else self.proposed.repetitions,
            **self._warm.manifest(),
        }
        if self.proposed is None:
            return {SEARCH: search}
        n = self.n_expected
        return {"settings": n, "todo": n, SEARCH: search}

    def judge(self, stopper: Stopper, steps: Mapping[str, Sequence[Any]]) -> StopDecisions:
        """The decisions of a stopper about settings of this search.

        Args:
            stopper: The stopper.
            steps: The recorded steps of settings, by key.
        """
        finished, lost = self.records.steps_of(steps)
        return StopDecisions(stopper, self.feed.first, finished=finished, lost=lost)

    def notes_at_end(self) -> list[str]:
        """Notes when the run has ended."""
        if self.proposed is None:
            return self.notes
        notes = list(self.notes)
        goals = ", ".join(repr(goal.column) for goal in self.goals)
        if self.goals and self.trials.n_trials and self.is_over and not self.trials.n_scores:
            notes.append(
                f"{type(self.strategy).__name__} could learn nothing: no setting has a number as "
                f"its result {goals}"
            )
        n_wanted = int(budget_of(self.strategy).get("trials", 1))
        if self.trials.ending == NOTHING_MORE and self.trials.n_trials < n_wanted:
            notes.append(
                f"{type(self.strategy).__name__}.ask({self.trials.n_trials}) returned None, so the "
                f"search has ended with {self.trials.n_trials:,} of {counted(n_wanted, 'trial')}"
            )
        if self.ahead is not None:
            notes += self._wait.note(type(self.strategy).__name__, self.ahead)
        return notes

    def close(self) -> None:
        """Call `close` of the strategy, if it has that, to end what the strategy has started."""
        self._watch.close()
        close = getattr(self.strategy, "close", None)
        if close is not None:
            close()
