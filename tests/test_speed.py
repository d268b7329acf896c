"""The bars of benchmarks/iterate.py in a short form; a noisy moment gets another try."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks import iterate

BAR = 1.5
TRIES = 5


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(lambda: iterate.iteration(10**5, 5), id="iteration"),
        pytest.param(lambda: iterate.indexing(500, 9), id="indexing"),
        pytest.param(lambda: iterate.importing(9), id="importing"),
    ],
)
def test_bar(measure: Callable[[], tuple[float, float]]) -> None:
    ratios: list[float] = []
    while len(ratios) < TRIES and min(ratios, default=BAR) >= BAR:
        ours, theirs = measure()
        ratios.append(ours / theirs)
    assert min(ratios) < BAR, f"ratios of {len(ratios)} tries: {ratios}"
