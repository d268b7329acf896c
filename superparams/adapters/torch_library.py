"""torch: tensors on any device, dense or sparse. The device and the gradient are not content."""

from __future__ import annotations

import importlib
import sys
from pickle import PickleBuffer
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Digests, Library, Same, TableCells
from superparams.adapters.numpy_library import array_cell, array_content

__all__ = ["LIBRARY"]


# ---- comparing


def _equal(a: Any, b: Any, _: Same) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.layout != b.layout:
        return False
    a, b = a.detach().cpu(), b.detach().cpu()
    if str(a.layout) == "torch.sparse_coo":
        a, b = a.coalesce(), b.coalesce()
        return _equal_items(a.indices(), b.indices()) and _equal_items(a.values(), b.values())
    if str(a.layout) != "torch.strided" or a.is_quantized:
        torch: Any = sys.modules["torch"]
        return bool(torch.equal(a, b))
    return _equal_items(a, b)


def _equal_items(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


# ---- digests and cells


def _digest(tensor: object, digests: Digests) -> bytes:
    return digests.whole(tensor, _encoded)


def _encoded(value: Any, digests: Digests) -> bytes:
    tensor = value.detach()
    name, layout = type(value).__name__, str(tensor.layout)
    if layout == "torch.sparse_coo":
        tensor = tensor.coalesce()
        parts = [_dense(tensor.indices(), digests), _dense(tensor.values(), digests)]
    elif layout == "torch.strided" and not tensor.is_quantized:
        parts = [_dense(tensor, digests)]
    else:
        raise digests.unstable(value, f"tensors of the layout {layout} cannot be read")
    shape = digests.encode(tuple(tensor.shape))
    return digests.pack("tensor", digests.text(name), digests.text(layout), shape, *parts)


def _dense(tensor: Any, digests: Digests) -> bytes:
    import numpy as np

    torch: Any = sys.modules["torch"]
    plain = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    # By bytes: numpy knows no bfloat16.
    content = plain.reshape(-1).view(torch.uint8).numpy().view(np.ndarray)
    return digests.pack("dense", digests.text(str(tensor.dtype)), array_content(content, digests))


def _cell(tensor: Any, cells: TableCells) -> Any:
    if str(tensor.layout) != "torch.strided":
        raise TypeError(f"a table cannot hold a tensor of {tensor.layout}; return its .to_dense()")
    return array_cell(tensor.detach().cpu(), cells)


# ---- sharing
#
# torch knows no read-only tensors: they get memory that may be written, which is private to the
# process that maps it.


def _share_tensor(source: Any, buffers: Buffers) -> Any:
    """A dense CPU tensor as its own items: by itself, a slice would ship its whole storage."""
    if type(source) is not sys.modules["torch"].Tensor or not _is_plain(source):
        return NotImplemented
    data = source.detach()
    shape, strides = tuple(data.shape), tuple(data.stride())
    item, first = data.element_size(), data.data_ptr()
    steps = zip(shape, strides, strict=True)
    extent = item * (1 + sum((n - 1) * stride for n, stride in steps)) if data.numel() else 0
    buffer = buffers.locate(first, first + extent, writable=True) if extent else None
    if buffer is None and extent > data.numel() * item:
        data = data.contiguous()
        strides, extent = tuple(data.stride()), data.numel() * item
        view = buffers.memory(data.data_ptr(), extent)
        if extent >= buffers.threshold:
            buffer = buffers.add_pieces([view], writable=True)
        else:
            buffer = PickleBuffer(bytearray(view))
    if buffer is None:
        buffer = buffers.add(first, extent, writable=True)
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
    buffer: Any,
    dtype: object,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    requires_grad: bool,
) -> Any:
    """What `_share_tensor` took apart, on top of the buffer."""
    torch: Any = importlib.import_module("torch")
    if len(buffer):
        data = torch.frombuffer(buffer, dtype=torch.uint8).view(dtype).as_strided(shape, strides)
    else:
        data = torch.empty_strided(shape, strides, dtype=dtype)
    return data.requires_grad_(requires_grad)


def _share_storage(source: Any, buffers: Buffers) -> Any:
    """The memory of tensors that are of another class than Tensor."""
    if source.device.type != "cpu" or source.nbytes() < buffers.threshold:
        return NotImplemented
    return rebuild_storage, (buffers.add(source.data_ptr(), source.nbytes(), writable=True),)


def rebuild_storage(buffer: object) -> Any:
    """What `_share_storage` took apart."""
    torch: Any = importlib.import_module("torch")
    return torch.frombuffer(buffer, dtype=torch.uint8).untyped_storage()


def _share_typed_storage(source: Any, buffers: Buffers) -> Any:
    """As `_share_storage`, with a dtype."""
    untyped = source._untyped_storage
    if untyped.device.type != "cpu" or untyped.nbytes() < buffers.threshold:
        return NotImplemented
    return rebuild_typed_storage, (untyped, source.dtype)


def rebuild_typed_storage(untyped: object, dtype: object) -> Any:
    """What `_share_typed_storage` took apart."""
    torch: Any = importlib.import_module("torch")
    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)


def _share_generator(generator: object, _: Buffers) -> Any:
    """The default generator by reference: functions such as `torch.rand` draw from it."""
    torch: Any = sys.modules["torch"]
    is_default = generator is torch.default_generator
    return (getattr, (torch, "default_generator")) if is_default else NotImplemented


# ---- all classes

LIBRARY: Final = Library(
    "torch",
    {
        "Tensor": Adapter(equal=_equal, digest=_digest, cell=_cell, share=_share_tensor),
        "UntypedStorage": Adapter(share=_share_storage),
        "TypedStorage": Adapter(share=_share_typed_storage),
        "Generator": Adapter(share=_share_generator),
    },
)
