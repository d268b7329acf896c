"""Asks a stopper about running settings, in an order that does not depend on which is quicker.

At a rung, a setting is compared with all settings before it in the space. It waits until each of
these has reached the rung or has ended. So the same settings are stopped for any number of workers.
No setting waits for ever: the first one that has not ended waits for no other.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from superparams.errors import StrategyError
from superparams.errors.short_repr import shorten
from superparams.strategies.stopper import Reached, Row, Scores, StepList, Stopper, or_worst

__all__ = ["Decision", "StopDecisions"]


Decision = tuple[int, bool]  # the index of a setting that waits, and whether it goes on


class _Setting:
    """The state of a setting that has begun.

    Attributes:
        steps: The steps of its running attempt.
        scores: Its scores, by rung, in ascending order.
        highest: The highest of these rungs; -1 for none.
        is_over: Whether it will reach no further rung.
        is_lost: Whether an attempt failed, so that the setting counts as the worst at further
            rungs.
    """

    __slots__ = ("highest", "is_lost", "is_over", "scores", "steps")

    def __init__(self) -> None:
        self.steps = StepList()
        self.scores: dict[int, Any] = {}
        self.highest = -1
        self.is_over = False
        self.is_lost = False

    def note(self, reached: Reached) -> None:
        """Keep the score at a new rung; later attempts do not change scores that others used."""
        if reached.rung is not None and reached.rung > self.highest and not self.is_lost:
            self.scores[reached.rung] = reached.score
            self.highest = reached.rung


class StopDecisions:
    """The decisions of one run.

    Args:
        stopper: The stopper, which decides.
        indices: The settings of this run, as ascending ranges; more may follow by `add`.
        finished: Settings that ended in earlier runs: the index and the steps of each.
        lost: The same for settings whose attempt failed in an earlier run, and that do not run
            again; see the method `lost`.
    """

    def __init__(
        self,
        stopper: Stopper,
        indices: Iterable[range] = (),
        *,
        finished: Iterable[tuple[int, Sequence[Row]]] = (),
        lost: Iterable[tuple[int, Sequence[Row]]] = (),
    ) -> None:
        self._stopper = stopper
        self._is_by_index = getattr(stopper, "order", "index") != "arrival"
        self._group = getattr(stopper, "group", None)
        self._reads: Callable[[Row], bool] = getattr(stopper, "reads", _counts_every_step)
        self._n_read = 0
        self._columns: dict[str, None] | None = None  # columns of the first step that did not count
        self._settings: dict[int, _Setting] = {}
        self._held: list[int] = []  # in ascending order
        self._reached: dict[int, Reached] = {}  # the rung at which each of these waits
        self._frontiers: dict[tuple[Any, int], _Frontier] = {}
        self._indices: dict[Any, list[int]] = {}  # by group, in ascending order
        self._groups: dict[int, Any] = {}
        self.add(indices)
        for index, steps in finished:
            self._add_finished(index, [row for row in steps if self._reads(row)])
        for index, steps in lost:
            self._add_finished(index, [row for row in steps if self._reads(row)])
            self._settings[index].is_lost = True

    def add(self, indices: Iterable[range]) -> None:
        """Add settings, behind those that were added before."""
        for part in indices:
            for index in part:
                self._place_in_group(index)

    def step(self, index: int, row: Row) -> list[Decision]:
        """Take a step of a setting, which waits for a decision.

        Returns:
            The decisions that can be made now, for this setting and for others that have waited.
            If there is none for this setting, it continues to wait.
        """
        if not self._reads(row):
            if self._columns is None:
                self._columns = dict.fromkeys(map(str, row))
            return [(index, True)]
        setting, self._n_read = self._setting(index), self._n_read + 1
        setting.steps.append(row)
        reached = self._checked(self._stopper.reached(index, setting.steps))
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
        setting = self._setting(index)
        setting.is_over = True
        return self._decide_without(index, setting)

    def lost(self, index: int) -> list[Decision]:
        """Take the end of an attempt that failed, whether or not another attempt follows.

        No setting waits for a further attempt: this setting counts as the worst at all rungs that
        the attempt has not reached.

        Returns:
            Decisions for settings that have waited for it.
        """
        setting = self._setting(index)
        setting.is_over = setting.is_lost = True
        return self._decide_without(index, setting)

    def restarted(self, index: int) -> None:
        """Note that a setting begins again, and will repeat its steps."""
        self._forget_steps(index, self._setting(index))

    @property
    def notes(self) -> list[str]:
        """A note if the stopper had nothing to decide, since no step counted for it."""
        if self._n_read:
            return []
        if self._columns is None:
            return [f"stop={self._stopper!r} decided nothing: no setting recorded a step"]
        columns = ", ".join(map(repr, self._columns)) or "none"
        return [
            f"stop={self._stopper!r} decided nothing: no step has a number in the column that it "
            f"reads; the first step has {columns}"
        ]

    # ---- private

    def _decide_without(self, index: int, setting: _Setting) -> list[Decision]:
        self._forget_steps(index, setting)
        return self._decide()

    def _forget_steps(self, index: int, setting: _Setting) -> None:
        setting.steps = StepList()
        if self._reached.pop(index, None) is not None:
            self._held.remove(index)

    def _decide(self) -> list[Decision]:
        """The decisions that can be made now, in the order of the settings.

        If a setting is stopped now, others that wait for it are decided when it has ended.
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

    def _decided(self, index: int, reached: Reached, others: Sequence[object]) -> Decision:
        goes_on: Any = self._stopper.goes_on(reached, others)  # of any type: it is the user's
        if goes_on is None:
            raise StrategyError(
                f"{self._stopper!r}.goes_on() returned None: return True if the setting goes on, "
                "and False if it stops"
            )
        return index, bool(goes_on)

    def _checked(self, reached: Reached | None) -> Reached | None:
        """Check the result of the method `reached` of a stopper.

        Raises:
            StrategyError: When it is no `Reached`, or its rung is no number.
        """
        returned: Any = reached  # of any type: it is the user's
        if returned is None or (
            isinstance(returned, Reached) and isinstance(returned.rung, (int, float, type(None)))  # pyright: ignore[reportUnnecessaryIsInstance]
        ):
            return returned
        raise StrategyError(
            f"{self._stopper!r}.reached() returned {shorten(returned)}: return "
            "Reached(rung, score), whose rung is a number or None, or None"
        )

    def _others(self, index: int, reached: Reached) -> Sequence[Any] | None:
        """The scores of the settings before this one; None while another score may still come."""
        assert reached.rung is not None
        group = self._groups[index]
        indices = self._indices[group]
        frontier = self._frontiers.setdefault((group, reached.rung), _Frontier())
        if self._is_by_index:
            end = bisect_left(indices, index)
            if not self._advance(frontier, indices, reached.rung, end):
                return None
            return frontier.before(index)
        scores = [self._score_at(other, reached.rung) for other in indices if other != index]
        return [score for score in scores if score is not _NONE]

    def _advance(self, frontier: _Frontier, indices: list[int], rung: int, end: int) -> bool:
        """Add settings that have reached a rung; returns whether all before `end` are decided.

        Args:
            frontier: The settings at the rung; new ones are added to it.
            indices: The settings of the group.
            rung: The rung.
            end: The position in `indices` at which to stop.
        """
        while frontier.n_passed < end:
            index = indices[frontier.n_passed]
            score = self._score_at(index, rung)
            setting = self._settings.get(index)
            if score is not _NONE:
                frontier.append(index, score)
            elif setting is None or not setting.is_over:
                return False
            frontier.n_passed += 1
        return True

    def _score_at(self, index: int, rung: int) -> Any:
        """The score of a setting at a rung, or at the next rung if it skipped this one.

        None if an attempt failed before the rung, `_NONE` if the setting has not reached it.
        """
        setting = self._settings.get(index)
        if setting is None:
            return _NONE
        if rung in setting.scores:
            return setting.scores[rung]
        if rung < setting.highest:  # it has skipped this rung
            return next(score for other, score in setting.scores.items() if other > rung)
        return None if setting.is_lost else _NONE

    def _setting(self, index: int) -> _Setting:
        self._place_in_group(index)
        return self._settings.setdefault(index, _Setting())

    def _place_in_group(self, index: int) -> None:
        if index not in self._groups:
            group = None if self._group is None else self._group(index)
            self._groups[index] = group
            insort(self._indices.setdefault(group, []), index)

    def _add_finished(self, index: int, steps: Sequence[Row]) -> None:
        setting = self._setting(index)
        self._n_read += len(steps)
        so_far = StepList()
        for row in steps:
            so_far.append(row)
            reached = self._checked(self._stopper.reached(index, so_far))
            if reached is not None:
                setting.note(reached)
        setting.is_over = True


class _Frontier:
    """The settings that have reached a rung, up to the first one that may still reach it.

    Attributes:
        n_passed: The number of settings that have reached the rung, or will not.
        indices: The settings that have reached it.
        scores: The scores of these settings.
        ordered: The scores in ascending order; None if some are no numbers.
    """

    __slots__ = ("indices", "n_passed", "ordered", "scores")

    def __init__(self) -> None:
        self.n_passed = 0
        self.indices: list[int] = []
        self.scores: list[Any] = []
        self.ordered: list[float] | None = []

    def append(self, index: int, score: object) -> None:
        """Add a setting that has reached the rung."""
        self.indices.append(index)
        self.scores.append(score)
        if self.ordered is not None and (score is None or isinstance(score, (int, float))):
            insort(self.ordered, or_worst(score))
        else:
            self.ordered = None

    def before(self, index: int) -> Scores:
        """The scores of the settings before an index."""
        n = bisect_left(self.indices, index)
        is_whole = n == len(self.indices)
        return Scores(self.scores[:n], self.ordered if is_whole else None)


def _counts_every_step(row: Row) -> bool:
    return True


_NONE = object()
