"""An instance as plain data: its values, a dict, JSON."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Any, cast

from superparams.declare.labels import leaves_class_open
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.declare.presentation import table_value, with_groups_as_dicts
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_group

__all__ = ["as_dict", "items_of", "to_json", "values_of"]


def values_of(params: object) -> list[Any]:
    """The values of the fields, in order, without secrets."""
    return [getattr(params, name) for name in recorded_fields(params.__class__)]


def items_of(params: object) -> list[tuple[str, Any]]:
    """Names and values of the fields, in order, without secrets."""
    return [(name, getattr(params, name)) for name in recorded_fields(params.__class__)]


def as_dict(params: object) -> dict[str, Any]:
    """Fields by name, nested groups as dicts, with the name of the class if that may vary."""
    return {name: _nested_dict(params, name, x) for name, x in items_of(params)}


def _nested_dict(params: object, name: str, x: object) -> Any:
    if not is_group(x):
        return with_groups_as_dicts(x)
    field = fields_of(params.__class__)[name]
    kind = {"class": type(x).__name__} if leaves_class_open(field, x) else {}
    return {**kind, **as_dict(x)}


def to_json(params: object, /, **options: object) -> str:
    """`as_dict` as JSON; `options` are those of `json.dumps`.

    Raises:
        FieldError: For a dict whose keys JSON does not have; names the field.
    """
    import json

    data = as_dict(params)
    how: dict[str, Any] = {"default": _json_value, **options}
    try:
        return json.dumps(data, **how)
    except TypeError as error:
        for name, x in data.items():
            try:
                json.dumps(x, **how)
            except TypeError:
                raise FieldError(
                    f"{type(params).__name__}.{name}: {shorten(x)} cannot be written as JSON: "
                    f"{error}; give to_json a default= or skipkeys=True, or make the keys text"
                ) from error
        raise


def _json_value(x: object) -> Any:
    """The number, list or text that replaces a value that JSON does not have."""
    cell = table_value(x)
    if isinstance(cell, enum.Enum):
        return cell.name
    if isinstance(cell, set | frozenset):
        return sorted(cast("Collection[object]", cell), key=repr)
    if hasattr(cell, "dtype") and hasattr(cell, "item"):
        return cell.item()
    return str(cell)
