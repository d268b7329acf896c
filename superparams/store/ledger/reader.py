"""Reads a ledger.

Every message is verified. Damaged parts are left out with a warning. Nothing is unpickled. Each
batch has all columns of outcomes: columns that an older superparams did not write have their
default. A ledger of a newer superparams is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from superparams.errors import StoreError
from superparams.errors.user_lines import warn_user
from superparams.outcomes.arrow import metadata_of, plain_scalar
from superparams.outcomes.batches import META
from superparams.outcomes.columns import (
    CODE,
    FIRST_FORMAT,
    FORMAT,
    LEDGER_COLUMNS,
    STEP_COLUMNS,
    OutcomeColumn,
    refuse_newer_format,
)
from superparams.outcomes.ipc_streams import FORMAT_KEY
from superparams.outcomes.step_batches import STEP_META, is_of_steps
from superparams.store.plain_files import is_plain, next_data, open_plain, refuse_holes
from superparams.store.runs.folder import RunFolder

MAX_OPEN = 8  # files at once
MAX_METADATA = 256 << 20  # bytes of the metadata of a message
MARK = b"\xff\xff\xff\xff"  # begins every message
END = MARK + b"\0\0\0\0"  # and ends a stream
_CHUNK = 1 << 20
_NUMBER = re.compile("[0-9]{1,18}")
# A mark, and a length that is possible. A lookahead, since marks may overlap.
_BEGINNING = re.compile(rb"(?=\xff{4}...[\x00-\x10])", re.DOTALL)
_MOST_READS = 16  # times that the bytes of a file are read in search of intact messages
_STAMPED = re.compile(rb"crc32=([0-9a-f]{8}) seq=([0-9]{12})")


class LedgerWarning(UserWarning):
    """A part of a ledger was damaged and left out."""


class Entry(NamedTuple):
    """One batch of a ledger, and its position.

    Attributes:
        batch: The rows. Columns that the file lacks come last, with their default.
        n_recorded: The number of columns that the file has.
    """

    path: Path
    offset: int
    size: int
    seq: int
    batch: pa.RecordBatch
    n_recorded: int


def ledger_files(folder: Path) -> list[Path]:
    """The files of a ledger, in the order in which they were created."""
    paths = [path for path in folder.glob("*.arrows") if _is_ours(path) and is_plain(path)]
    return sorted(paths, key=lambda path: int(path.stem))


def ledger_size(folder: Path) -> int:
    """The bytes of the files of a ledger.

    A file that does not begin as one counts as empty: it was overwritten, for example with zeros
    after a power cut, and may have its old size.
    """
    return sum(path.stat().st_size for path in ledger_files(folder) if _begins_well(path))


def _begins_well(path: Path) -> bool:
    try:
        with open_plain(path) as file:
            return file.read(len(MARK)) in (MARK, b"")
    except OSError:
        return False


def unreadable(folder: Path) -> Iterator[str]:
    """Messages about files and folders of a ledger that cannot be read."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"{folder} cannot be read: {error.strerror}"
        return
    for path in sorted(Path(entry.path) for entry in entries):
        if path.suffix == ".arrows" and _is_ours(path) and not is_plain(path):
            yield f"{path} is not a regular file, and is left out"


def _is_ours(path: Path) -> bool:
    return _NUMBER.fullmatch(path.stem) is not None


def read(folder: Path, *, growing: bool = False) -> Iterator[pa.RecordBatch]:
    """All valid batches of a ledger, file by file. Nothing is ever unpickled.

    Damage is left out with a LedgerWarning that names the file and the bytes.

    Args:
        folder: The folder of the ledger.
        growing: Whether the run is in progress. Then an incomplete message at the end is still
            being written, and is not damage.
    """
    for path in ledger_files(folder):
        for entry in read_file(path, growing=growing):
            yield entry.batch


def read_file(
    path: Path, *, growing: bool = False, damaged: set[Path] | None = None, start: int = 0
) -> Iterator[Entry]:
    """The valid batches of one file, in the order in which they were written; see `read`.

    damaged: Gets the path if a part was left out; start: the end of an earlier entry.
    """
    try:
        file = open_plain(path)
    except OSError as error:
        warn_user(f"{path} is left out: {error}", LedgerWarning)
        if damaged is not None:
            damaged.add(path)
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        yield from _FileReader(path, file, size, growing, damaged=damaged).entries(start)


