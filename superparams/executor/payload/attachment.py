"""Attaching: the payload of another process mapped into this one, and its objects rebuilt."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from superparams.errors import PayloadError
from superparams.executor.payload.private_pages import forget_own_pages, has_own_pages, page_faults
from superparams.executor.payload.segment import Location, Segment, map_privately, open_segment
from superparams.executor.payload.segment_layout import Region, split

# Libraries that write to memory which numpy calls read-only, `torch.from_numpy` above all. Without
# them, what numpy calls read-only stays as it is, and there is nothing to look for.
_WRITERS = frozenset({"torch", "tensorflow", "numba", "cffi", "cupy"})


@dataclass(frozen=True)
class Handle:
    """A small picklable thing with which another process attaches the payload.

    It travels by inheritance (fork, ``pass_fds``), as an argument of a `multiprocessing` process
    of any start method, or through any pipe to a process of the same user on this host.

    Attributes:
        uid: Identifies the payload: a worker that has attached it once need not do so again.
    """

    uid: str
    locations: tuple[Location, ...]
    span: tuple[int, int, int]  # segment, offset and size of the body, unless it is `inline`
    inline: bytes | None = field(default=None, repr=False)
    contents: tuple[bytes | None, ...] = field(default=(), repr=False)
    # Open files that came with the handle; they close with it.
    held: tuple[Segment, ...] = field(default=(), repr=False, compare=False)

    @property
    def fds(self) -> tuple[int, ...]:
        """The file descriptors that a child must inherit (``pass_fds``), if it goes that way."""
        return tuple(location.fd for location in self.locations)

    def with_contents(self, segments: Sequence[Segment]) -> Handle:
        """The same, with the bytes of all segments that are not files of the user's."""
        contents = tuple(s.content() if s.path is None else None for s in segments)
        return replace(self, contents=contents)

    def __reduce__(self) -> tuple[Any, ...]:
        """With the open files themselves, if `multiprocessing` is about to start a child."""
        parts = self.uid, self.locations, self.span, self.inline, self.contents
        return _received, (parts, () if self.contents else _passed_on(self.fds))


def _passed_on(fds: Sequence[int]) -> tuple[Any, ...]:
    context = sys.modules.get("multiprocessing.context")
    if not fds or context is None or context.get_spawning_popen() is None or os.name == "nt":
        return ()
    from multiprocessing import reduction

    return tuple(reduction.DupFd(fd) for fd in fds)


def _received(parts: tuple[Any, ...], passed: Sequence[Any]) -> Handle:
    uid, locations, span, inline, contents = parts
    if not passed:
        return Handle(uid, locations, span, inline, contents)
    held = tuple(
        Segment(copy.detach(), location.path)
        for copy, location in zip(passed, locations, strict=True)
    )
    here = tuple(
        replace(location, pid=os.getpid(), fd=segment.fd)
        for location, segment in zip(locations, held, strict=True)
    )
    return Handle(uid, here, span, inline, contents, held)


class Attached:
    """A payload mapped into this process; made by `attach`.

    Objects that it loaded may outlive it: a mapping goes with the last array on top of it.
    """

    def __init__(self, handle: Handle, segments: Sequence[Segment]) -> None:
        self._segments = list(segments)
        self._span, self._inline = handle.span, handle.inline
        self._maps: dict[int, _Map] = {}
        self._regions = self._read_regions()
        self._is_written_by_design = any(region.writable for region in self._regions)
        self._faults = -1
        self._map()

    def _read_regions(self) -> list[Region]:
        if self._inline is not None:
            return split(memoryview(self._inline))[0]
        number, offset, size = self._span
        body = _Map(self._segments[number], offset, offset + size)
        return split(body.view(offset, size))[0]

    def _map(self) -> None:
        stretches = [(region.segment, region.offset, region.size) for region in self._regions]
        if self._inline is None:
            stretches.append(self._span)
        for number in {stretch[0] for stretch in stretches}:
            low = min(offset for n, offset, _ in stretches if n == number)
            high = max(offset + size for n, offset, size in stretches if n == number)
            self._maps[number] = _Map(self._segments[number], low, high)

    def load(self) -> Any:
        """The packed object, rebuilt: a new one at each call, its large buffers always the same.

        Raises:
            PayloadError: If it cannot be rebuilt here, as when a module is missing.
        """
        try:
            return pickle.loads(self._pickle(), buffers=self._buffers())
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(
                f"the payload cannot be rebuilt in process {os.getpid()}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _pickle(self) -> memoryview:
        if self._inline is not None:
            return split(memoryview(self._inline))[1]
        number, offset, size = self._span
        if number not in self._maps:
            raise PayloadError("the payload was detached by close(); attach() again")
        return split(self._maps[number].view(offset, size))[1]

    def _buffers(self) -> Iterator[memoryview]:
        for number, writable, offset, size in self._regions:
            if number not in self._maps:
                raise PayloadError("the payload was detached by close(); attach() again")
            view = self._maps[number].view(offset, size)
            yield view if writable else view.toreadonly()

    def refresh(self) -> bool:
        """Throw away what was written to the shared memory in this process: between two settings.

        On Linux, objects that were loaded before show the original content again, at the same
        addresses. Elsewhere they keep what was written: `load` again after a True.

        Nothing of this process may use the memory meanwhile. Takes 1 us where nothing can have
        been written; else about 5 ms for each GiB of it that this process has looked at.

        Returns:
            Whether anything was thrown away.
        """
        if not self._maps:
            return False
        if not self._is_written_by_design and sys.modules.keys().isdisjoint(_WRITERS):
            return False
        faults = page_faults()
        if faults == self._faults and faults >= 0:
            return False
        dirty = [one for one in self._maps.values() if has_own_pages(one.mapping)]
        for one in dirty:
            if not forget_own_pages(one.mapping):
                self._map()
                break
        self._faults = page_faults()
        return bool(dirty)

    def close(self) -> None:
        """Detach. A second call does nothing; objects that were loaded stay valid."""
        # Each mapping ends with its last reference and never before: arrays may still be on top.
        self._maps = {}
        segments, self._segments = self._segments, []
        for segment in segments:
            segment.close()

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Map:
    """The stretch [low, high) of a segment, mapped privately."""

    def __init__(self, segment: Segment, low: int, high: int) -> None:
        self._start = low - low % mmap.ALLOCATIONGRANULARITY
        self.mapping = map_privately(segment, self._start, high - self._start)

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.mapping)[offset - self._start :][:size]


def attach(handle: Handle) -> Attached:
    """Map the payload that `handle` stands for into this process.

    Raises:
        PayloadError: If it is out of reach (closed, of another host or user), a file that it refers
            to has changed, or it cannot be mapped (the error tells the size).
    """
    with contextlib.ExitStack() as opened:
        contents = handle.contents or (None,) * len(handle.locations)
        segments = [
            opened.enter_context(_segment(location, content))
            for location, content in zip(handle.locations, contents, strict=True)
        ]
        attached = Attached(handle, segments)
        opened.pop_all()
        return attached


def _segment(location: Location, content: bytes | None) -> Segment:
    if content is None:
        return open_segment(location)
    segment = Segment.create("superparams-payload")
    try:
        segment.write(0, memoryview(content))
    except BaseException:
        segment.close()
        raise
    segment.seal()
    return segment
