import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution

class TrialState(enum.Enum):
    RUNNING = ...
    COMPLETE = ...
    FAIL = ...

class Trial:
    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = ..., log: bool = ...
    ) -> float: ...
    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = ..., log: bool = ...
    ) -> int: ...
    def suggest_categorical(self, name: str, choices: Sequence[int]) -> int: ...

class FrozenTrial:
    number: int
    state: TrialState
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    values: Sequence[float] | None

    def __init__(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        datetime_start: datetime | None,
        datetime_complete: datetime | None,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        user_attrs: dict[str, Any],
        system_attrs: dict[str, Any],
        intermediate_values: dict[int, float],
        trial_id: int,
        *,
        values: Sequence[float] | None = ...,
    ) -> None: ...

def create_trial(
    *,
    values: Sequence[float] | None = ...,
    params: Mapping[str, Any] | None = ...,
    distributions: Mapping[str, BaseDistribution] | None = ...,
) -> FrozenTrial: ...
