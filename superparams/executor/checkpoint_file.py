"""The file that `save` writes: an object, the steps until then, and the state of generators.

    superparams checkpoint 1\\n
    steps         one or more pickles, each a list of (number, seconds, row)
    generators    a pickle of the states of global random generators, or nothing
    state         a pickle of the object
    footer        JSON: the lengths of these parts, a digest of all of them, and who saved them
    length        of the footer, 8 bytes, little-endian

A new file replaces the old one in one step, after it was synced to disk. If several attempts save
at the same time, the file is the one of the last attempt to finish, and it is complete. A reader
first compares the digest, and then unpickles only what its caller asks for.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import secrets
import stat
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from superparams.declare.saved_state import WritableFile
from superparams.errors import StoreError
from superparams.executor.carried_steps import CarriedStep
from superparams.executor.checkpoint_folders import TRIES, make_folder

__all__ = ["Damaged", "SavedFile", "Saver", "pickled_steps", "write_checkpoint"]

MAGIC: Final = b"superparams checkpoint 1\n"
_LENGTH: Final = 8  # bytes
_PARTS: Final = 3
_BLOCK: Final = 1 << 20


class Damaged(Exception):
    """A file is not a complete checkpoint of this setting; the message says why."""


@dataclass(frozen=True)
class Saver:
    """Who saved, and when.

    Attributes:
        key: The key of the setting.
        run: The name of the run.
        attempt: The number of the attempt.
        token: Text that no other attempt has.
        n_steps: How many steps the setting had recorded.
        seconds: How long it had run, in all attempts that led there.
    """

    key: str
    run: str
    attempt: int
    token: str
    n_steps: int
    seconds: float


def pickled_steps(steps: list[CarriedStep]) -> bytes:
    """Some steps, as a part of the file."""
    import cloudpickle

    return bytes(cloudpickle.dumps(steps, protocol=5))


class _Hashed:
    """Writes to a file, and makes a digest of what was written."""

    def __init__(self) -> None:
        self.file: BinaryIO | None = None
        self.digest = hashlib.blake2b(digest_size=16)
        self.size = 0

    def write(self, data: Any) -> int:
        """Write bytes, or anything with a buffer."""
        view = memoryview(data).cast("B")
        self.digest.update(view)
        assert self.file is not None
        self.file.write(view)
        self.size += len(view)
        return len(view)


def write_checkpoint(
    path: Path,
    saver: Saver,
    steps: Iterable[bytes],
    generators: bytes,
    write_state: Callable[[WritableFile], object],
) -> None:
    """Replace the file by a new one.

    Args:
        path: The file.
        saver: Who saves.
        steps: What `pickled_steps` made.
        generators: The pickle of the states of generators, or nothing.
        write_state: Writes the pickle of the object.

    Raises:
        StoreError: When it cannot be written; the old file is intact.
    """
    for left in reversed(range(TRIES)):
        out = _Hashed()
        try:
            with _part_of(path) as (unfinished, file):
                out.file = file
                _write_parts(out, saver, (b"".join(steps), generators), write_state)
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # which cannot rename an open file
                    file.close()
                os.replace(unfinished, path)
            return _sync_names(path.parent)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and left:
                continue  # another run has done the setting, and removed the folder
            raise StoreError(
                f"cannot write the checkpoint {path} ({out.size:,} bytes so far): {error}; "
                "what was saved before is intact"
            ) from error
    return None


def _write_parts(
    out: _Hashed,
    saver: Saver,
    parts: Iterable[bytes],
    write_state: Callable[[WritableFile], object],
) -> None:
    out.write(MAGIC)
    ends: list[int] = []
    for part in parts:
        out.write(part)
        ends.append(out.size)
    write_state(out)
    footer = {**asdict(saver), "ends": [*ends, out.size], "digest": out.digest.hexdigest()}
    data = json.dumps(footer).encode()
    out.write(data + len(data).to_bytes(_LENGTH, "little"))


@contextmanager
def _part_of(path: Path) -> Generator[tuple[Path, BinaryIO]]:
    """An unfinished file beside `path`, which is removed unless it was renamed."""
    _remove_abandoned(path)
    unfinished, file = _new_part(path)
    try:
        with file:
            yield unfinished, file
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _new_part(path: Path) -> tuple[Path, BinaryIO]:
    while True:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.part")
        # The folder is gone if another run has done the setting meanwhile.
        make_folder(path.parent)
        file = open(unfinished, "xb", buffering=_BLOCK)  # noqa: SIM115  # the caller closes it
        _lock(file)
        # Another process may have taken it for an abandoned one before it was locked.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), unfinished.stat()):
                return unfinished, file
        file.close()


def _lock(file: BinaryIO, *, is_tried: bool = False) -> bool:
    """Mark an open file as being written; is_tried: only if nobody else has marked it."""
    try:
        import fcntl
    except ImportError:  # on Windows, where a file that is open cannot be removed
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (fcntl.LOCK_NB if is_tried else 0))
    except OSError:  # it is being written, or this file system knows no locks
        return not is_tried
    return True


def _remove_abandoned(path: Path) -> None:
    """Remove unfinished files that killed processes left."""
    for old in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError), open(old, "rb") as file:
            if _lock(file, is_tried=True):
                old.unlink()


def _sync_names(folder: Path) -> None:
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class SavedFile:
    """A file that `write_checkpoint` has written.

    Attributes:
        saver: Who saved.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Open and check a file.

        Args:
            path: The file.
            key: The key of the setting that must have saved the file.

        Raises:
            FileNotFoundError: When there is none.
            Damaged: When the file is incomplete, or belongs to another setting.
            OSError: When it cannot be read.
        """
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait
        self._file: BinaryIO = os.fdopen(number, "rb")
        if not stat.S_ISREG(os.fstat(number).st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        try:
            self.saver, self._ends = _checked(self._file, key)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SavedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def steps(self) -> list[CarriedStep]:
        """The steps that the setting had recorded when it saved."""
        self._file.seek(len(MAGIC))
        steps: list[CarriedStep] = []
        while self._file.tell() < self._ends[0]:
            steps += pickle.load(self._file)
        return steps

    def generators(self) -> Any:
        """The states of generators; None without any."""
        if self._ends[0] == self._ends[1]:
            return None
        self._file.seek(self._ends[0])
        return pickle.load(self._file)

    def state(self) -> BinaryIO:
        """The open file, positioned where the pickle of the object begins."""
        self._file.seek(self._ends[1])
        return self._file


def _checked(file: BinaryIO, key: str) -> tuple[Saver, list[int]]:
    if file.read(len(MAGIC)) != MAGIC:
        raise Damaged("it is not a checkpoint of this version of superparams")
    try:
        saver, ends, digest = _footer(file)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged("it is incomplete") from error
    if _digest(file, ends[-1]) != digest:
        raise Damaged("it is incomplete")
    if saver.key != key:
        raise Damaged(f"it belongs to the setting {saver.key:.40}")
    return saver, ends


def _footer(file: BinaryIO) -> tuple[Saver, list[int], str]:
    """Who saved, where the parts end, and their digest; raises for an incomplete file."""
    file.seek(-_LENGTH, os.SEEK_END)
    end = file.tell()
    length = int.from_bytes(file.read(_LENGTH), "little")
    begin = file.seek(end - length)
    footer: dict[str, Any] = json.loads(file.read(length))
    ends = [int(offset) for offset in footer.pop("ends")]
    digest = str(footer.pop("digest"))
    if len(ends) != _PARTS or ends[-1] != begin or sorted([len(MAGIC), *ends])[1:] != ends:
        raise ValueError("wrong lengths")
    return Saver(**footer), ends, digest


def _digest(file: BinaryIO, size: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    file.seek(0)
    while size and (data := file.read(min(size, _BLOCK))):
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()
