"""Common mistakes in a class body that Python accepts; the class is refused when it is created."""

from __future__ import annotations

import builtins
import enum
import functools
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from superparams.adapters.content import is_class
from superparams.declare.descriptors import REQUIRED, Search, Value, search, value
from superparams.errors import FieldError
from superparams.errors.short_repr import kind_of, shorten
from superparams.space.axis import Axis
from superparams.space.groups import group_class, is_group

__all__ = [
    "alternatives",
    "is_method",
    "is_scalar",
    "refuse_class",
    "refuse_no_group",
    "refuse_slips",
    "refuse_variable",
    "takes_only_groups",
    "unknown_annotation",
]

SCALARS: Final = (int, float, complex, str, bytes)
KINDS: Final = (property, classmethod, staticmethod, functools.cached_property)
UNIONS: Final = (typing.Union, types.UnionType)
WRAPPERS: Final = (typing.Annotated, typing.Final)
# Types that type checkers accept as a float or a complex, too.
TOWER: Final[Mapping[Any, tuple[type[Any], ...]]] = {float: (float, int), complex: SCALARS[:3]}
CONSTANTS: Final = (*SCALARS[:3], list, dict, set, enum.Enum)


def refuse_slips(where: str, annotation: object, default: object, owner: str) -> None:
    """Refuse a field that is declared by a common mistake.

    Args:
        where: ``"Class.field"``.
        annotation: The annotation, resolved.
        default: The default.
        owner: The qualified name of the class.

    Raises:
        FieldError: Names `where` and the remedy.
    """
    name = where.rpartition(".")[2]
    is_constant = _is_a(annotation, CONSTANTS) or is_group(annotation)
    text = {id(search): "search(...)", id(value): "value(...)"}.get(id(annotation))
    if _is_a(annotation, (Search, Value)):
        text = repr(annotation)
    if text is not None:
        raise FieldError(
            f"{where}: {text} is in the place of the type; write {name}: float = {text}"
        )
    if default is REQUIRED and is_constant:
        kind = annotation.__class__.__name__
        raise FieldError(
            f"{where}: {shorten(annotation)} is a value in the place of the type; write "
            f"{name}: {kind} = {shorten(annotation)}"
        )
    if is_method(default) and _is_written_here(default, f"{owner}.{name}"):
        raise FieldError(
            f"{where} is annotated as a field, and {kind_of(default)} of that name hides it; "
            f"rename one of them, or use value(derive=lambda s: ...) to compute the field"
        )
    _refuse_comma(where, annotation, default)


def _is_a(x: object, kinds: tuple[type[Any], ...]) -> bool:
    return isinstance(x, kinds)


def is_method(x: object) -> bool:
    """Whether an attribute of a class is a method, or a property of some kind."""
    return isinstance(x, KINDS) or inspect.isroutine(x)


def _is_written_here(x: object, qualified: str) -> bool:
    """Whether it was defined in this class body, so that it is no function used as a value."""
    is_function = isinstance(x, types.FunctionType) and x.__qualname__ == qualified
    return isinstance(x, KINDS) or is_function


def _refuse_comma(where: str, annotation: Any, default: Any) -> None:
    if not _is_a(default, (tuple,)) or len(default) != 1 or hasattr(default, "_fields"):
        return
    only: Any = default[0]
    if _is_a(only, (Search, Value)) or (is_scalar(annotation) and not inspect.isclass(only)):
        raise FieldError(
            f"{where}: ({shorten(only)},) is a tuple, since it ends with a comma; write "
            f"{where.rpartition('.')[2]} = {shorten(only)} without it"
        )


def is_scalar(annotation: object) -> bool:
    """Whether only numbers, texts, members of an Enum, groups and None are values of it."""
    origin = typing.get_origin(annotation)
    if origin in UNIONS:
        return all(map(is_scalar, typing.get_args(annotation)))
    if annotation is None or annotation is types.NoneType or group_class(annotation) is not None:
        return True
    return is_class(annotation) and issubclass(annotation, (*SCALARS, enum.Enum))


