"""What the rooms ask of a library: one `Adapter` for each class, one `Library` for all of them.

An adapter says how the values of a class are compared, copied, digested, put into a table and
shared with workers. What an adapter leaves out, superparams does as for any other object. An
adapter must not import the rooms that call it, so each of them hands over what the adapter builds
with: `Digests`, `TableCells` and `Buffers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pickle import PickleBuffer

__all__ = ["Adapter", "Buffers", "Digests", "Library", "Same", "TableCells"]

Same = Callable[[Any, Any], bool]
"""Whether two values of any kind have the same content."""

Copy = Callable[[Any], Any]
"""A setting's own copy of a value of any kind, or the value itself if it is shared."""


class Digests(Protocol):
    """What a digest is made with. Equal content gives equal bytes, other content does not."""

    short: ClassVar[int]
    """Bytes up to this number stand in an encoding as they are; of more, their hash does."""

    def encode(self, value: object) -> bytes:
        """The encoding of a value of any kind, such as a part."""
        ...

    def items(self, values: Iterable[object]) -> list[bytes]:
        """The encodings of values, in their order."""
        ...

    def text(self, value: str) -> bytes:
        """The encoding of a text."""
        ...

    def pack(self, tag: str, *parts: bytes) -> bytes:
        """The encoding of a value of the kind `tag` that is made of encoded parts."""
        ...

    def elements(self, count: int, size: int, part: Callable[[int, int], Any]) -> bytes:
        """The encoding of many elements of `size` bytes each.

        Args:
            count: The number of elements.
            size: The bytes of an element.
            part: ``part(start, stop)`` returns a contiguous buffer of the elements [start, stop).
        """
        ...

    def whole(self, value: object, encode: Callable[[Any, Any], bytes]) -> bytes:
        """``encode(value, self)`` for a value that holds others: it may be large or hold itself."""
        ...

    def class_name(self, value: object, library: str | None = None) -> str:
        """The name of the class of a value, the same in every process.

        Classes of `library` count without their module, since libraries move them.
        """
        ...

    def unstable(self, value: object, reason: str) -> Exception:
        """The error to raise for a value without stable content."""
        ...


class TableCells(Protocol):
    """What a cell or a column of a table is made with."""

    @property
    def null(self) -> Any:
        """The cell of a missing value."""
        ...

    def any(self, value: object) -> Any:
        """The cell of a value of any kind."""
        ...

    def plain(self, arrow_type: object, value: object) -> Any:
        """The cell of a value that ``pyarrow.array`` takes for this type."""
        ...

    def text(self, value: str, kind: str | None = None) -> Any:
        """The cell of a text; `kind` says what the text was, such as ``"datetime"``."""
        ...

    def items(self, values: Iterable[object]) -> Any:
        """The cell of a list of values of any kind."""
        ...

    def arrow(self, value: object) -> Any:
        """The cell of a value with Arrow's C interface, ``__arrow_c_stream__``."""
        ...

    def column(self, values: Sequence[object]) -> tuple[Any, str | None]:
        """An Arrow array of values of any kind, and what they were if they became text."""
        ...

    def table(self, names: Sequence[str], columns: Sequence[tuple[Any, str | None]]) -> Any:
        """An Arrow table of such columns."""
        ...


class Buffers(Protocol):
    """What takes the memory of values on their way to workers, as a part of a pickle."""

    @property
    def threshold(self) -> int:
        """Bytes from which on a buffer goes to shared memory."""
        ...

    def memory(self, address: int, size: int) -> memoryview:
        """The bytes of this process at an address."""
        ...

    def add(self, address: int, size: int, *, writable: bool = False) -> PickleBuffer:
        """Memory of an object that lives until the pickle is made."""
        ...

    def locate(self, start: int, stop: int, *, writable: bool = False) -> PickleBuffer | None:
        """The addresses [start, stop) where they are, if workers can reach them there."""
        ...

    def file(self, path: str, offset: int, size: int) -> PickleBuffer | None:
        """A part of a file that this process has mapped; None if the file is gone."""
        ...

    def add_pieces(self, pieces: Iterable[object], *, writable: bool = False) -> PickleBuffer:
        """Buffers one behind the other; each is written before the next one is made."""
        ...

    def stream(self) -> AbstractContextManager[Any]:
        """A file to write to; afterwards its attribute `buffer` stands for what was written."""
        ...

    def shared_array(self, source: object) -> None:
        """Note a numpy array whose memory is shared."""
        ...

    def small_array(self, source: object) -> Any:
        """How to pickle a numpy array that is not shared, but may be a view of another one."""
        ...


@dataclass(frozen=True)
class Adapter:
    """What superparams does with the values of one class, and of classes that inherit from it.

    Attributes:
        equal: ``equal(a, b, same)`` for two values of one class; NaN equals NaN. ``same(x, y)``
            compares what they hold. Values of this class never equal those of another class.
        copy: ``copy(value, copy_item)`` returns a setting's own copy: what a setting writes into it
            reaches no other setting. A read-only view of the same memory is such a copy.
            ``copy_item(x)`` copies what it holds.
        is_lazy: A copy takes no memory until somebody writes to it: it is a view, or it is made on
            the first write.
        is_immutable: Nothing can change a value, so that all settings share it.
        is_bool: Its values are truth values, which never equal numbers.
        digest: ``digest(value, digests)`` returns the encoding of the content.
        cell: ``cell(value, cells)`` returns the cell for a value in a table of results.
        table: ``table(value, cells)`` returns the Arrow table for a frame that `run` returns.
        column_type: ``column_type(kind)`` returns the Arrow type of a column of such values, where
            pyarrow can make it from a list of them; else None.
        record: ``record(value)`` returns a copy that shares no memory with the value, as quickly as
            can be; None if it has none. Without it, a result is recorded by its cell.
        share: ``share(value, buffers)`` returns what ``__reduce__`` returns, and gives large memory
            to `buffers`; NotImplemented for the usual pickle.
    """

    equal: Callable[[Any, Any, Same], bool] | None = None
    copy: Callable[[Any, Copy], Any] | None = None
    is_lazy: bool = False
    is_immutable: bool = False
    is_bool: bool = False
    digest: Callable[[Any, Digests], bytes] | None = None
    cell: Callable[[Any, TableCells], Any] | None = None
    table: Callable[[Any, TableCells], Any] | None = None
    column_type: Callable[[type[Any]], Any] | None = None
    record: Callable[[Any], Any] | None = None
    share: Callable[[Any, Buffers], Any] | None = None


@dataclass(frozen=True)
class Library:
    """What superparams knows of a library.

    Attributes:
        name: The name of its package, as in ``import name``.
        adapters: The adapters by the names of classes, such as ``"DataFrame"``. The modules in
            which a library defines its classes are not part of the name, since libraries move them.
    """

    name: str
    adapters: Mapping[str, Adapter] = field(default_factory=dict[str, Adapter])
