"""The steps of an attempt whose framework saves checkpoints, as a file beside the checkpoint.

superparams does not know when a framework saves. So the steps are written as they are recorded. The
field ``step`` of the first step of a later attempt tells where this attempt resumed: earlier steps
of the previous attempt still count.

The file has a frame for each step: the length of a pickle, its CRC-32, and the pickle. A frame that
a killed process has not finished is the last one, and is left out.
"""

from __future__ import annotations

import os
import pickle
import secrets
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from superparams.executor.carried_steps import CarriedStep
from superparams.executor.checkpoint_folders import make_folder
from superparams.outcomes.step import dict_of

__all__ = ["StepJournal", "steps_before"]

MAGIC: Final = b"superparams steps 1\n"
_HEAD: Final = struct.Struct("<II")


class StepJournal:
    """Writes the steps of one attempt, from the first new one on, in a file of its own.

    Args:
        path: The file, which is replaced when the attempt records its first new step.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier: list[bytes] = [MAGIC]  # what comes before the first new step
        self._number: int | None = None

    def carry(self, step: CarriedStep) -> None:
        """Note a step that an earlier attempt has made."""
        self._earlier.append(_frame(step))

    def add(self, step: CarriedStep) -> None:
        """Write a step, which is with the operating system when this returns.

        Raises:
            OSError: When it cannot be written.
        """
        if self._number is None:
            self._number = self._new_file(b"".join(self._earlier) + _frame(step))
            self._earlier = []
        else:
            _write(self._number, _frame(step))

    def close(self) -> None:
        """Close the file."""
        if self._number is not None:
            with suppress(OSError):  # the setting has closed it
                os.close(self._number)
            self._number = None

    def _new_file(self, data: bytes) -> int:
        """A new file that replaces the old one, and that only this attempt writes."""
        unfinished = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            number = os.open(unfinished, flags, 0o666)
        except FileNotFoundError:  # another run has done the setting meanwhile
            make_folder(self._path.parent)
            number = os.open(unfinished, flags, 0o666)
        try:
            _write(number, data)
            os.replace(unfinished, self._path)
        except BaseException:
            os.close(number)
            with suppress(OSError):
                unfinished.unlink()
            raise
        return number


def _write(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]


def _frame(step: CarriedStep) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(step, protocol=5)
    return _HEAD.pack(len(data), zlib.crc32(data)) + data


def read_steps(path: Path) -> list[CarriedStep]:
    """The complete steps in a file; none if there is no file.

    Raises:
        OSError: When it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    steps: list[CarriedStep] = []
    place = len(MAGIC) if data.startswith(MAGIC) else len(data)
    while place + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        part = data[place : place + length]
        if len(part) < length or zlib.crc32(part) != crc:
            break
        steps.append(pickle.loads(part))
        place += length
    return steps


def steps_before(earlier: list[CarriedStep], row: object) -> list[CarriedStep]:
    """The steps of an earlier attempt that still count after the first step of a later attempt.

    These are the steps before the first one whose field ``step`` reaches that of the row; none if
    the row has no such number.
    """
    first = _number_of(row)
    if first is None:
        return []
    for place, (_, _, earlier_row) in enumerate(earlier):
        number = _number_of(earlier_row)
        if number is not None and number >= first:
            return earlier[:place]
    return earlier


def _number_of(row: Any) -> float | None:
    """The field ``step`` of a row, or of the first row of a frame, if that is a number."""
    fields = dict_of(row)
    if fields is not None:
        number = fields.get("step")
    else:
        number = row.column("step")[0].as_py() if "step" in row.column_names else None
    try:
        return float(number) if number is not None and not isinstance(number, str) else None
    except (TypeError, ValueError):
        return None
