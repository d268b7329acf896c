"""Splits a text at its commas, and reads quotes, brackets and ranges of ints.

Only a quote at the beginning of a part counts, so ``it's`` needs no quotes around it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from superparams.errors.short_repr import shorten

__all__ = [
    "Unreadable",
    "between_brackets",
    "bounds_of",
    "looks_like_range",
    "pair",
    "quoted",
    "split",
    "text_of",
    "unquote",
    "unquote_bytes",
    "whole_numbers_of",
]

OPENING: Final = "([{"
CLOSING: Final = ")]}"
QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
QUOTED_BYTES: Final = re.compile(rf"[bB]?{QUOTED.pattern}", re.DOTALL)
WHOLE: Final = r"([+-]?[0-9]+(?:_[0-9]+)*)"
RANGE: Final = re.compile(rf"{WHOLE}\.\.{WHOLE}(?:\.\.{WHOLE})?")
NUMBER: Final = r"[+-]?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# Infinity and NaN, which no range may have, so that the error can name them.
_END: Final = rf"(?:{NUMBER}|[+-]?(?:[iI]nf(?:inity)?|[nN]a[nN]))"
BOUNDS: Final = re.compile(
    rf"(?P<low>{_END})\.\.(?P<high>{_END})(?:\.\.(?P<step>{_END}))?(?::(?P<kind>log|range))?"
)
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


class Bounds(NamedTuple):
    """The ends of a range of numbers in a word.

    Attributes:
        low: The lowest number.
        high: The highest number.
        step: The distance of two numbers, if it was written.
        kind: The text after a colon: ``log``, ``range`` or nothing.
        is_whole: Whether all of its numbers are written as ints, as in ``1..9``.
    """

    low: float
    high: float
    step: float | None
    kind: str | None
    is_whole: bool


class Unreadable(Exception):
    """A text is no value of the wanted type. The message says why, unless that is obvious."""


def split(text: str) -> list[str]:
    """The parts of a text between commas outside of quotes and brackets.

    Raises:
        Unreadable: For a bracket that is not closed and has a comma after it.
    """
    parts: list[str] = []
    start = depth = 0
    for index, mark in _marks(text):
        if mark in OPENING:
            depth += 1
        elif mark in CLOSING:
            depth -= depth > 0
        elif mark == "," and not depth:
            parts.append(text[start:index])
            start = index + 1
    if depth and "," in text[start:]:
        raise Unreadable("a bracket is never closed; text with brackets of its own needs quotes")
    return [*parts, text[start:]]


def pair(text: str) -> tuple[str, str] | None:
    """The texts before and after the first colon outside of quotes and brackets."""
    depth = 0
    for index, mark in _marks(text):
        depth += (mark in OPENING) - (mark in CLOSING)
        if mark == ":" and not depth:
            return text[:index].strip(), text[index + 1 :].strip()
    return None


def between_brackets(text: str, kinds: str) -> list[str] | None:
    """The parts of a text in brackets; None if the text does not begin with one of `kinds`.

    Args:
        text: Without space around it.
        kinds: Opening brackets.

    Raises:
        Unreadable: When the text does not end with the closing bracket, or a part is missing.
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
        raise Unreadable("there is nothing between two commas; '' is the empty text")
    return parts


def _end_of_brackets(text: str) -> int:
    """The index where the first bracket of a text is closed; -1 if it is not."""
    depth = 0
    for index, mark in _marks(text):
        depth += (mark in OPENING) - (mark in CLOSING)
        if not depth and mark in CLOSING:
            return index
    return -1


def _marks(text: str) -> Iterator[tuple[int, str]]:
    """The index of each bracket, comma and colon outside of quotes, with the character."""
    index, is_start = 0, True
    while index < len(text):
        quoted = QUOTED_BYTES.match(text, index) if is_start and text[index] in "\"'bB" else None
        if quoted:
            index, is_start = quoted.end(), False
            continue
        character = text[index]
        if character in "()[]{},:":
            yield index, character
        is_start = character in "([{,:" or (is_start and character.isspace())
        index += 1


