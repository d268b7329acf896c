"""torch CPU tensors, out-of-band.

torch knows no read-only tensors: they get memory that may be written, which is private to the
process that maps it.
"""

from __future__ import annotations

import importlib
import sys
from pickle import PickleBuffer
from typing import Any

from superparams.executor.payload.buffer_writer import Writer, memory


def reduce_tensor(source: Any, writer: Writer) -> Any:
    """A dense CPU tensor as its own items: by itself, a slice would ship its whole storage."""
    if not _is_plain(source):
        return NotImplemented
    data = source.detach()
    shape, strides = tuple(data.shape), tuple(data.stride())
    item, first = data.element_size(), data.data_ptr()
    steps = zip(shape, strides, strict=True)
    extent = item * (1 + sum((n - 1) * stride for n, stride in steps)) if data.numel() else 0
    buffer = writer.locate(first, first + extent, writable=True) if extent else None
    if buffer is None and extent > data.numel() * item:
        data = data.contiguous()
        strides, extent = tuple(data.stride()), data.numel() * item
        view = memory(data.data_ptr(), extent)
        if extent >= writer.threshold:
            buffer = writer.add_pieces([view], writable=True)
        else:
            buffer = PickleBuffer(bytearray(view))
    if buffer is None:
        buffer = writer.add(first, extent, writable=True)
    return rebuild_tensor, (buffer, data.dtype, shape, strides, source.requires_grad)


def _is_plain(source: Any) -> bool:
    """Whether its items, shape and strides are all there is to the tensor."""
    torch: Any = sys.modules["torch"]
    return bool(
        source.device.type == "cpu"
        and source.layout is torch.strided
        and not (source.is_quantized or source.is_conj() or source.is_neg())
        and not any(getattr(source, "names", ()))
        and not source.__dict__
        and not source._backward_hooks
        and (source.is_leaf or not source.requires_grad)
    )


def rebuild_tensor(
    buffer: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], requires_grad: bool
) -> Any:
    """What `reduce_tensor` took apart, on top of the buffer."""
    torch: Any = importlib.import_module("torch")
    if len(buffer):
        data = torch.frombuffer(buffer, dtype=torch.uint8).view(dtype).as_strided(shape, strides)
    else:
        data = torch.empty_strided(shape, strides, dtype=dtype)
    return data.requires_grad_(requires_grad)


def reduce_storage(source: Any, writer: Writer) -> Any:
    """The memory of tensors that are of another class than Tensor."""
    if source.device.type != "cpu" or source.nbytes() < writer.threshold:
        return NotImplemented
    return rebuild_storage, (writer.add(source.data_ptr(), source.nbytes(), writable=True),)


def rebuild_storage(buffer: Any) -> Any:
    """What `reduce_storage` took apart."""
    torch: Any = importlib.import_module("torch")
    return torch.frombuffer(buffer, dtype=torch.uint8).untyped_storage()


def reduce_typed_storage(source: Any, writer: Writer) -> Any:
    """As `reduce_storage`, with a dtype."""
    untyped = source._untyped_storage
    if untyped.device.type != "cpu" or untyped.nbytes() < writer.threshold:
        return NotImplemented
    return rebuild_typed_storage, (untyped, source.dtype)


def rebuild_typed_storage(untyped: Any, dtype: Any) -> Any:
    """What `reduce_typed_storage` took apart."""
    torch: Any = importlib.import_module("torch")
    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)
