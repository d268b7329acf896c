"""Passes outcomes to a search in another thread, so that recording never waits for a strategy.

A strategy may take long to propose. Outcomes that arrive meanwhile would be lost if the driver were
killed before they are recorded. If settings run in the main thread, they wait for the strategy
anyway, so no thread is needed. Ctrl-C does not wait for a strategy: the strategy gets the other
outcomes when the search is resumed.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

    from superparams.executor.engines.contract import Control
    from superparams.run.searching import Searching

__all__ = ["SearchThread"]

_TICK: Final = 0.05
PATIENCE: Final = 5.0  # seconds that a run waits at its end for a strategy that has not returned
HURRIED: Final = 0.5  # the same after Ctrl-C


class SearchThread:
    """Passes the outcomes of settings to a search, in order.

    Args:
        search: The search; None for a run without one.
        control: The control of the run; the run is drained when the strategy raises an error.
        expect: Called with the number of settings that will run, as far as it is known.
        is_inline: Whether to pass outcomes in the calling thread.
    """

    def __init__(
        self,
        search: Searching | None,
        control: Control,
        expect: Callable[[int], object],
        *,
        is_inline: bool,
    ) -> None:
        self._search, self._control, self._expect = search, control, expect
        self._is_inline = is_inline
        self._batches: SimpleQueue[pa.RecordBatch | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._is_left = self._is_cut = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SearchThread:
        """Start the thread, if one is needed."""
        if self._search is not None and not self._is_inline:
            target = functools.partial(self._tell, self._search)
            self._thread = threading.Thread(target=target, name="superparams-search", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread, also if the search has not got all outcomes."""
        self._is_left = True
        if self._search is not None and self._thread is not None:
            self._batches.put(None)
            if self._is_interrupted:
                self._search.close()  # a process that it waits for ends now
            self._thread.join(HURRIED if self._is_interrupted else PATIENCE)

    @property
    def _is_interrupted(self) -> bool:
        return self._control.interrupted or self._control.stopping

    def take(self, batch: pa.RecordBatch) -> None:
        """Pass a batch of outcomes to the search.

        Raises:
            StrategyError: When the strategy has raised an error.
        """
        if self._search is None or self._is_cut:
            return
        if self._thread is None:
            if self._is_interrupted:  # it gets the rest when it is resumed
                return
            try:
                self._search.take(batch)
            except KeyboardInterrupt:
                if not self._control.interrupted:
                    raise  # the strategy has raised it
                self._is_cut = True  # in the middle of a call
        else:
            self._check()
            self._batches.put(batch)
        self._expect(self._search.n_expected)

    def finish(self) -> None:
        """Wait until the search has got all outcomes, unless the run is interrupted.

        Raises:
            StrategyError: When the strategy has raised an error.
        """
        if self._search is not None and self._thread is not None:
            self._batches.put(None)
            while self._thread.is_alive() and not self._control.draining:
                self._thread.join(_TICK)
            self._check()
            self._expect(self._search.n_expected)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _tell(self, search: Searching) -> None:
        try:
            while (batch := self._batches.get()) is not None and not self._is_left:
                search.take(batch)
        except BaseException as error:  # for the main thread
            self._error = error
            self._control.drain()
