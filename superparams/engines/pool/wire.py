"""Frames: what driver, template and workers say to one another over local sockets."""

from __future__ import annotations

import enum
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER = struct.Struct("<Bqqq")  # kind, a, b, size of the body
_READ = 1 << 18


class Kind(enum.IntEnum):
    """What a frame says. a and b are whole numbers whose meaning is told here."""

    BOOT = 1  # driver to template or to a fresh worker: a pickled Boot
    HANDLE = 13  # driver to template: the pickled handle of the payload; the cells come along
    START = 2  # driver to template: make worker a; its channel and its fault file come along
    KILL = 3  # driver to template: kill worker a and all its descendants
    SIGNAL = 4  # driver to template: signal b for worker a
    CLOSE = 5  # to a worker or the template: end in an orderly way
    RUN = 6  # driver to worker: run the ranges in the body; a: attempt, b: cut
    READY = 7  # from a template (a: 1 when it forks workers, else a new handle) or a worker
    BROKEN = 8  # the same, but starting raised: a traceback
    DATA = 9  # worker: a parcel of outcomes; a: how many settings of the chunk have been sent
    END = 10  # worker: as DATA, and the chunk is over; b: nanoseconds it took
    LEFT = 11  # worker: it has torn down what it set up, and ends
    DEAD = 12  # template: worker a ended with wait status b; body: its peak memory in bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    a: int = 0
    b: int = 0
    body: bytes = b""


def send(channel: socket.socket, frame: Frame, fds: Sequence[int] = ()) -> None:
    """Send all of a frame, on a blocking socket."""
    data = HEADER.pack(frame.kind, frame.a, frame.b, len(frame.body)) + frame.body
    if not fds:
        channel.sendall(data)
        return
    sent = socket.send_fds(channel, [data], fds)
    channel.sendall(data[sent:])


def receive(channel: socket.socket) -> Frame:
    """Wait for the next frame; EOFError when there is none."""
    return _finish(channel, _exactly(channel, HEADER.size))


def receive_fds(channel: socket.socket) -> tuple[Frame, list[int]]:
    """As `receive`, with the file descriptors that come along."""
    head, fds, _, _ = socket.recv_fds(channel, HEADER.size, 4)
    for fd in fds:
        os.set_inheritable(fd, False)  # they arrive inheritable, and would reach all children
    if not head:
        raise EOFError
    return _finish(channel, head + _exactly(channel, HEADER.size - len(head))), fds


def _finish(channel: socket.socket, head: bytes) -> Frame:
    kind, a, b, size = HEADER.unpack(head)
    return Frame(Kind(kind), a, b, _exactly(channel, size))


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Reader:
    """Frames out of a non-blocking socket, as far as they have arrived."""

    def __init__(self, channel: socket.socket) -> None:
        """Read from `channel`, which becomes non-blocking for reading."""
        self._channel = channel
        self._data = bytearray()
        self.ended = False

    def frames(self) -> Iterator[Frame]:
        """The frames that are there; what is cut off at the end waits for the rest."""
        self._fill()
        start = 0
        while len(self._data) - start >= HEADER.size:
            kind, a, b, size = HEADER.unpack_from(self._data, start)
            end = start + HEADER.size + size
            if end > len(self._data):
                break
            yield Frame(Kind(kind), a, b, bytes(memoryview(self._data)[start + HEADER.size : end]))
            start = end
        del self._data[:start]

    def _fill(self) -> None:
        while not self.ended:
            try:
                part = self._channel.recv(_READ, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                part = b""
            self.ended = not part
            self._data += part


def pack_ranges(ranges: Sequence[range]) -> bytes:
    """Ranges of step 1 as bytes."""
    flat = [bound for one in ranges for bound in (one.start, one.stop)]
    return struct.pack(f"<{len(flat)}q", *flat)


def unpack_ranges(data: bytes) -> list[range]:
    """What `pack_ranges` packed."""
    return [range(start, stop) for start, stop in struct.iter_unpack("<qq", data)]
