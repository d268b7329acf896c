"""Samplers that go wrong, for the process that asks samplers."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from optuna.samplers import BaseSampler


class PlainSampler(BaseSampler):
    """Chooses every value by a random number; without a seed."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
        return {}

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        return random.uniform(param_distribution.low, param_distribution.high)


class DyingSampler(PlainSampler):
    """Ends its process."""

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        os.write(2, b"no memory left\n")
        os._exit(3)


class RaisingSampler(PlainSampler):
    """Raises an error."""

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        raise ZeroDivisionError("by zero")


class HangingSampler(PlainSampler):
    """Never proposes trial 7."""

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        while trial.number == 7:
            time.sleep(0.01)
        return super().sample_independent(study, trial, param_name, param_distribution)
