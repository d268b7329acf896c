"""Steps as stoppers get them: plain data, which a worker process can send."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = ["row_of_stopper"]


def row_of_stopper(row: Mapping[str, object]) -> dict[str, Any]:
    """A row as stoppers get it, the same under every engine: a copy of plain data.

    A stopper may change it without an effect on the recorded row.
    """
    return {str(name): _plain(x) for name, x in row.items()}


def _plain(x: Any) -> Any:
    """A value of numbers, text and containers; decimals and arrays become such, others text."""
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    held: Any = x
    if isinstance(x, Mapping):
        return {str(name): _plain(y) for name, y in held.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(y) for y in held]
    with suppress(AttributeError, ValueError, TypeError):
        return x.tolist() if getattr(x, "ndim", 0) else x.item()
    with suppress(Exception):
        if not hasattr(x, "numerator"):  # fractions are recorded as text
            return float(x)
    return repr(x)
