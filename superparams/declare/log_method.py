"""`log`: how ``run``, and code that it calls, records a step."""

from __future__ import annotations

from typing import Any

from superparams.declare.instance_state import step_log_on
from superparams.declare.saved_state import refuse_more

__all__ = ["log_of"]


def log_of(setting: object, row: Any = None, /, *more: object, **fields: Any) -> None:
    """Record a step of this setting: a row with these fields, at once.

    ``run`` and all code that it calls can use it, also callbacks and threads that ``run`` waits
    for. Outside of a run nothing is recorded. ``yield {...}`` in ``run`` records a step as well.

    Args:
        row: A dict, for names that cannot be keywords, or a data frame, of which each row is a
            step.
        **fields: The names and values of the row.

    Raises:
        Stopped: When the setting is not to go on.
        TypeError: For a value that no table can hold, and for several rows.
        RunError: In a child process, and when the setting is not running.
    """
    refuse_more(f"{type(setting).__name__}.log()", [row, *more], "log(epoch=3, loss=0.2)")
    if (log := step_log_on(setting)) is not None:
        if row is None:
            row = fields
        elif fields:
            row = {**row, **fields}
        log.log(setting, row)
