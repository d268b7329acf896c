"""What a person sees while a run goes on.

On a terminal one live line with the counts, the rate and the time left, and a line a worker once
settings take long; elsewhere a plain line now and then; nothing when not asked for.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from superparams.engines import Activity

__all__ = ["Progress"]

LONG: Final = 2.0  # seconds of a setting after which workers are shown one by one
FIRST_LINE, MOST_BETWEEN = 5.0, 60.0  # seconds to the first plain line, and at most between two
STATUSES: Final[tuple[str, ...]] = ("done", "failed", "killed", "timeout")


class Progress:
    """Counts outcomes and shows them.

    Args:
        name: what is run.
        total: settings to run.
        skipped: settings left out since they are done.
        activity: what each worker does now.
        label: the text for a setting, by its index.
        style: ``"live"``, ``"plain"`` or ``"none"``.
    """

    def __init__(
        self,
        name: str,
        total: int,
        skipped: int,
        *,
        activity: Callable[[], Sequence[Activity]],
        label: Callable[[int], str],
        style: str,
    ) -> None:
        self._name = name
        self._total = total
        self._skipped = skipped
        self._activity = activity
        self._label = label
        self._style = style
        self.counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        self._began = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque([(self._began, 0)], maxlen=200)
        self._live: Any = None
        self._ended = threading.Event()

    @classmethod
    def style_for(cls, wanted: bool, *, in_process: bool) -> str:
        """How to show it: live on a terminal, but not around prints and breakpoints of settings."""
        if not wanted:
            return "none"
        return "live" if sys.stderr.isatty() and not in_process else "plain"

    @property
    def n_ended(self) -> int:
        """How many settings have an outcome."""
        return sum(self.counts.values())

    def add(self, counts: Mapping[str, int]) -> None:
        """Take in the outcomes of a batch."""
        for status, count in counts.items():
            self.counts[status] += count
        self._recent.append((time.monotonic(), self.n_ended))

    def __enter__(self) -> Progress:
        if self._style == "live":
            console = importlib.import_module("rich.console").Console(stderr=True)
            live = importlib.import_module("rich.live").Live
            self._live = live(
                console=console,
                get_renderable=self._renderable,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()
        elif self._style == "plain":
            threading.Thread(target=self._speak, name="superparams-progress", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()

    def _speak(self) -> None:
        wait = FIRST_LINE
        while not self._ended.wait(wait):
            print(self.line(), file=sys.stderr, flush=True)
            wait = min(wait * 1.5, MOST_BETWEEN)

    def line(self) -> str:
        """The state in one line."""
        parts = [f"{self.n_ended:,}/{self._total:,}"]
        parts += [f"{self.counts[s]:,} {s}" for s in STATUSES if self.counts[s]]
        parts += [f"{self._skipped:,} skipped"] if self._skipped else []
        rate = self._rate()
        if rate:
            parts += [_rate_text(rate), f"{_clock((self._total - self.n_ended) / rate)} left"]
        return f"{self._name}: {', '.join(parts)}"

    def _rate(self) -> float:
        """Settings a second, of late."""
        (begin, before), now = self._recent[0], time.monotonic()
        return (self.n_ended - before) / (now - begin) if now > begin else 0.0

    def workers(self) -> list[str]:
        """A line for each worker, once a setting takes long."""
        busy = [one for one in self._activity() if one.index is not None]
        if not any(one.seconds > LONG for one in busy):
            return []
        return [
            f"  {one.rank}: {_clock(one.seconds)} {self._text(one.index)}"
            for one in busy
            if one.index is not None
        ]

    def _text(self, index: int) -> str:
        try:
            return self._label(index)
        except Exception:  # a repr of the user's that fails
            return f"setting {index:,}"

    def _renderable(self) -> Any:
        text = importlib.import_module("rich.text").Text
        share = self.n_ended / self._total if self._total else 1.0
        bar = "━" * round(30 * share)
        lines = [f"{bar:<30} {self.line()}", *self.workers()]
        return text("\n".join(lines), no_wrap=True, overflow="ellipsis")


def _rate_text(rate: float) -> str:
    return (
        f"{rate:,.0f}/s"
        if rate >= 10
        else f"{rate:.1f}/s"
        if rate >= 0.1
        else f"{rate * 60:.1f}/min"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
