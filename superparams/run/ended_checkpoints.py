"""Removes the checkpoints of settings that are done, once their outcome is in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from superparams.errors.user_lines import warn_user
from superparams.executor.checkpoint_folders import (
    CHECKPOINTS,
    CheckpointFolder,
    remove_checkpoints,
)
from superparams.outcomes.columns import CODE

__all__ = ["EndedCheckpoints"]


class EndedCheckpoints:
    """Removes checkpoints in the driver, under every engine.

    If the driver dies just before that, ``experiment clean`` finds what is left.

    Args:
        root: The folder of the experiment.
        code: The code of the class.
        are_kept: Whether the class keeps all checkpoints.
    """

    def __init__(self, root: Path, code: str, *, are_kept: bool) -> None:
        self._root = root
        self._code = code
        self._folder = None if are_kept else root / CHECKPOINTS

    def recorded(self, batch: pa.RecordBatch, n_done: int) -> None:
        """Note outcomes that are in the ledger; `n_done` of them have the status `done`."""
        if not n_done or self._folder is None or not self._folder.exists():
            return
        keys = batch.column("key").to_pylist()
        statuses = batch.column("status").to_pylist()
        codes: list[Any] = [None] * len(keys)
        if CODE in batch.schema.names:
            codes = batch.column(CODE).to_pylist()
        done_settings = dict.fromkeys(
            (key, code or self._code)
            for key, code, status in zip(keys, codes, statuses, strict=True)
            if status == "done"
        )
        paths = [CheckpointFolder(self._root, *setting).path for setting in done_settings]
        try:
            remove_checkpoints(self._root, paths)
        except OSError as error:
            warn_user(f"checkpoints of settings that are done stay: {error}", RuntimeWarning)

    def close(self) -> None:
        """Remove the folder of checkpoints at the end of the run, if it is empty."""
        if self._folder is not None:
            try:
                self._folder.rmdir()
            except OSError:  # it is not there, or settings have not ended
                return
