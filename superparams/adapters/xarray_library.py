"""xarray: data sets, data arrays and variables."""

from __future__ import annotations

import copy
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Copy, Library

__all__ = ["LIBRARY"]


def _copy(value: object, _: Copy) -> Any:
    return copy.deepcopy(value)


def _equal(a: Any, b: Any, _: object) -> bool:
    return bool(a.identical(b))


_LABELLED: Final = Adapter(equal=_equal, copy=_copy)
LIBRARY: Final = Library("xarray", dict.fromkeys(("Dataset", "DataArray", "Variable"), _LABELLED))