def unknown_annotation(text: str) -> str:
    """The error for a textual annotation whose name is unknown.

    Args:
        text: The annotation.
    """
    from superparams.errors.suggestions import similar

    names: list[str] = re.findall(r"[A-Za-z_][\w.]*", text)
    known_names = {*vars(builtins), *vars(typing)}
    strange = [name for name in names if name not in known_names]
    types_known = [name for name, x in vars(builtins).items() if isinstance(x, type)]
    near = [suggestion for name in strange for suggestion in similar(name, types_known, 1)]
    guess = f"did you mean {near[0]}? Correct it" if near else "correct it"
    what = ", ".join(strange) or "it"
    return (
        f"its annotation names nothing that can be found; {guess}, or import {what} outside of "
        f"`if TYPE_CHECKING:`"
    )


def refuse_variable(where: str, name: object, key: str | None) -> None:
    """Refuse text that cannot name an environment variable; it may be the secret itself.

    Args:
        where: ``"Class.field"``.
        name: The argument of ``value(secret=...)``.
        key: The argument ``key=`` of the same call.

    Raises:
        FieldError: Names `where` and the remedy, and never `name`.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise FieldError(
            f"{where}: value(secret=...) takes the name of an environment variable "
            f'(letters, digits, underscores), never the secret itself: value(secret="API_KEY")'
        )
    if key is not None:
        raise FieldError(f"{where}: a secret is in no key, so leave key= out")


# -- another value instead of a group --------------------------------------------------------------


def takes_only_groups(annotation: object) -> bool:
    """Whether an annotation allows groups and None, and no other values."""
    if typing.get_origin(annotation) in WRAPPERS:
        return takes_only_groups(typing.get_args(annotation)[0])
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    groups = [group_class(member) for member in members if member is not types.NoneType]
    return bool(groups) and None not in groups


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in UNIONS


def refuse_no_group(x: object, where: str, annotation: object, axis: object) -> None:
    """Refuse a value that is no group, if the annotation allows only groups.

    None is allowed: many write ``net: Net = None``.

    Args:
        x: A value or a point.
        where: ``"Class.field"``.
        annotation: The annotation of the field.
        axis: The axis of the class, whose points may be given by their names; else anything.

    Raises:
        FieldError: Names `where`, the value, and what is allowed.
    """
    if x is None or is_group(x) or not takes_only_groups(annotation):
        return
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    groups = [cls.__name__ for cls in map(group_class, members) if cls is not None]
    names, classes = _names_of_points(axis)
    remedy = f"give an instance, such as {classes[0] if classes else groups[0]}()"
    if names:
        remedy += f", or one of the names {', '.join(map(repr, names))}"
    raise FieldError(f"{where}={shorten(x)}: the value must be a {' or '.join(groups)}; {remedy}")


def _names_of_points(axis: object) -> tuple[list[str], list[str]]:
    """The names by which points of an axis can be given, and the classes of its groups."""
    if not isinstance(axis, Axis) or isinstance(axis.names.points, range):
        return [], []
    classes = [type(point).__name__ for point in axis.names.points if is_group(point)]
    single = [name for name in classes if classes.count(name) == 1]
    return list(dict.fromkeys([*(axis.names.labels or ()), *single])), classes


# -- a class in the place of an instance -----------------------------------------------------------


def refuse_class(x: object, where: str, annotation: object, depth: int = 0) -> None:
    """Refuse a class, if the annotation means an instance of it.

    A class of groups is refused under any annotation that does not ask for a class.

    Args:
        x: A value, a point, or an item inside of one.
        where: ``"Class.field"``.
        annotation: The annotation of the field.
        depth: In how many containers `x` stands.

    Raises:
        FieldError: Names `where` and the remedy.
    """
    cls = group_class(x) or typing.get_origin(x) or x
    if not isinstance(cls, type) or wants_class(annotation):
        return
    if group_class(x) is None and not _is_instance_meant(cls, _meant_at(annotation, depth)):
        return
    name = cls.__name__ if x is cls else re.sub(r"(\w+\.)+", "", str(x))
    raise FieldError(
        f"{where}: {name} is a class, where an instance of it is meant; write "
        f"{_instance_of(cls, name)}, or annotate the field with type[{name}] where the class "
        f"itself is meant"
    )


def _instance_of(cls: type[Any], name: str) -> str:
    """How an instance of a class is written."""
    if issubclass(cls, enum.Enum):
        return f"{name}.{next(iter(cls)).name}" if len(cls) else "one of its members"
    return repr(cls()) if cls in SCALARS or cls is bool else f"{name}()"


def _is_instance_meant(cls: type[Any], members: list[Any]) -> bool:
    """Whether no annotation allows the class itself, but one of them allows its instances."""
    answers = [_is_for_instances(cls, annotation) for annotation in members]
    return True in answers and None not in answers


def _is_for_instances(cls: type[Any], annotation: object) -> bool | None:
    """Whether an annotation means instances of a class; None if it allows the class itself."""
    text = getattr(annotation, "__forward_arg__", annotation)
    if isinstance(text, str):  # a name under TYPE_CHECKING
        names = [part.strip().rpartition(".")[2] for part in text.split("|")]
        return any(base.__name__ in names for base in cls.__mro__[:-1]) or None
    origin: Any = typing.get_origin(annotation) or annotation
    if origin is typing.Literal or annotation is None:
        return False
    if not isinstance(origin, type) or getattr(origin, "_is_protocol", False) or origin is Any:
        return None
    try:
        if isinstance(cls, origin):
            return None
        return issubclass(cls, TOWER.get(origin, origin))
    except TypeError:  # a class without support for `issubclass`
        return None


def _meant_at(annotation: object, depth: int) -> list[Any]:
    """The annotation of a value, or of an item inside so many containers of the value."""
    members = list(alternatives(annotation))
    for _ in range(depth):
        members = [inner for outer in members for inner in _annotations_of_items(outer)]
    return members


def _annotations_of_items(annotation: object) -> Iterator[Any]:
    """The annotation of the items of a container; Any if it is not known."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_scalar(annotation) or origin is typing.Literal:
        return
    if not isinstance(origin, type) or not arguments:
        yield Any
        return
    if issubclass(origin, Mapping):
        arguments = arguments[-1:]
    for argument in arguments:
        if argument is not Ellipsis:
            yield from alternatives(argument)


