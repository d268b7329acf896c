"""Groups of failures: what the summary of a run says of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search
from superparams.views.failures import failures_of

pytestmark = pytest.mark.usefixtures("no_leaks")


class Bad(Experiment):
    a: int = search([1, 2, 3])

    def run(self) -> None:
        raise ValueError(f"not {self.a}")


@pytest.mark.parametrize("engine", ["serial", "threads", "processes", "an executor"])
def test_a_log_is_named_only_where_there_is_one(engine: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        given: Any = pool if engine == "an executor" else engine
        found = Bad().run_all(
            1 if engine == "serial" else 2, engine=given, results=tmp_path, progress=False
        )
    (group,) = failures_of(found)
    assert group.has_log is (engine != "an executor")
    assert str(group) == "3 failed: ValueError: not 1, and others like it"


class Unfit(Experiment):
    a: int = search([1, 2, 3])

    def run(self) -> dict[str, object]:
        return {"model": object()}


def test_errors_that_differ_in_keys_and_addresses_are_one_group(tmp_path: Path) -> None:
    (group,) = failures_of(Unfit().run_all(results=tmp_path, progress=False))
    assert group.settings == 3
    assert "result 'model': a table cannot hold <object object at" in str(group)
