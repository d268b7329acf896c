"""Frames: the messages of driver, template and workers over local sockets."""

from __future__ import annotations

import enum
import os
import socket
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# kind, a, b, size of the body and its checksum; and the checksum of these, which takes a key.
_WORDS = struct.Struct("<BqqqI")
_SUM = struct.Struct("<I")
_HEADER_SIZE = _WORDS.size + _SUM.size
_READ = 1 << 18
_MOST_FILES = 8  # that come along with a frame


@enum.unique
class Kind(enum.IntEnum):
    """The kind of a frame. The meaning of its whole numbers a and b is described here."""

    BOOT = 1  # driver to template or to a fresh worker: a pickled Boot
    HANDLE = 13  # driver to template: the pickled handle of the payload; the cells come along
    START = 2  # driver to template: make worker a, whose frames take the key b; its channel and
    # its fault file come along; body: what its Boot has otherwise, pickled
    KILL = 3  # driver to template: kill worker a and all its descendants
    SIGNAL = 4  # driver to template: signal b for worker a
    CLOSE = 5  # to a worker or the template: end in an orderly way
    RUN = 6  # driver to worker: run the ranges in the body; a: attempt, b: cut
    READY = 7  # from a template (a: 1 when it forks workers, else a new handle) or a worker (a:
    # its process id)
    BROKEN = 8  # the same, but starting raised: a traceback
    DATA = 9  # worker: a parcel of outcomes; a: how many settings of the chunk have been sent
    AGAIN = 17  # worker: settings, in the body, that the next parcel counts but has no outcome of,
    # since they are to run again
    STEP = 18  # worker: a step of setting a, whose row is in the body as JSON; ANSWER follows
    STEPS = 21  # worker: a parcel of steps that settings have recorded
    POINTS = 22  # driver to worker: the points of the settings of the next RUN
    ANSWER = 19  # driver to worker: the setting that told a step goes on (a: 1), or does not (0)
    END = 10  # worker: as DATA, and the chunk is over; b: nanoseconds it took
    LEFT = 11  # worker: it has torn down what it set up, and ends
    PING = 14  # driver to template: answer with PONG and the same a
    PONG = 15
    HELLO = 16  # from a fresh process, as soon as it runs; a: the process id of a template
    # driver to the interpreter that stays warm: fork a template; body: a ForkRequest, whose files
    # come along
    FORK = 20
    DEAD = 12  # template: worker a ended with wait status b; body: its peak memory in bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    a: int = 0
    b: int = 0
    body: bytes = b""


class Garbled(ConnectionError):
    """The bytes are not a frame, or the sender does not have the key."""


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that wait as long as it takes.

    Without this, they would have the timeout that code of users has given to all new sockets
    (`socket.setdefaulttimeout`), which is meant for its own connections.
    """
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(None)
    return ends


def channel_of(fd: int) -> socket.socket:
    """The socket of a file descriptor; it waits as long as it takes, as those of `channel_pair`."""
    channel = socket.socket(fileno=fd)
    channel.settimeout(None)
    return channel


def send(channel: socket.socket, frame: Frame, fds: Sequence[int] = (), key: int = 0) -> None:
    """Send all of a frame, on a blocking socket.

    A key tells frames of a worker from what a setting writes into the same socket.
    """
    size, checksum = len(frame.body), zlib.crc32(frame.body)
    words = _WORDS.pack(frame.kind, frame.a, frame.b, size, checksum)
    data = words + _SUM.pack(zlib.crc32(words, key)) + frame.body
    if not fds:
        channel.sendall(data)
        return
    sent = socket.send_fds(channel, [data], fds)
    if sent < len(data):  # the receiver may close its end as soon as it has the frame
        channel.sendall(data[sent:])


def receive(channel: socket.socket) -> Frame:
    """Wait for the next frame; EOFError when there is none."""
    return _finish(channel, _receive_exactly(channel, _HEADER_SIZE))


def receive_fds(channel: socket.socket) -> tuple[Frame, list[int]]:
    """As `receive`, with the file descriptors that come along."""
    head, fds, _, _ = socket.recv_fds(channel, _HEADER_SIZE, _MOST_FILES)
    for fd in fds:
        os.set_inheritable(fd, False)  # they arrive inheritable, and would reach all children
    if not head:
        raise EOFError
    return _finish(channel, head + _receive_exactly(channel, _HEADER_SIZE - len(head))), fds


def _finish(channel: socket.socket, head: bytes) -> Frame:
    kind, a, b, size, checksum = _opened(head, 0)
    return Frame(kind, a, b, _checked(_receive_exactly(channel, size), checksum))


def _opened(head: bytes, key: int) -> tuple[Kind, int, int, int, int]:
    """What a header says: kind, a, b, size of the body, and its checksum."""
    (checksum,) = _SUM.unpack_from(head, _WORDS.size)
    if zlib.crc32(head[: _WORDS.size], key) != checksum:
        raise Garbled("a header does not fit its checksum")
    kind, a, b, size, checksum = _WORDS.unpack_from(head)
    return Kind(kind), a, b, size, checksum


def _checked(body: bytes, checksum: int) -> bytes:
    if zlib.crc32(body) != checksum:
        raise Garbled("a body does not fit its checksum")
    return body


def _receive_exactly(channel: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class FrameReader:
    """Reads frames from a non-blocking socket, as far as they have arrived."""

    def __init__(self, channel: socket.socket, key: int = 0) -> None:
        """Read from `channel`, which becomes non-blocking for reading; see `send` for the key."""
        self._channel = channel
        self._key = key
        self._data = bytearray()
        self.ended = False

    def frames(self) -> Iterator[Frame]:
        """The frames that are there; what is cut off at the end waits for the rest.

        Raises:
            Garbled: When something else has arrived.
        """
        self._fill()
        start = 0
        try:
            while len(self._data) - start >= _HEADER_SIZE:
                body = start + _HEADER_SIZE
                kind, a, b, size, checksum = _opened(bytes(self._data[start:body]), self._key)
                end = body + size
                if end > len(self._data):
                    break
                start, frame = end, bytes(memoryview(self._data)[body:end])
                yield Frame(kind, a, b, _checked(frame, checksum))
        finally:
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
    flat = [bound for indices in ranges for bound in (indices.start, indices.stop)]
    return struct.pack(f"<{len(flat)}q", *flat)


def unpack_ranges(data: bytes) -> list[range]:
    """What `pack_ranges` packed."""
    return [range(start, stop) for start, stop in struct.iter_unpack("<qq", data)]
