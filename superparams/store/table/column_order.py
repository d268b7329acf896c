"""The order of the columns of parameters, which is the order of the declaration.

Each run records the order in `run.json`, with the fields of all alternatives that the class
declares. The metadata of the table has one order for all runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.instance_state import on_demand
from superparams.declare.metaclass import recorded_fields
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.store.json_values import json_list

__all__ = ["ORDER_OF", "PARAM", "checked_order", "declared_order", "in_order", "joined_orders"]

ORDER_OF: Final = "order"  # in run.json, and in the metadata of the table
MOST_POINTS: Final = 1000  # groups on one axis that are searched
PARAM: Final = "param."  # the beginning of the source of a column of parameters


def declared_order(space: object) -> list[str]:
    """The columns of parameters in the order of the declaration.

    The fields of a group follow it: those of the declared alternatives, then of the values.

    Args:
        space: An experiment, open or not.
    """
    return list(dict.fromkeys(_columns(space, "")))


def _columns(params: object, prefix: str) -> Iterator[str]:
    values: dict[str, Any] = params.__dict__
    for name, field in recorded_fields(params.__class__).items():
        yield prefix + name
        classes: set[type[Any]] = set()
        for x in (field.declared, on_demand(params).get(name), values.get(name)):
            for point in filter(is_group, _points(x)):
                cls: type[Any] = point.__class__
                if cls not in classes or _has_groups(point):
                    classes.add(cls)
                    yield from _columns(point, f"{prefix}{name}.")


def _points(x: object) -> Sequence[Any]:
    if isinstance(x, Axis):
        return () if isinstance(x.points, range) else x.points[:MOST_POINTS]
    return (x.given,) if isinstance(x, Value) else (x,)


def _has_groups(group: object) -> bool:
    return any(is_group(y) for x in group.__dict__.values() for y in _points(x))


def checked_order(order: object) -> list[str]:
    """The order that a run or a table recorded; empty if it is damaged."""
    return [name for name in json_list(order) if isinstance(name, str)]


def joined_orders(orders: Iterable[Sequence[str]]) -> list[str]:
    """One order from the orders of several runs.

    The first order counts. A name that it lacks is put after its predecessor in the other order.

    Args:
        orders: The orders of several runs, the newest first.
    """
    joined: list[str] = []
    for order in orders:
        names = set(joined)
        if not names:
            joined = list(dict.fromkeys(order))
            continue
        place = 0
        for name in dict.fromkeys(order):
            if name in names:
                place = joined.index(name) + 1
            else:
                joined.insert(place, name)
                place += 1
    return joined


def in_order(sources: Iterable[str], order: Sequence[str]) -> list[str]:
    """The parameters in this order, then the results as they come.

    Args:
        sources: ``param.<name>`` and ``result.<name>``.
        order: Names of parameters. What is inside one of them follows it.
    """
    places = {name: place for place, name in enumerate(order)}

    def place(source: str) -> tuple[int, int]:
        if not source.startswith(PARAM):
            return (1, 0)
        return (0, _position(source.removeprefix(PARAM), places))

    return sorted(sources, key=place)


def _position(name: str, places: Mapping[str, int]) -> int:
    while name not in places and "." in name:
        name = name.rpartition(".")[0]
    return places.get(name, len(places))
