"""What the type checkers must report: the marked lines, and no others."""

from __future__ import annotations

points: list[float] = ["a"]  # error
number: int = "three"  # error