# -- quotes ----------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """A text as a part of a word, in quotes if it needs them."""
    return text if re.fullmatch(r"[\w./+-]+", text) else repr(text)


def unquote(text: str) -> str | None:
    """The text between quotes, with the escapes of Python; None for a text without quotes.

    Raises:
        Unreadable: For a quote that is not closed, or closed before the end.
    """
    if not text.startswith(("'", '"')):
        return None
    return ESCAPE.sub(_unescaped, _in_quotes(QUOTED, text))


def text_of(text: str) -> str:
    """A text without the quotes around it, if it has some.

    Raises:
        Unreadable: As for `unquote`.
    """
    inner = unquote(text)
    return text if inner is None else inner


def unquote_bytes(text: str) -> bytes | None:
    """The bytes that ``b'...'`` means; None for any other text.

    Raises:
        Unreadable: As for `unquote`, and for characters that are no byte.
    """
    if not text.startswith(("b'", 'b"', "B'", 'B"')):
        return None
    inner = _in_quotes(QUOTED_BYTES, text)
    if not inner.isascii():
        raise Unreadable("b'...' holds ASCII characters and escapes such as \\xff")
    try:
        return ESCAPE_IN_BYTES.sub(_unescaped, inner).encode("latin-1")
    except UnicodeEncodeError:
        raise Unreadable("an escape does not fit into a byte") from None


def _in_quotes(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.match(text)
    if match is None:
        raise Unreadable("the quote is never closed; put the text in quotes of the other kind")
    if match.end() != len(text):
        raise Unreadable("the quote is closed before the end; put the whole text in quotes")
    return match[1][1:-1]


def _unescaped(escape: re.Match[str]) -> str:
    body: str = escape[1]
    if body in PLAIN_ESCAPES:
        return PLAIN_ESCAPES[body]
    try:
        if body[0] in "01234567":
            return chr(int(body, 8))
        if len(body) > 1:
            return _by_name(body[2:-1]) if body[0] == "N" else chr(int(body[1:], 16))
    except (ValueError, OverflowError, KeyError):
        raise Unreadable(f"{shorten(escape[0])} is not a character") from None
    return escape[0]  # before other characters, a backslash means itself


def _by_name(name: str) -> str:
    import unicodedata  # rarely needed

    return unicodedata.lookup(name)


# -- ranges ----------------------------------------------------------------------------------------


def looks_like_range(text: str) -> bool:
    """Whether a text is written as a range."""
    return RANGE.fullmatch(text) is not None


def bounds_of(text: str) -> Bounds | None:
    """The ends of a range of numbers that a text means; None for any other text."""
    match = BOUNDS.fullmatch(text)
    if match is None:
        return None
    low, high, step, kind = match.group("low", "high", "step", "kind")
    is_whole = RANGE.match(text) is not None and not set(".e").intersection(low + high)
    distance = None if step is None else _number(step)
    return Bounds(_number(low), _number(high), distance, kind, is_whole)


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def whole_numbers_of(text: str) -> range | None:
    """The whole numbers that a text such as ``0..9..3`` means; None for any other text.

    Raises:
        Unreadable: For a range without points, or with more points than a sequence can have.
    """
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    try:
        first, last, step = (None if each is None else int(each) for each in match.groups())
    except ValueError:
        raise Unreadable("Python reads no number with so many digits") from None
    assert first is not None
    assert last is not None
    towards = -1 if last < first else 1
    step = towards if step is None else step
    if step < 0 < towards or step == 0:
        raise Unreadable("its step does not lead from its first number to its last")
    points = range(first, last + towards, abs(step) * towards)
    if (abs(last - first) // abs(step)) >= sys.maxsize:
        raise Unreadable("it has more points than Python counts")
    return points
