"""The logs of workers on a node that does not see the folder of the run."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from superparams.executor.engines.clusters.agent_protocol import LogPart
from superparams.executor.engines.output_log import log_path

__all__ = ["NodeLogs", "add_part"]

_MOST: Final = 1 << 20  # bytes of a log in one message


class NodeLogs:
    """Keeps the logs of an agent, and sends what is new in them to the driver.

    If the node sees the folder of the run, workers write their logs there, and nothing is sent.
    Otherwise they write to a temporary folder. A log begins there where the log of the same rank
    ends in the folder of the run, so that positions are the same in both.

    Args:
        folder: The folder of the run; None if there is none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.is_own = folder is not None and not folder.is_dir()
        self.folder = Path(tempfile.mkdtemp(prefix="superparams-logs-")) if self.is_own else folder
        self._sent: dict[int, int] = {}

    def begin(self, rank: int, size: int) -> None:
        """A worker of a rank is about to start, whose log has so many bytes at the driver."""
        if not self.is_own or self.folder is None:
            return
        path = log_path(self.folder, rank)
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            if file.tell() < size:
                file.truncate(size)
        self._sent[rank] = max(self._sent.get(rank, 0), size)

    def parts(self) -> list[LogPart]:
        """What is new in the logs."""
        parts: list[LogPart] = []
        for rank, sent in self._sent.items():
            assert self.folder is not None
            with suppress(OSError), log_path(self.folder, rank).open("rb") as file:
                file.seek(sent)
                while data := file.read(_MOST):
                    parts.append(LogPart(rank, self._sent[rank], data))
                    self._sent[rank] += len(data)
        return parts

    def __enter__(self) -> NodeLogs:
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_own and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def add_part(folder: Path | None, part: LogPart) -> None:
    """Write a part of a log into the folder of the run."""
    if folder is None:
        return
    path = log_path(folder, part.rank)
    path.parent.mkdir(exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.pwrite(fd, part.data, part.offset)
    finally:
        os.close(fd)
