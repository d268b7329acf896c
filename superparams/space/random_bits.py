"""Random bits that choose values: 64 of them depend on a seed, a name and an index alone.

The name is the dotted name of a field. So another field changes no bits of this one, and a longer
draw begins with the bits of a shorter one. The bits are a hash of the name and the index of the
point, and of the number of the attempt where `valid` has refused earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count
from struct import Struct
from typing import Final, Protocol

from superparams.errors import SpaceError
from superparams.space.sobol import BITS, MOST_AXES, coordinate

__all__ = ["BitSource", "LatinHypercube", "Method", "RandomBits", "SobolBits"]

_PERSON: Final = b"superparams.drw1"
_AT_ONCE: Final = 8  # integers of 64 bits from one hash
_UNPACKED: Final = Struct("<8Q").unpack
_MASK: Final = (1 << BITS) - 1
_REVERSED: Final = bytes(int(f"{x:08b}"[::-1], 2) for x in range(256))


class BitSource(Protocol):
    """The bits of one name."""

    def bits(self, index: int, attempt: int, /) -> int:
        """The bits of a point, ``0 <= bits < 2**64``; `attempt` counts its refused draws."""
        ...

    def first_bits(self, n: int, /) -> list[int]:
        """The bits of the first n points, of which no draw was refused."""
        ...


Method = Callable[[str], BitSource]  # the bits of a name


class RandomBits:
    """Independent random bits: the method of ``sample``.

    Args:
        seed: Chooses the bits.
    """

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()

    def __call__(self, name: str) -> _Hashed:
        """The bits of a name."""
        return _Hashed(self._key, name)


class _Hashed:
    """The bits of a name, those of eight points from each hash."""

    def __init__(self, key: bytes, name: str) -> None:
        from hashlib import blake2b  # loads OpenSSL, which most programs do not need so early

        self._hash = blake2b(name.encode() + b"\0", key=key, person=_PERSON)
        self._block: tuple[int, Sequence[int]] = (-1, ())  # the last one

    def bits(self, index: int, attempt: int) -> int:
        block, position = divmod(index, _AT_ONCE)
        if attempt:
            return self._bits(b"%d.%d" % (index, attempt))[0]
        last_block, bits = self._block
        if last_block != block:
            bits = self._bits(b"%d" % block)
            self._block = block, bits
        return bits[position]

    def first_bits(self, n: int) -> list[int]:
        blocks = map(self._bits, [b"%d" % block for block in range(-(-n // _AT_ONCE))])
        return list(chain.from_iterable(blocks))[:n]

    def _bits(self, what: bytes) -> Sequence[int]:
        state = self._hash.copy()
        state.update(what)
        return _UNPACKED(state.digest())


class SobolBits:
    """Bits of a scrambled Sobol sequence: the method of ``sobol``.

    Each name has its own axis of the sequence, in the order of the first use. Its scramble depends
    on the seed and on the name. It is the nested uniform scramble of A. B. Owen, "Randomly permuted
    (t,m,s)-nets and (t,s)-sequences" (1995), with the hash of B. Burley, "Practical hash-based Owen
    scrambling", JCGT 9 (2020). What comes after a refused point is random.

    Args:
        seed: Chooses the scramble.
    """

    def __init__(self, seed: int) -> None:
        self._random = RandomBits(seed)
        self._axes = count()

    def __call__(self, name: str) -> _Scrambled:
        """The bits of a name."""
        axis = next(self._axes)
        if axis >= MOST_AXES:
            raise SpaceError(
                f"sobol() has numbers for {MOST_AXES} axes, and this space has more; take sample()"
            )
        return _Scrambled(axis, self._random(name), self._random(f"{name}\0scramble"))


class _Scrambled:
    def __init__(self, axis: int, random: BitSource, scramble: BitSource) -> None:
        self._axis = axis
        self._random = random
        self._seed = scramble.bits(0, 0) & _MASK

    def bits(self, index: int, attempt: int) -> int:
        random = self._random.bits(index, attempt)
        if attempt:
            return random
        upper = _scrambled(coordinate(index, self._axis), self._seed)
        return upper << BITS | random & _MASK

    def first_bits(self, n: int) -> list[int]:
        return [self.bits(index, 0) for index in range(n)]


def _scrambled(x: int, seed: int) -> int:
    """A number of 32 bits in which each bit depends on itself and on the higher bits."""
    x = _with_reversed_bits(x)
    x ^= x * 0x3D20ADEA & _MASK
    x = (x + seed) & _MASK
    x = x * (seed >> 16 | 1) & _MASK
    x ^= x * 0x05526C56 & _MASK
    x ^= x * 0x53A22864 & _MASK
    return _with_reversed_bits(x)


def _with_reversed_bits(x: int) -> int:
    return int.from_bytes(x.to_bytes(4, "little").translate(_REVERSED), "big")


class LatinHypercube:
    """Bits of n points, one in each of n equal parts: the method of ``latin_hypercube``.

    M. D. McKay, R. J. Beckman and W. J. Conover, "A comparison of three methods for selecting
    values of input variables", Technometrics 21 (1979). What comes after a refused point is random.

    Args:
        seed: Chooses the bits.
        n: The number of points.
    """

    def __init__(self, seed: int, n: int) -> None:
        self._random = RandomBits(seed)
        self._n = n

    def __call__(self, name: str) -> _Stratified:
        """The bits of a name."""
        return _Stratified(self._n, self._random(name), self._random(f"{name}\0order {self._n}"))


class _Stratified:
    def __init__(self, n: int, random: BitSource, order: BitSource) -> None:
        self._n = n
        self._random = random
        self._order = order
        self._parts: list[int] | None = None  # of the points, in a random order

    def bits(self, index: int, attempt: int) -> int:
        random = self._random.bits(index, attempt)
        if attempt:
            return random
        if self._parts is None:
            self._parts = sorted(range(self._n), key=lambda number: self._order.bits(number, 0))
        return ((self._parts[index] << 64) + random) // self._n

    def first_bits(self, n: int) -> list[int]:
        return [self.bits(index, 0) for index in range(n)]
