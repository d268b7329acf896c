"""The output of a setting: a range of bytes in the log of its worker."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from superparams.store.plain_files import next_data
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import folder_of_run
from superparams.store.runs.running_settings import RunningSetting

__all__ = ["Log", "log_of", "log_of_run", "log_of_running"]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Log:
    """A part of a log.

    Attributes:
        path: The file; a link is not followed.
        start: The first byte.
        end: The byte after the last one; None for the end of the file.
    """

    path: Path
    start: int = 0
    end: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """Its content, at most a MiB at a time; nothing if the file is gone.

        A hole of more than a MiB, such as in a sparse file of a TiB, is not read but mentioned.
        """
        file = _opened(self.path)
        if file is None:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            position, end = self.start, size if self.end is None else min(self.end, size)
            while position < end:
                data_at = min(next_data(file, position), end)
                if data_at - position > _CHUNK:
                    yield f"[{data_at - position:,} bytes of a hole in the file]\n".encode()
                    position = data_at
                    continue
                file.seek(position)
                data = file.read(min(_CHUNK, end - position))
                if not data:
                    return
                position += len(data)
                yield data

    def start_of_last(self, lines: int) -> int:
        """The byte at which the last lines begin; only the last MiB is searched."""
        size = self.size() if self.end is None else min(self.end, self.size())
        start = max(self.start, size - _CHUNK)
        data = b"".join(Log(self.path, start, size).chunks())
        position = len(data) - data.endswith(b"\n")
        if not lines:
            return size
        for _ in range(lines):
            position = data.rfind(b"\n", 0, max(position, 0))
            if position < 0:
                return start
        return start + position + 1

    def tail(self, lines: int) -> tuple[str, bool]:
        """The last lines, and whether there are more lines before them."""
        end = self.size() if self.end is None else min(self.end, self.size())
        start = max(self.start, end - max(_CHUNK, 1))
        text = b"".join(Log(self.path, start, end).chunks()).decode("utf-8", "replace")
        every_line = text.rstrip("\n").split("\n") if text else []
        last = every_line[-lines:] if lines else []
        return "\n".join(last), len(every_line) > len(last) or start > self.start

    @property
    def exists(self) -> bool:
        """Whether the file exists."""
        file = _opened(self.path)
        if file is not None:
            file.close()
        return file is not None

    def size(self) -> int:
        """The size of the file in bytes; 0 where it is gone."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0


def log_of(root: Path, row: Mapping[str, Any]) -> Log | None:
    """The output of the setting of a row.

    Args:
        root: The folder of the experiment.
        row: The row.

    Returns:
        None if no output was kept.

    Raises:
        StoreError: For a row of a run whose name might lead out of the folder.
    """
    start, end, rank, name = (row[x] for x in ("log_start", "log_end", "rank", "run"))
    logs = folder_of_run(root, str(name)).logs
    if start is None or start < 0 or rank is None:
        return None
    return Log(logs / f"{int(rank)}.log", start, None if end is None else max(start, end))


def log_of_running(folder: RunFolder, entry: RunningSetting) -> Log:
    """The output so far of a setting that runs now, as far as it is certainly its output."""
    return Log(folder.logs / f"{entry.rank}.log", entry.log_start, entry.log_end)


def log_of_run(folder: RunFolder, rank: int | None = None) -> Log:
    """The log of a run itself, or all output of its worker of a rank."""
    return Log(folder.logs / ("run.log" if rank is None else f"{rank}.log"))


def _opened(path: Path) -> BinaryIO | None:
    try:
        number = os.open(
            path,
            os.O_RDONLY
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0),
        )
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        return None
    return os.fdopen(number, "rb")
