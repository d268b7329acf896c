"""A checksum over all bytes of a parquet file, footer and page headers included.

Parquet's own checksums cover the content of pages alone. The seal is an entry of the footer's
key-value metadata, so that the file is a parquet file like any other; the CRC-32 is taken with the
eight digits of the CRC as zeros.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from superparams.store.plain_files import refuse_holes

KEY = "superparams.seal"
SEAL = b"crc32=00000000"
_CHUNK = 1 << 20
_LARGEST_FOOTER = 1 << 30  # bytes


def seal(file: BinaryIO) -> None:
    """Write the checksum over the place left for it: the value `SEAL` of the key `KEY`."""
    place = _place(file)
    crc = _crc(file, place)
    file.seek(place)
    file.write(b"%08x" % crc)


def check(file: BinaryIO) -> None:
    """Raise OSError unless the file is whole."""
    place = _place(file)
    refuse_holes(file, 0, place)
    file.seek(place)
    if file.read(8) != b"%08x" % _crc(file, place):
        raise OSError("its checksum does not fit")


def _place(file: BinaryIO) -> int:
    """Where in the file the digits stand."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    start = size - 8 - length
    if start < 0 or length > _LARGEST_FOOTER:
        raise OSError("the file has no footer")
    file.seek(start)
    footer = file.read(length)
    entry = footer.rfind(KEY.encode())
    place = footer.find(SEAL[:6], max(0, entry))
    if entry < 0 or place < 0:
        raise OSError("the file has no seal of superparams")
    return start + place + 6


def _crc(file: BinaryIO, place: int) -> int:
    """The checksum of all bytes, those of the digits as zeros."""
    file.seek(0)
    crc = at = 0
    while chunk := file.read(_CHUNK):
        if at < place + 8 and place < at + len(chunk):
            blank = bytearray(chunk)
            first, last = max(0, place - at), min(len(chunk), place + 8 - at)
            blank[first:last] = b"0" * (last - first)
            chunk = bytes(blank)
        crc = zlib.crc32(chunk, crc)
        at += len(chunk)
    return crc
