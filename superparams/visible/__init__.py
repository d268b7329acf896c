"""Text that came from elsewhere, made safe to show.

What a setting returned or raised, and whatever else stands in a results folder, may hold control
characters. A terminal obeys them: it moves the cursor, hides lines, sets its title. Marks that turn
the direction of text change what a reader believes to see, in a browser too. Here they are written
out instead, as Python writes them.

Everything that the library prints or shows goes through one of these functions: `line` and `lines`
for terminals, `markup` for HTML. Data that is written to files stays as it is.
"""

from __future__ import annotations

import functools
import re

__all__ = ["line", "lines", "markup", "padded", "shortened", "width", "wrapped"]

# Controls, marks that turn the direction of text, line separators, and halves of a character.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"


def line(text: object) -> str:
    """Text in one line."""
    made = str(text)
    return made if made.isprintable() else _pattern("").sub(_written, made)


def lines(text: object) -> str:
    """Text that may have lines and tabs."""
    made = str(text)
    return made if made.isprintable() else _pattern("\n\t").sub(_written, made)


@functools.cache
def _pattern(kept: str) -> re.Pattern[str]:
    """What is written out, but for some characters; compiled when something first needs it."""
    return re.compile(f"(?![{kept}])[{_UNSAFE}]" if kept else f"[{_UNSAFE}]")


def markup(text: object) -> str:
    """Text in one line, as HTML shows it."""
    import html  # a notebook has it; a script has no use for it

    return html.escape(line(text), quote=False)


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    import unicodedata  # few texts need it

    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, to: int, *, right: bool = False) -> str:
    """Text filled up with spaces to a width, on its left when it is to stand on the right."""
    gap = " " * max(0, to - width(text))
    return gap + text if right else text + gap


def shortened(text: str, to: int) -> str:
    """As much of a text as fits into a width; dots stand for the rest."""
    if width(text) <= to:
        return text
    kept, left = list[str](), to - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def wrapped(text: str, room: int | None, *, indent: str = "") -> list[str]:
    """Text in lines of at most a width, broken at spaces; a word that is longer stays whole.

    Args:
        text: One line.
        room: Characters in a line; None for as many as it takes.
        indent: What stands before the second line and those after it.
    """
    if room is None or width(text) <= room:
        return [text]
    begin = text[: len(text) - len(text.lstrip(" "))]
    made, now = list[str](), ""
    for word in text.split():
        start = indent if made else begin
        if now and width(f"{now} {word}") > room:
            made.append(now)
            now = indent + word
        else:
            now = f"{now} {word}" if now else start + word
    return [*made, now]
