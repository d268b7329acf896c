"""The work of a search, the same for every tool: what a point costs, and curves to stop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

NAMES = ("x0", "x1", "x2", "x3", "x4")  # ranges from LOW to HIGH
LOW, HIGH = -5.0, 5.0
EPOCHS = 27
FACTOR = 3  # a third of the settings goes on at 1, 3 and 9 epochs


def loss(point: Mapping[str, Any]) -> float:
    """The distance from a point that no tool tries first."""
    return sum((float(point[name]) - at) ** 2 for at, name in enumerate(NAMES))


def accuracy(x: float, epoch: int) -> float:
    """How good a setting is after some epochs; the largest x is the best in the end."""
    return x * epoch / (epoch + 2.0)


def slow_accuracy(x: float, epoch: int) -> float:
    """The same after 1 to 4 ms: settings differ in how quick they are."""
    time.sleep(0.001 + 0.003 * (97 * x % 1))
    return accuracy(x, epoch)


def slow_loss(point: Mapping[str, Any]) -> float:
    """The same after 1 to 20 ms."""
    time.sleep(0.001 + 0.019 * (97 * abs(float(point["x0"])) % 1))
    return loss(point)
