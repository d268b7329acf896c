"""Where checkpoints are: `checkpoints/<key>/<code>/` in the folder of an experiment.

    files/   the folder `self.checkpoint`, for the files of frameworks
    saved    what `save` has written, with the steps until then; see `checkpoint_file`
    steps    the steps that were recorded since `self.checkpoint` was used; see `step_journal`
    run      the name of the run that began anew here, after ``resume=False``

A folder is renamed before it is removed. So a folder that is only partly removed is never taken for
a checkpoint.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = [
    "CHECKPOINTS",
    "KEPT",
    "REMOVED",
    "CheckpointFolder",
    "CheckpointRules",
    "make_folder",
    "remove_checkpoints",
]

CHECKPOINTS: Final = "checkpoints"
KEPT: Final = "keep_checkpoints"  # in run.json, if checkpoints of settings that are done stay
TRIES: Final = 20  # to write where another run, which has done the setting, removes the folder
REMOVED: Final = ".removed-"  # the beginning of the name of a folder that is being removed


@dataclass(frozen=True)
class CheckpointRules:
    """Which checkpoints the settings of a run resume from; picklable.

    Attributes:
        code: The code of the class.
        accepted: By the code of a setting, other codes that were accepted as equivalent.
        is_anew: Whether the run ignores what earlier runs have saved.
    """

    code: str
    accepted: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    is_anew: bool = False


class CheckpointFolder:
    """The folder of the checkpoint of one setting and one code; it need not exist.

    Args:
        root: The folder of the experiment.
        key: The key of the setting, 32 hexadecimal digits.
        code: The code of the setting.
    """

    def __init__(self, root: Path, key: str, code: str) -> None:
        self._root = root.absolute()
        self.path = self._root / CHECKPOINTS / key / code
        self.files = self.path / "files"
        self.saved = self.path / "saved"
        self.steps = self.path / "steps"
        self._run = self.path / "run"

    def make(self) -> None:
        """Create the folder if it does not exist."""
        make_folder(self.files)

    def inherit(self, codes: Iterable[str]) -> None:
        """Take over the folder of an accepted code, if this code has no folder of its own."""
        for code in codes:
            if self.path.exists():
                return
            with suppress(OSError):  # it has none either, or another worker was quicker
                self.path.with_name(code).rename(self.path)

    def begin_anew(self, run: str) -> None:
        """Empty the folder, unless this run has emptied it already."""
        with suppress(OSError):
            if self._run.read_text() == run:
                return
        remove_checkpoints(self._root, [self.path])
        self.make()
        self._run.write_text(run)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, also while another run removes them."""
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            return path.mkdir(parents=True, exist_ok=True)
    return path.mkdir(parents=True, exist_ok=True)


def remove_checkpoints(root: Path, paths: Iterable[Path]) -> None:
    """Remove folders of checkpoints; those that are not there are left out.

    Args:
        root: The folder of the experiment.
        paths: The folders.

    Raises:
        OSError: When something cannot be removed.
    """
    existing = [path for path in paths if path.exists()]
    if not existing:
        return
    removed = root / CHECKPOINTS / f"{REMOVED}{secrets.token_hex(4)}"
    try:
        removed.mkdir()
    except FileNotFoundError:  # another run has removed all
        return
    for place, path in enumerate(existing):
        with suppress(FileNotFoundError):  # another run was quicker
            path.rename(removed / str(place))
        with suppress(OSError):  # the setting has a checkpoint of other code
            path.parent.rmdir()
    shutil.rmtree(removed)
