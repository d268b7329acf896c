"""Packs an object graph in one pickle-5 pass, with its large buffers in shared memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superparams.errors import PayloadError
from superparams.errors.units import size as size_text
from superparams.executor.payload.attachment import Attached, Handle, attach
from superparams.executor.payload.buffer_writer import Writer
from superparams.executor.payload.segment import Segment, head

# A pickle of up to this many bytes is a part of the handle, and needs no segment.
_INLINE = 16 * 1024


class Payload:
    """A packed object, which workers can attach until `close`; made by `pack`.

    Attributes:
        shared: Bytes that were written to shared memory.
        in_place: Bytes that were not copied: in arrays of `shared_empty` and in mapped files.
        pickled: Bytes of the pickle, which every `Attached.load` reads.
    """

    def __init__(self, handle: Handle, writer: Writer, *, shared: int, pickled: int) -> None:
        self.shared = shared
        self.in_place = writer.in_place
        self.pickled = pickled
        self._handle: Handle | None = handle
        self._own = writer.own
        # Segments of arrays that are used in place stay open while this list refers to them.
        self._segments: list[Segment] = writer.segments

    @property
    def report(self) -> str:
        """The sizes in one line: ``payload: 1.2 GiB shared, 14 KiB pickled``."""
        in_place = f"{size_text(self.in_place)} in place, " if self.in_place else ""
        shared, pickled = size_text(self.shared), size_text(self.pickled)
        return f"payload: {shared} shared, {in_place}{pickled} pickled"

    @property
    def sizes(self) -> dict[str, int]:
        """`shared`, `in_place` and `pickled`, by name."""
        return {"shared": self.shared, "in_place": self.in_place, "pickled": self.pickled}

    @property
    def handle(self) -> Handle:
        """The handle for processes on this host: a few hundred bytes, up to 16 KiB."""
        if self._handle is None:
            raise PayloadError("the payload is closed; pack() again")
        return self._handle

    def portable(self) -> Handle:
        """A handle with all bytes, for processes on another host.

        Files that were mapped by path are not included, and must exist there.
        """
        return self.handle.with_contents(self._segments)

    def in_files(self, folder: Path) -> Handle:
        """A handle that names files with all bytes, for processes that see the same folders.

        Args:
            folder: The folder of these files, which is created.

        Raises:
            OSError: If they cannot be written.
        """
        return self.handle.with_copies(self._segments, folder)

    def attach(self) -> Attached:
        """Attach in this process."""
        return attach(self.handle)

    def close(self) -> None:
        """Release the memory once no process maps it. A second call does nothing.

        Processes that are attached are not affected; others can no longer attach.
        """
        self._handle = None
        self._segments = []
        if self._own is not None:
            self._own.release()

    def __enter__(self) -> Payload:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.report}>" if self._handle else "<payload: closed>"


def pack(obj: object, *, threshold: int = 64 * 1024, name: str | None = None) -> Payload:
    """Pack an object graph once, for any number of workers.

    Args:
        obj: Any object that cloudpickle can pickle. Its large buffers are written to shared memory
            without another copy.
        threshold: The size in bytes from which on buffers go to shared memory.
        name: The name of `obj` in errors; by default its type.

    Raises:
        PayloadError: If a part cannot be pickled (the error names the part and the remedy), or
            there is no memory (it names the size).
    """
    name = name or type(obj).__name__
    payload, groups = _pickle(obj, name, Writer(threshold))
    if groups:
        payload.close()
        payload, _ = _pickle(obj, name, Writer(threshold, groups=groups))
    return payload


def _pickle(obj: object, name: str, writer: Writer) -> tuple[Payload, Mapping[Any, Any]]:
    """A payload, and the arrays that share memory, which need a second pass."""
    # Workers import this module, and need no cloudpickle.
    from superparams.executor.payload.pickling_errors import unpicklable
    from superparams.executor.payload.reducers import ReducingPickler

    chunks = _Chunks()
    # The pickler keeps all objects alive, and with them the memory that `chunks` refers to.
    pickler = ReducingPickler(chunks, writer)
    try:
        pickler.dump(obj)
        return _payload(writer, chunks), _groups(writer)
    except BaseException as error:
        writer.close()
        if isinstance(error, MemoryError):
            raise PayloadError(
                f"no memory to pickle {name}: free some, or raise the limit"
            ) from error
        if isinstance(error, PayloadError) or not isinstance(error, Exception):
            raise
        raise unpicklable(obj, name, error) from error


def _groups(writer: Writer) -> Mapping[Any, Any]:
    """The arrays of this pass that share memory with each other."""
    if len(writer.seen) < 2 or writer.groups:
        return {}
    from superparams.executor.payload.array_aliases import groups_of

    return groups_of(writer.seen, writer.threshold)


def _payload(writer: Writer, chunks: _Chunks) -> Payload:
    body = [memoryview(head(writer.regions)), *chunks.views()]
    large = sum(view.nbytes for view in body if view.nbytes >= writer.threshold)
    size = sum(view.nbytes for view in body)
    shared = writer.written + large
    inline, span = None, (0, 0, 0)
    if size <= _INLINE:
        inline = b"".join(body)
    else:
        span = (*writer.write(body), size)
    if writer.own is not None:
        writer.own.seal()
    locations = tuple(segment.location() for segment in writer.segments)
    handle = Handle(os.urandom(8).hex(), locations, span, inline)
    return Payload(handle, writer, shared=shared, pickled=size - large)


class _Chunks:
    """The file of a pickler, which keeps the bytes that are written without a copy."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []

    def write(self, data: object) -> None:
        self._chunks.append(data)

    def views(self) -> list[memoryview]:
        return [memoryview(chunk).cast("B") for chunk in self._chunks]
