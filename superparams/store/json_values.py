"""Values that were read from JSON files of a results folder, which may come from somebody else.

A value of another type than expected counts as missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

__all__ = [
    "is_list",
    "is_object",
    "json_list",
    "json_object",
    "json_text",
    "run_groups",
    "shared_by_runs",
    "texts_by_name",
]


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is an object of JSON."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is an array of JSON."""
    return isinstance(value, list)


def json_object(value: object) -> dict[str, Any]:
    """An object of JSON; an empty one for anything else."""
    return value if is_object(value) else {}


def json_list(value: object) -> list[Any]:
    """An array of JSON; an empty one for anything else."""
    return value if is_list(value) else []


def json_text(value: object) -> str | None:
    """A text; None for anything else."""
    return value if isinstance(value, str) else None


def texts_by_name(value: object) -> dict[str, str]:
    """The entries of an object of JSON that are texts."""
    return {name: text for name, text in json_object(value).items() if isinstance(text, str)}


def shared_by_runs(entries: Mapping[str, object], name: str) -> list[dict[str, Any]]:
    """Entries of runs as the metadata of the table holds them: equal ones once, with their runs.

    Args:
        entries: The entry of each run.
        name: What the metadata calls the entry.
    """
    groups: dict[str, dict[str, Any]] = {}
    for run, entry in entries.items():
        groups.setdefault(json.dumps(entry), {"runs": [], name: entry})["runs"].append(run)
    return list(groups.values())


def run_groups(groups: object, name: str) -> Iterator[tuple[list[str], object]]:
    """The runs that share an entry, and the entry; the reverse of `shared_by_runs`."""
    for group in map(json_object, json_list(groups)):
        yield list(map(str, json_list(group.get("runs")))), group.get(name)
