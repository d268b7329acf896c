"""Asks a stopper about running settings, in an order that does not depend on which is quicker.

At a rung, a setting is compared with all settings before it in the space. It waits until each of
these has reached the rung, or never will. So the fate of each setting is the same for any number of
workers. Nothing waits for ever: the first setting that has not ended waits for none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from superparams.strategies.stopper import Reached, Row, Scores, StepList, Stopper, or_worst

__all__ = ["Decision", "StopDecisions"]


Decision = tuple[int, bool]  # the index of a setting that waits, and whether it goes on


class _Setting:
    """What is known of a setting that has begun.

    Attributes:
        steps: The steps of its attempt that runs.
        scores: Its scores, by rung, in ascending order.
        is_over: Whether it will reach no further rung.
        highest: The highest of these rungs; -1 for none.
        is_lost: Whether an attempt failed: then it counts as the worst at further rungs.
    """

    __slots__ = ("highest", "is_lost", "is_over", "scores", "steps")

    def __init__(self) -> None:
        self.steps = StepList()
        self.scores: dict[int, Any] = {}
        self.highest = -1
        self.is_over = False
        self.is_lost = False

    def note(self, reached: Reached) -> None:
        """Keep the score at a new rung; further attempts do not change what others have seen."""
        if reached.rung is not None and reached.rung > self.highest and not self.is_lost:
            self.scores[reached.rung] = reached.score
            self.highest = reached.rung


class StopDecisions:
    """The decisions of one run.

    Args:
        stopper: Decides.
        finished: Settings that ended in earlier runs, with their steps, by their index.
        indices: The settings of this run, as ascending ranges; more may follow by `add`.
    """

    def __init__(
        self,
        stopper: Stopper,
        indices: Iterable[range] = (),
        *,
        finished: Iterable[tuple[int, Sequence[Row]]] = (),
    ) -> None:
        self._stopper = stopper
        self._is_by_index = getattr(stopper, "order", "index") != "arrival"
        self._group = getattr(stopper, "group", None)
        self._reads: Callable[[Row], bool] = getattr(stopper, "reads", _every)
        self._n_read = 0
        self._columns: dict[str, None] | None = None  # of the first step that did not count
        self._settings: dict[int, _Setting] = {}
        self._held: list[int] = []  # in ascending order
        self._reached: dict[int, Reached] = {}  # where each of these waits
        self._frontiers: dict[tuple[Any, int], _Frontier] = {}
        self._indices: dict[Any, list[int]] = {}  # by group, in ascending order
        self._groups: dict[int, Any] = {}
        self.add(indices)
        for index, steps in finished:
            self._add_finished(index, [row for row in steps if self._reads(row)])

    def add(self, indices: Iterable[range]) -> None:
        """Add settings, after those that are there."""
        for one in indices:
            for index in one:
                self._known(index)

    def step(self, index: int, row: Row) -> list[Decision]:
        """Take a step of a setting, which waits for the decision.

        Returns:
            Decisions, not always one of this setting: it may have to wait for others.
        """
        if not self._reads(row):
            if self._columns is None:
                self._columns = dict.fromkeys(map(str, row))
            return [(index, True)]
        setting, self._n_read = self._begun(index), self._n_read + 1
        setting.steps.append(row)
        reached = self._stopper.reached(index, setting.steps)
        if reached is None:
            return [(index, True)]
        if reached.rung is None:
            return [self._decided(index, reached, ())]
        setting.note(reached)
        insort(self._held, index)
        self._reached[index] = reached
        return self._decide()

    def ended(self, index: int) -> list[Decision]:
        """Take the end of a setting: it reaches no further rung.

        Returns:
            Decisions for settings that have waited for it.
        """
        setting = self._begun(index)
        setting.is_over = True
        return self._left(index, setting)

    def lost(self, index: int) -> list[Decision]:
        """Take the end of an attempt that failed, whether or not another one follows.

        Nobody waits for the further attempts: the setting counts as the worst at all rungs that
        this attempt has not reached.

        Returns:
            Decisions for settings that have waited for it.
        """
        setting = self._begun(index)
        setting.is_over = setting.is_lost = True
        return self._left(index, setting)

    @property
    def notes(self) -> list[str]:
        """A note where the stopper had nothing to decide on."""
        if self._n_read:
            return []
        if self._columns is None:
            return [f"stop={self._stopper!r} decided nothing: no setting recorded a step"]
        columns = ", ".join(map(repr, self._columns)) or "none"
        return [
            f"stop={self._stopper!r} decided nothing: no step has a number in the column that it "
            f"reads; the first step has {columns}"
        ]

    # ---- inside

    def _left(self, index: int, setting: _Setting) -> list[Decision]:
        setting.steps = StepList()
        if self._reached.pop(index, None) is not None:
            self._held.remove(index)
        return self._decide()

    def _decide(self) -> list[Decision]:
        """The decisions that can be made now, from the first setting on.

        A decision to stop lets others go on, but these are asked when the setting has ended.
        """
        decisions: list[Decision] = []
        for index in list(self._held):
            reached = self._reached[index]
            others = self._others(index, reached)
            if others is not None:
                self._held.remove(index)
                del self._reached[index]
                decisions.append(self._decided(index, reached, others))
        return decisions

    def _decided(self, index: int, reached: Reached, others: Sequence[Any]) -> Decision:
        return index, bool(self._stopper.goes_on(reached, others))

    def _others(self, index: int, reached: Reached) -> Sequence[Any] | None:
        """The scores of the settings before this one; None while one of them may still come."""
        assert reached.rung is not None
        group = self._groups[index]
        indices = self._indices[group]
        frontier = self._frontiers.setdefault((group, reached.rung), _Frontier())
        if self._is_by_index:
            end = bisect_left(indices, index)
            if not self._advance(frontier, indices, reached.rung, end):
                return None
            return frontier.before(index)
        found = [
            one
            for other in indices
            if other != index and (one := self._score_at(other, reached.rung)) is not _NONE
        ]
        return found

    def _advance(self, frontier: _Frontier, indices: list[int], rung: int, end: int) -> bool:
        """Take up the settings that have reached a rung; whether all before `end` have passed."""
        while frontier.place < end:
            index = indices[frontier.place]
            score = self._score_at(index, rung)
            setting = self._settings.get(index)
            if score is not _NONE:
                frontier.append(index, score)
            elif setting is None or not setting.is_over:
                return False
            frontier.place += 1
        return True

    def _score_at(self, index: int, rung: int) -> Any:
        """The score of a setting at a rung, or at the next one where it has left that out."""
        setting = self._settings.get(index)
        if setting is None:
            return _NONE
        if rung in setting.scores:
            return setting.scores[rung]
        if rung < setting.highest:  # it has left this one out
            return next(score for one, score in setting.scores.items() if one > rung)
        return None if setting.is_lost else _NONE

    def _begun(self, index: int) -> _Setting:
        self._known(index)
        return self._settings.setdefault(index, _Setting())

    def _known(self, index: int) -> None:
        if index not in self._groups:
            group = None if self._group is None else self._group(index)
            self._groups[index] = group
            insort(self._indices.setdefault(group, []), index)

    def _add_finished(self, index: int, steps: Sequence[Row]) -> None:
        setting = self._begun(index)
        self._n_read += len(steps)
        so_far = StepList()
        for row in steps:
            so_far.append(row)
            reached = self._stopper.reached(index, so_far)
            if reached is not None:
                setting.note(reached)
        setting.is_over = True


class _Frontier:
    """The settings that have reached a rung, as far as all before them have passed it."""

    __slots__ = ("indices", "ordered", "place", "scores")

    def __init__(self) -> None:
        self.place = 0  # so many settings have passed
        self.indices: list[int] = []
        self.scores: list[Any] = []
        self.ordered: list[float] | None = []  # None where scores are no numbers

    def append(self, index: int, score: Any) -> None:
        """Add a setting that has reached the rung."""
        self.indices.append(index)
        self.scores.append(score)
        if self.ordered is not None and (score is None or isinstance(score, (int, float))):
            insort(self.ordered, or_worst(score))
        else:
            self.ordered = None

    def before(self, index: int) -> Scores:
        """The scores of the settings before one."""
        n = bisect_left(self.indices, index)
        is_whole = n == len(self.indices)
        return Scores(self.scores[:n], self.ordered if is_whole else None)


def _every(row: Row) -> bool:
    return True


_NONE = object()
