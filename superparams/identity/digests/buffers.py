"""The hash of a large block of bytes, on all cores.

A tree of depth 2 with leaves of a fixed size, so the digest does not depend on how many threads
computed it. What is hashed at a node says which node it is, as a sound tree must (G. Bertoni et
al., "Sufficient conditions for sound tree and sequential hashing modes", 2014). The hash is
SHA-256, for which most processors made since 2019 have instructions: with them it takes half the
time of BLAKE2b, by which all that is small is hashed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final

from superparams.adapters.processors import cores

__all__ = ["LEAF", "buffer_digest", "leaves_digest"]

LEAF: Final = 16 * 1024 * 1024
"""Bytes in a leaf. Part of the format: another size gives other digests."""

# What stands before the content of a node: its kind, its place, and how many leaves there are.
_HEAD: Final = struct.Struct("<8sQQ")

Bytes = bytes | bytearray | memoryview


def buffer_digest(data: Bytes) -> bytes:
    """The 32-byte digest of contiguous bytes."""
    view = memoryview(data).cast("B")
    n_leaves = max(1, -(-len(view) // LEAF))
    return leaves_digest(lambda index: view[index * LEAF : (index + 1) * LEAF], n_leaves)


def leaves_digest(leaf: Callable[[int], Any], n_leaves: int) -> bytes:
    """The 32-byte digest of bytes that come in leaves: ``leaf(0)``, …, ``leaf(n_leaves - 1)``.

    A leaf is any contiguous buffer. Hashing lets other threads run, so leaves are hashed on all
    cores at once; at most one leaf a thread is alive.
    """

    def hashed(index: int) -> bytes:
        return _leaf(leaf(index), index, n_leaves)

    root = sha256(_HEAD.pack(b"root", 0, n_leaves))
    for digest in _spread(hashed, n_leaves):
        root.update(digest)
    return root.digest()


def _leaf(data: Any, index: int, n_leaves: int) -> bytes:
    state = sha256(_HEAD.pack(b"leaf", index, n_leaves))
    state.update(data)
    return state.digest()


def _spread(function: Callable[[int], bytes], n: int) -> Iterable[bytes]:
    n_threads = min(n, cores(), 8)
    if n_threads < 2:
        return map(function, range(n))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, range(n)))
