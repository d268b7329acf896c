"""Makes text from settings and files safe to show.

Results, errors and other text in a results folder may contain control characters. A terminal obeys
them: it moves the cursor, hides lines or sets its title. Characters that change the direction of
text mislead a reader, in a browser too. The functions here replace both by escapes such as
``\\x1b``.

Everything that the library prints or shows goes through one of these functions: `line` and `lines`
for terminals, `markup` for HTML. Data in files is not changed.
"""

from __future__ import annotations

import functools
import re

__all__ = ["line", "lines", "markup", "padded", "shortened", "width", "wrapped"]

# Control characters, marks of text direction, line separators, and surrogates.
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
    """A pattern for all unsafe characters except `kept`; compiled on first use."""
    return re.compile(f"(?![{kept}])[{_UNSAFE}]" if kept else f"[{_UNSAFE}]")


def markup(text: object) -> str:
    """Text in one line, escaped for HTML."""
    import html  # a notebook has loaded it; a script does not need it

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
    """Text with spaces up to a width: after it, or before it if `right`."""
    gap = " " * max(0, to - width(text))
    return gap + text if right else text + gap


def shortened(text: str, to: int) -> str:
    """The beginning of a text that fits into a width, with an ellipsis if it is cut."""
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
        room: Characters in a line; None for no limit.
        indent: Text before each line but the first.
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
