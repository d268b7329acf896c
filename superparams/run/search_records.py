"""The records of a search: its own outcomes, and outcomes that it took from other runs.

The run.json of each run of a search has the id of the search. Trial i has the settings from
``i * repetitions`` on, so the index of a row tells its trial. Outcomes that the search took from
other runs are in `trials.jsonl` of the run that took them, so a replay finds the same outcomes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from superparams.declare.goal import Goal
from superparams.declare.search_points import SearchPoints
from superparams.outcomes.arrow import typed_values
from superparams.outcomes.batches import values_of
from superparams.outcomes.columns import CODE
from superparams.store.json_values import json_list, json_object
from superparams.store.ledger.reader import read
from superparams.store.plain_files import read_plain
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder, has_records, run_folders
from superparams.store.runs.run_records import SEARCH, Run
from superparams.store.table.schema import column_of_result
from superparams.strategies.trial_records import Answer, HistoryRow

__all__ = [
    "TRIALS",
    "SearchRecords",
    "TrialLog",
    "answers_in",
    "generation_of",
    "goal_values",
    "history_of",
    "runs_of_search",
]

TRIALS: Final = "trials.jsonl"  # in the folder of a run
_DONE: Final = ("done",)


def runs_of_search(root: Path, name: str) -> list[RunFolder]:
    """The runs of a search and of the searches that it continues, oldest first.

    Args:
        root: The folder of the experiment.
        name: The id of the search.
    """
    pairs = [(run, json_object(run.manifest().get(SEARCH))) for run in run_folders(root)]
    return [run for run, search in pairs if search.get("id") == name]


def answers_in(batch: pa.RecordBatch, goals: Sequence[Goal]) -> dict[int, tuple[str, Answer]]:
    """The key and the outcome of each setting in a batch, by its index.

    If a setting returned a data frame, its last row counts.
    """
    columns = [_numbers(values_of(batch, goal.column), batch.num_rows) for goal in goals]
    rows = zip(*columns, strict=True) if columns else iter([()] * batch.num_rows)
    names = ("index", "key", "status")
    own = (batch.column(name).to_pylist() for name in names)
    return {
        index: (key, Answer(status, list(values)))
        for index, key, status, values in zip(*own, rows, strict=True)
    }


def goal_values(rows: Results, name: str) -> list[float | None]:
    """The values of a goal in each row; None if there is no number."""
    table = rows.to_arrow()
    column = column_of_result(table.schema, name)
    if column not in rows.results:
        return [None] * len(rows)
    values = typed_values(table.column(column), table.schema.field(column))
    return [_number(x) for x in values]


def _numbers(values: Sequence[object], size: int) -> list[float | None]:
    return [_number(x) for x in values] if values else [None] * size


def _number(x: Any) -> float | None:
    try:
        number = None if x is None or isinstance(x, str | bytes) else float(x)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and math.isfinite(number) else None


def _is_lost(answer: Answer, attempt: int) -> bool:
    return answer.status in ("killed", "timeout") or (answer.status == "failed" and attempt > 1)


def generation_of(run: RunFolder) -> int:
    """How many times the search of a run had begun anew."""
    generation = json_object(run.manifest().get(SEARCH)).get("generation", 0)
    return generation if isinstance(generation, int) else 0


def history_of(run: RunFolder) -> list[str]:
    """The names of the earlier runs that the search of a run continues."""
    return list(map(str, json_list(json_object(run.manifest().get(SEARCH)).get("history"))))


@dataclass
class SearchRecords:
    """The records of one search, and those of the settings of its experiment.

    Attributes:
        rows: The key and the outcome of each setting of this search, by its index.
        points: The points of its trials.
        taken: Outcomes that it took from other runs, by key.
        told: The trials that were told just before each trial, if outcomes are told as they come.
        new: Outcomes that it has taken from other runs, and that are not written to a file yet.
        runs: Its runs.
        lost: The settings with an attempt that died, or that was followed by another attempt.
    """

    root: Path
    goals: Sequence[Goal]
    codes: Sequence[str]
    known: Mapping[str, Any]
    rows: dict[int, tuple[str, Answer]] = field(default_factory=dict[int, tuple[str, Answer]])
    points: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    taken: dict[str, Answer] = field(default_factory=dict[str, Answer])
    told: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    new: dict[str, Answer] = field(default_factory=dict[str, Answer])
    runs: list[RunFolder] = field(default_factory=list[RunFolder])
    lost: set[int] = field(default_factory=set[int])
    _others: dict[str, Answer] | None = None

    def load(self, runs: Sequence[RunFolder]) -> None:
        """Read the records that these runs have made with the current code."""
        self.runs = list(runs)
        for run in self.runs:
            for trial, entry, reused in _logged(run):
                self.points[trial] = json_object(entry.get("point"))
                self.taken.update(reused)
                if "told" in entry:
                    self.told[trial] = [x for x in json_list(entry["told"]) if isinstance(x, int)]
            self.rows.update(self._rows_of(run))

    def _rows_of(self, run: RunFolder) -> dict[int, tuple[str, Answer]]:
        rows: dict[int, tuple[str, Answer]] = {}
        ours, code = set(self.codes), run.code()
        for batch in read(run.ledger, growing=True):
            codes = [code] * batch.num_rows
            if CODE in batch.schema.names:
                codes = batch.column(CODE).to_pylist()
            answers = answers_in(batch, self.goals)
            by_index = dict(zip(batch.column("index").to_pylist(), codes, strict=True))
            new = {index: row for index, row in answers.items() if by_index[index] in ours}
            rows.update(new)
            attempts = batch.column("attempt").to_pylist()
            by_attempt = dict(zip(batch.column("index").to_pylist(), attempts, strict=True))
            self.lost.update(
                index for index, (_, x) in new.items() if _is_lost(x, by_attempt[index])
            )
        return rows

    def other(self, key: str) -> Answer | None:
        """The outcome of a setting in other runs of the same code, if it is done there."""
        if key in self.taken:
            return self.taken[key]
        if self._others is None:
            self._others = self._load_others()
        answer = self._others.get(key)
        if answer is not None:
            self.taken[key] = self.new[key] = answer
        return answer

    def _load_others(self) -> dict[str, Answer]:
        if not has_records(self.root):
            return {}
        rows = Results.load(self.root, **self.known).where(stale=False)
        columns = [goal_values(rows, goal.column) for goal in self.goals]
        values = zip(*columns, strict=True) if columns else iter([()] * len(rows))
        own = (rows.column(name).to_pylist() for name in ("key", "status"))
        return {
            key: Answer(status, list(row))
            for key, status, row in zip(*own, values, strict=True)
            if status in _DONE
        }

    def history(self, points: SearchPoints) -> list[HistoryRow]:
        """The trials whose points are known, as the history of another search.

        Args:
            points: Knows how many settings a trial has, and which of them ``valid`` keeps.
        """
        rows: list[HistoryRow] = []
        for trial, point in sorted(self.points.items()):
            indices = [trial * points.repetitions + n for n in points.kept(point)]
            answers = [self.rows[index][1] for index in indices if index in self.rows]
            if len(answers) == len(indices):
                rows.append(HistoryRow(point, answers))
        return rows

    def steps_of(self, steps: Mapping[str, Sequence[Any]]) -> tuple[list[Any], list[Any]]:
        """The index and the steps of settings that have ended, and of those that were lost.

        Args:
            steps: The recorded steps of settings, by key.
        """
        rows = [(index, steps.get(key, [])) for index, (key, _) in sorted(self.rows.items())]
        finished = [row for row in rows if row[0] not in self.lost]
        return finished, [row for row in rows if row[0] in self.lost]

    def history_of_runs(self, names: Sequence[str], points: SearchPoints) -> list[HistoryRow]:
        """The trials of other runs, in the order of their searches."""
        rows: list[HistoryRow] = []
        runs = [run for run in run_folders(self.root) if run.name in set(names)] if names else []
        for generation in sorted({generation_of(run) for run in runs}):
            records = SearchRecords(self.root, self.goals, self.codes, {})
            records.load([run for run in runs if generation_of(run) == generation])
            rows += records.history(points)
        return rows

    @property
    def seconds(self) -> float:
        """How long its runs took together."""
        return math.fsum(Run.of(run).seconds or 0.0 for run in self.runs)


class TrialLog:
    """Writes the points of trials, and outcomes of other runs, into the folder of a run."""

    def __init__(self) -> None:
        """Start without a folder: until `open`, nothing is written."""
        self._lines: list[str] = []
        self._path: Path | None = None

    def open(self, run: RunFolder) -> None:
        """Write into this folder from now on."""
        self._path = run.path / TRIALS

    def add(
        self,
        trial: int,
        point: Mapping[str, object],
        to_run: int,
        reused: Mapping[str, Answer],
        told_trials: Sequence[int] | None = None,
    ) -> None:
        """Note a trial: how many of its settings run, which outcomes it reuses, what was told."""
        answers = {key: [answer.status, *answer.values] for key, answer in reused.items()}
        line = {"trial": trial, "point": dict(point), "to_run": to_run}
        line |= {"taken": answers} if answers else {}
        line |= {} if told_trials is None else {"told": list(told_trials)}
        self._lines.append(json.dumps(line) + "\n")

    def write(self) -> None:
        """Write the notes to the file, if there is a folder."""
        if self._path is not None and self._lines:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write("".join(self._lines))
            self._lines.clear()


def _logged(run: RunFolder) -> Iterator[tuple[int, Mapping[str, Any], dict[str, Answer]]]:
    """The trials in the file of a run, with their lines; one that was cut off is left out."""
    try:
        text = read_plain(run.path / TRIALS).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            entry = json_object(json.loads(line))
            reused = {
                key: Answer(str(status), values)
                for key, (status, *values) in json_object(entry.get("taken")).items()
            }
            yield int(entry["trial"]), entry, reused
        except (ValueError, KeyError, TypeError):
            continue
