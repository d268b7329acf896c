"""The checkpoint of a setting outside of a run: it ends with the setting, and no run finds it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from superparams.declare.saved_state import read_state, write_state

__all__ = ["CheckpointByHand"]


class CheckpointByHand:
    """Keeps the checkpoint of a setting outside of a run, where nothing is recorded.

    The folder is temporary. Saved objects stay in memory, as pickles.

    Args:
        name: The name of the experiment's class.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._folder: Path | None = None
        self._saved: bytes | None = None

    def folder(self) -> Path:
        """The temporary folder, which is removed with this object."""
        if self._folder is None:
            import shutil
            import tempfile
            import weakref

            self._folder = Path(tempfile.mkdtemp(prefix="checkpoint-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)  # a framework may have removed it
        return self._folder

    def save(self, state: Any) -> None:
        """Keep a pickle of an object."""
        file = BytesIO()
        write_state(f"{self._name}.save()", state, file)
        self._saved = file.getvalue()

    def load(self, default: object) -> Any:
        """The object that was saved last, or the default."""
        if self._saved is None:
            return default
        return read_state(f"{self._name}.load()", BytesIO(self._saved))

    # ---- copies of a setting

    def __copy__(self) -> CheckpointByHand:
        return self

    def __deepcopy__(self, memo: object) -> CheckpointByHand:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckpointByHand, (self._name,)
