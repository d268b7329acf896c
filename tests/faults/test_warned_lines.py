"""Row 61: a warning names the line of the user's code that called the library."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Results, search
from superparams.store.ledger.reader import LedgerWarning
from superparams.store.runs.folder import run_folders

pytestmark = pytest.mark.usefixtures("no_leaks")


class Fit(Experiment):
    x: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.x}


class Loud(Fit):
    def setup(self) -> Any:
        return 3

    def teardown(self) -> Any:
        raise ValueError("no")

    def report(self, results: Results) -> Any:
        raise ValueError("no report")


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def met(call: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert found
    return found


def ledgers_are_folders(root: Path) -> None:
    for run in run_folders(root):
        for path in list(run.ledger.iterdir()):
            path.unlink()
            path.mkdir()


def torn(root: Path) -> None:
    for run in run_folders(root):
        for path in run.ledger.glob("*.arrows"):
            path.write_bytes(path.read_bytes()[:-300])


def table_is_damaged(root: Path) -> None:
    (root / "results.parquet").write_bytes(b"nothing")


@pytest.mark.parametrize("fault", [ledgers_are_folders, torn, table_is_damaged])
def test_61_a_warning_about_files_names_the_line_of_the_user(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    root = Fit().run_all(results=tmp_path, progress=False).root
    calls: list[Callable[[], Any]] = [
        lambda: Results.load(root),
        lambda: Fit.results(tmp_path),
        lambda: Fit().run_all(results=tmp_path, progress=False),
        lambda: list(Results.load(root)),
    ]
    for call in calls:
        fault(root)
        if fault is not table_is_damaged:
            (root / "results.parquet").unlink(missing_ok=True)
        for one in met(call):
            assert issubclass(one.category, LedgerWarning)
            assert one.filename == __file__, one
            assert one.lineno == call.__code__.co_firstlineno
        if fault is ledgers_are_folders:
            break  # nothing is left


def test_61_in_a_thread_and_below_contextlib_it_is_the_innermost_line_of_the_user(
    tmp_path: Path,
) -> None:
    root = Fit().run_all(results=tmp_path, progress=False).root

    def load() -> int:
        Results.load(root)
        return line() - 1

    with ThreadPoolExecutor(1) as pool:
        table_is_damaged(root)
        found = met(lambda: pool.submit(load).result())
    assert [(one.filename, one.lineno) for one in found] == [(__file__, load())]


def test_61_a_method_of_the_user_is_named_by_its_own_line(tmp_path: Path) -> None:
    found = met(lambda: Loud().run_all(results=tmp_path, progress=False))
    said = {str(one.message).partition("()")[0]: one for one in found}
    for name in ("setup", "teardown"):
        one = said[f"Loud.{name}"]
        method = getattr(Loud, name)
        assert (one.filename, one.lineno) == (__file__, method.__code__.co_firstlineno)
    assert said["Loud.report"].filename == __file__


def test_61_one_line_warns_once(tmp_path: Path) -> None:
    root = Fit().run_all(results=tmp_path, progress=False).root
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(3):
            table_is_damaged(root)
            Results.load(root)
    assert len(found) == 1
    assert os.path.samefile(found[0].filename, __file__)
