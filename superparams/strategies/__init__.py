"""What decides which settings run: strategies propose the next one, stoppers end one early.

`Random`, `Sobol` and `Evolution` are strategies. So are `TPE`, `GP`, `CMAES`, `NSGA2` and `Optuna`,
which need the extra `optuna`. `Strategy` is the protocol of one of your own. `trials` asks a
strategy for points and tells it the outcomes, in an order that does not depend on which setting is
quicker.

`ASHA`, `Hyperband`, `Median`, `Threshold` and `Patience` are stoppers. `Stopper` is the protocol of
one of your own. `stop_decisions` asks a stopper in an order that does not depend on which setting
is quicker. This room imports from the rooms up to `executor`.
"""

from __future__ import annotations

from superparams.strategies.asha import ASHA, Hyperband
from superparams.strategies.evolution import Evolution
from superparams.strategies.median import Median
from superparams.strategies.optuna_strategies import CMAES, GP, NSGA2, TPE, Optuna
from superparams.strategies.patience import Patience
from superparams.strategies.random_search import Random, Sobol
from superparams.strategies.stopper import Reached, Stopper
from superparams.strategies.strategy import Strategy, TrialOutcome
from superparams.strategies.threshold import Threshold

__all__ = [
    "ASHA",
    "CMAES",
    "GP",
    "NSGA2",
    "TPE",
    "Evolution",
    "Hyperband",
    "Median",
    "Optuna",
    "Patience",
    "Random",
    "Reached",
    "Sobol",
    "Stopper",
    "Strategy",
    "Threshold",
    "TrialOutcome",
]
