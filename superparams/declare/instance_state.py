"""What an instance of `Params` holds besides the values of its fields.

This state is in the ``__dict__`` of the instance, under names that begin with ``~``, so that no
field and no attribute of the user can have the same name. Only this module knows these names. It
accepts any instance, open or not, and imports neither `Params` nor `Field`, which use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from superparams.space.groups import FIELDS, OPEN_FIELDS

if TYPE_CHECKING:
    from superparams.declare.descriptors import Required, Value
    from superparams.space.axis import Axis
    from superparams.space.ranges import Range

__all__ = [
    "checkpoint_on",
    "copies_on",
    "declaration_on",
    "identity_of",
    "is_name_of_state",
    "is_set_on",
    "keep_checkpoint",
    "key_on",
    "layout_on",
    "named_axes",
    "on_demand",
    "on_demand_among",
    "open_fields",
    "original",
    "own_values",
    "own_values_to_fill",
    "place_on",
    "set_copies",
    "set_key",
    "set_layout",
    "set_named_axes",
    "set_on_demand",
    "set_open_fields",
    "shared_by_settings",
    "state_of_log",
    "state_of_place",
    "state_to_pickle",
    "step_log_on",
    "take_given_state",
    "take_state_of",
    "without_settings",
]

LAYOUT: Final = "~layout"  # of a space: the `Layout`, which builds its settings
ON_DEMAND: Final = "~lazy"  # declarations in the call, of values that are made when read
OWN: Final = "~own"  # values that were made only for this instance, when they were read
COPIES: Final = "~declared"  # the declared values of fields that are copies in the instance
NAMED_AXES: Final = "~labels"  # axes that name the values, besides those of the class
IDENTITY: Final = "~twin"  # of a twin: the `id` of the instance that it represents
PLACE: Final = "~place"  # in a run: the `Place` where the setting runs
STEP_LOG: Final = "~steps"  # in a run: records the steps of the setting
CHECKPOINT: Final = "~checkpoint"  # outside of a run: keeps the saved object of a setting
KEY: Final = "~key"  # the key of a setting, once it is known

NOTHING: Final[Mapping[str, Any]] = {}


class _Field(Protocol):
    """The part of a `Field` that this module needs."""

    @property
    def name(self) -> str: ...
    @property
    def declared(self) -> Axis | Range | Value | Required: ...


def is_name_of_state(name: str) -> bool:
    """Whether a name in the ``__dict__`` of an instance is that of state, not of an attribute."""
    return name.startswith("~")


# -- declarations ---------------------------------------------------------------------------------


def open_fields(params: object) -> Mapping[str, Any]:
    """The open fields by name, each an `Axis`, a `Range` or an open group; none for a setting."""
    fields: Mapping[str, Any] = params.__dict__.get(OPEN_FIELDS, NOTHING)
    return fields


def set_open_fields(params: object, opened: Mapping[str, object]) -> None:
    """Make an instance a space, which is open in these fields."""
    params.__dict__[OPEN_FIELDS] = opened


def on_demand(params: object) -> Mapping[str, Value]:
    """The declarations in the call, by name, of fields whose values are made when read."""
    return on_demand_among(params.__dict__)


def on_demand_among(held: Mapping[str, Any]) -> Mapping[str, Value]:
    """`on_demand` for the ``__dict__`` of an instance, or for `shared_by_settings`."""
    values: Mapping[str, Value] = held.get(ON_DEMAND, NOTHING)
    return values


def set_on_demand(params: object, name: str, declared: Value) -> None:
    """Set the declaration in the call of a field whose value is made when it is read."""
    params.__dict__.setdefault(ON_DEMAND, {})[name] = declared


def declaration_on(params: object, field: _Field) -> Axis | Range | Value | Required:
    """The declaration of a field on an instance: that of the call, else that of the class.

    If the call fixed the field to a plain value, the instance holds that value, and this returns
    the declaration of the class.

    Args:
        params: An instance; or a class, which has no values from a call.
        field: A field of it.
    """
    return on_demand(params).get(field.name, field.declared)


def is_set_on(params: object, name: str) -> bool:
    """Whether an instance holds the value of a field, or a declaration of the call."""
    return name in params.__dict__ or name in on_demand(params)


def named_axes(params: object) -> Mapping[str, Axis]:
    """The axes, by the names of fields, that name the values of an instance and not of its class.

    The axes of a space itself are not among them.
    """
    axes: Mapping[str, Axis] = params.__dict__.get(NAMED_AXES, NOTHING)
    return axes


def set_named_axes(params: object, axes: Mapping[str, Axis]) -> None:
    """Set the axes that name the values of an instance."""
    params.__dict__[NAMED_AXES] = axes


# -- copies, and values that were made -------------------------------------------------------------


def copies_on(params: object) -> Mapping[str, Any] | None:
    """The declared values, by name, of the fields that are copies in the instance.

    None for a setting that no code of the user has seen yet.
    """
    declarations: Mapping[str, Any] | None = params.__dict__.get(COPIES)
    return declarations


def set_copies(params: object, declared: Mapping[str, object]) -> None:
    """Set the declared values of the fields that are copies in an instance.

    From then on, code of the user may have the instance, and change the copies.
    """
    params.__dict__[COPIES] = declared


def original(params: object, name: str) -> Any:
    """The value of a field that the instance holds; the declared value if it holds a copy."""
    held: dict[str, Any] = params.__dict__
    return held.get(COPIES, NOTHING).get(name, held[name])


def own_values(params: object) -> Mapping[str, Any]:
    """Values that were made only for this instance, by the names of fields: derived, or copies."""
    values: Mapping[str, Any] = params.__dict__.get(OWN, NOTHING)
    return values


def own_values_to_fill(params: object) -> dict[str, Any]:
    """The same as `own_values`, to add a value."""
    values: dict[str, Any] = params.__dict__.setdefault(OWN, {})
    return values


def identity_of(params: object) -> int:
    """The `id` of an instance; for a twin, the `id` of the original."""
    identity: int = params.__dict__.get(IDENTITY, id(params))
    return identity


# -- the state of a space, and of a run -----------------------------------------------------------


def layout_on(params: object) -> Any:
    """The layout of a space, if it was made already; see `known_layout`, which has its type."""
    return params.__dict__.get(LAYOUT)


def set_layout(params: object, layout: object | None) -> None:
    """Keep the layout of a space; after None, a new one is made when it is needed."""
    params.__dict__[LAYOUT] = layout


def place_on(params: object) -> Any:
    """The `Place` where a setting runs; None outside of a run."""
    return params.__dict__.get(PLACE)


def state_of_place(place: object) -> dict[str, Any]:
    """The entries in the ``__dict__`` of every setting that runs at a place."""
    return {PLACE: place}


def step_log_on(params: object) -> Any:
    """The `StepLog` that records the steps of a setting; None outside of a run."""
    return params.__dict__.get(STEP_LOG)


def state_of_log(log: object) -> dict[str, Any]:
    """The entries in the ``__dict__`` of every setting whose steps `log` records."""
    return {STEP_LOG: log}


def checkpoint_on(params: object) -> Any:
    """The checkpoint of a setting outside of a run; None before it is used."""
    return params.__dict__.get(CHECKPOINT)


def keep_checkpoint(params: object, checkpoint: object) -> None:
    """Set the checkpoint of a setting outside of a run."""
    params.__dict__[CHECKPOINT] = checkpoint


def key_on(params: object) -> int | None:
    """The key of a setting, if it is known already."""
    key: int | None = params.__dict__.get(KEY)
    return key


def set_key(params: object, key: int) -> None:
    """Keep the key of a setting."""
    params.__dict__[KEY] = key


# -- the state for other instances ----------------------------------------------------------------


def shared_by_settings(space: object, axes: Mapping[str, Axis]) -> dict[str, Any]:
    """The entries in the ``__dict__`` of every setting of a space: all but the open fields.

    Args:
        space: The space.
        axes: The axes that name the values of its settings.
    """
    names = {*getattr(space, FIELDS), ON_DEMAND} - open_fields(space).keys()
    copies = copies_on(space) or NOTHING
    shared = {name: copies.get(name, x) for name, x in space.__dict__.items() if name in names}
    return {**shared, NAMED_AXES: axes} if axes else shared


def without_settings(space: object) -> dict[str, Any]:
    """The state of an instance, without open fields, the layout, and values made for it."""
    skipped = {*open_fields(space), OPEN_FIELDS, LAYOUT, OWN}
    return {name: x for name, x in space.__dict__.items() if name not in skipped}


def state_to_pickle(params: object) -> dict[str, Any]:
    """The state of an instance, without the layout, which the receiver makes again."""
    state = {name: x for name, x in params.__dict__.items() if name != LAYOUT}
    if OWN in state:
        state[OWN] = dict(state[OWN])  # another thread may fill it meanwhile
    return state


def take_given_state(twin: object, params: object) -> None:
    """Give a twin the declarations and the named axes that the call has given `params`."""
    held: dict[str, Any] = params.__dict__
    twin.__dict__.update({name: held[name] for name in (ON_DEMAND, NAMED_AXES) if name in held})


def take_state_of(twin: object, params: object) -> None:
    """Give a twin the state of `params`, without fields, values made for it, and copies."""
    skipped = {*getattr(twin, FIELDS), OWN, COPIES}
    held: dict[str, Any] = params.__dict__.copy()
    held[IDENTITY] = identity_of(params)
    twin.__dict__.update({name: x for name, x in held.items() if name not in skipped})
