"""xarray keeps the promises of adapters, as far as it has an adapter: compare and copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from superparams.adapters.content import fresh, same
from superparams.adapters.copies import own_of

xarray: Any = pytest.importorskip("xarray", reason="xarray is not installed")


@pytest.mark.parametrize("copy", [fresh, own_of])
def test_a_copy_is_equal_and_independent(copy: Any) -> None:
    array = xarray.DataArray(np.array([1.0, np.nan]), dims="x", name="a")
    for value in (array, array.to_dataset(), array.variable):
        copied = copy(value)
        assert same(copied, value)
        copied[{"x": 0}] = 5
        assert not same(copied, value)
        assert float(array[0]) == 1
