"""Gives a search the records of other runs at its start, if the user wants that.

The outcomes are those of settings that ran with the same code and have the fixed fields of the
search. They are written to run.json, so a search that is resumed gets the same outcomes, and no
newer ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from superparams.declare.experiment import Experiment
from superparams.declare.goal import Goal
from superparams.declare.search_points import SearchPoints
from superparams.errors import SpaceError
from superparams.run.recorded_draws import field_columns, settings_with
from superparams.run.search_records import goal_values
from superparams.space.search_space import SearchPoint
from superparams.store.json_values import json_list, json_object
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder, has_records
from superparams.store.runs.run_records import SEARCH
from superparams.strategies.trial_records import Answer, HistoryRow, turned

__all__ = ["WARM", "WarmStart"]

WARM: Final = "warm"  # in the entry of the search in run.json
MOST_POINTS: Final = 1000  # the newest ones
_N_HINT: Final = 20  # rows that are looked at to decide whether the user gets a note


class WarmStart:
    """The earlier outcomes that a search learns at its start.

    Args:
        space: What is searched.
        strategy: The strategy; its attribute `warm` says whether it learns earlier outcomes.
        goals: The results that the strategy learns.

    Attributes:
        rows: The outcomes, the best one last; none before `begin`.
    """

    def __init__(self, space: Experiment, strategy: object, goals: Sequence[Goal]) -> None:
        self._space, self._goals = space, goals
        self._name = type(strategy).__name__
        self._is_on = bool(getattr(strategy, "warm", False))
        self.rows: list[HistoryRow] = []

    def begin(self, runs: Sequence[RunFolder], root: Path, options: Mapping[str, Any]) -> list[str]:
        """Read the outcomes that the search learned when it began; a new search gets those of now.

        Args:
            runs: The runs of the search, oldest first.
            root: The folder of the experiment.
            options: The options of `Results.load`.

        Returns:
            A note, if there are earlier outcomes that the search does not learn.
        """
        if self._is_on:
            pinned = next(filter(None, (_pinned_in(run, options["codes"]) for run in runs)), None)
            self.rows = self._recorded(root, options) if pinned is None else pinned[0]
        elif not runs and next(self._recorded_points(root, options, _N_HINT), None) is not None:
            return [
                "other runs of the same code have recorded outcomes that this search is not told: "
                f"{self._name}(warm=True) begins with their outcomes"
            ]
        return []

    def manifest(self) -> dict[str, Any]:
        """The entry of run.json."""
        rows = [[dict(row.point), list(map(_plain, row.answers))] for row in self.rows]
        return {WARM: rows} if self._is_on else {}

    def _recorded(self, root: Path, options: Mapping[str, object]) -> list[HistoryRow]:
        """The recorded outcomes in the order of their scores, the best one last."""
        answers: dict[str, HistoryRow] = {}
        for point, answer in self._recorded_points(root, options, None):
            name = json.dumps(point, sort_keys=True)
            before = answers.pop(name, HistoryRow(point, ()))
            answers[name] = HistoryRow(point, sorted([*before.answers, answer]))
        newest = list(answers.items())[-MOST_POINTS:]
        return [row for _, row in sorted(newest, key=self._score_and_name)]

    def _score_and_name(self, named: tuple[str, HistoryRow]) -> tuple[float, str]:
        name, row = named
        return self._score(row), name

    def _score(self, row: HistoryRow) -> float:
        values = [answer.values[0] or 0.0 for answer in row.answers]
        return turned(math.fsum(values) / len(values), self._goals[0])

    def _recorded_points(
        self, root: Path, options: Mapping[str, Any], n_rows: int | None
    ) -> Iterator[tuple[SearchPoint, Answer]]:
        """The points and outcomes of recorded settings of the space, oldest first."""
        if not has_records(root):
            return
        points = SearchPoints(self._space)
        rows = Results.load(root, **options).where(stale=False)
        scores = zip(*(goal_values(rows, goal.column) for goal in self._goals), strict=True)
        own = (rows.column(name).to_pylist() for name in ("key", "status", "started"))
        # If a setting returned a data frame, its last row counts.
        places = {row[0]: (row, place) for place, row in enumerate(zip(*own, scores, strict=True))}
        done = [
            (row, place)
            for row, place in places.values()
            if row[1] == "done" and None not in row[3]
        ]
        done.sort(key=lambda row_and_place: row_and_place[0][2])  # when it started
        columns = [(name, rows.column(column)) for column, name in field_columns(rows).items()]
        for (key, status, _, values), place in done if n_rows is None else done[-n_rows:]:
            fields = {name: column[place].as_py() for name, column in columns}
            setting = next(settings_with(self._space, fields, key), None)
            with suppress(SpaceError):
                if setting is not None:
                    yield points.point_of(setting), Answer(status, list(values))


def _pinned_in(run: RunFolder, codes: Sequence[str]) -> tuple[list[HistoryRow]] | None:
    """What a run learned at its start; None if it is no search, or ran with other code."""
    search = json_object(run.manifest().get(SEARCH))
    if WARM not in search or run.code() not in codes:
        return None
    return (list(map(_row_from, json_list(search[WARM]))),)


def _plain(answer: Answer) -> list[Any]:
    return [answer.status, *answer.values]


def _row_from(entry: Any) -> HistoryRow:
    point, answers = entry
    return HistoryRow(point, [Answer(str(status), values) for status, *values in answers])
