"""Words such as ``epochs=5`` and ``optimizer.lr=0.1``, sorted by field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from superparams.declare.dotted_names import unknown
from superparams.declare.metaclass import fields_of
from superparams.declare.words.annotations import Scope
from superparams.declare.words.named_choices import group_classes, points_of
from superparams.declare.words.type_names import examples
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_group

__all__ = ["FieldWords", "Word", "known_name", "sorted_words", "words_of"]

DEEPEST: Final = 20  # groups in groups


@dataclass(frozen=True)
class Word:
    """A word.

    Attributes:
        name: The field; dotted if it is a field of a group.
        text: The text of the value.
        group: The dotted name of the group to which `name` is relative, with a dot at its end.
    """

    name: str
    text: str
    group: str = ""


@dataclass
class FieldWords:
    """The words for one field, and for the fields inside it.

    Attributes:
        group: The dotted name of the field, with a dot at its end.
        whole: The word for the field itself.
        inside: The words for fields inside it. Their names are relative to it.
    """

    group: str
    whole: Word | None = None
    inside: list[Word] = field(default_factory=list[Word])


def words_of(cls: type[Any], words: Iterable[str]) -> list[Word]:
    """The name and the text of each word.

    Raises:
        FieldError: For a text that is no ``name=value``.
    """
    if isinstance(words, str):
        raise FieldError(f"{cls.__name__}: give a list of words, as in [{shorten(words)}]")
    return [_word(cls, word) for word in words]


def _word(cls: type[Any], word: object) -> Word:
    if not isinstance(word, str):
        raise FieldError(f"{cls.__name__}: {shorten(word)} is not a word such as {_sample(cls)!r}")
    name, equals, text = word.partition("=")
    name = unicodedata.normalize("NFKC", name).strip()  # as Python reads names
    if not equals or not name:
        raise FieldError(
            f"{cls.__name__}: {shorten(word)} gives no field a value; write name=value, as in "
            f"{_sample(cls, name)}"
        )
    if name.count(".") > DEEPEST:
        raise FieldError(f"{cls.__name__}: {shorten(name)} goes deeper than groups are nested")
    return Word(name, text.strip())


def _sample(cls: type[Any], name: str = "") -> str:
    """An example of a word, for the field of this name or for the first one."""
    fields = fields_of(cls)
    if not fields:
        return "name=value"
    first = fields[known_name(cls, name) or next(iter(fields))]
    samples = examples(first.annotation, Scope(cls))
    return f"{first.name}={samples[0] if samples else 'value'}"


def sorted_words(cls: type[Any], words: Sequence[Word]) -> dict[str, FieldWords]:
    """The words of each field of `cls`.

    Raises:
        FieldError: For a name that no field has, and for two words for one field.
    """
    words_by_field: dict[str, FieldWords] = {}
    for word in words:
        head, dot, rest = word.name.partition(".")
        name = known_name(cls, head)
        if name is None:
            raise _unknown(cls, word, head)
        entry = words_by_field.setdefault(name, FieldWords(f"{word.group}{name}."))
        if dot:
            entry.inside.append(Word(rest, word.text, entry.group))
        elif entry.whole is None:
            entry.whole = Word(name, word.text, word.group)
        else:
            raise FieldError(
                f"{cls.__name__}.{name} is given twice, as {shorten(entry.whole.text)} and as "
                f"{shorten(word.text)}; write {word.group}{name}=a,b to search both"
            )
    return words_by_field


def known_name(cls: type[Any], name: str) -> str | None:
    """The name of a field, written with _ or -; None if there is no such field."""
    fields = fields_of(cls)
    return next((each for each in (name, name.replace("-", "_")) if each in fields), None)


def _unknown(cls: type[Any], word: Word, head: str) -> FieldError:
    bare = known_name(cls, head.lstrip("-"))
    if bare is not None:
        return FieldError(
            f"{cls.__name__} has no field {shorten(head)}; write {word.group}{bare}=..., without "
            f"dashes before the name"
        )
    deeper = _dotted(cls, head)
    if deeper is not None:
        return FieldError(
            f"{cls.__name__} has no field {shorten(head)} of its own; did you mean "
            f"{word.group}{deeper}?"
        )
    return unknown(cls, head, fields_of(cls))


def _dotted(cls: type[Any], name: str) -> str | None:
    """The dotted name of the nearest field of this name in a group; None if there is none."""
    todo: list[tuple[str, type[Any]]] = [("", cls)]
    visited = {cls}
    while todo:
        prefix, group = todo.pop(0)
        field_name = known_name(group, name)
        if field_name is not None:
            return f"{prefix}{field_name}"
        for group_field in fields_of(group).values():
            points = [
                point.__class__ for point in points_of(group_field.declared) if is_group(point)
            ]
            for inner in (*points, *group_classes(group_field.annotation, Scope(group))):
                if inner not in visited:
                    visited.add(inner)
                    todo.append((f"{prefix}{group_field.name}.", inner))
    return None
