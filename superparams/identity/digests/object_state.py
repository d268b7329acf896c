"""The content of objects of any class: the class and the state, as pickle takes them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, cast

from superparams.identity.digests.encoding import (
    Unstable,
    Walk,
    compound,
    encode_fields,
    encode_items,
    pack,
    show,
    text,
)
from superparams.identity.module_names import LOCAL, class_of, module_name, object_name

__all__ = ["encode_object"]

# Attributes that are no content: the version of scikit-learn, and which fields of a pydantic model
# were set explicitly.
_VOLATILE = {"_sklearn_version", "__pydantic_fields_set__"}


@compound
def encode_object(value: Any, walk: Walk) -> bytes:
    """An object by its class and its state (attributes, items), as ``__reduce_ex__`` returns them.

    An object counts by its name if a module binds this name to it, as for ``functools.lru_cache``.

    Raises:
        Unstable: If it cannot be pickled, or its class was made inside a function.
    """
    name = object_name(value)
    if name is not None:
        return pack("object", text(name))
    kind = class_of(value)
    if LOCAL in kind.__qualname__:
        raise Unstable(value, f"its class {kind.__qualname__} has no name to import it by")
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:
        raise Unstable(value, str(error) or "its state cannot be read") from error
    if isinstance(reduced, str):
        return pack("object", text(f"{_module_of(value, reduced)}:{reduced}"))
    if not isinstance(cast("object", reduced), tuple):
        raise Unstable(value, f"its __reduce__ gives no tuple, but {show(reduced)}")
    return _encode_reduced(reduced, walk)


def _module_of(value: Any, name: str) -> str:
    # The type stubs do not have it, but pickle has had it since Python 2, and cloudpickle uses it.
    return module_name(pickle.whichmodule(value, name))  # type: ignore[attr-defined]


def _encode_reduced(reduced: tuple[Any, ...], walk: Walk) -> bytes:
    padded: tuple[Any, ...] = (*reduced, None, None, None)
    function, arguments, state, items, pairs = padded[:5]
    attributes = _attributes(state)
    return pack(
        "object",
        walk.encode(function),
        *encode_items(arguments, walk),
        walk.encode(state) if attributes is None else encode_fields(attributes.items(), walk),
        pack("items", *encode_items(items or (), walk)),
        pack("pairs", *sorted(walk.encode(key) + walk.encode(item) for key, item in pairs or ())),
    )


def _attributes(state: Any) -> dict[str, Any] | None:
    """The attributes in a state by name, those in slots included; None if it is another state."""
    if state is None:
        return {}
    is_pair = class_of(state) is tuple and len(state) == 2
    parts: tuple[Any, ...] = state if is_pair else (state,)
    if not all(part is None or isinstance(part, Mapping) for part in parts):
        return None
    attributes: dict[Any, Any] = {}
    for part in parts:
        attributes.update(part or {})
    if not all(isinstance(name, str) for name in attributes):
        return None
    return {name: item for name, item in attributes.items() if name not in _VOLATILE}
