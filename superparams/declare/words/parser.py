"""From words such as ``epochs=5`` to what the call of a class takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.dotted_names import meant
from superparams.declare.field import Field
from superparams.declare.metaclass import fields_of
from superparams.declare.words.annotations import Scope
from superparams.declare.words.field_values import Chosen, chosen_by
from superparams.declare.words.named_choices import Unmade, current, group_classes, points_of
from superparams.declare.words.type_names import examples
from superparams.declare.words.word import Given, Word, known_name, sorted_words, words_of
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["parse"]


def parse(cls: type[Any], words: Iterable[str]) -> dict[str, Any]:
    """What words such as ``epochs=5`` give to the call: ``cls(**parse(cls, words))``.

    Args:
        cls: A class of `Params`.
        words: Each ``name=value``, or ``name=value,value`` for an axis; a dotted name reaches
            into a group.

    Returns:
        By field a value of the type that its annotation says, or a ``search``.

    Raises:
        FieldError: For a name that no field has, a field that is given twice or not at all though
            it is required, and a text that is no value of the field's type.
    """
    return _whole_call(cls, words_of(cls, words), "")


def _whole_call(cls: type[Any], words: Sequence[Word], group: str) -> dict[str, Any]:
    """What the call takes that makes an instance of `cls`.

    Args:
        cls: A class of `Params`.
        words: Names as seen from `cls`.
        group: The dotted name of the group that is made, with a dot at its end.
    """
    found = _changes(cls, words)
    scope = Scope(cls)
    for name, one in fields_of(cls).items():
        if one.is_required and name not in found:
            samples = examples(one.annotation, scope)
            remedy = f"{group}{name}={samples[0]}" if samples else f"{cls.__name__}({name}=...)"
            place = "" if samples else " in Python"
            raise FieldError(
                f"{cls.__name__}.{name} is required: give it{place}, as in {remedy}, or give it a "
                f"default in the class"
            )
    return found


def _changes(of: Any, words: Sequence[Word]) -> dict[str, Any]:
    """What the words change about a class, or about an instance of it."""
    cls = of if isinstance(of, type) else type(of)
    fields = fields_of(cls)
    scope = Scope(cls)
    return {
        name: _field(of, fields[name], given, scope)
        for name, given in sorted_words(cls, words).items()
    }


def _field(of: Any, one: Field, given: Given, scope: Scope) -> Any:
    if isinstance(one.declared, Value) and one.declared.secret is not None:
        raise FieldError(
            f"{one.where} is a secret, so it is no word of a command line, which others can "
            f"read: set the environment variable {one.declared.secret}"
        )
    if given.whole is not None:
        chosen = chosen_by(of, one, given.whole, scope)
    else:
        chosen = _as_it_is(of, one, scope)
    _refuse_strangers(one, chosen.points, given.inside, scope)
    if not isinstance(chosen.points, range):
        chosen.points = [_with(point, given.inside, given.group) for point in chosen.points]
    return chosen.result()


def _as_it_is(of: Any, one: Field, scope: Scope) -> Chosen:
    """What a field is before words change what is inside it."""
    declared = current(of, one)
    points = points_of(declared)
    if isinstance(declared, Axis):
        return Chosen(points, axis=declared)
    is_empty = declared is REQUIRED or (isinstance(declared, Value) and declared.given is None)
    made = [Unmade(each) for each in group_classes(one.annotation, scope)] if is_empty else []
    return Chosen(made if len(made) == 1 else points)


def _refuse_strangers(
    one: Field, points: Sequence[Any], words: Sequence[Word], scope: Scope
) -> None:
    """Complain about words that reach into none of the points."""
    held: Sequence[Any] = () if isinstance(points, range) else points
    classes = [cls for cls in map(_group_class, held) if cls is not None]
    where = f"{scope.cls.__name__}.{one.name}"
    for word in words:
        head = word.name.partition(".")[0]
        if any(known_name(cls, head) for cls in classes):
            continue
        names = [cls.__name__ for cls in group_classes(one.annotation, scope)]
        if names and not classes:
            raise FieldError(
                f"{where} holds no group yet whose {shorten(head)} could be given; say which, as "
                f"in {word.group.removesuffix('.')}={names[0]}"
            )
        known = dict.fromkeys(name for cls in classes for name in fields_of(cls))
        raise FieldError(
            f"{where} has no field {shorten(head)} to set to {shorten(word.text)}; "
            f"{meant(head, known)}"
        )


def _group_class(point: Any) -> type[Any] | None:
    if isinstance(point, Unmade):
        return point.cls
    return point.__class__ if is_group(point) else None


def _with(point: Any, words: Sequence[Word], group: str) -> Any:
    """A point with what the words give to fields inside it; made, if it is not yet."""
    cls = _group_class(point)
    if cls is None:
        return point
    here = [word for word in words if known_name(cls, word.name.partition(".")[0])]
    if isinstance(point, Unmade):
        return cls(**_whole_call(cls, here, group))
    return point.replace(**_changes(point, here)) if here else point
