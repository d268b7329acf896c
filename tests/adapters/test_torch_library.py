"""torch keeps the promises of adapters.

A tensor that is a plain default is copied for each setting. What `value(...)` holds is shared, and
in workers its memory is private and renewed before each setting.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.contract import REFUSED, AdapterContract, Sample

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.torch

NAN = float("nan")

SAMPLES: dict[str, Sample] = {
    "floats": Sample(
        lambda: torch.tensor([1.0, NAN]),
        lambda: torch.tensor([1.0, 2.0]),
        [1.0, NAN],
        also=[lambda: torch.tensor([1.0, 0.0, NAN, 0.0])[::2]],
    ),
    "dtype": Sample(lambda: torch.arange(2), lambda: torch.arange(2.0), [0, 1]),
    "shape": Sample(
        lambda: torch.arange(4).reshape(2, 2),
        lambda: torch.arange(4).reshape(4, 1),
        [[0, 1], [2, 3]],
        also=[lambda: torch.tensor([[0, 2], [1, 3]]).T],
    ),
    "no dimension": Sample(lambda: torch.tensor(1.5), lambda: torch.tensor(2.5), 1.5),
    "empty": Sample(lambda: torch.zeros(0, 3), lambda: torch.zeros(3, 0), []),
    "with gradient": Sample(
        lambda: torch.ones(2, requires_grad=True),
        lambda: torch.zeros(2, requires_grad=True),
        [1.0, 1.0],
    ),
    "sparse": Sample(
        lambda: torch.eye(2).to_sparse(), lambda: (2 * torch.eye(2)).to_sparse(), REFUSED
    ),
    "large": Sample(
        lambda: torch.arange(20_000), lambda: torch.arange(1, 20_001), [*range(20_000)]
    ),
}


class TestTorch(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_torch_library"
