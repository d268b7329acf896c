"""The space of a run, as the run recorded it: its size, its axes and the keys of its settings.

While the text of the class declares the same space, the settings to run are counted from this
record, without importing the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from superparams.store.json_values import json_object, json_text, texts_by_name
from superparams.store.plain_files import read_plain
from superparams.store.runs.concurrent_runs import MOST_KEYS, saved_keys
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run
from superparams.store.table.arrow_arrays import keys_of
from superparams.store.table.merge import recorded_by

__all__ = [
    "AXES",
    "FROM_TEXT",
    "MOST_SAVED",
    "RecordedSpace",
    "declarations_of",
    "save_space",
    "space_of",
]

AXES: Final = "axes"  # in run.json: the text of each axis
FROM_TEXT: Final = "from_text"  # in run.json: a digest of the declarations in the text of the class
MOST_SAVED: Final = 100_000  # settings of a space, whose keys a run writes
_KEYS: Final = "space.keys"
_LARGEST: Final = 16 * MOST_SAVED


@dataclass(frozen=True)
class RecordedSpace:
    """The space of a run.

    Attributes:
        run: The run.
        size: The number of its settings.
        axes: The text of each axis, by the name of its field.
        keys: The different keys of its settings that may be recorded, 16 bytes each; None if they
            are not known.
    """

    run: Run
    size: int
    axes: dict[str, str]
    keys: pa.Array | None


def save_space(run: RunFolder, keys: Any) -> None:
    """Write the keys of all settings of a space, unless there are very many.

    Args:
        run: The folder of the run.
        keys: The keys, 16 bytes each.
    """
    data = bytes(keys)
    if len(data) <= _LARGEST:
        (run.path / _KEYS).write_bytes(data)


def declarations_of(run: Run) -> str | None:
    """A digest of the declarations of the class when it ran, from its text; None if not known."""
    return json_text(json_object(run.manifest.get(FROM_TEXT)).get("declarations"))


def space_of(run: Run) -> RecordedSpace | None:
    """The space of a run; None for a run with other values than the class declares."""
    size = run.number("settings")
    if size is None or run.manifest.get("overrides") != {}:
        return None
    keys = _keys(run, size)
    return RecordedSpace(run, size, texts_by_name(run.manifest.get(AXES)), keys)


def _keys(run: Run, size: int) -> pa.Array | None:
    try:
        data = read_plain(run.folder.path / _KEYS, _LARGEST)
    except OSError:
        data = b""
    if not data and run.todo == size:
        if size > MOST_KEYS:
            return _keys_in_ledger(run)
        data = saved_keys(run.folder)
    if not data or len(data) % 16:
        return None
    return keys_of([data.hex()]).unique()


def _keys_in_ledger(run: Run) -> pa.Array | None:
    """The keys of a run that had to run all settings, and did."""
    if run.state != "finished":
        return None
    return keys_of(recorded_by(run.folder).column("key").unique().to_pylist())