def alternatives(annotation: object) -> Iterator[Any]:
    """The members of a union, without aliases and wrappers; else the annotation itself."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    aliased = next(
        (alias for name in ("__value__", "__supertype__") if (alias := _read(annotation, name))),
        None,
    )
    if origin in UNIONS or origin in WRAPPERS:
        for member in arguments[:1] if origin in WRAPPERS else arguments:
            yield from alternatives(member)
    elif isinstance(annotation, typing.TypeVar):
        for bound in annotation.__constraints__ or (_read(annotation, "__bound__") or Any,):
            yield from alternatives(bound)
    elif aliased is not None:
        yield from alternatives(aliased)
    else:
        yield annotation


def _read(x: object, name: str) -> Any:
    return getattr(x, name, None)


def wants_class(annotation: Any) -> bool:
    """Whether any part of an annotation allows a class or a callable."""
    if isinstance(annotation, str):
        return re.search(r"\b(type|Type|Callable)\b", annotation) is not None
    if isinstance(annotation, list):  # the arguments of a Callable
        return any(map(wants_class, annotation))  # pyright: ignore[reportUnknownArgumentType]
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type):
        if issubclass(origin, type) or origin.__name__ == "Callable":
            return True
    elif isinstance(origin, typing.TypeVar):
        return wants_class(origin.__bound__)
    elif hasattr(origin, "__value__"):  # a `type` statement
        return wants_class(origin.__value__)
    return any(map(wants_class, typing.get_args(annotation)))
