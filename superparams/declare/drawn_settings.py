"""Settings that are drawn from a space: `sample`, `sobol`, `latin_hypercube`, `grid`.

They are lazy: a setting is drawn when it is needed. `one_at_a_time` gives the settings that differ
from a given one in one axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from superparams.adapters.content import whole_number
from superparams.declare.draws import (
    MOST_ATTEMPTS,
    Drawing,
    LeftOut,
    Trial,
    is_repeated,
    leaves_repetitions_out,
    refused,
    repetitions,
)
from superparams.declare.field import declared_of
from superparams.declare.instance_state import open_fields
from superparams.declare.joined_space import joined_axis
from superparams.declare.layout import keeps
from superparams.declare.listed_ranges import without_ranges
from superparams.declare.metaclass import recorded_fields
from superparams.declare.sequence import (
    is_kept,
    is_kept_in,
    layout_of,
    number_of_settings,
    same_field,
    setting_at,
)
from superparams.errors import SpaceError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open
from superparams.space.random_bits import LatinHypercube, Method, RandomBits, SobolBits

__all__ = ["ChosenSettings", "grid", "latin_hypercube", "one_at_a_time", "sample", "sobol"]

MOST_POINTS: Final = 1 << 32
LONGEST_SEED: Final = 60  # digits


class ChosenSettings:
    """Settings that are made from their index when they are needed.

    Args:
        size: The number of settings.
        make_setting: Returns the setting at an index.
        joined: Returns a space of the settings at some indices, in this order; None without one.
        recipe: The function that has chosen the settings, and its arguments, for pickles.
    """

    def __init__(
        self,
        size: int,
        make_setting: Callable[[int], Any],
        joined: Callable[[range], Any],
        recipe: Sequence[object],
    ) -> None:
        self.size = size
        self.joined = joined
        self._at = make_setting
        self._recipe = recipe

    def __call__(self, index: int) -> Any:
        """The setting at an index."""
        return self._at(index)

    def __reduce__(self) -> tuple[Any, ...]:
        make, *args = self._recipe
        return make, tuple(args)


def _not_joined(_: range) -> None:
    """The function `joined` for settings that no space can hold."""


def sample(space: object, n: int, seed: int = 0) -> ChosenSettings:
    """Points that are drawn at random, each from the whole space: random search.

    Every value of a range is equally likely (every order of magnitude with ``log=True``), and so is
    every point of an axis, and every alternative. Point i depends on the seed, on i and on the
    dotted names of the fields alone. So ``sample(200)`` begins with ``sample(100)``, and another
    axis leaves the values of the others as they are. A point that ``valid`` refuses with all
    repetitions is drawn again.

    Args:
        n: The number of points. Each is a setting, or as many as there are repetitions
            (``repeat=True``) that ``valid`` keeps. Settings may be equal where all axes have
            points; a run runs equal ones once.
        seed: Another seed gives other points.

    Returns:
        Settings, which are drawn when they are needed.

    Raises:
        SpaceError: For an n or a seed that is no such int, and when ``valid`` refuses 1,000 draws
            of one point.
    """
    return _drawn(space, "sample", n, seed, lambda: RandomBits(seed))


def sobol(space: object, n: int, seed: int = 0) -> ChosenSettings:
    """Points of a Sobol sequence, which cover the space more evenly than random ones.

    It is scrambled by the seed and by the dotted names of the fields. ``sobol(256)`` begins with
    ``sobol(128)``, and an axis that is declared after the others leaves their values as they are.
    It is most even if n is a power of two. Everything else is as in ``sample``; a point that
    ``valid`` refuses is replaced by a random one.

    Args:
        n: The number of points, as in ``sample``.
        seed: Another seed gives another scramble.

    Returns:
        Settings, which are drawn when they are needed.

    Raises:
        SpaceError: As ``sample``, and for more than 256 axes.
    """
    return _drawn(space, "sobol", n, seed, lambda: SobolBits(seed))


def latin_hypercube(space: object, n: int, seed: int = 0) -> ChosenSettings:
    """Points of a Latin hypercube: each of n equal parts of every axis has exactly one point.

    Another n gives other points: ``latin_hypercube(200)`` does not begin with
    ``latin_hypercube(100)``. Everything else is as in ``sample``; a point that ``valid`` refuses
    is replaced by a random one.

    Args:
        n: The number of points, as in ``sample``.
        seed: Another seed gives other points.

    Returns:
        Settings, which are drawn when they are needed.

    Raises:
        SpaceError: As ``sample``.
    """
    return _drawn(space, "latin_hypercube", n, seed, lambda: LatinHypercube(seed, int(n)))


def grid(space: object, k: int) -> ChosenSettings:
    """All combinations of at most k values of each range, and of all points of the other axes.

    The values of a range are evenly spaced, on its logarithmic scale if it has one, from its lowest
    to its highest number. They are rounded to integers or steps, if the range has these, and equal
    values are taken once. One value is the middle of the range.

    Args:
        k: The most values of a range, 1 or more.

    Returns:
        Settings, in the order of a space.

    Raises:
        SpaceError: For a k that is no such int.
    """
    k = _checked_number(space, "grid", "k", k)
    listed = without_ranges(space, k)
    size = number_of_settings(listed)

    def joined(indices: range) -> Any:
        return listed if indices == range(size) else None

    return ChosenSettings(size, partial(setting_at, listed), joined, (grid, space, k))


def one_at_a_time(space: object, base: Any, points: int | None = None) -> ChosenSettings:
    """A setting, and each setting of the space that differs from it in one axis: ablations.

    On an axis of alternatives, all settings of the other alternatives are taken; inside of the same
    alternative, one of its axes differs at a time. Axes of one zip group count as one axis. Each
    setting is taken with all repetitions (``repeat=True``). Settings that ``valid`` refuses are
    left out.

    Args:
        base: A setting of the class of the space, which comes first.
        points: The most values of a range, evenly spaced, as in ``grid``.

    Returns:
        Settings, each once.

    Raises:
        SpaceError: For a base that is no setting of the space, and without `points` for ranges.
    """
    cls: type[Any] = space.__class__
    if type(base) is not cls or is_open(base):
        raise SpaceError(
            f"{cls.__name__}.one_at_a_time({shorten(base)}) takes a setting of {cls.__name__}, as "
            f"in one_at_a_time({cls.__name__}(...)) with a value for each axis"
        )
    _check_base(space, base)
    ranges = layout_of(space).ranges if is_open(space) else ()
    listed = space
    if points is not None:
        points = _checked_number(space, "one_at_a_time", "points", points)
        listed = without_ranges(space, points)
    elif ranges:
        raise SpaceError(
            f"{cls.__name__}.{ranges[0]} is a range, which has no list of values: say how many of "
            f"them to take, as in one_at_a_time(base, points=5)"
        )
    unique: dict[Any, None] = {}
    repeats = _repeats(listed, "")
    for change in ({}, *_changes(listed, base, "")):
        for repeat in repeats:
            setting = base.replace(**{**change, **repeat}) if change or repeat else base
            if is_kept_in(listed, setting):
                unique.setdefault(setting)
    settings = list(unique)
    recipe = (one_at_a_time, space, base, points)
    return ChosenSettings(len(settings), settings.__getitem__, _not_joined, recipe)


def _check_base(space: object, base: object) -> None:
    """Refuse a base with another value of a field that the space has fixed."""
    opened = open_fields(space)
    for name, field in recorded_fields(space.__class__).items():
        if name not in opened and not same_field(space, base, name):
            raise SpaceError(
                f"{field.where}={shorten(getattr(base, name))} is not in this space, in which it "
                f"is fixed to {shorten(getattr(space, name))}; give both the same value"
            )


def _changes(space: object, base: object, prefix: str) -> Iterator[dict[str, Any]]:
    """The changes of a base in one axis, each as a dict from dotted names to values."""
    opened = open_fields(space)
    for names in layout_of(space).groups if is_open(space) else ():
        first = opened[names[0]]
        if is_group(first):
            yield from _changes(first, declared_of(base, names[0]), f"{prefix}{names[0]}.")
        elif not is_repeated(opened[name] for name in names):
            yield from _other_points([opened[name] for name in names], names, prefix, base)


def _other_points(
    axes: Sequence[Axis], names: Sequence[str], prefix: str, base: object
) -> Iterator[dict[str, Any]]:
    values = [declared_of(base, name) for name in names]
    for points in zip(*axes, strict=True):
        is_same_alternative = False
        for name, point, value in zip(names, points, values, strict=True):
            if is_open(point) and type(point) is type(value):
                is_same_alternative = True
                yield from _changes(point, value, f"{prefix}{name}.")
        if not is_same_alternative:
            yield from _combined(points, [f"{prefix}{name}" for name in names])


def _combined(points: Sequence[Any], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each combination of values of some fields; an open alternative gives all of its settings."""
    if not points:
        yield {}
        return
    for x in points[0] if is_open(points[0]) else (points[0],):
        for rest in _combined(points[1:], names[1:]):
            yield {names[0]: x, **rest}


