"""Regularised evolution: the best of some recent points is changed in one dimension."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    SearchDimension,
    SearchPoint,
    SearchSpace,
)
from superparams.strategies.strategy import GoalStrategy, TrialOutcome

__all__ = ["Evolution"]

_BITS = 64


@dataclass(kw_only=True, repr=False)
class Evolution(GoalStrategy):
    """Regularised evolution, for any space: with alternatives, with texts, with many dimensions.

    The first points are random. Then each point is a mutation: of the last `population` points,
    `sample_size` are chosen at random, and the best of these is changed in one dimension. A number
    moves a little, a text becomes another one, and an alternative becomes another one with random
    fields. Old points leave the population, however good they are.

    Source: Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019.

    Attributes:
        population: The number of newest points that may have descendants.
        sample_size: The number of these points that compete to be the parent.
        mutation: How far a number moves, as a share of its range: a standard deviation.
        random_share: The share of later points that are drawn at random.
    """

    population: int = 20
    sample_size: int = 5
    mutation: float = 0.15
    random_share: float = 0.05

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        for name, least in (("population", 2), ("sample_size", 1)):
            if getattr(self, name) is None:
                raise self._refused(name, f"give a whole number, {least} or more")
            self._at_least(name, least)
        for name in ("mutation", "random_share"):
            x: Any = getattr(self, name)
            if isinstance(x, bool) or not isinstance(x, int | float) or not 0 <= x <= 1:
                raise self._refused(name, "give a number from 0 to 1")

    def begin(self, space: SearchSpace, seed: int) -> None:
        """Start a search; see `Strategy`."""
        self._space, self._seed = space, seed
        self._alive: deque[TrialOutcome] = deque(maxlen=self.population)
        self._asked = (-1, 0)

    def ask(self, trial: int) -> SearchPoint | None:
        """The next point; see `Strategy`."""
        before, n_refused = self._asked
        attempt = n_refused + 1 if before == trial else 0
        self._asked = trial, attempt
        # Each trial has its own random numbers, which do not depend on other trials.
        generator = random.Random(f"{self._seed} {trial} {attempt}")
        is_new = trial < self.population and len(self._alive) < self.population
        if is_new or not self._alive or generator.random() < self.random_share:
            return self._space.made(lambda dimension: dimension.at(generator.getrandbits(_BITS)))
        size = min(self.sample_size, len(self._alive))
        parent = max(generator.sample(list(self._alive), size), key=lambda outcome: outcome.score)
        return self._mutated(parent.point, generator)

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        """Add a point to the population, and remove the oldest point."""
        if outcome.status != "refused":
            self._alive.append(outcome)

    def _mutated(self, parent: SearchPoint, generator: random.Random) -> SearchPoint:
        """A point that differs from its parent in one dimension."""
        open_ones = [dimension for dimension in self._space.used(parent) if dimension.size != 1]
        if not open_ones:
            return parent
        chosen = generator.choice(open_ones)
        changed = self._moved(chosen, parent[chosen.name], generator)

        def value(dimension: SearchDimension) -> Any:
            if dimension is chosen or dimension.name == chosen.name:
                return changed
            if dimension.name in parent:
                return parent[dimension.name]
            return dimension.at(generator.getrandbits(_BITS))

        return self._space.made(value)

    def _moved(self, dimension: SearchDimension, x: Any, generator: random.Random) -> Any:
        """Another value of a dimension, near to `x` if values have an order."""
        if isinstance(dimension, Categories | ConditionalChoice):
            other = generator.randrange(dimension.size - 1)
            return other + (other >= x)
        if isinstance(dimension, NumberRange):
            part = _reflected(_part_of(dimension, x) + generator.gauss(0.0, self.mutation))
            moved = dimension.at(min(int(part * (1 << _BITS)), (1 << _BITS) - 1))
            return moved if moved != x else _neighbour(dimension, x, generator)
        distance = max(1, round(abs(generator.gauss(0.0, self.mutation)) * dimension.size))
        near = [value for value in (x - distance, x + distance) if 0 <= value < dimension.size]
        return generator.choice(near or [dimension.size - 1 if x == 0 else 0])


def _part_of(dimension: NumberRange, x: float) -> float:
    """The position of a number between both ends of the range, from 0 to 1, on its scale."""
    low, high = dimension.low, dimension.high
    if dimension.log:
        low, high, x = math.log(low), math.log(high), math.log(x)
    return (x - low) / (high - low) if high > low else 0.0


def _reflected(part: float) -> float:
    """A number from 0 to 1: numbers beyond an end are reflected at this end."""
    part = abs(part) % 2.0
    return 2.0 - part if part > 1.0 else part


def _neighbour(dimension: NumberRange, x: Any, generator: random.Random) -> Any:
    """The next number of a range in one of two directions."""
    step = dimension.step or (1 if dimension.is_int else 0)
    near = [value for value in (x - step, x + step) if dimension.low <= value <= dimension.high]
    return dimension.checked(generator.choice(near or [x]))
