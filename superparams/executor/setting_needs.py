"""What each setting of a run needs of a machine: the resources that its class declares."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from superparams.declare.experiment import Experiment
from superparams.declare.layout import known_layout
from superparams.declare.plain_attributes import has_resources
from superparams.declare.resources import (
    Resources,
    class_resources,
    setting_resources,
)
from superparams.errors import RunError
from superparams.executor.fork_guard import ForkGuard

__all__ = ["SettingNeeds", "needs_of"]

Ranges = Sequence[range]


class SettingNeeds:
    """The needs of the settings of a space; picklable.

    Args:
        space: The space; a setting is a space of one.

    Attributes:
        check: Refuses a need that the engine cannot meet, by an error; called for each need once.
        of_class: The need of all settings; None if settings differ.
        capacity: Tells how many settings of a need can run at once; None if the engine does not
            tell.
        known: The different needs so far, each with the first setting that has it.
    """

    def __init__(self, space: Experiment) -> None:
        self._space = space
        self.of_class = class_resources(type(space))
        self.check: Callable[[Resources, int], None] | None = None
        self.capacity: Callable[[Resources], float] | None = None
        self.known: dict[Resources, int] = {}
        self._last: tuple[Ranges, dict[Resources, Ranges]] = ((), {})
        self._answers = _Answers()
        if self.of_class is not None:
            self.known[self.of_class] = 0

    @property
    def name(self) -> str:
        """``Class.resources``, for errors."""
        return f"{type(self._space).__name__}.resources"

    def at(self, index: int) -> Resources:
        """What the setting at an index needs.

        Raises:
            RunError: When its method fails.
        """
        if self.of_class is not None:
            return self.of_class
        answer = self._answers.at(index)
        if answer is None:
            answer = self._ask(index)
            self._answers.add(index, answer)
        return answer

    def _ask(self, index: int) -> Resources:
        guard = ForkGuard()
        try:
            return setting_resources(self._setting(index))
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise RunError(f"{self.name}() failed for {self.shown(index)}: {what}") from error
        finally:
            guard.check(self.name)

    def split(self, ranges: Ranges) -> Mapping[Resources, Ranges]:
        """Settings by what they need.

        Raises:
            RunError: When a method fails.
            EngineError: When the engine cannot meet a need.
        """
        last, by_need = self._last
        if last is not ranges:
            by_need = self._split(ranges)
            self._last = ranges, by_need
        for need, parts in by_need.items():
            if need not in self.known:
                index = next(part[0] for part in parts if part)
                if self.check is not None:
                    self.check(need, index)
                self.known[need] = index
        return by_need

    def _split(self, ranges: Ranges) -> dict[Resources, Ranges]:
        if self.of_class is not None:
            return {self.of_class: ranges} if any(map(len, ranges)) else {}
        by_need: dict[Resources, list[range]] = {}
        for index in (index for part in ranges for index in part):
            parts = by_need.setdefault(self.at(index), [])
            if parts and parts[-1].stop == index:
                parts[-1] = range(parts[-1].start, index + 1)
            else:
                parts.append(range(index, index + 1))
        return dict(by_need)

    def shown(self, index: int) -> str:
        """A setting in one line."""
        return repr(self._setting(index))

    def _setting(self, index: int) -> Any:
        layout = known_layout(self._space)
        return self._space if layout is None else layout.at(index)

    def __reduce__(self) -> tuple[Any, ...]:
        return SettingNeeds, (self._space,)


class _Answers:
    """What the method returned for settings, so that another attempt does not call it again."""

    def __init__(self) -> None:
        # Ranges of settings with the same need, by their start: start, stop, need.
        self._parts: list[tuple[int, int, Resources]] = []

    def add(self, index: int, need: Resources) -> None:
        start, stop, last = self._parts[-1] if self._parts else (0, -1, None)
        if stop == index and last == need:
            self._parts[-1] = start, index + 1, need
        else:
            insort(self._parts, (index, index + 1, need), key=_start)

    def at(self, index: int) -> Resources | None:
        place = bisect_right(self._parts, index, key=_start) - 1
        is_known = place >= 0 and index < self._parts[place][1]
        return self._parts[place][2] if is_known else None


def _start(part: tuple[int, int, Resources]) -> int:
    return part[0]


def needs_of(space: Experiment) -> SettingNeeds | None:
    """The needs of the settings of a space; None if its class declares no resources."""
    return SettingNeeds(space) if has_resources(type(space)) else None
