"""torch: tensors on any device, dense or sparse. The device and the gradient are not content."""

from __future__ import annotations

import sys
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Cells, Digests, Library, Same
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


def _digest(tensor: Any, digests: Digests) -> bytes:
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


def _cell(tensor: Any, cells: Cells) -> Any:
    return array_cell(tensor.detach().cpu(), cells)


LIBRARY: Final = Library("torch", {"Tensor": Adapter(equal=_equal, digest=_digest, cell=_cell)})
