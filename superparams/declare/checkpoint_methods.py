"""`checkpoint`, `save` and `load`: how a setting resumes where an earlier attempt ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superparams.declare.field import Field
from superparams.declare.instance_state import (
    checkpoint_on,
    keep_checkpoint,
    step_log_on,
)
from superparams.declare.saved_state import NOTHING, refuse_more, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from superparams.declare.checkpoint_by_hand import CheckpointByHand

__all__ = ["checkpoint_of", "keeps_checkpoints", "load_of", "save_of"]


def checkpoint_of(setting: object) -> Path:
    """A folder for files that a later attempt of this setting needs, such as those of a framework.

    Each key and code of a setting has its own folder, so the folder is empty after a change of
    code. It is created on first use, and removed once the setting is done. Outside of a run, it is
    a temporary folder.

    Raises:
        RunError: In a child process, and when the setting is not running.
        StoreError: When it cannot be created.
    """
    log = step_log_on(setting)
    path: Path = _by_hand(setting).folder() if log is None else log.folder(setting)
    return path


def save_of(setting: object, state: object = NOTHING, /, *more: object, **named: object) -> None:
    """Save an object, with the steps so far, for `load` in a later attempt of this setting.

    The object that was saved before stays intact until the new object is on disk.

    Args:
        state: An object of plain data, arrays and state dicts, which is pickled.
        **named: Several objects by name, instead: `load` gives a dict.

    Raises:
        TypeError: For several objects without a name.
        RunError: For an object that cannot be pickled, in a child process, and when the setting is
            not running.
        StoreError: When it cannot be written.
    """
    where = f"{type(setting).__name__}.save()"
    refuse_more(where, [state, *more], "save(epoch=3, weights=w)")
    state = state_of(where, state, named)
    log = step_log_on(setting)
    if log is None:
        _by_hand(setting).save(state)
    else:
        log.save(setting, state)


def load_of(setting: object, default: object = None) -> Any:
    """The object that `save` has saved last, in this attempt of the setting or in an earlier one.

    The steps of the earlier attempt until then count, and further steps follow them.

    Args:
        default: The result if nothing was saved.

    Raises:
        RunError: When it cannot be unpickled, in a child process, and when the setting is not
            running.
        Stopped: When the setting is not to go on after one of the earlier steps.
    """
    log = step_log_on(setting)
    return _by_hand(setting).load(default) if log is None else log.load(setting, default)


def keeps_checkpoints(cls: type[Any]) -> bool:
    """Whether checkpoints of this class stay when their setting is done.

    A field with the name ``keep_checkpoints`` is a parameter, and does not decide about this.
    """
    name = "keep_checkpoints"
    held = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
    return bool(next((x for x in held if not isinstance(x, Field)), False))


def _by_hand(setting: object) -> CheckpointByHand:
    checkpoint: CheckpointByHand | None = checkpoint_on(setting)
    if checkpoint is None:
        from superparams.declare.checkpoint_by_hand import CheckpointByHand  # runs need none of it

        checkpoint = CheckpointByHand(type(setting).__name__)
        keep_checkpoint(setting, checkpoint)
    return checkpoint
