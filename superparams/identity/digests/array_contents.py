"""The content of arrays: numpy (and what inherits from it), scipy.sparse, torch.

An array is its dtype (little endian), its shape and its elements in C order, bit by bit: other
than for Python floats, -0.0 and 0.0 differ, as do NaN of different bits. A memmap is its
content, a masked array its mask and the elements that are not masked. A tensor's device and
gradient do not count. Contiguous elements are hashed where they lie, others a leaf at a time.
"""

from __future__ import annotations

import sys
from typing import Any

from superparams.identity.digests.buffers import LEAF, leaves_digest
from superparams.identity.digests.encoding import (
    SHORT,
    Encoder,
    Unstable,
    Walk,
    compound,
    encode_bool,
    encode_bytes,
    encode_complex,
    encode_float,
    encode_int,
    encode_items,
    encode_str,
    pack,
    text,
)
from superparams.identity.module_names import class_name, class_of, library_of

__all__ = ["encode_array", "find_encoder"]


def find_encoder(kind: type[Any]) -> Encoder | None:
    """The encoder for a class of numpy, scipy or torch; None when it needs no special one."""
    names = [f"{library_of(parent)}.{parent.__name__}" for parent in kind.__mro__]
    return next((_ENCODERS[name] for name in names if name in _ENCODERS), None)


@compound
def encode_array(value: Any, walk: Walk) -> bytes:
    """An array by its class (other than plain), dtype, shape and content."""
    kind = class_of(value)
    plain = kind.__module__ == "numpy" and kind.__name__ in ("ndarray", "memmap")
    name = "array" if plain else class_name(kind)
    # A plain view: subclasses change what indexing and reshaping give.
    import numpy as np

    return pack("array", text(name), _content(value.view(np.ndarray), walk))


def _content(array: Any, walk: Walk) -> bytes:
    shape = b"".join(encode_int(n, walk) for n in array.shape)
    dtype = array.dtype
    if dtype.names is not None:
        # By field, since the bytes between fields can be anything.
        fields = [text(name) + _content(array[name], walk) for name in dtype.names]
        return pack("fields", shape, *fields)
    if dtype.kind in "OT":
        return pack(dtype.kind, shape, *encode_items(array.ravel().tolist(), walk))
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        return pack("long", shape, *(_content(part, walk) for part in _doubles(array)))
    little = dtype.newbyteorder("<")
    return pack("content", text(little.str), shape, _bytes(array, little))


def _doubles(array: Any) -> list[Any]:
    """Extended floats as doubles and the rest: their own bytes have gaps, and differ by machine."""
    parts: list[Any] = []
    for part in [array.real, array.imag] if array.dtype.kind == "c" else [array]:
        high = part.astype("<f8")
        parts += [high, (part - high).astype("<f8")]
    return parts


def _bytes(array: Any, little: Any) -> bytes:
    """The elements in C order as little-endian bytes, or their hash when they are many."""
    import numpy as np

    if array.nbytes <= SHORT:
        return b"b%x:%b" % (array.nbytes, array.astype(little).tobytes())
    items = max(1, LEAF // array.itemsize)
    contiguous = array.flags.c_contiguous
    elements = array.reshape(-1) if contiguous else array.flat

    def leaf(index: int) -> Any:
        part = elements[index * items : (index + 1) * items]
        return part.astype(little, copy=False).view(np.uint8)

    n_leaves = -(-array.size // items)
    return b"B%x:%b" % (array.nbytes, leaves_digest(leaf, n_leaves))


def _masked(value: Any, walk: Walk) -> bytes:
    import numpy as np

    mask = np.ma.getmaskarray(value)
    data = np.array(value.data, copy=True)
    if data.dtype.names is None:
        data[mask] = np.zeros((), data.dtype)
    else:
        data = value.filled(np.zeros((), data.dtype))
    return pack("masked", _content(data, walk), _content(mask, walk))


def _scalar(value: Any, walk: Walk) -> bytes:
    """A numpy scalar as the Python value it holds; dates keep their unit."""
    kind = value.dtype.kind
    if kind in "?b":
        return encode_bool(bool(value), walk)
    if kind in "iu":
        return encode_int(int(value), walk)
    if kind == "f" and (value.itemsize <= 8 or float(value) == value or value != value):
        return encode_float(float(value), walk)
    if kind == "c" and (value.itemsize <= 16 or complex(value) == value):
        return encode_complex(complex(value), walk)
    if kind == "U":
        return encode_str(str(value), walk)
    if kind == "S":
        return encode_bytes(bytes(value), walk)
    import numpy as np

    return pack("scalar", _content(np.asarray(value), walk))


def _dtype(value: Any, walk: Walk) -> bytes:
    if value.names is None:
        return pack("dtype", text(value.newbyteorder("<").str), walk.encode(value.shape))
    fields = [text(name) + _dtype(value.fields[name][0], walk) for name in value.names]
    offsets = [encode_int(value.fields[name][1], walk) for name in value.names]
    return pack("dtype", encode_int(value.itemsize, walk), *fields, *offsets)


def _ufunc(value: Any, walk: Walk) -> bytes:
    return pack("ufunc", text(value.__name__))


@compound
def _sparse(value: Any, walk: Walk) -> bytes:
    """A sparse matrix by its class and its elements in canonical order."""
    rows = value.copy() if value.format in ("csr", "coo") else value.tocoo(copy=True)
    rows.sum_duplicates()
    if rows.format == "csr":
        rows.sort_indices()
        places = [rows.indptr.astype("<i8"), rows.indices.astype("<i8")]
    else:
        places = [place.astype("<i8") for place in getattr(rows, "coords", (rows.row, rows.col))]
    name = type(value).__name__
    parts = [_content(part, walk) for part in (*places, rows.data)]
    return pack("sparse", text(name), walk.encode(tuple(map(int, value.shape))), *parts)


@compound
def _tensor(value: Any, walk: Walk) -> bytes:
    tensor = value.detach()
    name, layout = type(value).__name__, str(tensor.layout)
    if layout == "torch.sparse_coo":
        tensor = tensor.coalesce()
        parts = [_dense(tensor.indices(), walk), _dense(tensor.values(), walk)]
    elif layout == "torch.strided" and not tensor.is_quantized:
        parts = [_dense(tensor, walk)]
    else:
        raise Unstable(value, f"tensors of the layout {layout} cannot be read")
    return pack("tensor", text(name), text(layout), walk.encode(tuple(tensor.shape)), *parts)


def _dense(tensor: Any, walk: Walk) -> bytes:
    import numpy as np

    torch: Any = sys.modules["torch"]

    plain = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    # By bytes: numpy knows no bfloat16.
    content = plain.reshape(-1).view(torch.uint8).numpy().view(np.ndarray)
    return pack("dense", text(str(tensor.dtype)), _content(content, walk))


_ENCODERS: dict[str, Encoder] = {
    "numpy.MaskedArray": compound(_masked),
    "numpy.ndarray": encode_array,
    "numpy.generic": _scalar,
    "numpy.dtype": _dtype,
    "numpy.ufunc": _ufunc,
    "scipy.spmatrix": _sparse,
    "scipy._spbase": _sparse,
    "scipy.sparray": _sparse,
    "torch.Tensor": _tensor,
}
