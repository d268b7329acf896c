"""What every worker needs once, packed in one pickle-5 pass, its large buffers in shared memory.

`pack` walks an object graph once. Buffers of at least 64 KiB (numpy, pandas, polars, pyarrow,
scipy.sparse and torch CPU tensors, at any depth) are written, 64-byte aligned, into one sealed
anonymous file; what already lies in shared memory or in a mapped file is referred to in place.
`attach` maps all of it in another process, and every `Attached.load` rebuilds the graph on top of
that mapping.

A mapping is private and copy-on-write: numpy, pandas and scipy see read-only arrays; code that
writes to memory all the same (torch) gets pages of its own, and `Attached.refresh` throws those
away before the next setting.
"""

from __future__ import annotations

from superparams.executor.payload.attachment import Attached, Handle, attach
from superparams.executor.payload.packer import Payload, pack
from superparams.executor.payload.pickling_errors import explain_readonly
from superparams.executor.payload.shared_memory import shared_empty

__all__ = [
    "Attached",
    "Handle",
    "Payload",
    "attach",
    "explain_readonly",
    "pack",
    "shared_empty",
]
