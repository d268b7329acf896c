"""What an instance of `Params` holds besides the values of its fields.

It stands in the ``__dict__`` of the instance, under names that begin with ``~``, so that no field
and no attribute of the user can have the same name. Only this module knows these names. It takes
any instance, open or not, and imports neither `Params` nor `Field`, which are built on it.
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
ON_DEMAND: Final = "~lazy"  # declarations that the call gave, of values that are made when read
OWN: Final = "~own"  # what was made for this instance alone when it was read
COPIES: Final = "~declared"  # what was declared for the fields of which the instance has a copy
NAMED_AXES: Final = "~labels"  # axes whose names the values have, besides those of the class
IDENTITY: Final = "~twin"  # of a twin: the `id` of the instance that it stands for
PLACE: Final = "~place"  # in a run: the `Place` where the setting runs
STEP_LOG: Final = "~steps"  # in a run: what records the steps of the setting
CHECKPOINT: Final = "~checkpoint"  # outside of a run: what a setting has saved
KEY: Final = "~key"  # the key of a setting, once it is known

NOTHING: Final[Mapping[str, Any]] = {}


class _Field(Protocol):
    """What is needed here of a `Field`."""

    @property
    def name(self) -> str: ...
    @property
    def declared(self) -> Axis | Range | Value | Required: ...


def is_name_of_state(name: str) -> bool:
    """Whether a name in the ``__dict__`` of an instance stands for state, not for an attribute."""
    return name.startswith("~")


# -- what was declared ----------------------------------------------------------------------------


def open_fields(params: object) -> Mapping[str, Any]:
    """The open fields by name, each an `Axis`, a `Range` or an open group; none for a setting."""
    fields: Mapping[str, Any] = params.__dict__.get(OPEN_FIELDS, NOTHING)
    return fields


def set_open_fields(params: object, opened: Mapping[str, object]) -> None:
    """Make an instance a space, which is open in these fields."""
    params.__dict__[OPEN_FIELDS] = opened


def on_demand(params: object) -> Mapping[str, Value]:
    """The declarations, by name, that the call gave for fields whose values are made when read."""
    return on_demand_among(params.__dict__)


def on_demand_among(held: Mapping[str, Any]) -> Mapping[str, Value]:
    """As `on_demand`, from the ``__dict__`` of an instance or from `shared_by_settings`."""
    values: Mapping[str, Value] = held.get(ON_DEMAND, NOTHING)
    return values


def set_on_demand(params: object, name: str, declared: Value) -> None:
    """Have the value of a field made as the call says, when it is read."""
    params.__dict__.setdefault(ON_DEMAND, {})[name] = declared


def declaration_on(params: object, field: _Field) -> Axis | Range | Value | Required:
    """What a field is declared as on an instance: by the call, else by the class.

    If the call fixed the field to a plain value, the instance holds that value, and this returns
    the declaration of the class.

    Args:
        params: An instance; or a class, which has no values from a call.
        field: A field of it.
    """
    return on_demand(params).get(field.name, field.declared)


def is_set_on(params: object, name: str) -> bool:
    """Whether an instance holds the value of a field, or the call says how to make the value."""
    return name in params.__dict__ or name in on_demand(params)


def named_axes(params: object) -> Mapping[str, Axis]:
    """The axes, by the names of fields, that name the values of an instance and not of its class.

    The axes of a space itself are not among them.
    """
    axes: Mapping[str, Axis] = params.__dict__.get(NAMED_AXES, NOTHING)
    return axes


def set_named_axes(params: object, axes: Mapping[str, Axis]) -> None:
    """Have these axes name the values of an instance."""
    params.__dict__[NAMED_AXES] = axes


# -- copies, and values that were made -------------------------------------------------------------


def copies_on(params: object) -> Mapping[str, Any] | None:
    """What was declared, by name, for the fields of which the instance holds a copy.

    None for a setting that no code of the user has seen yet.
    """
    declarations: Mapping[str, Any] | None = params.__dict__.get(COPIES)
    return declarations


def set_copies(params: object, declared: Mapping[str, object]) -> None:
    """Note what was declared for the fields of which an instance holds a copy.

    From then on, code of the user may have the instance, and change the copies.
    """
    params.__dict__[COPIES] = declared


def original(params: object, name: str) -> Any:
    """The value of a field that the instance holds, as it was declared if that is a copy."""
    held: dict[str, Any] = params.__dict__
    return held.get(COPIES, NOTHING).get(name, held[name])


def own_values(params: object) -> Mapping[str, Any]:
    """What was made for this instance alone, by the names of fields: derived values and copies."""
    values: Mapping[str, Any] = params.__dict__.get(OWN, NOTHING)
    return values


def own_values_to_fill(params: object) -> dict[str, Any]:
    """As `own_values`, to put a value in."""
    values: dict[str, Any] = params.__dict__.setdefault(OWN, {})
    return values


def identity_of(params: object) -> int:
    """The `id` of an instance, or of the instance that it is a twin of."""
    identity: int = params.__dict__.get(IDENTITY, id(params))
    return identity


# -- what belongs to a space, and to a run --------------------------------------------------------


def layout_on(params: object) -> Any:
    """The layout of a space, if it was made already; see `known_layout`, which has its type."""
    return params.__dict__.get(LAYOUT)


def set_layout(params: object, layout: object | None) -> None:
    """Keep the layout of a space; with None, it is made anew when it is needed."""
    params.__dict__[LAYOUT] = layout


def place_on(params: object) -> Any:
    """The `Place` where a setting runs; None outside of a run."""
    return params.__dict__.get(PLACE)


def state_of_place(place: object) -> dict[str, Any]:
    """What the ``__dict__`` of every setting holds that runs at a place."""
    return {PLACE: place}


def step_log_on(params: object) -> Any:
    """What records the steps of a setting; None outside of a run."""
    return params.__dict__.get(STEP_LOG)


def state_of_log(log: object) -> dict[str, Any]:
    """What the ``__dict__`` of every setting holds whose steps are recorded by `log`."""
    return {STEP_LOG: log}


def checkpoint_on(params: object) -> Any:
    """What keeps the checkpoint of a setting outside of a run; None before it is used."""
    return params.__dict__.get(CHECKPOINT)


def keep_checkpoint(params: object, checkpoint: object) -> None:
    """Have a setting that runs by hand hold what keeps its checkpoint."""
    params.__dict__[CHECKPOINT] = checkpoint


def key_on(params: object) -> int | None:
    """The key of a setting, if it is known already."""
    key: int | None = params.__dict__.get(KEY)
    return key


def set_key(params: object, key: int) -> None:
    """Keep the key of a setting."""
    params.__dict__[KEY] = key


# -- what another instance takes over -------------------------------------------------------------


def shared_by_settings(space: object, axes: Mapping[str, Axis]) -> dict[str, Any]:
    """What the ``__dict__`` of every setting of a space holds: all but the open fields.

    Args:
        space: The space.
        axes: The axes that name the values of its settings.
    """
    names = {*getattr(space, FIELDS), ON_DEMAND} - open_fields(space).keys()
    copies = copies_on(space) or NOTHING
    shared = {name: copies.get(name, x) for name, x in space.__dict__.items() if name in names}
    return {**shared, NAMED_AXES: axes} if axes else shared


def without_settings(space: object) -> dict[str, Any]:
    """What an instance holds besides its open fields, the layout, and what was made for it."""
    skipped = {*open_fields(space), OPEN_FIELDS, LAYOUT, OWN}
    return {name: x for name, x in space.__dict__.items() if name not in skipped}


def state_to_pickle(params: object) -> dict[str, Any]:
    """What an instance holds, without the layout, which is made anew where it arrives."""
    state = {name: x for name, x in params.__dict__.items() if name != LAYOUT}
    if OWN in state:
        state[OWN] = dict(state[OWN])  # another thread may fill it meanwhile
    return state


def take_given_state(twin: object, params: object) -> None:
    """Give a twin what the call gave `params` besides values: declarations and named axes."""
    held: dict[str, Any] = params.__dict__
    twin.__dict__.update({name: held[name] for name in (ON_DEMAND, NAMED_AXES) if name in held})


def take_state_of(twin: object, params: object) -> None:
    """Give a twin all that `params` holds but its fields, what was made for it, and its copies."""
    skipped = {*getattr(twin, FIELDS), OWN, COPIES}
    held: dict[str, Any] = params.__dict__.copy()
    held[IDENTITY] = identity_of(params)
    twin.__dict__.update({name: x for name, x in held.items() if name not in skipped})
