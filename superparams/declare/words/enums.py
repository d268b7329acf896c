"""Reads members of enums and options of a ``Literal``."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Final

from superparams.declare.words.grammar import Unreadable, quoted, text_of, unquote
from superparams.declare.words.scalars import EXACT, LOOSE, WORD, ScalarReading

__all__ = ["enum_member", "literal", "name_of_option"]

PLAIN: Final = (bool, int, float, str, bytes, type(None))


def name_of_option(option: object) -> str:
    """The text of an option of a ``Literal`` or of a member of an enum."""
    if isinstance(option, str) and not isinstance(option, enum.Enum):
        return quoted(option)
    return str(option.name) if isinstance(option, enum.Enum) else str(option)


def literal(options: Sequence[object], text: str) -> ScalarReading:
    """The option of a ``Literal`` that a text means. A text in quotes means only a text.

    Raises:
        Unreadable: When there is none.
    """
    inner = unquote(text)
    words = [each for each in options if isinstance(each, str)]
    if inner is not None:
        return ScalarReading(_only_candidate(each for each in words if each == inner))
    others = [each for each in options if not isinstance(each, str) and _is_written(each, text)]
    exact = others or [each for each in words if each == text]
    if exact:
        return ScalarReading(exact[0])
    return ScalarReading(
        _only_candidate(each for each in words if each.lower() == text.lower()), WORD
    )


def _is_written(option: object, text: str) -> bool:
    if isinstance(option, enum.Enum):
        return text in (option.name, f"{type(option).__name__}.{option.name}")
    if isinstance(option, bool):
        return text.lower() == str(option).lower()
    return text in (str(option), repr(option))


def enum_member(cls: type[enum.Enum], text: str) -> ScalarReading:
    """A member by its name, else by its value, else by its name in any case.

    Flags are joined by ``|``.

    Raises:
        Unreadable: When there is none, or several have that value.
    """
    name = text_of(text)
    member = _by_name(cls, name)
    if member is None and issubclass(cls, enum.Flag):
        member = _joined(cls, name.split("|"))
    if member is not None:
        return ScalarReading(member, EXACT)
    by_value = [each for each in cls if _is_value(each.value, name)]
    if by_value:
        return ScalarReading(_only_candidate(by_value), LOOSE)
    members = cls.__members__.items()
    return ScalarReading(
        _only_candidate(each for key, each in members if key.lower() == name.lower()), WORD
    )


def _by_name(cls: type[enum.Enum], name: str) -> Any:
    return cls.__members__.get(name.removeprefix(f"{cls.__name__}."))


def _is_value(x: object, text: str) -> bool:
    return isinstance(x, PLAIN) and text in (str(x), repr(x))


def _joined(cls: type[enum.Flag], names: Sequence[str]) -> Any:
    """The flags of these names, or of numbers that are sums of flags; None if one is unknown."""
    joined: Any = None
    for name in names:
        flag = _by_name(cls, name.strip())
        if flag is None and name.isascii() and name.isdigit() and len(name) < 100:
            try:
                flag = cls(int(name))
            except ValueError:
                return None
        if flag is None:
            return None
        joined = flag if joined is None else joined | flag
    return joined


def _only_candidate(candidates: Iterable[object]) -> Any:
    """The only candidate.

    Raises:
        Unreadable: When there is none, or several.
    """
    several = list(candidates)
    if len(several) > 1:
        names = ", ".join(map(name_of_option, several))
        raise Unreadable(f"it may be any of {names}; write the name of one")
    if not several:
        raise Unreadable
    return several[0]
