"""pandas frames whose memory is shared until somebody writes (copy-on-write).

Which frames share memory is not in their pickles: in a worker, each would write into the memory of
the others. So a small one that shares travels as a copy. Large memory is read-only in workers.
"""

from __future__ import annotations

import sys
from typing import Any

from superparams.executor.payload.buffer_writer import Writer


def reduce_manager(source: Any, writer: Writer) -> Any:
    """What a Series or DataFrame consists of: with memory of its own where that is small."""
    if not _copies_on_write():
        return NotImplemented
    try:
        blocks = tuple(_own(block, writer.threshold) for block in source.blocks)
        if all(one is block for one, block in zip(blocks, source.blocks, strict=True)):
            return NotImplemented
        if len(source.axes) == 1:
            return _itself, (type(source)(blocks[0], source.axes[0]),)
        return _itself, (source.from_blocks(blocks, list(source.axes)),)
    except AttributeError:  # a pandas that is built in another way
        return NotImplemented


def _copies_on_write() -> bool:
    pandas: Any = sys.modules["pandas"]
    if int(str(pandas.__version__).partition(".")[0]) >= 3:
        return True
    return getattr(pandas.options.mode, "copy_on_write", False) is True


def _own(block: Any, threshold: int) -> Any:
    is_large = getattr(block.values, "nbytes", threshold) >= threshold
    return block if is_large or not block.refs.has_reference() else block.copy(deep=True)


def _itself(manager: Any) -> Any:
    return manager
