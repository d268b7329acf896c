"""Progress as text that fits into some width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["fitted", "rate_text", "short_value", "shortened"]

BAR: Final = 30  # characters, where there is room
SHORTEST_BAR: Final = 8


def fitted(name: str, parts: Sequence[str], share: float, width: int) -> list[str]:
    """A bar, a name and counts in lines of at most `width` characters.

    If there is little room, the bar becomes shorter, and then is left out. Then the counts take
    several lines, and a name that does not fit is cut.

    Args:
        name: The name of the experiment.
        parts: The counts, the rate and the time left, the most important first.
        share: The filled share of the bar, 0 to 1.
        width: Characters in a line.
    """
    line = f"{name}: {', '.join(parts)}"
    room = min(BAR, width - len(line) - 1)
    if room >= SHORTEST_BAR:
        return [f"{bar(share, room)} {line}"]
    if len(line) <= width:
        return [line]
    first, *rest = parts
    head = f"{shortened(name, max(1, width - len(first) - 3))}: {first}"
    return list(_wrapped([head, *rest], width))


def bar(share: float, width: int) -> str:
    """A bar of `width` characters, filled to a share from 0 to 1."""
    filled = int(width * share)
    return "━" * filled + "─" * (width - filled)


def shortened(text: str, width: int) -> str:
    """A text, cut with an ellipsis if it does not fit."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(part) + 3 <= width:  # with two commas and a space
            line = f"{line}, {part}"
        else:
            yield f"{line},"
            line = f"  {part}"
    yield line


def rate_text(rate: float) -> str:
    """A rate in settings a second, or a minute if they are slow."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 0.1 else f"{rate * 60:.1f}/min"


def short_value(x: object) -> str:
    """A number in few digits."""
    return f"{x:.4g}" if isinstance(x, float) else f"{x:,}" if isinstance(x, int) else str(x)