class LedgerReader:
    """A context in which batches are read again by their offset; a few files stay open."""

    def __init__(self) -> None:
        self._readers: dict[Path, _FileReader] = {}  # least recently used first

    def entry(self, path: Path, offset: int) -> Entry:
        """The batch of an `Entry`. Raises StoreError when it is damaged by now."""
        reader = self._readers.pop(path, None) or self._open(path)
        self._readers[path] = reader
        try:
            return reader.entry_at(offset)
        except DamageError as error:
            raise StoreError(f"{path}: damaged at byte {offset:,}: {error}") from error

    def _open(self, path: Path) -> _FileReader:
        self._close(MAX_OPEN - 1)
        file = open_plain(path)  # closed by `_close`
        return _FileReader(path, file, os.fstat(file.fileno()).st_size, False)

    def _close(self, keep: int) -> None:
        for path in list(self._readers)[: max(0, len(self._readers) - keep)]:
            self._readers.pop(path).file.close()

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(0)


class DamageError(Exception):
    """A message cannot be read, or its checksum is wrong."""


@dataclass(slots=True)
class _FileReader:
    path: Path
    file: BinaryIO
    size: int
    growing: bool
    schema: pa.Schema | None = None
    missing: list[OutcomeColumn] = field(default_factory=list[OutcomeColumn])
    damaged: set[Path] | None = None
    bytes_read: int = 0  # of messages, whole or not

    def entries(self, start: int = 0) -> Iterator[Entry]:
        offset = start
        if start:
            with contextlib.suppress(DamageError):
                self._entry(self._message(0), 0)  # the schema
        while offset < self.size:
            try:
                data = self._message(offset)
                entry = self._entry(data, offset) if data != END else None
            except DamageError as error:
                after = self._next_intact(offset)
                self._warn(offset, after, error)
                offset = after
                continue
            offset += len(data)
            if entry is not None:
                yield entry

    def entry_at(self, offset: int) -> Entry:
        """The batch at an offset that was intact before."""
        if self.schema is None:
            self._entry(self._message(0), 0)
        entry = self._entry(self._message(offset), offset)
        if entry is None:
            raise DamageError("no batch begins here")
        return entry

    def _message(self, offset: int) -> bytes:
        """The whole message at an offset, with its checksum verified."""
        self.file.seek(offset)
        head = self.file.read(8)
        if head == END:
            return head
        if len(head) < 8 or head[:4] != MARK:
            raise DamageError("no message begins here")
        (length,) = struct.unpack("<i", head[4:])
        if not 0 < length <= self.size - offset - 8:
            raise DamageError("the message is cut off")
        if length > MAX_METADATA:
            raise DamageError(f"the message claims {length:,} bytes of metadata")
        self.bytes_read += length + 64
        metadata = self.file.read(length)
        body = body_length(metadata)
        if not 0 <= body <= self.size - offset - 8 - length:
            raise DamageError("the message is cut off")
        begin = offset + 8 + length
        self.bytes_read += body
        try:
            refuse_holes(self.file, begin, begin + body)
            self.file.seek(begin)
            data = head + metadata + self.file.read(body)
        except (OSError, MemoryError) as error:
            raise DamageError(f"a message of {body:,} bytes cannot be read: {error}") from error
        verify(data, 8 + length)
        return data

    def _entry(self, data: bytes, offset: int) -> Entry | None:
        """The batch of a message; None for a schema, which is remembered."""
        try:
            message = pa.ipc.read_message(data)
            if message.type == "schema":
                self._begin(pa.ipc.read_schema(message))
                return None
            if self.schema is None:
                raise DamageError("the schema at the head of the file is damaged")
            batch = pa.ipc.read_record_batch(message, self.schema)
            batch.validate(full=True)
        except (ValueError, OSError, EOFError, TypeError, MemoryError, KeyError) as error:
            raise DamageError(f"not a record batch: {error}") from error
        filled = _with_defaults(batch, self.missing)
        return Entry(self.path, offset, len(data), sequence(data), filled, batch.num_columns)

    def _begin(self, schema: pa.Schema) -> None:
        """Remember the schema of a file, if this superparams knows its format."""
        version = _format_of(schema)
        if version > FORMAT:
            run = RunFolder(self.path.parent.parent)
            refuse_newer_format(self.path, version, run.superparams_version())
        self.missing = _missing(schema)
        self.schema = schema

    def _next_intact(self, offset: int) -> int:
        """The offset of the next intact message; the size of the file if there is none."""
        position = offset + 1
        while (position := next_data(self.file, position)) < self.size:
            self.file.seek(position)
            part = self.file.read(_CHUNK + len(END))
            for begin in _BEGINNING.finditer(part):
                if begin.start() >= _CHUNK:
                    break
                if self.bytes_read > _MOST_READS * self.size + (64 << 20):
                    return self.size  # a hostile file, whose search would never end
                with contextlib.suppress(DamageError):
                    start = position + begin.start()
                    if self._message(start) != END or start + len(END) == self.size:
                        return start
            position += _CHUNK
        return self.size

    def _warn(self, start: int, end: int, error: DamageError) -> None:
        if self.growing and end == self.size:
            return
        if self.damaged is not None:
            self.damaged.add(self.path)
        where = f"bytes {start:,} to {end:,} of {self.size:,}"
        warn_user(f"{self.path}: {where} are left out: {error}", LedgerWarning)


