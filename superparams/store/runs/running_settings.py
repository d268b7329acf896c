"""The settings that run now, as `running.json` in the folder of a run lists them.

The driver replaces the file while settings run that take half a second or more, and removes the
file at the end. A driver that was killed leaves the file behind. Such a file is ignored, since its
run has crashed. `superparams.run.running_record` makes the entries.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from superparams.store.json_values import is_object, json_list, json_object
from superparams.store.plain_files import read_plain
from superparams.store.runs.folder import RunFolder, part_of

__all__ = ["RUNNING_FILE", "RunningSetting", "forget_running", "running_settings", "save_running"]

RUNNING_FILE: Final = "running.json"
_KEY_DIGITS: Final = 32


@dataclass(frozen=True)
class RunningSetting:
    """A setting that a worker runs now.

    Attributes:
        index: The index in the space of the run.
        key: The key.
        rank: The number of the worker.
        attempt: The number of the attempt, from 1.
        in_setup: Whether the worker calls `setup` before the setting.
        started: When the attempt began, in seconds since 1970 in UTC.
        log_start: Where its output begins in the log of the worker, in bytes.
        log_end: Up to this byte, the log is certainly its output. Later bytes may be the output of
            the next setting.
        params: The parameters by column, each as the type, the kind and the JSON text that
            `superparams.store.table.text_columns` reads.
    """

    index: int
    key: str
    rank: int
    attempt: int
    in_setup: bool
    started: float
    log_start: int
    log_end: int
    params: Mapping[str, Mapping[str, str | None]]

    @property
    def seconds(self) -> float:
        """How long the attempt has been running."""
        return max(0.0, time.time() - self.started)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters by column, as JSON has them."""
        return {name: _value(cell.get("text")) for name, cell in self.params.items()}


def save_running(run: RunFolder, settings: Sequence[RunningSetting]) -> None:
    """Replace the file. A reader sees the old or the new file; a power cut may lose both.

    Raises:
        OSError: When it cannot be written.
    """
    path = run.path / RUNNING_FILE
    unfinished = part_of(path)
    try:
        unfinished.write_text(
            json.dumps({"settings": [asdict(setting) for setting in settings]}), "utf-8"
        )
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def forget_running(run: RunFolder) -> None:
    """Remove the file: no setting runs."""
    with suppress(OSError):
        (run.path / RUNNING_FILE).unlink()


def running_settings(run: RunFolder) -> list[RunningSetting]:
    """The settings that a run has been running for half a second or more, by their index.

    The list is empty if the run has ended or its driver is gone. If the engine is an executor, the
    list is empty, too, since an executor does not tell which settings have begun.
    """
    try:
        read = json.loads(read_plain(run.path / RUNNING_FILE))
    except (OSError, ValueError, RecursionError, MemoryError):
        return []
    if run.state() != "running":
        return []
    entries = map(_setting, json_list(json_object(read).get("settings")))
    return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.index)


def _setting(entry: object) -> RunningSetting | None:
    """A setting from an entry of the file; None if the entry is damaged or was made by others."""
    fields = json_object(entry)
    names = ("index", "rank", "attempt", "log_start", "log_end")
    numbers = {name: x for name in names if type(x := fields.get(name)) is int and x >= 0}
    key, started, params = fields.get("key"), fields.get("started"), fields.get("params")
    if len(numbers) < len(names) or not isinstance(key, str) or len(key) != _KEY_DIGITS:
        return None
    if not isinstance(started, float) or not is_object(params):
        return None
    cells = {name: _cell(cell) for name, cell in params.items()}
    in_setup = fields.get("in_setup") is True
    return RunningSetting(key=key, in_setup=in_setup, started=started, params=cells, **numbers)


def _cell(entry: object) -> dict[str, str | None]:
    cell = json_object(entry)
    return {name: x if isinstance(x := cell.get(name), str) else None for name in _PARTS}


_PARTS: Final = ("type", "kind", "text")


def _value(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text
