"""`SearchMeta`, which makes the fields of a class from its body."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from abc import ABCMeta
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from superparams.declare.annotation_texts import resolve
from superparams.declare.descriptors import REQUIRED, Search, Value
from superparams.declare.field import Field
from superparams.declare.mistakes import is_method, refuse_slips
from superparams.declare.own_names import RESERVED
from superparams.declare.plain_attributes import NO_FIELDS, PLAIN_ATTRIBUTES, check_attribute
from superparams.errors import FieldError
from superparams.errors.short_repr import kind_of, shorten
from superparams.identity.source_texts import keep_texts
from superparams.space.axis import Axis
from superparams.space.groups import FIELDS

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    from typing_extensions import dataclass_transform

__all__ = ["SUBCLASSED", "SearchMeta", "fields_of", "is_ours", "recorded_fields"]

METHODS: Final = ("__init__", "__repr__", "__eq__", "__hash__")
# Methods that @dataclass would replace.
GENERATED: Final = {*METHODS, "__replace__", "__match_args__", "__doc__"}
DATACLASS: Final = "__dataclass_fields__"
# Marks a class with subclasses: a field with this annotation may hold a group of any of them.
SUBCLASSED: Final = "__superparams_subclassed__"
OF_PYTHON: Final = ("_abc_impl",)  # attributes that Python itself sets on a class


@dataclass_transform(kw_only_default=True)
class SearchMeta(ABCMeta):
    """Makes every annotated attribute of a class body a field, without a decorator.

    The attribute ``__superparams_fields__`` of the class has all fields in order, including
    inherited ones. An assignment without an annotation changes an inherited field and keeps its
    annotation.

    Raises:
        FieldError: For a wrong declaration; the text names Class.field and the remedy.
    """

    def __new__(
        mcs, name: str, bases: tuple[type[Any], ...], namespace: dict[str, Any], /, **options: Any
    ) -> SearchMeta:
        _refuse_body(name, namespace)
        cls = super().__new__(mcs, name, bases, namespace, **options)
        fields = _inherited(cls)
        fields.update(_declared(cls, namespace, fields))
        type.__setattr__(cls, FIELDS, fields)
        for field in _owned(cls, fields):
            type.__setattr__(cls, field.name, field)
        for attribute in PLAIN_ATTRIBUTES:
            if attribute in namespace and _reserving(cls, attribute) is not None:
                check_attribute(cls, attribute, namespace[attribute])
        _take_over(cls)
        _as_dataclass(cls, fields)
        keep_texts(cls.__module__)
        for base in bases:
            if isinstance(base, SearchMeta) and not is_ours(base):
                type.__setattr__(base, SUBCLASSED, True)
        return cls

    def __setattr__(cls, name: str, x: Any) -> None:
        if _comes_from_dataclass_decorator(name):
            return
        if name in vars(cls).get(FIELDS, {}) and not isinstance(x, Field):
            raise FieldError(
                f"{cls.__name__}.{name} is a field and cannot be assigned on the class; fix it at "
                f"the call, {cls.__name__}({name}={shorten(x)}), or in a subclass"
            )
        if name in PLAIN_ATTRIBUTES and _reserving(cls, name) is not None:
            check_attribute(cls, name, x)
        super().__setattr__(name, x)

    def __delattr__(cls, name: str) -> None:
        if name in vars(cls).get(FIELDS, {}):
            raise FieldError(
                f"{cls.__name__}.{name} is a field and cannot be deleted; for a class without "
                f"it, inherit from the bases of {cls.__name__}"
            )
        super().__delattr__(name)

    @property
    def __signature__(cls) -> inspect.Signature:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=_shown_default(field),
                    annotation=field.annotation,
                )
                for name, field in fields_of(cls).items()
            ]
        )


def _owned(cls: type[Any], fields: Mapping[str, Field]) -> list[Field]:
    """The fields that this class declares or changes."""
    return [field for field in fields.values() if field.owner is cls]


def _shown_default(field: Field) -> Any:
    declared = field.declared
    if declared is REQUIRED:
        return inspect.Parameter.empty
    return declared.given if isinstance(declared, Value) and declared.plain else declared


def fields_of(cls: type[Any]) -> dict[str, Field]:
    """The fields of a class, in order, by name."""
    fields: dict[str, Field] = cls.__dict__[FIELDS]
    return fields


def recorded_fields(cls: type[Any]) -> dict[str, Field]:
    """The fields of a class without its secrets: those in keys, tables and files."""
    recorded = _recorded.get(cls)
    if recorded is None:
        fields = fields_of(cls)
        recorded = {name: field for name, field in fields.items() if not field.is_secret}
        _recorded[cls] = recorded = fields if len(recorded) == len(fields) else recorded
    return recorded


_recorded: WeakKeyDictionary[type[Any], dict[str, Field]] = WeakKeyDictionary()


def _refuse_body(name: str, namespace: Mapping[str, Any]) -> None:
    if FIELDS in namespace and "__slots__" in namespace:
        raise FieldError(
            f"{name}: @dataclass(slots=True) makes another class; remove the decorator"
        )
    if "__init__" in namespace and FIELDS not in namespace and name != "Params":
        raise FieldError(
            f"{name}.__init__: the call takes the declared fields; write __post_init__ for what "
            f"a new setting needs"
        )


def _inherited(cls: type[Any]) -> dict[str, Field]:
    """The fields of the bases, in the order of their declaration."""
    fields: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        if isinstance(base, SearchMeta):
            fields.update({field.name: field for field in _owned(base, fields_of(base))})
        else:
            fields.update(_of_mixin(cls, base))
    _refuse_reserved(cls, fields)
    fields.update(_overridden_by_mixins(cls, fields))
    return fields


def _refuse_reserved(cls: type[Any], fields: Mapping[str, Field]) -> None:
    """Refuse fields of a mixin or a group with a name that an experiment needs."""
    for name, field in fields.items():
        base = _reserving(cls, name)
        if base is not None:
            origin = "" if field.owner is cls else f", a field of {field.owner.__name__},"
            raise FieldError(
                f"{_is_reserved(cls, name, base, origin)}, or make the group the value of a field"
            )


def _reserving(cls: type[Any], name: str) -> type[Any] | None:
    """The class among the bases that reserves a name."""
    return next((base for base in cls.__mro__[1:] if name in vars(base).get(RESERVED, ())), None)


def _is_reserved(cls: type[Any], name: str, base: type[Any], origin: str = "") -> str:
    return (
        f"{cls.__name__}.{name}: {name!r}{origin} is reserved: superparams itself uses this name "
        f"of {base.__name__}; choose another name, such as {name}_"
    )


def is_ours(base: type[Any]) -> bool:
    """Whether a class is one of superparams, not of the user."""
    return base.__module__.startswith("superparams.")


def _of_mixin(cls: type[Any], base: type[Any]) -> Iterator[tuple[str, Field]]:
    """The fields that a plain class among the bases brings: all of a dataclass, else the axes."""
    fields: Mapping[str, dataclasses.Field[Any]] = vars(base).get(DATACLASS, {})
    annotations = _own_annotations(base)
    for name, annotation in annotations.items():
        default = fields[name] if name in fields else vars(base).get(name, REQUIRED)
        is_meant = name in fields or isinstance(default, Search | Value)
        annotation = resolve(annotation, base.__module__, vars(base))
        if is_meant and _is_field(base, name, annotation):
            yield name, Field(cls, name, annotation, _default(base, name, default))
    for name, x in vars(base).items():
        if isinstance(x, Search | Value) and name not in annotations:
            raise _unannotated(base, name, x)


def _overridden_by_mixins(
    cls: type[Any], fields: Mapping[str, Field]
) -> Iterator[tuple[str, Field]]:
    """Fields that a plain class changes by standing before their owner among the bases."""
    for name, field in fields.items():
        holders = [base for base in cls.__mro__[1:] if name in vars(base)]
        if not holders or field.owner is cls:
            continue
        # A method of ours that a field may replace never overrides a field.
        holder = next((base for base in holders if not is_ours(base)), holders[0])
        x = vars(holder)[name]
        if is_ours(holder) or isinstance(x, Field):
            if is_ours(holders[0]):
                yield name, Field(cls, name, field.annotation, field.declared)
            continue
        _refuse_method(holder, name, x)
        yield name, Field(cls, name, field.annotation, x)


def _declared(
    cls: type[Any], namespace: Mapping[str, Any], inherited: Mapping[str, Field]
) -> Iterator[tuple[str, Field]]:
    """The fields of this class body."""
    annotations = _own_annotations(cls)
    local = {**_enclosing_names(cls.__module__), **namespace}
    for name, raw_annotation in annotations.items():
        annotation = resolve(raw_annotation, cls.__module__, local)
        if _is_field(cls, name, annotation):
            _refuse_name(cls, name, inherited)
            default = _default(cls, name, namespace.get(name, REQUIRED))
            refuse_slips(f"{cls.__name__}.{name}", annotation, default, cls.__qualname__)
            yield name, Field(cls, name, annotation, default)
        elif isinstance(x := namespace.get(name), Search | Value):
            raise FieldError(
                f"{cls.__name__}.{name} = {x!r} is a ClassVar, and so no field; write the type of "
                f"one value alone"
            )
    for name, x in namespace.items():
        if name in annotations or name == FIELDS:
            continue
        if name in inherited:
            _refuse_method(cls, name, x)
            field = inherited[name]
            value = field.point_named(field.declared, x) if isinstance(field.declared, Axis) else x
            yield name, Field(cls, name, field.annotation, _default(cls, name, value))
        elif isinstance(x, Search | Value):
            raise _unannotated(cls, name, x)


def _unannotated(cls: type[Any], name: str, x: Search | Value) -> FieldError:
    if name in PLAIN_ATTRIBUTES and _reserving(cls, name) is not None:
        check_attribute(cls, name, x)
    remedy = f"as in {name}: float = {'search' if isinstance(x, Search) else 'value'}(...)"
    what = f"{cls.__name__}.{name} = {x!r} has no annotation"
    return FieldError(f"{what}; write the type of one value, {remedy}")


def _own_annotations(cls: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return dict(vars(cls).get("__annotations__", {}))


def _enclosing_names(module: str) -> dict[str, Any]:
    """The names around the class statement, local ones too: annotations may use them."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    inside = frame.f_globals.get("__name__") == module
    return {**frame.f_globals, **frame.f_locals} if inside else {}


