"""Text that came from elsewhere, made safe to show.

What a setting returned or raised, and whatever else stands in a results folder, may hold control
characters. A terminal obeys them: it moves the cursor, hides lines, sets its title. Here they are
written out instead, as Python writes them.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["line", "lines", "padded", "width"]

# Controls, marks that turn the direction of text, line separators, and halves of a character.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINE = re.compile(f"[{_UNSAFE}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_UNSAFE}]")


def line(text: object) -> str:
    """Text in one line."""
    return _IN_LINE.sub(_written, str(text))


def lines(text: object) -> str:
    """Text that may have lines and tabs."""
    return _IN_LINES.sub(_written, str(text))


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, to: int, *, right: bool = False) -> str:
    """Text filled up with spaces to a width, on its left when it is to stand on the right."""
    gap = " " * max(0, to - width(text))
    return gap + text if right else text + gap
