"""Values that a setting does not hold, but makes or copies when it is asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from superparams.declare.descriptors import Value
from superparams.declare.instance_state import declaration_on, on_demand
from superparams.declare.metaclass import fields_of
from superparams.declare.params import Params
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["declaration_of", "given_of", "made_on_demand"]

# A declaration is named by its class and field, since a worker has that class by itself when it
# can import it; one that was given at the call travels with the space.
Owner = tuple[type[Params], str] | Value


def made_on_demand(params: Params) -> Iterator[tuple[Owner, Value]]:
    """The declarations whose values a setting does not hold but makes or copies when asked."""
    held, lazy = params.__dict__, on_demand(params)
    for name, field in fields_of(type(params)).items():
        if name in held:
            inner = held[name] if isinstance(held[name], Axis) else [held[name]]
            if not isinstance(getattr(inner, "points", None), range):
                for group in filter(is_group, inner):
                    yield from made_on_demand(group)
        elif name in lazy:
            yield lazy[name], lazy[name]
        elif isinstance(field.declared, Value):
            yield (type(params), name), field.declared


def given_of(params: Params, name: str) -> Any:
    """What a field was given or made of, none of which is made for this."""
    held: dict[str, Any] = vars(params)
    if name in held:
        return held[name]
    declared = declaration_on(params, fields_of(type(params))[name])
    if not isinstance(declared, Value):
        return declared
    if declared.is_made:
        return declared.made()
    return declared.factory or declared.derive or declared.given


def declaration_of(owner: Owner) -> Value:
    """The declaration that is named so here."""
    if isinstance(owner, Value):
        return owner
    declared = fields_of(owner[0])[owner[1]].declared
    assert isinstance(declared, Value)
    return declared