def _repeats(space: object, prefix: str) -> list[dict[str, Any]]:
    """All repetitions of a space, each as a dict from dotted names to values."""
    combinations: list[dict[str, Any]] = [{}]
    opened = open_fields(space)
    for names in layout_of(space).groups if is_open(space) else ():
        first = opened[names[0]]
        several: list[dict[str, Any]] = []
        if is_group(first):
            several = _repeats(first, f"{prefix}{names[0]}.")
        elif is_repeated(opened[name] for name in names):
            every = zip(*(opened[name] for name in names), strict=True)
            dotted = [f"{prefix}{name}" for name in names]
            several = [dict(zip(dotted, points, strict=True)) for points in every]
        if several:
            combinations = [{**first, **more} for first in combinations for more in several]
    return combinations


# -- draws ----------------------------------------------------------------------------------------


def _drawn(
    space: object, call: str, n: int, seed: object, method: Callable[[], Method]
) -> ChosenSettings:
    n = _checked_number(space, call, "n", n)
    if isinstance(seed, bool) or not isinstance(seed, int) or len(str(abs(seed))) > LONGEST_SEED:
        raise SpaceError(
            f"{type(space).__name__}.{call}(seed={shorten(seed)}): a seed is an int, such as seed=0"
        )
    recipe = (globals()[call], space, n, seed)
    if not is_open(space):  # the only setting is the space itself
        if not is_kept(space):
            raise refused(type(space).__name__, 0)
        return ChosenSettings(n, lambda _: space, _not_joined, recipe)
    points = (_PartsOfPoints if leaves_repetitions_out(space) else _Points)(space, method(), n)
    return ChosenSettings(points.size, points.setting, points.joined, recipe)


