"""What the driver sends to the process that asks a sampler, and what may come back: plain data."""

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
        options: What the sampler is made with.
        space: What it chooses from.
        seed: Of the search.
        n_goals: How many scores an outcome has.
        is_memoryless: Whether each point has a sampler of its own, see `optuna_helper`.
    """

    sampler: str | type[Any]
    options: Mapping[str, Any]
    space: SearchSpace
    seed: int
    n_goals: int
    is_memoryless: bool


class PointRequest(NamedTuple):
    """A point is asked for; `attempt` counts the points of the trial that were refused."""

    trial: int
    attempt: int


class FixedPoint(NamedTuple):
    """A trial has this point, whatever the sampler would propose."""

    trial: int
    point: SearchPoint


class TrialEnd(NamedTuple):
    """The outcome of a trial: its scores, of which larger ones are better."""

    trial: int
    point: SearchPoint
    scores: Sequence[float]


class SamplerProblem(NamedTuple):
    """Why there is no point."""

    text: str
    traceback: str


Event: TypeAlias = PointRequest | FixedPoint | TrialEnd
