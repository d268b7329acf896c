"""Finds the checkpoints of an experiment from which no setting will resume."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from superparams.executor.checkpoint_folders import CHECKPOINTS, KEPT, REMOVED
from superparams.store.runs.folder import run_folders
from superparams.store.table.arrow_arrays import keys_of
from superparams.store.table.index import Index

__all__ = ["CheckpointCleanup"]

_DONE = 0  # the place of the status


@dataclass(frozen=True)
class CheckpointCleanup:
    """Selects the folders of checkpoints to remove.

    A checkpoint of the current code stays if its setting is in the space and is not done by this
    code.

    Attributes:
        root: The folder of the experiment.
        codes: The current codes, and those accepted as equivalent; empty if they are not known.
        in_space: Returns which keys belong to the space.
    """

    root: Path
    codes: Sequence[str]
    in_space: Callable[[Sequence[str]], set[str]]

    def unneeded(self, before: Index, after: Index, reasons: list[str]) -> list[Path]:
        """The folders to remove.

        Args:
            before: The newest outcomes now.
            after: The newest outcomes after the removal.
            reasons: Gets a note if all folders stay.
        """
        if not self.codes:
            reasons.append("checkpoints: the current code is not known")
            return []
        folders = [path for of_key in self._of_keys() for path in _folders_in(of_key)]
        keys = list(dict.fromkeys(path.parent.name for path in folders))
        was_recorded = _recorded(keys, before).keys()
        now = _recorded(keys, after)
        done = {key: code for key, (status, code) in now.items() if status == _DONE}
        unfinished = {key for key in keys if key in now or key not in was_recorded}
        unfinished -= {key for key, code in done.items() if code in self.codes}
        needed = self.in_space(sorted(unfinished)) if unfinished else set[str]()
        are_kept = any(run.manifest().get(KEPT) for run in run_folders(self.root)[-1:])

        def stays(path: Path) -> bool:
            key, code = path.parent.name, path.name
            if are_kept and done.get(key) == code:
                return True
            return key in needed and code in self.codes

        return [path for path in folders if not stays(path)]

    def left_over(self) -> list[Path]:
        """Folders that an earlier removal did not finish."""
        folders = _folders_in(self.root / CHECKPOINTS)
        return [path for path in folders if path.name.startswith(REMOVED)]

    def _of_keys(self) -> list[Path]:
        folders = _folders_in(self.root / CHECKPOINTS)
        return [path for path in folders if re.fullmatch(r"[0-9a-f]{32}", path.name)]


def _folders_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder, by name; no link is followed."""
    if folder.is_dir() and not folder.is_symlink():
        yield from (x for x in sorted(folder.iterdir()) if x.is_dir() and not x.is_symlink())


def _recorded(keys: Sequence[str], index: Index) -> dict[str, tuple[int, str | None]]:
    """The status and the code of the newest outcome of each key that has one."""
    places = pc.index_in(keys_of(keys), value_set=index.keys)
    outcomes: dict[str, tuple[int, str | None]] = {}
    for key, place in zip(keys, places.to_pylist(), strict=True):
        if place is not None:
            status, code = index.status[place].as_py(), index.code[place].as_py()
            outcomes[key] = status, None if code is None else index.codes[code]
    return outcomes
