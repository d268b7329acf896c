"""From a class body to its fields: what `SearchMeta` does when a class is created."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from abc import ABCMeta
from collections.abc import Iterator, Mapping
from typing import Any, Final

from superparams.errors import FieldError
from superparams.fields import FIELDS, REQUIRED, Field, Search, Value, resolve

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    from typing_extensions import dataclass_transform

__all__ = ["SearchMeta", "fields_of"]

GENERATED: Final = {"__init__", "__repr__", "__eq__", "__hash__", "__match_args__"}
MAY_BE_FIELDS: Final = {"seed"}  # a method of Experiment that a declared field may replace


@dataclass_transform(kw_only_default=True)
class SearchMeta(ABCMeta):
    """Makes every annotated attribute of a class body a field, without a decorator.

    The fields are recorded, in order and with those inherited, in the attribute
    ``__superparams_fields__`` of the class. An unannotated assignment to an inherited field
    changes that field and keeps its annotation.

    Raises:
        FieldError: For a body that cannot work; names Class.field and the remedy.
    """

    def __new__(
        mcs, name: str, bases: tuple[type[Any], ...], namespace: dict[str, Any], **options: Any
    ) -> SearchMeta:
        _refuse_body(name, namespace)
        cls = super().__new__(mcs, name, bases, namespace, **options)
        fields = _inherited(cls)
        fields.update(_declared(cls, namespace, fields))
        type.__setattr__(cls, FIELDS, fields)
        for field in fields.values():
            if field.owner is cls:
                type.__setattr__(cls, field.name, field)
        _as_dataclass(cls, fields)
        return cls

    def __setattr__(cls, name: str, x: Any) -> None:
        if _comes_from_dataclass_decorator(name):
            return
        if name in vars(cls).get(FIELDS, {}) and not isinstance(x, Field):
            raise FieldError(
                f"{cls.__name__}.{name} is a field and cannot be assigned on the class; "
                f"fix it at the call, {cls.__name__}({name}={x!r}), or in a subclass"
            )
        super().__setattr__(name, x)

    @property
    def __signature__(cls) -> inspect.Signature:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if field.is_required else field.declared,
                    annotation=field.annotation,
                )
                for name, field in fields_of(cls).items()
            ]
        )


def fields_of(cls: type[Any]) -> dict[str, Field]:
    """The fields of a class, in order, by name."""
    found: dict[str, Field] = cls.__dict__[FIELDS]
    return found


def _refuse_body(name: str, namespace: Mapping[str, Any]) -> None:
    if FIELDS in namespace and "__slots__" in namespace:
        raise FieldError(f"{name}: @dataclass(slots=True) makes another class; remove the decorator")
    if "__init__" in namespace and FIELDS not in namespace and name != "Params":
        raise FieldError(
            f"{name}.__init__: the call takes the declared fields; write __post_init__ for what "
            f"a new setting needs"
        )


def _inherited(cls: type[Any]) -> dict[str, Field]:
    """The fields of the bases, in the order of their declaration."""
    fields: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        own: Mapping[str, Field] = vars(base).get(FIELDS, {})
        fields.update({name: field for name, field in own.items() if field.owner is base})
    return fields


def _declared(
    cls: type[Any], namespace: Mapping[str, Any], inherited: Mapping[str, Field]
) -> Iterator[tuple[str, Field]]:
    """The fields of this class body."""
    annotations = _own_annotations(cls)
    local = {**_enclosing_names(cls.__module__), **namespace}
    for name, annotation in annotations.items():
        if _is_field(cls, name, annotation):
            _refuse_name(cls, name, inherited)
            given = _default(cls, name, namespace.get(name, REQUIRED))
            yield name, Field(cls, name, resolve(annotation, cls.__module__, local), given)
    for name, x in namespace.items():
        if name in annotations or name == FIELDS:
            continue
        if name in inherited:
            _refuse_method(cls, name, x)
            yield name, Field(cls, name, inherited[name].annotation, _default(cls, name, x))
        elif isinstance(x, Search | Value):
            kind = "search" if isinstance(x, Search) else "value"
            raise FieldError(
                f"{cls.__name__}.{name} = {x!r} has no annotation; write the type of one value, "
                f"as in {name}: float = {kind}(...)"
            )


def _own_annotations(cls: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return dict(vars(cls).get("__annotations__", {}))


def _enclosing_names(module: str) -> dict[str, Any]:
    """The local names where the class statement stands: annotations may use them."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    inside = frame.f_globals.get("__name__") == module and frame.f_locals is not frame.f_globals
    return dict(frame.f_locals) if inside else {}


def _is_field(cls: type[Any], name: str, annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    if typing.get_origin(annotation) is typing.ClassVar or annotation is typing.ClassVar:
        return False
    if re.match(r"(\w+\.)*ClassVar\b", text):
        return False
    if annotation is dataclasses.KW_ONLY or re.match(r"(\w+\.)*KW_ONLY\b", text):
        return False
    if isinstance(annotation, dataclasses.InitVar) or re.match(r"(\w+\.)*InitVar\b", text):
        raise FieldError(
            f"{cls.__name__}.{name}: InitVar is not recorded with the setting; declare a field, "
            f"or value(derive=...) for what follows from other fields"
        )
    return True


def _refuse_name(cls: type[Any], name: str, inherited: Mapping[str, Field]) -> None:
    if name.startswith("__"):
        raise FieldError(f"{cls.__name__}.{name}: names that begin with __ are Python's own")
    if name in inherited or name in MAY_BE_FIELDS:
        return
    for base in cls.__mro__[1:]:
        if name in vars(base):
            kind = "reserved" if base.__module__.startswith("superparams.") else "a method or attribute"
            raise FieldError(
                f"{cls.__name__}.{name}: {name!r} is {kind} of {base.__name__}, so a field would "
                f"hide it; choose another name, such as {name}_"
            )


def _refuse_method(cls: type[Any], name: str, x: Any) -> None:
    if inspect.isroutine(x) or isinstance(x, property | classmethod | staticmethod):
        raise FieldError(
            f"{cls.__name__}.{name} replaces a field by {type(x).__name__}; use "
            f"value(derive=lambda s: ...) to compute it from other fields"
        )


def _default(cls: type[Any], name: str, x: Any) -> Any:
    """A default of the class body; a `dataclasses.field` as what it means here."""
    if not isinstance(x, dataclasses.Field):
        return x
    if not x.init:
        raise FieldError(
            f"{cls.__name__}.{name}: field(init=False) would not be recorded; use "
            f"value(derive=...), or an undeclared attribute set in __post_init__"
        )
    if x.default_factory is not dataclasses.MISSING:
        return x.default_factory()
    return REQUIRED if x.default is dataclasses.MISSING else x.default


def _as_dataclass(cls: type[Any], fields: Mapping[str, Field]) -> None:
    """Let `dataclasses.fields`, ``replace`` and ``is_dataclass`` know the class."""
    dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)
    for name, known in vars(cls)["__dataclass_fields__"].items():
        if name in fields and fields[name].is_required:
            known.default = dataclasses.MISSING


def _comes_from_dataclass_decorator(name: str) -> bool:
    """Whether a stray ``@dataclass`` is about to replace what the class already has."""
    caller = sys._getframe(2).f_globals.get("__name__")  # pyright: ignore[reportPrivateUsage]
    return caller == "dataclasses" and name in GENERATED