class _Points:
    """The points that are drawn from a space, and their settings: each with all repetitions."""

    def __init__(self, space: Any, method: Method, n: int) -> None:
        self._space = space
        self._layout = layout_of(space)
        self._drawing = Drawing(space, method)
        self._attempts: dict[int, int] = {}  # of points whose first draw `valid` has refused
        self.repetitions = repetitions(space)
        self.size = n * self.repetitions

    def setting(self, index: int) -> Any:
        """The setting at an index."""
        return self._layout.make(self._point(index))

    def _point(self, index: int) -> tuple[Any, ...]:
        """The values of the open fields of the setting at an index."""
        return self._drawing.values(self._trial(index))

    def _trial(self, index: int) -> Trial:
        number, repetition = divmod(index, self.repetitions)
        attempt = 0 if self._layout.valid is None else self._attempt(number)
        return Trial(number, attempt, repetition)

    def _attempt(self, number: int) -> int:
        """The first attempt to draw a point that `valid` keeps."""
        attempt = self._attempts.get(number)
        if attempt is None:
            attempt = self._attempts[number] = self._first_kept(number)[0].attempt
        return attempt

    def _first_kept(self, number: int) -> list[Trial]:
        """The repetitions of a point that `valid` keeps, in the first attempt that has some."""
        for attempt in range(MOST_ATTEMPTS):
            trials = [Trial(number, attempt, n) for n in range(self.repetitions)]
            if valid_trials := list(filter(self._is_kept, trials)):
                return valid_trials
        raise refused(type(self._space).__name__, number)

    def _is_kept(self, trial: Trial) -> bool:
        layout = self._layout
        try:
            point = self._drawing.values(trial)
        except LeftOut:
            return False
        return layout.valid is None or keeps(layout.valid, layout.bare(point))

    def joined(self, indices: range) -> Any:
        """A space of the settings at some indices; None for fewer than two indices."""
        if len(indices) < 2:
            return None
        opened = open_fields(self._space)
        columns: dict[str, Sequence[Any]] = {}
        for group, values in zip(self._layout.groups, self._by_group(indices), strict=True):
            parts = [values] if len(group) == 1 else list(zip(*values, strict=True))
            columns.update(zip(group, parts, strict=True))
        axes = {name: joined_axis(opened[name], columns[name]) for name in opened}
        return self._space.replace(**axes)

    def _by_group(self, indices: range) -> Iterable[Sequence[Any]]:
        """The values of each group of fields of the settings at some indices."""
        if indices == range(self.size) and self._layout.valid is None:
            return self._drawing.columns(self.size // self.repetitions, self.repetitions)
        return zip(*map(self._point, indices), strict=True)


class _PartsOfPoints(_Points):
    """Points of which `valid` may refuse some repetitions: they are counted to know the size."""

    def __init__(self, space: Any, method: Method, n: int) -> None:
        super().__init__(space, method, n)
        self._trials = [trial for number in range(n) for trial in self._first_kept(number)]
        self.size = len(self._trials)

    def _trial(self, index: int) -> Trial:
        return self._trials[index]

    def _by_group(self, indices: range) -> Iterable[Sequence[Any]]:
        return zip(*map(self._point, indices), strict=True)


def _checked_number(space: object, call: str, name: str, x: Any) -> int:
    """The number as an int, which may be one of numpy."""
    number = whole_number(x)
    if number is None or not 1 <= number <= MOST_POINTS:
        raise SpaceError(
            f"{type(space).__name__}.{call}({name}={shorten(x)}): {name} must be an int from 1 to "
            f"{MOST_POINTS:,}, as in {call}({100 if name == 'n' else 5})"
        )
    return number
