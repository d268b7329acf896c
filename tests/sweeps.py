"""Sweeps: tests of many cases, of which the first run on each change and the others are thorough.

`make test` leaves out what is marked `thorough`; `make test-thorough` runs that alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def sweep(
    first: int, names: str | Sequence[str], cases: Iterable[Any], **more: Any
) -> pytest.MarkDecorator:
    """Parametrize a test, as `pytest.mark.parametrize` does.

    Args:
        first: How many cases run on each change. These stand for the others.
        names: The name of the parameter, or several.
        cases: The values, or tuples of values if there are several names.
        **more: Further arguments of `pytest.mark.parametrize`.
    """
    return pytest.mark.parametrize(names, swept(first, cases, isinstance(names, str)), **more)


def swept(first: int, cases: Iterable[Any], is_single: bool = True) -> list[Any]:
    """The cases of a sweep, for `pytest.fixture(params=)` too.

    Args:
        first: How many cases run on each change.
        cases: The values, or tuples of values.
        is_single: Whether a case is one value.
    """
    return [case if at < first else _thorough(case, is_single) for at, case in enumerate(cases)]


def _thorough(case: Any, is_single: bool) -> Any:
    if hasattr(case, "marks"):  # made by pytest.param
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.thorough])
    return pytest.param(*([case] if is_single else case), marks=pytest.mark.thorough)
