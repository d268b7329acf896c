"""Reads lists, tuples, sets and dicts, whose parts have the types in their annotation."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from superparams.declare.words.grammar import Unreadable, between_brackets, pair, text_of
from superparams.declare.words.scalars import EXACT, LOOSE, ScalarReading, constructed
from superparams.errors.short_repr import shorten

__all__ = ["Item", "container", "hints_of", "kind_of"]

Item = Callable[[Any, str], ScalarReading]  # reads a part by its annotation

CONCRETE: Final[Mapping[str, type[Any]]] = {
    **dict.fromkeys(["Sequence", "MutableSequence", "Iterable", "Collection", "Container"], list),
    **dict.fromkeys(["Set", "MutableSet"], set),
    **dict.fromkeys(["Mapping", "MutableMapping"], dict),
}
SET_CALL: Final = re.compile(r"(?:frozenset|set)\((.*)\)", re.DOTALL)


def container(
    cls: type[Any], inner: Sequence[object], text: str, item: Item
) -> ScalarReading | None:
    """A list, tuple, set or dict from its text; None for another class.

    Args:
        cls: The class, or the abstract one of `collections.abc`.
        inner: The arguments of the annotation, such as ``int`` of ``list[int]``.
        text: The text, without space around it.
        item: Reads a part of the text.

    Raises:
        Unreadable: For a text that is no such container, or has a part of another type.
    """
    concrete = _concrete(cls)
    kind = kind_of(concrete)
    first: Any = inner[0] if inner else Any
    if typing.is_typeddict(concrete):
        return _typed_dict(concrete, text, item)
    if kind is dict:
        second: Any = inner[1] if len(inner) > 1 else Any
        pairs = [(item(first, key), item(second, x)) for key, x in _pairs(text)]
        return _joined_pairs(lambda x: constructed(concrete, x), pairs)
    if kind is tuple:
        return _tuple(concrete, inner, text, item)
    if kind is None:
        return None
    parts, doubt = _parts(_without_call(text), "{[(") if kind is set else _parts(text, "[(")
    return _joined(lambda x: constructed(concrete, x), [item(first, each) for each in parts], doubt)


def kind_of(cls: type[Any]) -> type[Any] | None:
    """Which of list, tuple, set and dict a class is written as; None for any other class."""
    concrete = _concrete(cls)
    if issubclass(concrete, set | frozenset):
        return set
    if (concrete.__module__, concrete.__name__) == ("collections", "deque"):
        return list
    return next((kind for kind in (dict, tuple, list) if issubclass(concrete, kind)), None)


def _concrete(cls: type[Any]) -> type[Any]:
    return CONCRETE.get(cls.__name__, cls) if cls.__module__ == "collections.abc" else cls


def _parts(text: str, brackets: str) -> tuple[list[str], int]:
    """The parts, and the doubt: only the first kind of `brackets` is the usual one."""
    parts = between_brackets(text, brackets)
    if parts is None:
        raise Unreadable
    return parts, EXACT if text.startswith(brackets[0]) else LOOSE


def _without_call(text: str) -> str:
    """``{1}`` for ``frozenset({1})``."""
    call = SET_CALL.fullmatch(text)
    return text if call is None else call[1].strip() or "{}"


def _joined(
    make: Callable[[list[Any]], Any], items: Sequence[ScalarReading], doubt: int
) -> ScalarReading:
    try:
        x = make([each.value for each in items])
    except TypeError as error:
        raise Unreadable(shorten(error)) from None
    return ScalarReading(x, max([doubt, *(each.doubt for each in items)]))


# -- tuples ----------------------------------------------------------------------------------------


def _tuple(cls: type[Any], inner: Sequence[object], text: str, item: Item) -> ScalarReading:
    parts, doubt = _parts(text, "([")
    kinds = _kinds(cls, inner, len(parts))
    if len(kinds) != len(parts):
        raise Unreadable(f"it needs {len(kinds)} parts, not {len(parts)}")
    items = [item(*each) for each in zip(kinds, parts, strict=True)]
    return _joined(lambda x: _as_tuple(cls, x), items, doubt)


def _as_tuple(cls: type[Any], items: Sequence[object]) -> Any:
    return cls(*items) if hasattr(cls, "_fields") else constructed(cls, tuple(items))


def _kinds(cls: type[Any], inner: Sequence[object], size: int) -> list[Any]:
    """The annotation of each part of a tuple."""
    if hasattr(cls, "_fields"):  # a NamedTuple
        names: tuple[str, ...] = cls._fields
        hints = hints_of(cls)
        return [hints.get(name, Any) for name in names]
    if not inner:
        return [Any] * size
    if len(inner) == 2 and inner[1] is ...:
        return [inner[0]] * size
    return list(inner)


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """The annotations of the fields of a ``NamedTuple`` or a ``TypedDict``."""
    try:
        return typing.get_type_hints(cls)
    except Exception:  # names that only type checkers know
        return {}


# -- dicts -----------------------------------------------------------------------------------------


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part in _parts(text, "{")[0]:
        entry = pair(part)
        if entry is None or not all(entry):
            raise Unreadable(f"{shorten(part)} in it is not of the form key: value")
        pairs.append(entry)
    return pairs


def _joined_pairs(
    make: Callable[[Any], Any], pairs: Sequence[tuple[ScalarReading, ScalarReading]]
) -> ScalarReading:
    entries: dict[Any, Any] = {}
    for key, x in pairs:
        try:
            if key.value in entries:
                raise Unreadable(f"{shorten(key.value)} is in it twice")
            entries[key.value] = x.value
        except TypeError:
            raise Unreadable(f"{shorten(key.value)} cannot be a key") from None
    return ScalarReading(
        make(entries), max([each.doubt for both in pairs for each in both], default=EXACT)
    )


def _typed_dict(cls: Any, text: str, item: Item) -> ScalarReading:
    hints = hints_of(cls)
    pairs = [(text_of(key), x) for key, x in _pairs(text)]
    names = [key for key, _ in pairs]
    for name in names:
        if name not in hints:
            raise Unreadable(f"it has no key {shorten(name)}; its keys: {', '.join(hints)}")
    missing = [name for name in hints if name in cls.__required_keys__ and name not in names]
    if missing:
        raise Unreadable(f"the key {missing[0]!r} is missing")
    return _joined_pairs(dict, [(ScalarReading(name), item(hints[name], x)) for name, x in pairs])
