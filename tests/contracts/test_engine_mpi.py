"""The engine around mpi4py's executor keeps the contract.

Its workers have to be there when the interpreter starts, so that these tests are run by hand:

    mpiexec -n 3 python -m mpi4py.futures -m pytest tests/contracts/test_engine_mpi.py
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from superparams.executor.engines.contract import Engine
from superparams.executor.engines.registry import find
from tests.contracts.engine import EngineContract

if "mpi4py.futures" not in sys.modules:
    pytest.skip(
        "mpiexec -n 3 python -m mpi4py.futures -m pytest tests/contracts/test_engine_mpi.py",
        allow_module_level=True,
    )


@pytest.fixture(scope="module")
def mpi() -> Iterator[Any]:
    """One executor for all tests: with it, MPI's own processes and files come to stay."""
    with importlib.import_module("mpi4py.futures").MPIPoolExecutor(2) as executor:
        executor.bootup()
        yield executor


class TestMPI(EngineContract):
    carries_steps = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self, mpi: Any) -> Engine:
        return find(mpi)
