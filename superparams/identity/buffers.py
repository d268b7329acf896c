"""The hash of a large block of bytes, on all cores.

A tree of BLAKE2b hashes of depth 2 with leaves of a fixed size (section 2.10 of the BLAKE2 paper:
J.-P. Aumasson et al., "BLAKE2: simpler, smaller, fast as MD5", 2013), so the digest does not
depend on how many threads computed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from superparams.cores import cores

__all__ = ["LEAF", "buffer_digest", "leaves_digest"]

LEAF = 16 * 1024 * 1024
"""Bytes in a leaf. Part of the format: another size gives other digests."""

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
        return _node(leaf(index), index, n_leaves)

    root = _root()
    for digest in _spread(hashed, n_leaves):
        root.update(digest)
    return bytes(root.digest())


def _node(data: Any, index: int, n_leaves: int) -> bytes:
    return blake2b(
        data,
        digest_size=32,
        fanout=0,
        depth=2,
        leaf_size=LEAF,
        node_offset=index,
        inner_size=32,
        last_node=index == n_leaves - 1,
    ).digest()


def _root() -> Any:
    return blake2b(
        digest_size=32,
        fanout=0,
        depth=2,
        leaf_size=LEAF,
        node_depth=1,
        inner_size=32,
        last_node=True,
    )


def _spread(function: Callable[[int], bytes], n: int) -> Iterable[bytes]:
    n_threads = min(n, cores(), 8)
    if n_threads < 2:
        return map(function, range(n))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, range(n)))
