"""The canonical encoding of a value: equal content gives equal bytes, different content does not.

Every encoding is self-delimiting, so that ``["ab", "c"]`` and ``["a", "bc"]`` differ, and so do
``1``, ``True`` and ``"1"``. What counts as the same content:

- ``1`` and ``1.0`` differ, unless the annotation of the field says float (see `canonical`); so do
  lists and tuples. ``0.0`` and ``-0.0`` are the same, and all NaN are.
- Dicts and sets have no order; ``set`` and ``frozenset`` are the same, as are ``bytes``,
  ``bytearray`` and a ``memoryview`` of bytes. An ``OrderedDict`` keeps its order.
- numpy scalars are Python values (``np.float32(0.1)`` is 0.10000000149011612).
- Enum members, functions, classes and importable modules are their names.
- Other objects are their class and their state, as pickle takes it; fields of dataclasses, attrs
  classes and groups of fields have no order.

A hash replaces an encoding of more than `SHORT` bytes, to limit the memory. A `Walk` remembers
these hashes, so a part that a value contains many times is encoded only once.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, ClassVar

from superparams.adapters.libraries import library_of
from superparams.identity.digests.buffers import LEAF, buffer_digest, leaves_digest
from superparams.identity.module_names import class_name

__all__ = [
    "Encoder",
    "Unstable",
    "Walk",
    "compound",
    "encoder",
    "finders",
    "pack",
    "show",
    "text",
]

SHORT = 256


class Unstable(Exception):
    """A value has no stable content.

    Attributes:
        trail: The path from the outermost value to this one, such as ``.layers[0]``.
    """

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.trail = ""

    def within(self, step: str) -> None:
        """Add a step to the beginning of the trail."""
        self.trail = step + self.trail


def text(value: str) -> bytes:
    """The encoding of a string; lone surrogates have one too."""
    data = value.encode("utf-8", "surrogatepass")
    return b"s%x:%b" % (len(data), data)


def pack(tag: str, *parts: bytes) -> bytes:
    """The encoding of a value of the kind `tag` from its encoded `parts`."""
    return b"@%b%x:%b" % (text(tag), len(parts), b"".join(parts))


class Walk:
    """One pass over a value.

    Attributes:
        open: The ids of the values around the present one, to find cycles.
        encoded: Each long encoding with its value, by the id of the value, which lives as long.
    """

    __slots__ = ("encoded", "open")

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.encoded: dict[int, tuple[object, bytes]] = {}

    def encode(self, value: object) -> bytes:
        """The encoding of `value`."""
        kind = type(value)
        encode = _ENCODERS.get(kind)
        if encode is None:
            encode = _ENCODERS[kind] = next(find(kind) for find in finders)
        return encode(value, self)

    # The functions for adapters, see `superparams.adapters.adapter.Digests`.

    short: ClassVar[int] = SHORT

    def items(self, values: Iterable[object]) -> list[bytes]:
        """The encodings of `values` in their order."""
        return encode_items(values, self)

    text = staticmethod(text)
    pack = staticmethod(pack)

    def elements(self, count: int, size: int, part: Callable[[int, int], Any]) -> bytes:
        """The encoding of `count` elements of `size` bytes: those of the bytes, by their hash.

        Args:
            count: The number of elements.
            size: The bytes of an element.
            part: ``part(start, stop)`` returns a contiguous buffer of the elements [start, stop).
        """
        items = max(1, LEAF // size)
        hashed = leaves_digest(lambda i: part(i * items, (i + 1) * items), -(-count // items))
        return b"B%x:%b" % (count * size, hashed)

    def whole(self, value: object, encode: Encoder) -> bytes:
        """``encode(value, self)``, guarded and shortened as by `compound`."""
        return compound(encode)(value, self)

    def class_name(self, value: object, library: str | None = None) -> str:
        """The name of the class of a value; classes of `library` count without their module."""
        kind = type(value)
        return f"{library}.{kind.__name__}" if library_of(kind) == library else class_name(kind)

    def unstable(self, value: object, reason: str) -> Unstable:
        """The error for a value without stable content."""
        return Unstable(value, reason)


Encoder = Callable[[Any, Walk], bytes]
_ENCODERS: dict[type[Any], Encoder] = {}

finders: list[Callable[[type[Any]], Encoder]] = []
"""Functions that find the encoder of a class without one here (see `find_encoder`)."""


def encoder(*kinds: type[Any]) -> Callable[[Encoder], Encoder]:
    """Register the decorated function for exactly the classes `kinds`."""

    def register(function: Encoder) -> Encoder:
        _ENCODERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def compound(function: Encoder) -> Encoder:
    """Guard the encoder of a container against cycles, and shorten its encodings."""

    def encode(value: object, walk: Walk) -> bytes:
        mark = id(value)
        entry = walk.encoded.get(mark)
        if entry is not None:
            return entry[1]
        if mark in walk.open:
            raise Unstable(value, "it contains itself")
        walk.open.add(mark)
        try:
            body = function(value, walk)
        finally:
            walk.open.discard(mark)
        if len(body) > SHORT:
            body = b"#" + blake2b(body, digest_size=32).digest()
            walk.encoded[mark] = (value, body)
        return body

    return encode


def show(value: object) -> str:
    """A value and its class in about 100 characters, for messages."""
    try:
        short = reprlib.repr(value)
    except Exception:
        short = object.__repr__(value)
    return f"{short[:100]} ({type(value).__name__})"


def encode_items(values: Iterable[object], walk: Walk) -> list[bytes]:
    """The encodings of `values` in their order."""
    parts: list[bytes] = []
    encode = walk.encode
    try:
        for item in values:
            parts.append(encode(item))
    except Unstable as error:
        error.within(f"[{len(parts)}]")
        raise
    return parts


def encode_pairs(mapping: Mapping[Any, object], walk: Walk) -> list[bytes]:
    """The encodings of the pairs of `mapping`, in its order."""
    parts: list[bytes] = []
    encode = walk.encode
    for key, item in mapping.items():
        try:
            parts.append(encode(key) + encode(item))
        except Unstable as error:
            error.within(f"[{reprlib.repr(key)}]")
            raise
    return parts


def encode_fields(fields: Iterable[tuple[str, Any]], walk: Walk) -> bytes:
    """The encoding of named values, whatever their order."""
    parts: list[bytes] = []
    for name, item in fields:
        try:
            parts.append(text(name) + walk.encode(item))
        except Unstable as error:
            error.within(f".{name}")
            raise
    return b"{%x:%b" % (len(parts), b"".join(sorted(parts)))


@encoder(type(None))
def _none(value: None, walk: Walk) -> bytes:
    return b"n"


@encoder(bool)
def encode_bool(value: bool, walk: Walk) -> bytes:
    """A truth value; never the same as 0 or 1."""
    return b"t" if value else b"f"


@encoder(int)
def encode_int(value: int, walk: Walk) -> bytes:
    """An integer of any size (hexadecimal, since Python limits the length of decimal texts)."""
    return b"i%x;" % value


def _float(value: float) -> bytes:
    # float.hex is exact and the same everywhere; adding 0.0 turns -0.0 into 0.0.
    return (value + 0.0).hex().encode() if value == value else b"nan"


@encoder(float)
def encode_float(value: float, walk: Walk) -> bytes:
    """A double; all NaN are one, and so are the two zeros."""
    return b"d%b;" % _float(value)


def encode_floats(values: Iterable[float]) -> list[bytes]:
    """`encode_float` of each value, without a call for each."""
    return [b"d%b;" % (x + 0.0).hex().encode() if x == x else b"dnan;" for x in values]


@encoder(complex)
def encode_complex(value: complex, walk: Walk) -> bytes:
    """A pair of doubles."""
    return b"c%b,%b;" % (_float(value.real), _float(value.imag))


@encoder(str)
def encode_str(value: str, walk: Walk) -> bytes:
    """A text, by its code points."""
    return text(value)


@encoder(bytes, bytearray)
def encode_bytes(value: bytes | bytearray | memoryview, walk: Walk) -> bytes:
    """Bytes; by their hash if they are many."""
    if len(value) <= SHORT:
        return b"b%x:%b" % (len(value), bytes(value))
    return b"B%x:%b" % (len(value), buffer_digest(value))


@encoder(memoryview)
def encode_memoryview(value: memoryview, walk: Walk) -> bytes:
    """A view of bytes is these bytes; any other also has a format and a shape."""
    if value.ndim == 1 and value.format in ("B", "b", "c"):
        return encode_bytes(value.cast("B") if value.contiguous else value.tobytes(), walk)
    return pack("memoryview", text(value.format), walk.encode(value.tolist()))


@encoder(list)
@compound
def encode_list(value: list[Any], walk: Walk) -> bytes:
    """The items in their order."""
    parts = encode_items(value, walk)
    return b"[%x:%b" % (len(parts), b"".join(parts))


@encoder(tuple)
@compound
def encode_tuple(value: tuple[Any, ...], walk: Walk) -> bytes:
    """The items in their order; not the same as a list."""
    parts = encode_items(value, walk)
    return b"(%x:%b" % (len(parts), b"".join(parts))


@encoder(dict)
@compound
def encode_dict(value: Mapping[Any, object], walk: Walk) -> bytes:
    """The pairs in no order."""
    parts = sorted(encode_pairs(value, walk))
    return b"{%x:%b" % (len(parts), b"".join(parts))


@encoder(set, frozenset)
@compound
def encode_set(value: Iterable[object], walk: Walk) -> bytes:
    """The members in no order."""
    parts = sorted(encode_items(value, walk))
    return b"<%x:%b" % (len(parts), b"".join(parts))


@encoder(range)
def _range(value: range, walk: Walk) -> bytes:
    # As Python compares them: range(0) is range(5, 5), range(1, 2) is range(1, 2, 7).
    n = (value[-1] - value.start) // value.step + 1 if value else 0  # len() has an end
    shape = (n, value.start if n else 0, value.step if n > 1 else 1)
    return pack("range", *(encode_int(number, walk) for number in shape))


@encoder(slice)
@compound
def _slice(value: slice, walk: Walk) -> bytes:
    return pack("slice", *map(walk.encode, (value.start, value.stop, value.step)))


@encoder(type(Ellipsis), type(NotImplemented))
def _singleton(value: object, walk: Walk) -> bytes:
    return pack(repr(value))
