"""What decides which settings run: strategies propose the next one, stoppers end one early.

`Strategy` is the protocol of a strategy: it proposes points of a space, and is told what came out.
`ASHA`, `Hyperband`, `Median`, `Threshold` and `Patience` are stoppers. `Stopper` is the protocol of
one of your own. `stop_decisions` asks a stopper in an order that does not depend on which setting
is quicker. This room imports from the rooms up to `executor`.
"""

from __future__ import annotations

from superparams.strategies.asha import ASHA, Hyperband
from superparams.strategies.median import Median
from superparams.strategies.patience import Patience
from superparams.strategies.stopper import Reached, Stopper
from superparams.strategies.strategy import Strategy, TrialOutcome
from superparams.strategies.threshold import Threshold

__all__ = [
    "ASHA",
    "Hyperband",
    "Median",
    "Patience",
    "Reached",
    "Stopper",
    "Strategy",
    "Threshold",
    "TrialOutcome",
]
