"""The progress of the newest search of an experiment, by its records alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superparams.declare.goal import Goal
from superparams.run.search_records import TRIALS, answers_in, generation_of, runs_of_search
from superparams.store.json_values import json_object, json_text
from superparams.store.ledger.reader import read
from superparams.store.plain_files import read_plain
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.runs.run_records import SEARCH, goals_of_search

__all__ = ["SearchAccount", "newest_search"]


@dataclass(frozen=True)
class SearchAccount:
    """The progress of a search.

    Attributes:
        strategy: The strategy and its options.
        trials: How many trials have ended.
        budget: The limit that ends it.
        goal: The goal of the search; None without a goal.
        best: The best value of one setting so far; None if there is none.
    """

    strategy: str
    trials: int
    budget: Mapping[str, Any]
    goal: Goal | None
    best: float | None

    @property
    def left(self) -> int | None:
        """How many trials the budget has left; None without such a budget."""
        most = self.budget.get("trials")
        return max(0, most - self.trials) if isinstance(most, int) else None

    @property
    def document(self) -> dict[str, Any]:
        """The progress as JSON, for a program."""
        goal = None if self.goal is None else self.goal.column
        return {
            "strategy": self.strategy,
            "trials": self.trials,
            "left": self.left,
            "budget": dict(self.budget),
            "goal": goal,
            "best": self.best,
        }

    @property
    def text(self) -> str:
        """The progress as a line of text."""
        parts = [f"{self.trials:,} trial{'s' * (self.trials != 1)}"]
        if self.left is not None:
            parts.append(f"{self.left:,} left")
        if self.goal is not None and self.best is not None:
            parts.append(f"best {self.goal.column} {self.best:g}")
        return f"{self.strategy}: {', '.join(parts)}"


def newest_search(root: Path) -> SearchAccount | None:
    """The search of the newest run of an experiment; None if that run was no search."""
    newest = run_folders(root)[-1:]
    search = json_object(newest[0].manifest().get(SEARCH)) if newest else {}
    name, strategy = json_text(search.get("id")), json_text(search.get("strategy"))
    if name is None or strategy is None:
        return None
    generation = search.get("generation")
    runs = [run for run in runs_of_search(root, name) if generation_of(run) == generation]
    goals = goals_of_search(search)
    rows = {
        index: answer
        for run in runs
        for batch in read(run.ledger, growing=True)
        for index, answer in answers_in(batch, goals).items()
    }
    each = search.get("repetitions")
    each = each if isinstance(each, int) and each > 0 else 1
    goal = goals[0] if goals else None
    values = [
        answer.values[0] for _, answer in rows.values() if goals and answer.values[0] is not None
    ]
    best = None if goal is None or not values else (max if goal.mode == "max" else min)(values)
    n_ended = _n_ended(runs, Counter(index // each for index in rows), each)
    return SearchAccount(strategy, n_ended, json_object(search.get("budget")), goal, best)


def _n_ended(runs: list[RunFolder], rows: Counter[int], each: int) -> int:
    """How many trials have all of their outcomes."""
    to_run: dict[int, int] = {}
    for run in runs:
        try:
            lines = read_plain(run.path / TRIALS).decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                entry = json_object(json.loads(line))
            except ValueError:  # it was cut off
                continue
            trial, count = entry.get("trial"), entry.get("to_run")
            if isinstance(trial, int) and isinstance(count, int):
                to_run.setdefault(trial, count)
    if not to_run:  # all settings were known beforehand
        return sum(count >= each for count in rows.values())
    return sum(rows[trial] >= count for trial, count in to_run.items())
