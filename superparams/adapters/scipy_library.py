"""scipy: sparse matrices and arrays of every format.

The order in which a matrix stores its elements is no content: they are compared and digested in
canonical order.
"""

from __future__ import annotations

import copy
from typing import Any, Final, NoReturn

from superparams.adapters.adapter import Adapter, Copy, Digests, Library, Same, TableCells
from superparams.adapters.numpy_library import array_content
from superparams.errors.short_repr import kind_of

__all__ = ["LIBRARY"]

_LARGE: Final = 64 * 1024  # bytes of an array from which on it is read-only in workers


def _equal(a: Any, b: Any, same: Same) -> bool:
    """Compares the elements by their places, stored zeros included."""
    if a.shape != b.shape or a.dtype != b.dtype or a.format != b.format:
        return False
    pairs = zip(_elements(a), _elements(b), strict=True)
    return all(same(x, y) for x, y in pairs)


def _elements(matrix: Any) -> list[Any]:
    """Arrays of the places and of the elements, in canonical order."""
    rows = matrix.copy() if matrix.format in ("csr", "coo") else matrix.tocoo(copy=True)
    rows.sum_duplicates()
    if rows.format == "csr":
        rows.sort_indices()
        places = [rows.indptr, rows.indices]
    else:
        places = list(getattr(rows, "coords", None) or (rows.row, rows.col))
    return [*(indices.astype("<i8") for indices in places), rows.data]


def _copy(matrix: Any, copy_item: Copy) -> Any:
    """The parts of a large one are read-only; a small one is copied, since many methods write."""
    held: dict[str, Any] = matrix.__dict__
    arrays = [x for x in held.values() if hasattr(x, "nbytes") and not x.dtype.hasobject]
    if sum(x.nbytes for x in arrays) < _LARGE:
        return matrix.copy()
    own_matrix: Any = copy.copy(matrix)
    attributes: dict[str, Any] = own_matrix.__dict__
    for name, attribute in list(attributes.items()):
        attributes[name] = copy_item(attribute)
    return own_matrix


def _digest(matrix: object, digests: Digests) -> bytes:
    return digests.whole(matrix, _encoded)


def _encoded(matrix: Any, digests: Digests) -> bytes:
    name = digests.text(type(matrix).__name__)
    shape = digests.encode(tuple(map(int, matrix.shape)))
    parts = [array_content(part, digests) for part in _elements(matrix)]
    return digests.pack("sparse", name, shape, *parts)


def _cell(matrix: Any, cells: TableCells) -> NoReturn:
    raise TypeError(
        f"a table cannot hold {kind_of(matrix)} of shape {matrix.shape}; return its "
        ".toarray(), or write it to a file in self.folder"
    )


_SPARSE: Final = Adapter(equal=_equal, copy=_copy, digest=_digest, cell=_cell)
LIBRARY: Final = Library("scipy", dict.fromkeys(("spmatrix", "sparray", "_spbase"), _SPARSE))
