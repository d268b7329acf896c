"""Row 57: results of notebooks in one folder, each with a class of the same name, do not mix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernels import Cell, Kernel

pytestmark = pytest.mark.usefixtures("no_leaks")

FIT = """
from superparams import Experiment, search

class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {{"y": self.x * {factor}}}
"""
RUN = """
found = Fit().run_all(progress=False)
print(found.root.name, found.provenance(next(iter(found))).run.name)
print([row["y"] for row in found], len(Fit.results()), Fit.results().root == found.root)
print("NOTES", [note for note in found.notes if "notebook" in note])
"""
KNOWN = "import os; os.environ['JPY_SESSION_NAME'] = {path!r}"
VSCODE = "import os; del os.environ['JPY_SESSION_NAME']; __vsc_ipynb_file__ = {path!r}"


@pytest.fixture(scope="module", autouse=True)
def loop(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the client of a kernel opens once a process is no leak of a test."""
    with notebook(tmp_path_factory.mktemp("kernel")):
        pass


@contextmanager
def notebook(folder: Path) -> Iterator[Kernel]:
    kernel = Kernel(folder)
    try:
        yield kernel
    finally:
        kernel.close()


def told(kernel: Kernel, factor: int) -> list[str]:
    """The folder of results, the run of its first row, the rest, and the notes."""
    ran: Cell = kernel.run(FIT.format(factor=factor) + RUN)
    assert ran.error is None, ran.error
    first, values, notes = "".join(ran.of("stdout")).splitlines()
    return [*first.split(), values, notes]


def test_57_notebooks_do_not_share_the_results_of_a_class_of_the_same_name(tmp_path: Path) -> None:
    with notebook(tmp_path) as kernel:
        one = told(kernel, 1)
        assert [one[0], *one[2:]] == ["__main__.Fit", "[1, 2] 2 True", "NOTES []"]
        edited = told(kernel, 3)  # the cell is edited: it is the same notebook
        assert [edited[0], *edited[2:]] == ["__main__.Fit", "[3, 6] 2 True", "NOTES []"]
    with notebook(tmp_path) as kernel:
        other = told(kernel, 2)
        assert [other[0], other[2]] == ["__main__.Fit~2", "[2, 4] 2 True"]
        assert "kept in __main__.Fit~2" in other[3]
    with notebook(tmp_path) as kernel:  # each finds its own again, and runs nothing
        assert told(kernel, 3) == edited
    with notebook(tmp_path) as kernel:
        assert told(kernel, 2)[:3] == other[:3]
        assert [told(kernel, 2)[3]] == ["NOTES []"]
        # Where the name is known, it is the folder's.
        assert kernel.run(KNOWN.format(path=str(tmp_path / "lab" / "a.ipynb"))).error is None
        assert told(kernel, 5)[::2] == ["a.ipynb.Fit", "[5, 10] 2 True"]
        assert told(kernel, 6)[::2] == ["a.ipynb.Fit", "[6, 12] 2 True"]
        assert kernel.run(VSCODE.format(path="C:\\\\work\\\\b.ipynb")).error is None
        assert told(kernel, 6)[::2] == ["b.ipynb.Fit", "[6, 12] 2 True"]
        # Results of before it was known are found by their code.
        assert told(kernel, 3)[:3] != edited[:3], "b.ipynb.Fit is there by now"
        assert (
            kernel.run(
                VSCODE.replace("del os.environ['JPY_SESSION_NAME'];", "").format(path="c.ipynb")
            ).error
            is None
        )
        assert told(kernel, 3) == edited
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"__main__.Fit", "__main__.Fit~2", "a.ipynb.Fit", "b.ipynb.Fit"}
