"""Records outcomes that would wait in the driver while a long setting runs there.

Where settings run in the process of the driver, outcomes of quick ones wait for a moment to be
recorded together. If the next setting is long, they would wait for its end, and would be lost if
the driver were killed before that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from superparams.executor.engines.contract import Control
    from superparams.store.ledger.run_ledgers import RunLedgers

__all__ = ["EarlyOutcomes"]


class EarlyOutcomes:
    """Records waiting outcomes, in another thread than that of the settings.

    Args:
        control: Has the outcomes that wait.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._ledgers: RunLedgers | None = None

    def record_by(self, ledgers: RunLedgers) -> None:
        """Record steps and outcomes in these ledgers from now on."""
        self._control.steps.record_by(ledgers.append_steps)
        self._ledgers = ledgers

    def update(self) -> None:
        """Record the outcomes that wait now."""
        waiting, ledgers = self._control.waiting_outcomes, self._ledgers
        if waiting is not None and ledgers is not None:
            with suppress(Exception):  # the main thread records them later, or has the same error
                ledgers.append_early(waiting)
