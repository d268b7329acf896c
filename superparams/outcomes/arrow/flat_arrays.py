"""Arrow arrays of plain types, which every tool that reads Arrow knows."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

__all__ = ["flat_array"]


def flat_array(array: pa.Array) -> pa.Array:
    """An array without dictionaries, extension types and views, which other tools may not know."""
    form = array.type
    if isinstance(form, pa.BaseExtensionType):
        return flat_array(_by_chunk(array, lambda chunk: chunk.storage, form.storage_type))
    if pa.types.is_dictionary(form):
        return _by_chunk(array, _without_dictionary, None)
    if pa.types.is_string_view(form):
        return _from_view(array, pa.string())
    if pa.types.is_binary_view(form):
        return _from_view(array, pa.binary())
    if _is_foreign(form):
        return _by_chunk(array, lambda chunk: pa.array(chunk.to_pylist()), None)
    return array


def _from_view(array: pa.Array, form: pa.DataType) -> pa.Array:
    try:
        return array.cast(form)
    except NotImplementedError:  # older pyarrow
        return _by_chunk(array, lambda chunk: pa.array(chunk.to_pylist(), form), form)


def _by_chunk(
    array: pa.Array, change: Callable[[pa.Array], pa.Array], form: pa.DataType | None
) -> pa.Array:
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    changed = [change(chunk) for chunk in chunks or [pa.array([], array.type)]]
    return pa.chunked_array(changed, form)


def _without_dictionary(array: pa.Array) -> pa.Array:
    words = flat_array(array.dictionary)
    return pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()


def _is_foreign(form: pa.DataType) -> bool:
    """Whether a nested type holds, at any depth, one that `flat_array` would change."""
    inner = [form.field(i).type for i in range(form.num_fields)]
    return any(
        isinstance(part, pa.BaseExtensionType)
        or pa.types.is_dictionary(part)
        or pa.types.is_string_view(part)
        or pa.types.is_binary_view(part)
        or _is_foreign(part)
        for part in inner
    )
