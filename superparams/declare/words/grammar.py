"""How a text is taken apart: quotes, brackets, and what stands between commas.

A quote counts at the beginning of a part alone, so that ``it's`` needs none around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from superparams.errors.short_repr import shorten

__all__ = [
    "Unreadable",
    "between_brackets",
    "pair",
    "quoted",
    "split",
    "text_of",
    "unquote",
    "unquote_bytes",
]

OPENING: Final = "([{"
CLOSING: Final = ")]}"
QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
QUOTED_BYTES: Final = re.compile(rf"[bB]?{QUOTED.pattern}", re.DOTALL)
ESCAPE: Final = re.compile(
    r"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)", re.DOTALL
)
ESCAPE_IN_BYTES: Final = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
PLAIN_ESCAPES: Final = {
    **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)),
    "\\": "\\",
    "'": "'",
    '"': '"',
    "\n": "",
}


class Unreadable(Exception):
    """A text that is no value of the type wanted; says why where that is not plain to see."""


def split(text: str) -> list[str]:
    """The parts between the commas that stand outside of quotes and brackets.

    Raises:
        Unreadable: For a bracket that is never closed and has a comma behind it.
    """
    parts: list[str] = []
    start = depth = 0
    for place, mark in _marks(text):
        if mark in OPENING:
            depth += 1
        elif mark in CLOSING:
            depth -= depth > 0
        elif mark == "," and not depth:
            parts.append(text[start:place])
            start = place + 1
    if depth and "," in text[start:]:
        raise Unreadable("a bracket is never closed; text with brackets of its own needs quotes")
    return [*parts, text[start:]]


def pair(text: str) -> tuple[str, str] | None:
    """What stands before and after the first colon outside of quotes and brackets."""
    depth = 0
    for place, mark in _marks(text):
        depth += (mark in OPENING) - (mark in CLOSING)
        if mark == ":" and not depth:
            return text[:place].strip(), text[place + 1 :].strip()
    return None


def between_brackets(text: str, kinds: str) -> list[str] | None:
    """The parts of a text in brackets, None when it does not begin with one of `kinds`.

    Args:
        text: Without space around it.
        kinds: Opening brackets.

    Raises:
        Unreadable: When the bracket is not closed by its like at the end, or a part is missing.
    """
    if not text or text[0] not in kinds:
        return None
    closing = CLOSING[OPENING.index(text[0])]
    if _end_of_brackets(text) != len(text) - 1 or text[-1] != closing:
        raise Unreadable(f"{text[0]} must be closed by {closing} at its end")
    inner = text[1:-1].strip()
    parts = [part.strip() for part in split(inner)] if inner else []
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # a comma at the end, as in (3,)
    if not all(parts):
        raise Unreadable("nothing stands between two commas; '' is the empty text")
    return parts


def _end_of_brackets(text: str) -> int:
    """Where the bracket that a text begins with is closed."""
    depth = 0
    for place, mark in _marks(text):
        depth += (mark in OPENING) - (mark in CLOSING)
        if not depth and mark in CLOSING:
            return place
    return -1


def _marks(text: str) -> Iterator[tuple[int, str]]:
    """The brackets, commas and colons outside of quotes, with their places."""
    place, is_start = 0, True
    while place < len(text):
        quoted = QUOTED_BYTES.match(text, place) if is_start and text[place] in "\"'bB" else None
        if quoted:
            place, is_start = quoted.end(), False
            continue
        character = text[place]
        if character in "()[]{},:":
            yield place, character
        is_start = character in "([{,:" or (is_start and character.isspace())
        place += 1


# -- quotes ----------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """A text as it must be written to be read as text: in quotes where it needs them."""
    return text if re.fullmatch(r"[\w./+-]+", text) else repr(text)


def unquote(text: str) -> str | None:
    """What a text in quotes says, with the escapes of Python; None for one without quotes.

    Raises:
        Unreadable: For a quote that is never closed, or closed before the end.
    """
    if not text.startswith(("'", '"')):
        return None
    return ESCAPE.sub(_meant, _in_quotes(QUOTED, text))


def text_of(text: str) -> str:
    """What a text says, in quotes or not.

    Raises:
        Unreadable: As for `unquote`.
    """
    quoted = unquote(text)
    return text if quoted is None else quoted


def unquote_bytes(text: str) -> bytes | None:
    """What ``b'...'`` says, None for any other text.

    Raises:
        Unreadable: As for `unquote`, and for characters that no byte is.
    """
    if not text.startswith(("b'", 'b"', "B'", 'B"')):
        return None
    inner = _in_quotes(QUOTED_BYTES, text)
    if not inner.isascii():
        raise Unreadable("b'...' holds ASCII characters and escapes such as \\xff")
    try:
        return ESCAPE_IN_BYTES.sub(_meant, inner).encode("latin-1")
    except UnicodeEncodeError:
        raise Unreadable("an escape is no byte") from None


def _in_quotes(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    if found is None:
        raise Unreadable("the quote is never closed; put the text in quotes of the other kind")
    if found.end() != len(text):
        raise Unreadable("the quote is closed before the end; put the whole text in quotes")
    return found[1][1:-1]


def _meant(escape: re.Match[str]) -> str:
    body: str = escape[1]
    if body in PLAIN_ESCAPES:
        return PLAIN_ESCAPES[body]
    try:
        if body[0] in "01234567":
            return chr(int(body, 8))
        if len(body) > 1:
            return _by_name(body[2:-1]) if body[0] == "N" else chr(int(body[1:], 16))
    except (ValueError, OverflowError, KeyError):
        raise Unreadable(f"{shorten(escape[0])} is no character") from None
    return escape[0]  # as in Python, a backslash before anything else is one


def _by_name(name: str) -> str:
    import unicodedata  # hardly ever needed

    return unicodedata.lookup(name)
