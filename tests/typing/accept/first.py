"""What both type checkers take without a word."""

from __future__ import annotations

points: list[float] = [0.1, 1.0]
