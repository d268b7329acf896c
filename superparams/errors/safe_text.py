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
import itertools
import re

__all__ = ["line", "lines", "markup", "padded", "shortened", "width", "wrapped"]

# Control characters, marks of text direction, line separators, and surrogates.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"


def line(text: object) -> str:
    """Text in one line."""
    plain = str(text)
    return plain if plain.isprintable() else _pattern("").sub(_escape, plain)


def lines(text: object) -> str:
    """Text that may have lines and tabs."""
    plain = str(text)
    return plain if plain.isprintable() else _pattern("\n\t").sub(_escape, plain)


@functools.cache
def _pattern(allowed: str) -> re.Pattern[str]:
    """A pattern for all unsafe characters except `allowed`; compiled on first use."""
    return re.compile(f"(?![{allowed}])[{_UNSAFE}]" if allowed else f"[{_UNSAFE}]")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def markup(text: object) -> str:
    """Text in one line, escaped for HTML."""
    import html  # a notebook has loaded it; a script does not need it

    return html.escape(line(text), quote=False)


def width(text: str) -> int:
    """The columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    import unicodedata  # few texts need it

    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Text with spaces up to a width: after it, or before it if `right`."""
    spaces = " " * max(0, columns - width(text))
    return spaces + text if right else text + spaces


def shortened(text: str, columns: int) -> str:
    """The beginning of a text that fits into a width, with an ellipsis if it is cut."""
    if width(text) <= columns:
        return text
    ends = itertools.accumulate(map(_width, text))
    return text[: sum(end < columns for end in ends)] + "…"


def wrapped(text: str, columns: int | None, *, indent: str = "") -> list[str]:
    """Text in lines of at most a width, broken at spaces; a longer word stays whole.

    Args:
        text: One line.
        columns: The width of a line; None for no limit.
        indent: Text before each line but the first.
    """
    if columns is None or width(text) <= columns:
        return [text]
    margin = text[: len(text) - len(text.lstrip(" "))]
    rows, row = list[str](), ""
    for word in text.split():
        start = indent if rows else margin
        if row and width(f"{row} {word}") > columns:
            rows.append(row)
            row = indent + word
        else:
            row = f"{row} {word}" if row else start + word
    return [*rows, row]
