"""Messages between the driver and the process that asks a sampler: plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from superparams.space.search_space import SearchPoint, SearchSpace

__all__ = ["Event", "FixedPoint", "PointRequest", "SamplerProblem", "SearchStart", "TrialEnd"]


@dataclass(frozen=True)
class SearchStart:
    """A search begins.

    Attributes:
        sampler: The name of a sampler of Optuna, or the class of another one.
        options: The arguments of the sampler.
        space: The space of points.
        seed: The seed of the search.
        n_goals: The number of scores of an outcome.
        is_memoryless: Whether each point has a sampler of its own, see `optuna_helper`.
    """

    sampler: str | type[Any]
    options: Mapping[str, Any]
    space: SearchSpace
    seed: int
    n_goals: int
    is_memoryless: bool


class PointRequest(NamedTuple):
    """A request for a point; `attempt` counts the refused points of the trial."""

    trial: int
    attempt: int


class FixedPoint(NamedTuple):
    """A trial has this point, whatever the sampler would propose."""

    trial: int
    point: SearchPoint


class TrialEnd(NamedTuple):
    """The outcome of a trial: its scores; larger scores are better."""

    trial: int
    point: SearchPoint
    scores: Sequence[float]


class SamplerProblem(NamedTuple):
    """The reason why there is no point."""

    text: str
    traceback: str


Event: TypeAlias = PointRequest | FixedPoint | TrialEnd
