"""Digests of values, keys of settings, and seeds from keys.

A digest is a 128-bit BLAKE2b hash (RFC 7693) of a canonical encoding of the content of a value (see
`superparams.identity.digests.encoding`). It does not depend on the process, the machine, the
version of Python, or the order of fields.

The key of a setting is the sum modulo 2**128 of the digests of its fields. This is a multiset hash
by addition: M. Bellare and D. Micciancio, "A new paradigm for collision-free hashing:
incrementality at reduced cost" (AdHash), EUROCRYPT 1997; D. Clarke et al., "Incremental multiset
hash functions and their application to memory integrity checking" (MSet-Add-Hash), ASIACRYPT 2003.
So the keys of a whole product space take one digest a point and one addition an axis. By chance,
keys collide as rarely as any 128-bit hash. It is no defence against somebody who builds settings
that collide (D. Wagner, "A generalized birthday problem", CRYPTO 2002), and none is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal

from superparams.errors import IdentityError
from superparams.identity.digests.canonical import converter
from superparams.identity.digests.encoders import find_encoder
from superparams.identity.digests.encoding import (
    Unstable,
    Walk,
    encode_float,
    encode_floats,
    encode_int,
    encode_str,
    finders,
    pack,
    show,
    text,
)

__all__ = [
    "column_digests",
    "combine",
    "digest",
    "field_digest",
    "field_digester",
    "key_of_text",
    "key_text",
    "keyed_digest",
    "range_digests",
    "seed_of",
]

finders[:] = [find_encoder]

MODULUS = 1 << 128
# Personalisations of BLAKE2b. The digit goes up when the encoding changes, so that keys of two
# encodings never meet. (Another hash of large contents needs no new digit.)
_CONTENT = b"superparams.val1"
_FIELD = b"superparams.fld1"
_SEED = b"superparams.sed1"
_NO_WALK = Walk()
_SCALARS: dict[type[Any], Callable[[Any, Walk], bytes]] = {
    int: encode_int,
    float: encode_float,
    str: encode_str,
}


def _hash(data: bytes, person: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=16, person=person).digest(), "little")


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

    Args:
        value: Any value.
        where: ``"Class.field"``, for errors.

    Raises:
        IdentityError: If there is no stable content, as of a lambda, an open file or a lock. It
            names the part of the value, and the remedy.
    """
    return _hash(_encoded(value, where), _CONTENT)


def field_digest(
    name: str, value: object, annotation: object = Any, *, where: str | None = None
) -> int:
    """The digest that a field adds to the key of its setting.

    Args:
        name: The name of the field.
        value: Its value.
        annotation: The type of the field (see `canonical`): ``1``, ``1.0`` and ``np.float64(1)``
            in a float field are one value.
        where: ``"Class.field"``, for errors; by default `name`.

    Raises:
        IdentityError: As `digest` does.
    """
    return field_digester(name, annotation, where=where)(value)


def field_digester(
    name: str, annotation: object = Any, *, where: str | None = None
) -> Callable[[object], int]:
    """`field_digest` of one field, as a function of the value alone."""
    head = blake2b(text(name), digest_size=16, person=_FIELD)
    convert, field = converter(annotation), where or name

    def digest_of(value: object) -> int:
        state = head.copy()
        value = value if convert is None else convert(value)
        # Without a walk of their own numbers and texts are faster: there may be many of them.
        encode = _SCALARS.get(type(value))
        state.update(_encoded(value, field) if encode is None else encode(value, _NO_WALK))
        return int.from_bytes(state.digest(), "little")

    return digest_of


def range_digests(
    name: str, values: range, annotation: object = Any, *, where: str | None = None
) -> Iterator[int]:
    """`field_digest` of each number of a range, in half of the time."""
    if converter(annotation) is not None:
        yield from map(field_digester(name, annotation, where=where), values)
        return
    head = blake2b(text(name), digest_size=16, person=_FIELD)
    copy, number = head.copy, int.from_bytes
    for value in values:
        state = copy()
        state.update(encode_int(value, _NO_WALK))
        yield number(state.digest(), "little")


def column_digests(
    name: str, values: Sequence[object], annotation: object = Any, *, where: str | None = None
) -> list[int]:
    """`field_digest` of each of many values; floats take a third of the time."""
    convert = converter(annotation)
    canonical_values: list[Any] = list(values) if convert is None else list(map(convert, values))
    if set(map(type, canonical_values)) == {float}:
        head = blake2b(text(name), digest_size=16, person=_FIELD)
        return _digests_after(head, encode_floats(canonical_values))
    digest_of = field_digester(name, annotation, where=where)
    digests: dict[tuple[type[Any], Any], int] = {}  # of numbers and texts, which may come often
    column: list[int] = []
    for x in values:
        if type(x) not in _SCALARS:
            column.append(digest_of(x))
            continue
        kind = type(x), x
        if (value_digest := digests.get(kind)) is None:
            value_digest = digests[kind] = digest_of(x)
        column.append(value_digest)
    return column


def _digests_after(head: Any, encoded: Iterable[bytes]) -> list[int]:
    copy, number = head.copy, int.from_bytes
    digests: list[int] = []
    for data in encoded:
        state = copy()
        state.update(data)
        digests.append(number(state.digest(), "little"))
    return digests


def keyed_digest(name: str, key: str) -> int:
    """The same if the user names the content of the field: ``value(x, key=…)``."""
    return _hash(text(name) + pack("given", text(key)), _FIELD)


def combine(digests: Iterable[int]) -> int:
    """The key of a setting from the `field_digest` of each of its fields, in any order."""
    return sum(digests) % MODULUS


def key_text(key: int) -> str:
    """`key` as 32 hexadecimal digits."""
    return key.to_bytes(16, "big").hex()


def key_of_text(text: str) -> int:
    """The key in the text that `key_text` returned.

    Raises:
        ValueError: If the text is not one.
    """
    digits = text.strip()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"{text!r} is not a key: a key has 32 hexadecimal digits")
    return int(digits, 16)


def seed_of(key: int, bits: Literal[32, 63] = 63) -> int:
    """A seed for random numbers that depends on the setting alone: 0 <= seed < 2**bits.

    63 bits fit a signed 64-bit integer, which ``numpy.random.default_rng``, ``random.Random`` and
    ``torch.manual_seed`` take. ``numpy.random.seed`` and ``random_state=`` of scikit-learn take
    less than 2**32: the low bits of the same seed.
    """
    # Keys are sums, so those of neighbours differ by equal amounts: hash once more.
    seed = _hash(key.to_bytes(16, "little"), _SEED)
    return seed & ((1 << bits) - 1)
