"""Digests of values, keys of settings, and seeds from keys.

A digest is a 128-bit BLAKE2b hash (RFC 7693) of a canonical encoding of the content of a value
(`superparams.identity.digests.encoding` says what counts as content). It does not depend on the
process, the machine, the version of Python, or the order of fields.

The key of a setting is the sum modulo 2**128 of the digests of its fields. This is a multiset
hash by addition: M. Bellare and D. Micciancio, "A new paradigm for collision-free hashing:
incrementality at reduced cost" (AdHash), EUROCRYPT 1997; D. Clarke et al., "Incremental multiset
hash functions and their application to memory integrity checking" (MSet-Add-Hash), ASIACRYPT
2003. The order of the fields plays no part, and the keys of a whole product space come from one
digest a point and one addition an axis. For settings made by chance a collision has the
probability of any 128-bit hash; it is no defence against somebody who builds settings on purpose
to collide (D. Wagner, "A generalized birthday problem", CRYPTO 2002), and none is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Literal

from superparams.errors import IdentityError
from superparams.identity.digests.canonical import converter
from superparams.identity.digests.encoders import find_encoder
from superparams.identity.digests.encoding import (
    Unstable,
    Walk,
    encode_int,
    finders,
    pack,
    show,
    text,
)

__all__ = [
    "combine",
    "digest",
    "field_digest",
    "field_digester",
    "key_of_text",
    "key_text",
    "keyed_digest",
    "seed_of",
]

finders[:] = [find_encoder]

MODULUS = 1 << 128
# Told apart by the personalisation of BLAKE2b; the digit goes up when the encoding changes, so
# that keys of two encodings never meet. (Another hash of large contents needs none: its digests do
# not meet those of the one before.)
_CONTENT = b"superparams.val1"
_FIELD = b"superparams.fld1"
_SEED = b"superparams.sed1"
_NO_WALK = Walk()


def _hash(data: bytes, purpose: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=16, person=purpose).digest(), "little")


def _encoded(value: object, where: str) -> bytes:
    try:
        return Walk().encode(value)
    except Unstable as error:
        raise IdentityError(
            f"{where}{error.trail}: {show(error.value)} has no stable content to identify "
            f"settings by: {error.reason}. Name its content yourself: "
            f'value(x, key="v1"), and change the key when the content changes'
        ) from error.__cause__
    except RecursionError:
        raise IdentityError(
            f"{where}: {show(value)} is nested too deeply to take a digest of its content. "
            f'Name its content yourself: value(x, key="v1")'
        ) from None


def digest(value: object, *, where: str = "value") -> int:
    """The digest of the content of `value`: 0 <= digest < 2**128.

    Raises `IdentityError`, which names `where` (``"Class.field"``), the part of the value at
    fault and the remedy, when there is no stable content: a lambda, an open file, a lock.
    """
    return _hash(_encoded(value, where), _CONTENT)


def field_digest(
    name: str, value: object, annotation: object = Any, *, where: str | None = None
) -> int:
    """What the field `name` with `value` adds to the key of its setting.

    The value enters as its annotation says (see `canonical`): ``1``, ``1.0`` and
    ``np.float64(1)`` in a float field are one value. A value is digested once an axis and a
    point, however many settings there are. Raises `IdentityError` as `digest` does.
    """
    return field_digester(name, annotation, where=where)(value)


def field_digester(
    name: str, annotation: object = Any, *, where: str | None = None
) -> Callable[[object], int]:
    """`field_digest` of one field, for many values: what does not change is prepared once."""
    head = blake2b(text(name), digest_size=16, person=_FIELD)
    convert, place = converter(annotation), where or name

    def digest_of(value: object) -> int:
        state = head.copy()
        value = value if convert is None else convert(value)
        # A number needs no walk of its own, and a long axis of them is digested at every use.
        content = encode_int(value, _NO_WALK) if type(value) is int else _encoded(value, place)
        state.update(content)
        return int.from_bytes(state.digest(), "little")

    return digest_of


def keyed_digest(name: str, key: str) -> int:
    """What a field adds to the key when its content is named by the user: ``value(x, key=…)``."""
    return _hash(text(name) + pack("given", text(key)), _FIELD)


def combine(digests: Iterable[int]) -> int:
    """The key of a setting from the `field_digest` of each of its fields, in any order."""
    return sum(digests) % MODULUS


def key_text(key: int) -> str:
    """`key` as 32 hexadecimal digits."""
    return key.to_bytes(16, "big").hex()


def key_of_text(text: str) -> int:
    """The key that `key_text` wrote. Raises ValueError for anything else."""
    digits = text.strip()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"{text!r} is not a key: a key has 32 hexadecimal digits")
    return int(digits, 16)


def seed_of(key: int, bits: Literal[32, 63] = 63) -> int:
    """A seed for random numbers that depends on the setting alone: 0 <= seed < 2**bits.

    63 bits fit a signed 64-bit integer: ``numpy.random.default_rng``, ``random.Random`` and
    ``torch.manual_seed`` take it. Libraries that want less than 2**32 (``numpy.random.seed``,
    ``random_state=`` of scikit-learn) take ``bits=32``, the low bits of the same seed.
    """
    # Keys of neighbours differ by equal amounts, since they are sums: hash once more.
    seed = _hash(key.to_bytes(16, "little"), _SEED)
    return seed & ((1 << bits) - 1)
