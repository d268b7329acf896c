"""Packing: one pickle-5 pass over an object graph, its large buffers to shared memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from superparams.errors import PayloadError
from superparams.executor.payload.attachment import Attached, Handle, attach
from superparams.executor.payload.buffer_writer import Writer
from superparams.executor.payload.free_memory import human
from superparams.executor.payload.segment import Segment, head

# A pickle of up to this many bytes travels inside of the handle, and needs no segment.
_INLINE = 16 * 1024


class Payload:
    """What was packed, kept for workers to attach until `close`; made by `pack`.

    Attributes:
        shared: Bytes written to shared memory.
        in_place: Bytes that are used where they already were: in arrays of `shared_empty` and in
            mapped files.
        pickled: Bytes of the pickle, which every `Attached.load` reads.
    """

    def __init__(self, handle: Handle, writer: Writer, *, shared: int, pickled: int) -> None:
        self.shared = shared
        self.in_place = writer.in_place
        self.pickled = pickled
        self._handle: Handle | None = handle
        self._own = writer.own
        # The segments of arrays that are used in place stay open as long as we refer to them.
        self._segments: list[Segment] = writer.segments

    @property
    def report(self) -> str:
        """One line on the sizes: ``payload: 1.0 GiB shared, 14 KiB pickled``."""
        in_place = f"{human(self.in_place)} in place, " if self.in_place else ""
        return f"payload: {human(self.shared)} shared, {in_place}{human(self.pickled)} pickled"

    @property
    def sizes(self) -> dict[str, int]:
        """`shared`, `in_place` and `pickled`, by name."""
        return {"shared": self.shared, "in_place": self.in_place, "pickled": self.pickled}

    @property
    def handle(self) -> Handle:
        """What a process on this host needs to attach: a few hundred bytes, up to 16 KiB."""
        if self._handle is None:
            raise PayloadError("the payload is closed; pack() again")
        return self._handle

    def portable(self) -> Handle:
        """A handle that carries all bytes, for a process that cannot reach ours: another host.

        Files that were mapped by path stay with their path, and must be there too.
        """
        return self.handle.with_contents(self._segments)

    def attach(self) -> Attached:
        """Attach in this process."""
        return attach(self.handle)

    def close(self) -> None:
        """Release the memory, as soon as nobody has it mapped any more. A second call does nothing.

        Processes that are attached are not affected; new ones cannot attach.
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
        obj: Anything that cloudpickle can pickle. It is not copied: large buffers are written to
            shared memory straight from where they are.
        threshold: Buffers of at least so many bytes go to shared memory.
        name: What errors call `obj`; by default its type.

    Raises:
        PayloadError: If a part of it cannot be pickled (the error names the part and the remedy),
            or the memory cannot be had (it names the size).
    """
    name = name or type(obj).__name__
    payload, groups = _pass(obj, name, Writer(threshold))
    if groups:
        payload.close()
        payload, _ = _pass(obj, name, Writer(threshold, groups=groups))
    return payload


def _pass(obj: object, name: str, writer: Writer) -> tuple[Payload, Mapping[Any, Any]]:
    """What was packed, and arrays that share memory, which only another pass can take as such."""
    # cloudpickle is for the driver: workers import this module and not that one.
    from superparams.executor.payload.pickling_errors import blame
    from superparams.executor.payload.reducers import ReducingPickler

    chunks = _Chunks()
    # It keeps all that it has seen, so that memory which `chunks` refers to stays until it is
    # written.
    pickler = ReducingPickler(chunks, writer)
    try:
        pickler.dump(obj)
        return _finished(writer, chunks), _shared_memory(writer)
    except BaseException as error:
        writer.close()
        if isinstance(error, MemoryError):
            raise PayloadError(
                f"no memory to pickle {name}: free some, or raise the limit"
            ) from error
        if isinstance(error, PayloadError) or not isinstance(error, Exception):
            raise
        raise blame(obj, name, error) from error


def _shared_memory(writer: Writer) -> Mapping[Any, Any]:
    if len(writer.seen) < 2 or writer.groups:
        return {}
    from superparams.executor.payload.array_aliases import groups_of

    return groups_of(writer.seen, writer.threshold)


def _finished(writer: Writer, chunks: _Chunks) -> Payload:
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
    """The file that a pickler writes to: keeps what it gets, so that large bytes are not copied."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []

    def write(self, data: Any) -> None:
        self._chunks.append(data)

    def views(self) -> list[memoryview]:
        return [memoryview(chunk).cast("B") for chunk in self._chunks]
