"""Reports that a strategy takes long to propose: meanwhile, workers may have nothing to do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import Final

__all__ = ["ProposalWatch"]

SLOW = 30.0  # seconds after which a strategy is reported
_TICK: Final = 0.2


class ProposalWatch:
    """Watches calls of a strategy from a thread of its own.

    Args:
        report: Called in that thread with a sentence, once for each call that takes long.
        what: Returns in words what the strategy is doing now.
    """

    def __init__(self, report: Callable[[str], object], what: Callable[[], str]) -> None:
        self._report, self._what = report, what
        self._since: float | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def thinking(self) -> Generator[None]:
        """A context in which the strategy is called."""
        self._since = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._look, name="superparams-proposals", daemon=True
            )
            self._thread.start()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _look(self) -> None:
        reported: float | None = None
        while not self._ended.wait(min(_TICK, SLOW)):
            since = self._since
            if since is None or since == reported or time.monotonic() - since < SLOW:
                continue
            reported = since
            self._report(
                f"{self._what()} and has not returned for {SLOW:g} s. Outcomes are recorded "
                "meanwhile, and Ctrl-C ends the run"
            )
