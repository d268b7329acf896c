"""Makes settings of a space from their recorded rows, also where the space has ranges."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from superparams.declare.instance_state import open_fields
from superparams.declare.keys import Keys
from superparams.declare.layout import has_range
from superparams.identity.digests.digest import key_of_text
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_open, size_of
from superparams.space.ranges import Range
from superparams.store.table.column_order import PARAM
from superparams.store.table.lazy_rows import as_dicts
from superparams.store.table.schema import source_of

if TYPE_CHECKING:
    from superparams.declare.experiment import Experiment
    from superparams.store.results import Results

__all__ = ["field_columns", "recorded_draws", "settings_with"]

MOST_COMPARED: Final = 10_000  # settings of the other axes whose keys are computed


def recorded_draws(space: Experiment, results: Results, starts: Sequence[str]) -> dict[str, Any]:
    """The recorded settings of a space with ranges, by their keys.

    A row is left out if the space no longer has its setting, for example because a range is
    narrower now.

    Args:
        space: The space.
        results: The recorded results of its experiment.
        starts: The beginnings of the keys to look for.
    """
    params = field_columns(results)
    settings: dict[str, Any] = {}
    for row in as_dicts(results.to_arrow()):
        key: str = row["key"]
        if key not in settings and key.startswith(tuple(starts)):
            values = {name: row[column] for column, name in params.items()}
            setting = next(settings_with(space, values, key), None)
            if setting is not None:
                settings[key] = setting
    return settings


def field_columns(results: Results) -> dict[str, str]:
    """The dotted names of the recorded fields, by their columns."""
    return {
        field.name: str(source_of(field)).removeprefix(PARAM)
        for field in results.to_arrow().schema
        if (source_of(field) or "").startswith(PARAM)
    }


def settings_with(space: object, values: Mapping[str, object], key: str) -> Iterator[Any]:
    """The settings of a space with these values that have a key: one, or none.

    Args:
        space: The space.
        values: The recorded values, by the dotted names of the fields.
        key: The key.
    """
    number = key_of_text(key)
    for closed in _without_ranges(space, values, ""):
        keys, size = Keys(closed), size_of(closed)
        if size > MOST_COMPARED:
            place = keys.find([number]).get(number)
        else:  # `find` does not know all of these
            place = next((n for n in range(size) if keys[n] == number), None)
        if place is not None:
            yield closed[place] if is_open(closed) else closed


def _without_ranges(space: Any, values: Mapping[str, Any], prefix: str) -> Iterator[Any]:
    """The space with each range fixed to its value, once for each combination of alternatives.

    Args:
        space: A space, or a group of it.
        values: The recorded values, by the dotted names of the fields.
        prefix: The dotted name of the group, with a dot at its end.
    """
    choices: dict[str, list[Any]] = {}
    for name, x in open_fields(space).items():
        dotted = f"{prefix}{name}"
        if isinstance(x, Range):
            value = values.get(dotted)
            choices[name] = [type(x.low)(value)] if value is not None and value in x else []
        elif isinstance(x, Axis):
            points: Sequence[Any] = x.points
            if not isinstance(points, range) and has_groups(points):
                choices[name] = [
                    closed
                    for point in points
                    for closed in (
                        _without_ranges(point, values, f"{dotted}.") if is_open(point) else [point]
                    )
                ]
        elif has_range(x):
            choices[name] = list(_without_ranges(x, values, f"{dotted}."))
    for chosen in itertools.product(*choices.values()):
        yield space.replace(**dict(zip(choices, chosen, strict=True)))