def _format_of(schema: pa.Schema) -> int:
    """The version of the format of a ledger."""
    version = metadata_of(schema).get(FORMAT_KEY)
    if version is None:
        return FIRST_FORMAT
    if not _NUMBER.fullmatch(version.decode("utf-8", "replace")):
        raise DamageError(f"{version!r:.40} is not a version of the format")
    return int(version)


def _missing(schema: pa.Schema) -> list[OutcomeColumn]:
    """The columns that a ledger lacks, for example one that an older superparams wrote."""
    columns, types = (STEP_COLUMNS, STEP_META) if is_of_steps(schema) else (LEDGER_COLUMNS, META)
    missing: list[OutcomeColumn] = []
    for column in columns:
        places = schema.get_all_field_indices(column.name)
        if len(places) > 1 or (places and schema.field(places[0]).type != types[column.name]):
            raise DamageError(f"the schema has another column {column.name!r} than ours")
        if not places and column.is_required:
            raise DamageError(f"the schema has no column {column.name!r}")
        if not places:
            missing.append(column)
    if any(schema.field(place).type != pa.string() for place in schema.get_all_field_indices(CODE)):
        raise DamageError(f"the schema has another column {CODE!r} than ours")
    return missing


def _with_defaults(batch: pa.RecordBatch, missing: Sequence[OutcomeColumn]) -> pa.RecordBatch:
    """A batch with more columns, which come last and have their default."""
    if not missing:
        return batch
    types = STEP_META if is_of_steps(batch.schema) else META
    fields = [pa.field(column.name, types[column.name]) for column in missing]
    arrays = [
        pa.repeat(plain_scalar(column.default, types[column.name]), batch.num_rows)
        for column in missing
    ]
    schema = pa.schema([*batch.schema, *fields], metadata=batch.schema.metadata)
    return pa.record_batch([*batch.columns, *arrays], schema=schema)


def body_length(metadata: bytes) -> int:
    """The number of bytes after the metadata of a message: field 3 of Arrow's `Message`."""
    try:
        (table,) = struct.unpack_from("<I", metadata, 0)
        (back,) = struct.unpack_from("<i", metadata, table)
        (slots,) = struct.unpack_from("<H", metadata, table - back)  # in bytes, two numbers first
        place = 4 + 2 * 3
        slot = struct.unpack_from("<H", metadata, table - back + place)[0] if slots > place else 0
        (length,) = struct.unpack_from("<q", metadata, table + slot) if slot else (0,)
    except struct.error as error:
        raise DamageError("the metadata of the message is damaged") from error
    return int(length)


def verify(data: bytes, head: int) -> None:
    """Raise DamageError unless the checksum in the first `head` bytes is that of the message."""
    stamp = _STAMPED.search(data, 0, head)
    if stamp is None:
        raise DamageError("the message has no checksum")
    start, end = stamp.span(1)
    crc = zlib.crc32(data[end:], zlib.crc32(b"00000000", zlib.crc32(data[:start])))
    if crc != int(stamp.group(1), 16):
        raise DamageError("the checksum does not fit")


def sequence(data: bytes) -> int:
    """The sequence number in a message."""
    stamp = _STAMPED.search(data)
    return int(stamp.group(2)) if stamp else 0


class Stream(NamedTuple):
    """One Arrow IPC stream of encoded outcomes.

    Attributes:
        schema: The message with the schema.
        messages: The messages with the record batches.
        batches: The record batches, which share the memory of the encoded outcomes.
    """

    schema: bytes
    messages: list[bytes]
    batches: list[pa.RecordBatch]


def streams_of(data: bytes) -> Iterator[Stream]:
    """The streams in what `superparams.outcomes.batches.encode` made, each read once."""
    source = pa.BufferReader(data)
    while (start := source.tell()) < len(data):
        schema = pa.ipc.read_schema(pa.ipc.read_message(source))
        end = source.tell()
        stream = Stream(data[start:end], [], [])
        while (start := end) < len(data) and data[start + 4 : start + 8] != b"\0\0\0\0":
            message = pa.ipc.read_message(source)
            end = source.tell()
            stream.messages.append(data[start:end])
            stream.batches.append(pa.ipc.read_record_batch(message, schema))
        yield stream
        source.seek(start + 8)
