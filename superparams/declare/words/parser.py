"""Turns words such as ``epochs=5`` into arguments of a class, or into values to filter by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.dotted_names import meant
from superparams.declare.field import Field
from superparams.declare.metaclass import fields_of
from superparams.declare.words.annotations import Scope
from superparams.declare.words.field_values import Chosen, chosen_by, field_values
from superparams.declare.words.named_choices import NewGroup, current, group_classes, points_of
from superparams.declare.words.type_names import examples
from superparams.declare.words.word import FieldWords, Word, known_name, sorted_words, words_of
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["filter_values", "parse"]

MOST_GROUPS: Final = 1000  # points of one axis that are tried for the meaning of a word


def parse(cls: type[Any], words: Iterable[str]) -> dict[str, Any]:
    """The arguments that words such as ``epochs=5`` mean: ``cls(**parse(cls, words))``.

    Args:
        cls: A class of `Params`.
        words: Each ``name=value``, or ``name=value,value`` for an axis; a dotted name reaches
            into a group.

    Returns:
        For each field a value of the type in its annotation, or a ``search``.

    Raises:
        FieldError: For a name that no field has, two words for one field, a required field
            without a word, and a text that is no value of the field's type.
    """
    return _arguments(cls, words_of(cls, words), "")


def _arguments(cls: type[Any], words: Sequence[Word], group: str) -> dict[str, Any]:
    """The arguments for a new instance of `cls`.

    Args:
        cls: A class of `Params`.
        words: Words whose names are relative to `cls`.
        group: The dotted name of the new group, with a dot at its end.
    """
    arguments = _changes(cls, words)
    scope = Scope(cls)
    for name, field in fields_of(cls).items():
        if field.is_required and name not in arguments:
            samples = examples(field.annotation, scope)
            remedy = f"{group}{name}={samples[0]}" if samples else f"{cls.__name__}({name}=...)"
            where = "" if samples else " in Python"
            raise FieldError(
                f"{cls.__name__}.{name} is required: give it{where}, as in {remedy}, or give it a "
                f"default in the class"
            )
    return arguments


def _changes(owner: object, words: Sequence[Word]) -> dict[str, Any]:
    """The arguments that words mean for a class, or for an instance of it."""
    cls = owner if isinstance(owner, type) else type(owner)
    fields = fields_of(cls)
    scope = Scope(cls)
    return {
        name: _argument(owner, fields[name], field_words, scope)
        for name, field_words in sorted_words(cls, words).items()
    }


def _argument(owner: object, field: Field, words: FieldWords, scope: Scope) -> Any:
    if isinstance(field.declared, Value) and field.declared.secret is not None:
        raise FieldError(
            f"{field.where} is a secret, so it cannot be given on a command line, which others can "
            f"read: set the environment variable {field.declared.secret}"
        )
    if words.whole is not None:
        chosen = chosen_by(owner, field, words.whole, scope)
    else:
        chosen = _as_it_is(owner, field, scope)
    _refuse_unknown(field, chosen.points, words.inside, scope)
    if not isinstance(chosen.points, range):
        chosen.points = [_with(point, words.inside, words.group) for point in chosen.points]
    return chosen.argument()


def _as_it_is(owner: object, field: Field, scope: Scope) -> Chosen:
    """The points of a field, if no word sets the field itself."""
    declared = current(owner, field)
    points = points_of(declared)
    if isinstance(declared, Axis):
        return Chosen(points, axis=declared)
    is_empty = declared is REQUIRED or (isinstance(declared, Value) and declared.given is None)
    new = [NewGroup(each) for each in group_classes(field.annotation, scope)] if is_empty else []
    return Chosen(new if len(new) == 1 else points)


def _refuse_unknown(
    field: Field, points: Sequence[object], words: Sequence[Word], scope: Scope
) -> None:
    """Refuse words for fields that none of the points has."""
    groups = () if isinstance(points, range) else map(_group_class, points)
    classes = [cls for cls in groups if cls is not None]
    where = f"{scope.cls.__name__}.{field.name}"
    for word in words:
        head = word.name.partition(".")[0]
        if any(known_name(cls, head) for cls in classes):
            continue
        names = [cls.__name__ for cls in group_classes(field.annotation, scope)]
        if names and not classes:
            raise FieldError(
                f"{where} holds no group yet whose {shorten(head)} could be given; say which, as "
                f"in {word.group.removesuffix('.')}={names[0]}"
            )
        field_names = dict.fromkeys(name for cls in classes for name in fields_of(cls))
        raise FieldError(
            f"{where} has no field {shorten(head)} to set to {shorten(word.text)}; "
            f"{meant(head, field_names)}"
        )


def _group_class(point: object) -> type[Any] | None:
    if isinstance(point, NewGroup):
        return point.cls
    return point.__class__ if is_group(point) else None


def _with(point: Any, words: Sequence[Word], group: str) -> Any:
    """A point with the changes that words make inside it. A new group is made."""
    cls = _group_class(point)
    if cls is None:
        return point
    here = [word for word in words if known_name(cls, word.name.partition(".")[0])]
    if isinstance(point, NewGroup):
        return cls(**_arguments(cls, here, group))
    return point.replace(**_changes(point, here)) if here else point


def filter_values(owner: object, name: str, text: str) -> list[Any]:
    """The values that a word means as a filter of recorded settings, as in a run with this word.

    Args:
        owner: A class of `Params`, or an instance of it.
        name: A field. A dotted name reaches into groups.
        text: The text of the word.

    Returns:
        Values and ranges. Named points and groups are texts: the name, or the name of the class.
        Empty if there is no such field.

    Raises:
        FieldError: For a text that is a value for none of the fields of that name.
    """
    value_by_text: dict[tuple[type[Any], str], Any] = {}
    errors: list[FieldError] = []
    for holder, field, group in _fields_named(owner, name, ""):
        scope = Scope(holder if isinstance(holder, type) else type(holder))
        try:
            values = field_values(holder, field, Word(field.name, text, group), scope)
        except FieldError as error:
            errors.append(error)
        else:
            value_by_text.update({(type(x), repr(x)): x for x in values})
    if errors and not value_by_text:
        raise errors[0]
    return list(value_by_text.values())


def _fields_named(owner: object, name: str, group: str) -> Iterator[tuple[Any, Field, str]]:
    """The fields of a dotted name: the class or instance that has it, the field, the prefix."""
    cls = owner if isinstance(owner, type) else type(owner)
    head, dot, rest = name.partition(".")
    field_name = known_name(cls, head)
    if field_name is None:
        return
    field = fields_of(cls)[field_name]
    if not dot:
        yield owner, field, group
        return
    points = [*points_of(current(owner, field)), *points_of(field.declared)]
    groups = list(filter(is_group, points[:MOST_GROUPS]))
    for inner in (*groups, *group_classes(field.annotation, Scope(cls))):
        yield from _fields_named(inner, rest, f"{group}{field_name}.")
