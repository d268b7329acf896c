"""Time in tests: waiting for what must come, and holding a promise of ours on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Seconds until what must come counts as a hang. No promise of ours: no test should come near.
PATIENCE = 120.0
SPIN = 0.05  # seconds of processor time that measure how busy the machine is


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Poll until `condition` holds; returns its value."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, f"not within {seconds} s: {condition}"
        time.sleep(0.005)
    return value


def slowness() -> float:
    """How many times as long as on an idle machine a computation takes now: 1.0 or more.

    This thread computes for 50 ms of processor time. The clock shows how long it waited meanwhile.
    """
    begun, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < SPIN:
        pass
    return max(1.0, (time.perf_counter() - begun) / SPIN)


def scaled(seconds: float) -> float:
    """As long on this machine, as busy as it is, as `seconds` are on an idle one.

    For settings that sleep while a test does something: they still sleep when it has come to that.
    """
    return round(seconds * slowness(), 2)


@dataclass
class Stretch:
    """How long something took, and how slow the machine was before and after it."""

    slowness: float
    begun: float
    seconds: float = 0.0

    def allows(self, seconds: float, limit: float) -> bool:
        """Whether `seconds` are under a limit that holds for an idle machine."""
        return seconds < limit * self.slowness

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s, on a machine that is {self.slowness:.2f} times as slow"


@contextmanager
def stretch() -> Iterator[Stretch]:
    """Measure what happens inside. On an idle machine its `slowness` is 1.0."""
    measured = Stretch(slowness(), time.monotonic())
    yield measured
    measured.seconds = time.monotonic() - measured.begun
    measured.slowness = max(measured.slowness, slowness())


@contextmanager
def within(limit: float) -> Iterator[Stretch]:
    """Hold a promise: on an idle machine, what happens inside takes less than `limit` seconds.

    On a busy machine it may take as many times longer as a plain computation takes there.
    """
    with stretch() as measured:
        yield measured
    assert measured.allows(measured.seconds, limit), f"not within {limit} s: {measured}"