def _is_field(cls: type[Any], name: str, annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    if typing.get_origin(annotation) is typing.ClassVar or annotation is typing.ClassVar:
        return False
    if re.match(r"(\w+\.)*ClassVar\b", text):
        return False
    if annotation is dataclasses.KW_ONLY or re.match(r"(\w+\.)*KW_ONLY\b", text):
        return False
    is_init = annotation is dataclasses.InitVar or isinstance(annotation, dataclasses.InitVar)
    if is_init or re.match(r"(\w+\.)*InitVar\b", text):
        raise FieldError(
            f"{cls.__name__}.{name}: InitVar is not recorded with the setting; declare a field, "
            f"or value(derive=...) for what follows from other fields"
        )
    return True


def _refuse_name(cls: type[Any], name: str, inherited: Mapping[str, Field]) -> None:
    if name.startswith("__"):
        raise FieldError(f"{cls.__name__}.{name}: names that begin with __ are Python's own")
    starts = tuple(f"_{base.__name__.lstrip('_')}__" for base in cls.__mro__)
    if name.startswith(starts):
        written = name[name.index("__") :]
        raise FieldError(
            f"{cls.__name__}.{written}: Python renames what begins with two underscores to {name}, "
            f"so the column and the keyword would have that name; call the field "
            f"{written.strip('_') or 'x'}"
        )
    reserving = _reserving(cls, name)
    if reserving is not None:
        if name in NO_FIELDS:
            raise FieldError(
                f"{cls.__name__}.{name}: {NO_FIELDS[name]}, or choose another name for a field, "
                f"such as {name}_"
            )
        raise FieldError(_is_reserved(cls, name, reserving))
    if name in inherited:
        return
    for base in reversed(cls.__mro__[1:]):
        if name in vars(base) and (not is_ours(base) or name in OF_PYTHON):
            raise FieldError(
                f"{cls.__name__}.{name}: {name!r} is a method or attribute of {base.__name__} that "
                f"a field would hide; choose another name, such as {name}_"
            )


def _refuse_method(cls: type[Any], name: str, x: Any) -> None:
    if is_method(x):
        raise FieldError(
            f"{cls.__name__}.{name} replaces a field by {kind_of(x)}; use "
            f"value(derive=lambda s: ...) to compute it from other fields"
        )


def _default(cls: type[Any], name: str, x: Any) -> Any:
    """A default of the class body; a `dataclasses.field` as the equivalent default here."""
    if not isinstance(x, dataclasses.Field):
        return x
    field = cast("dataclasses.Field[object]", x)
    if not field.init:
        raise FieldError(
            f"{cls.__name__}.{name}: field(init=False) would not be recorded; use "
            f"value(derive=...), or an undeclared attribute set in __post_init__"
        )
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def _take_over(cls: type[Any]) -> None:
    """Put the methods of `Params` before those that a dataclass among the bases has."""
    root = next(base for base in reversed(cls.__mro__) if isinstance(base, SearchMeta))
    for name in METHODS:
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if isinstance(owner, SearchMeta):
            continue
        if DATACLASS in vars(owner):
            type.__setattr__(cls, name, vars(root)[name])
        elif name == "__init__":
            raise FieldError(
                f"{cls.__name__}.__init__ comes from {owner.__name__}, but the call takes the "
                f"declared fields; let {owner.__name__} use __post_init__ instead"
            )


def _as_dataclass(cls: type[Any], fields: Mapping[str, Field]) -> None:
    """Let `dataclasses.fields`, ``replace`` and ``is_dataclass`` know the class."""
    own = _own_annotations(cls)
    owned = {field.name: field for field in _owned(cls, fields)}
    missing = {name: field.annotation for name, field in owned.items() if name not in own}
    is_known = cls.__module__ in sys.modules  # where dataclasses looks up names in texts
    if not is_known:
        own = {name: _untexted(x, owned.get(name)) for name, x in own.items()}
    if missing or not is_known:
        type.__setattr__(cls, "__annotations__", {**own, **missing})
    dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)
    for name, field in owned.items():
        dataclass_field = vars(cls)[DATACLASS][name]
        if field.is_required:
            dataclass_field.default = dataclasses.MISSING
        dataclass_field.init = not field.is_derived  # dataclasses.replace computes it anew
        if field.is_secret:  # hidden from `dataclasses.asdict` and recording tools
            del vars(cls)[DATACLASS][name]


def _untexted(annotation: Any, field: Field | None) -> Any:
    if not isinstance(annotation, str):
        return annotation
    if field is None:
        return typing.ClassVar
    return Any if isinstance(field.annotation, str) else field.annotation


def _comes_from_dataclass_decorator(name: str) -> bool:
    """Whether a stray ``@dataclass`` is about to replace a method that the class already has."""
    caller = sys._getframe(2).f_globals.get("__name__")  # pyright: ignore[reportPrivateUsage]
    return caller == "dataclasses" and name in GENERATED
