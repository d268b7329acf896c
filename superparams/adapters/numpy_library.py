"""numpy: arrays with their views, subclasses, masked arrays and memory maps; scalars; generators.

An array is its dtype (little endian), its shape and its elements in C order, bit by bit: other than
for Python floats, digests tell -0.0 from 0.0, and NaN of different bits. A memory map is its
content, a masked array its mask and the elements that are not masked. A scalar is the Python value
that it holds.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Digests, Library, Same, TableCells

__all__ = ["LIBRARY", "array_cell", "array_content", "read_only", "time_cell"]

Array = Any  # a numpy.ndarray: checkers disagree on what its types say


# ---- comparing


def _equal(a: Array, b: Array, same: Same) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides:
        return True  # two views of one memory, as settings have of one constant
    import numpy as np

    return _equal_elements(a.view(np.ndarray), b.view(np.ndarray), same)


def _equal_elements(a: Array, b: Array, same: Same) -> bool:
    names = a.dtype.names
    if names is not None:
        return all(_equal_elements(a[name], b[name], same) for name in names)
    if a.dtype.hasobject:
        return all(map(same, a.ravel().tolist(), b.ravel().tolist()))
    if a.dtype.kind == "c":
        return _equal_elements(a.real, b.real, same) and _equal_elements(a.imag, b.imag, same)
    equal = a == b
    return bool(equal.all() or (equal | ((a != a) & (b != b))).all())


def _equal_records(a: Any, b: Any, same: Same) -> bool:
    import numpy as np

    return a.dtype == b.dtype and _equal_elements(np.asarray(a), np.asarray(b), same)


def _equal_masked(a: Array, b: Array, same: Same) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.names is not None:
        return all(_equal_masked(a[name], b[name], same) for name in a.dtype.names)
    import numpy as np

    mask = np.ma.getmaskarray(a)
    if not np.array_equal(mask, np.ma.getmaskarray(b)):
        return False
    return _equal_elements(np.asarray(a.data)[~mask], np.asarray(b.data)[~mask], same)


# ---- copying


def read_only(array: Array, copy_item: Callable[[Any], Any]) -> Array:
    """A view of an array that refuses writes; the array itself stays as it is.

    Objects in it are copied as those in a list; the mask of a masked array becomes a view as well.
    """
    view = _own_objects(array, copy_item) if array.dtype.kind == "O" else array.view()
    mask: Any = getattr(view, "_mask", None)
    if getattr(mask, "ndim", 0) and isinstance(view, sys.modules["numpy"].ma.MaskedArray):
        view._mask = read_only(mask, copy_item)
    view.flags.writeable = False
    return view


def _own_objects(array: Array, copy_item: Callable[[Any], Any]) -> Array:
    items = list(array.flat)
    copies = [copy_item(item) for item in items]
    if all(own is item for own, item in zip(copies, items, strict=True)):
        return array.view()
    own_array = array.copy()
    for index, own in enumerate(copies):
        own_array.flat[index] = own
    return own_array


def _deep_copy(value: object, _: Callable[[Any], Any]) -> Any:
    return copy.deepcopy(value)


def _record(array: Array) -> Array | None:
    return array.copy() if type(array) is _ndarray() and not array.dtype.hasobject else None


def _ndarray() -> Any:
    return sys.modules["numpy"].ndarray


# ---- digests


def _digest(array: Array, digests: Digests) -> bytes:
    return digests.whole(array, _encoded)


def _encoded(array: Array, digests: Digests) -> bytes:
    kind = array.__class__
    is_plain = kind.__module__ == "numpy" and kind.__name__ in ("ndarray", "memmap")
    name = "array" if is_plain else digests.class_name(array)
    # A plain view, since subclasses change what indexing and reshaping give.
    content = array_content(array.view(_ndarray()), digests)
    return digests.pack("array", digests.text(name), content)


def array_content(array: Array, digests: Digests) -> bytes:
    """The encoding of the dtype, the shape and the elements of a plain array."""
    shape = b"".join(map(digests.encode, array.shape))
    dtype = array.dtype
    if dtype.names is not None:
        # By field, since the bytes between fields can be anything.
        fields = [digests.text(name) + array_content(array[name], digests) for name in dtype.names]
        return digests.pack("fields", shape, *fields)
    if dtype.kind in "OT":
        return digests.pack(dtype.kind, shape, *digests.items(array.ravel().tolist()))
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        parts = [array_content(part, digests) for part in _doubles(array)]
        return digests.pack("long", shape, *parts)
    little = dtype.newbyteorder("<")
    elements = _encoded_elements(array, little, digests)
    return digests.pack("content", digests.text(little.str), shape, elements)


def _doubles(array: Array) -> Iterator[Array]:
    """Extended floats as doubles and the rest: their own bytes have gaps, and differ by machine."""
    for part in [array.real, array.imag] if array.dtype.kind == "c" else [array]:
        high = part.astype("<f8")
        yield high
        yield (part - high).astype("<f8")


def _encoded_elements(array: Array, little: object, digests: Digests) -> bytes:
    """The elements in C order, little endian. Contiguous ones are hashed where they lie."""
    if array.nbytes <= digests.short:
        return digests.encode(array.astype(little).tobytes())
    import numpy as np

    elements = array.reshape(-1) if array.flags.c_contiguous else array.flat

    def part(start: int, stop: int) -> Array:
        return elements[start:stop].astype(little, copy=False).view(np.uint8)

    return digests.elements(array.size, array.itemsize, part)


def _digest_masked(array: Array, digests: Digests) -> bytes:
    return digests.whole(array, _encoded_masked)


def _encoded_masked(array: Array, digests: Digests) -> bytes:
    import numpy as np

    mask = np.ma.getmaskarray(array)
    data = np.array(array.data, copy=True)
    if data.dtype.names is None:
        data[mask] = np.zeros((), data.dtype)
    else:
        data = array.filled(np.zeros((), data.dtype))
    return digests.pack("masked", array_content(data, digests), array_content(mask, digests))


def _digest_scalar(value: Any, digests: Digests) -> bytes:
    """A scalar is the Python value that it holds; dates keep their unit."""
    python = _PYTHON.get(value.dtype.kind)
    if python is not None and (value.itemsize <= 8 or _holds(python, value)):
        return digests.encode(python(value))
    import numpy as np

    return digests.pack("scalar", array_content(np.asarray(value), digests))


def _holds(python: type[Any], value: Any) -> bool:
    """Whether a class of Python holds a scalar of more than 8 bytes exactly."""
    if python is float:
        return bool(float(value) == value or value != value)
    return python is not complex or value.itemsize <= 16 or complex(value) == value


_PYTHON: Final[dict[str, type[Any]]] = {
    "?": bool,
    "b": bool,
    "i": int,
    "u": int,
    "f": float,
    "c": complex,
    "U": str,
    "S": bytes,
}


def _digest_dtype(value: Any, digests: Digests) -> bytes:
    if value.names is None:
        little = digests.text(value.newbyteorder("<").str)
        return digests.pack("dtype", little, digests.encode(value.shape))
    fields = [digests.text(n) + _digest_dtype(value.fields[n][0], digests) for n in value.names]
    offsets = [digests.encode(value.fields[name][1]) for name in value.names]
    return digests.pack("dtype", digests.encode(value.itemsize), *fields, *offsets)


def _digest_ufunc(value: Any, digests: Digests) -> bytes:
    return digests.pack("ufunc", digests.text(value.__name__))


# ---- to Arrow


def array_cell(value: object, cells: TableCells) -> Any:
    """The cell of an array of any library that numpy can read; one without dimensions is a scalar.

    An array of numbers is a row of numpy, or nested lists, which Arrow takes without a Python loop.
    """
    import numpy as np

    array: Any = np.asarray(value)
    if array.ndim == 0:
        return cells.any(array[()])
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return cells.items([array[i] for i in range(array.shape[0])])
    import pyarrow as pa

    native: Any = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.dtype.itemsize == 2 and native.dtype.kind == "f":
        native = native.astype("float32")
    form = pa.from_numpy_dtype(native.dtype)
    for _ in range(native.ndim):
        form = pa.list_(form)
    return cells.plain(form, native if native.ndim == 1 else native.tolist())


def _masked_cell(array: Array, cells: TableCells) -> Any:
    return cells.items(array.tolist()) if array.ndim else cells.any(array.tolist())


def _scalar_cell(value: Any, cells: TableCells) -> Any:
    import pyarrow as pa

    letter = value.dtype.kind
    if letter in "mM":
        return time_cell(value, cells)
    if letter in "biu":
        return cells.plain(pa.from_numpy_dtype(value.dtype), value.item())
    if letter == "f":
        return _float_cell(value, cells)
    if letter == "V" and value.dtype.names:
        return cells.any({name: value[name] for name in value.dtype.names})
    if letter in "SU":
        return cells.any(value.item())
    return cells.text(repr(value.item()), "repr")


def _float_cell(value: Any, cells: TableCells) -> Any:
    import pyarrow as pa

    size = value.dtype.itemsize
    if size > 8 and float(value) != value and value == value:  # no double holds it
        return cells.text(str(value), "float")
    return cells.plain(pa.float64() if size >= 8 else pa.float32(), float(value))


_UNITS: Final = dict.fromkeys("WDhms", "s") | {"ms": "ms", "us": "us", "ns": "ns"}


def time_cell(value: Any, cells: TableCells) -> Any:
    """The cell of a ``datetime64`` or ``timedelta64``; as text if Arrow has no such unit."""
    import numpy as np
    import pyarrow as pa

    unit, step = np.datetime_data(value.dtype)
    is_date = value.dtype.kind == "M"
    if unit not in _UNITS or step != 1:
        kind = "datetime" if is_date else "timedelta"
        return cells.null if np.isnat(value) else cells.text(str(value), kind)
    form = pa.timestamp(_UNITS[unit]) if is_date else pa.duration(_UNITS[unit])
    number = value.astype(f"{value.dtype.kind}8[{_UNITS[unit]}]").astype("int64")
    return cells.plain(form, None if np.isnat(value) else int(number))


def _column_type(kind: type[Any]) -> Any:
    import numpy as np
    import pyarrow as pa

    dtype = np.dtype(kind)
    return pa.from_numpy_dtype(dtype) if dtype.char in "?bhilqBHILQfd" else None


# ---- sharing


def _share(array: Array, buffers: Buffers) -> Any:
    from superparams.adapters.array_memory import reduce_array

    return reduce_array(array, buffers)


def _share_masked(array: Array, buffers: Buffers) -> Any:
    from superparams.adapters.array_memory import reduce_masked

    return reduce_masked(array, buffers)


def _share_generator(generator: object, _: Buffers) -> Any:
    """The generator of the module by reference: functions such as `numpy.random.random` use it."""
    module: Any = sys.modules["numpy.random.mtrand"]
    return (getattr, (module, "_rand")) if generator is module._rand else NotImplemented


def _share_limits(limits: Any, _: Buffers) -> Any:
    """The limits of a dtype by that dtype: the pickle of some numpys does not load."""
    return type(limits), (limits.dtype,)


# ---- all classes

_ARRAY: Final = Adapter(
    equal=_equal,
    copy=read_only,
    is_lazy=True,
    digest=_digest,
    cell=array_cell,
    record=_record,
    share=_share,
)
_SCALAR: Final = Adapter(
    is_immutable=True,
    digest=_digest_scalar,
    cell=_scalar_cell,
    column_type=_column_type,
)

LIBRARY: Final = Library(
    "numpy",
    {
        "ndarray": _ARRAY,
        "MaskedArray": replace(
            _ARRAY,
            equal=_equal_masked,
            digest=_digest_masked,
            cell=_masked_cell,
            share=_share_masked,
        ),
        "generic": _SCALAR,
        "bool": replace(_SCALAR, is_bool=True),
        "bool_": replace(_SCALAR, is_bool=True),  # its name before numpy 2
        "void": replace(_SCALAR, is_immutable=False, equal=_equal_records, copy=_deep_copy),
        "dtype": Adapter(digest=_digest_dtype),
        "ufunc": Adapter(digest=_digest_ufunc),
        "Generator": Adapter(copy=_deep_copy),
        "RandomState": Adapter(copy=_deep_copy, share=_share_generator),
        "finfo": Adapter(share=_share_limits),
    },
)
