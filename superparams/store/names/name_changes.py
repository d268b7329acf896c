"""Tells which names of points have changed since the last run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from superparams.store.names.meanings import MEANINGS, Named, Point, as_named, declared_names
from superparams.store.runs.folder import TABLE, run_folders
from superparams.store.table.table_file import open_table

__all__ = ["renamed_since"]

MOST_CHANGES: Final = 4  # that a note tells


def renamed_since(root: Path, space: Any) -> tuple[list[Named] | None, list[str]]:
    """The names of the class where they differ from those of the table, and a note of that.

    Args:
        root: The folder of the experiment.
        space: The space that is about to run.
    """
    recorded = _names_of_last(root)
    names = [*declared_names(type(space)), *declared_names(space)]
    if recorded is None and any(one.points for one in names):
        return names, [
            "an older version recorded the last run without the meanings of the names of points: "
            f"if {type(space).__name__} has renamed points since, rows of that run have wrong "
            "names; run them again with resume=False then"
        ]
    if not recorded:
        return None, []
    known: dict[tuple[str, str], list[Point]] = {}
    for one in names:
        known.setdefault((one.column, one.owner), []).extend(one.points)
    changes: dict[str, None] = {}
    for one in recorded:
        for point in one.points:
            now = known.get((one.column, one.owner), [])
            changes.update((f"{one.column}: {x}", None) for x in _change(point, now))
    if not changes:
        return None, []
    shown = "; ".join([*list(changes)[:MOST_CHANGES], *(["…"] * (len(changes) > MOST_CHANGES))])
    return names, [
        f"names of points have changed: {shown}. Every row is shown by the name that its value has "
        "now, and by its old name with the value where a new value has that name. If you did not "
        f"mean this, restore the names in {type(space).__name__}"
    ]


def _names_of_last(root: Path) -> list[Named] | None:
    """The names that the table has, or those of the last run; None where neither tells."""
    try:
        table = open_table(root / TABLE, verify=False)
    except OSError:
        table = None
    named = None
    if table is not None:
        named = as_named(table.named)
        table.close()
    if named is None:
        last = next(reversed(run_folders(root)), None)
        named = None if last is None else as_named(last.manifest().get(MEANINGS))
    return named


def _change(then: Point, now: Sequence[Point]) -> Iterator[str]:
    same = [one for one in now if one.is_identical(then)]
    same = same or [one for one in now if one.agrees(then)]
    if any(one.name == then.name for one in same):
        return
    other = next((one for one in now if one.name == then.name), None)
    if other is not None:
        yield f"{then.name!r} was {then.text} and is {other.text} now"
    elif same:
        yield f"{then.text} was {then.name!r} and is {same[0].name!r} now"
