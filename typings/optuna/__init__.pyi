from collections.abc import Sequence

from optuna import distributions as distributions
from optuna import logging as logging
from optuna import samplers as samplers
from optuna import storages as storages
from optuna import study as study
from optuna import trial as trial

def create_study(
    *, sampler: samplers.BaseSampler | None = ..., directions: Sequence[str] | None = ...
) -> study.Study: ...
