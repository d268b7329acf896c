"""Adapters of other packages are found by their entry points, and are held to the same contract."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from superparams.adapters import libraries
from tests.runs import PROJECT, environment, output
from tests.timing import PATIENCE

# A library with values that know neither pickle nor equality: a grid is one block of memory.
GRIDS = """
class Grid:
    def __init__(self, numbers):
        self.memory = bytearray(numbers)
        self.lock = __import__("threading").Lock()
    def __reduce__(self):
        raise TypeError("a grid has no pickle")
    def __repr__(self):
        raise RuntimeError("a grid has no repr")

class Fine(Grid):
    pass
"""
ADAPTER = """
import ctypes
from superparams.adapters.adapter import Adapter, Library

def copy(grid, copy_item):
    return type(grid)(grid.memory)

def digest(grid, digests):
    return digests.pack("grid", digests.encode(bytes(grid.memory)))

def share(grid, buffers):
    size = len(grid.memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(grid.memory)) if size else 0
    return type(grid), (buffers.add(address, size),)

LIBRARY = Library("grids", {"Grid": Adapter(
    equal=lambda a, b, same: a.memory == b.memory,
    copy=copy,
    digest=digest,
    cell=lambda grid, cells: cells.items(list(grid.memory)),
    share=share,
)})
"""
SAMPLES = """
import sys
import grids
from tests.adapters.contract import AdapterContract, Sample

def write(grid, i):
    grid.memory[0] = i

SAMPLES = {
    "small": Sample(lambda: grids.Grid([7, 8]), lambda: grids.Grid([7, 9]), [7, 8], write),
    "large": Sample(
        lambda: grids.Grid([7] * 100_000), lambda: grids.Grid([8] * 100_000), [7] * 100_000, write
    ),
    "empty": Sample(lambda: grids.Grid([]), lambda: grids.Grid([7]), []),
    "subclass": Sample(lambda: grids.Fine([7]), lambda: grids.Fine([8]), [7], write),
}

class TestGrids(AdapterContract):
    samples = SAMPLES
    samples_of = "test_grids"
    folder = __file__.rpartition("/")[0]
"""
RUN = """
from superparams import Experiment, Params, search, value
import grids

class Model(Params):
    grid: object = search([grids.Grid([1]), grids.Grid([2])])

class Runs(Experiment):
    model: Model = Model()
    data: object = value(grids.Grid([3]))
    i: int = search([1, 2])

    def run(self):
        self.data.memory.append(self.i)
        return {"sum": sum(self.data.memory) + sum(self.model.grid.memory), "grid": self.data}

if __name__ == "__main__":
    for engine in ("processes", "serial", "threads"):
        table = Runs().run_all(1, engine=engine, results=f"of-{engine}", progress=False)
        print(engine, table.counts, sorted((row["sum"], list(row["grid"])) for row in table))
    again = Runs().run_all(1, engine="serial", results="of-serial", progress=False)
    print(len(again), len(set(again.column("run"))))
"""


def install(folder: Path, adapter: str = ADAPTER, name: str = "grids") -> None:
    """The library and its adapter, as two packages that pip has installed."""
    (folder / "grids.py").write_text(GRIDS)
    (folder / "grids_adapter.py").write_text(adapter)
    for package in ("grids", "grids_adapter"):
        (folder / f"{package}-1.0.dist-info").mkdir()
        (folder / f"{package}-1.0.dist-info" / "METADATA").write_text(f"Name: {package}\n")
    entry_points = f"""
    [console_scripts]
    grids = grids:main

    [superparams.adapters]
    # other = grids_adapter:NONE
    {name} = grids_adapter:LIBRARY
    """
    (folder / "grids_adapter-1.0.dist-info" / "entry_points.txt").write_text(dedent(entry_points))


@pytest.mark.usefixtures("no_leaks")
def test_an_adapter_of_another_package_keeps_the_contract(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "test_grids.py").write_text(SAMPLES)
    words = ["-m", "pytest", "-q", "-c", str(PROJECT / "pyproject.toml"), "--rootdir"]
    plugins = ["-p", "tests.conftest", "-p", "tests.adapters.conftest", "-p", "no:cacheprovider"]
    paths = os.pathsep.join([str(PROJECT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path), *plugins, "test_grids.py"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=paths),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "failed" not in done.stdout


@pytest.mark.usefixtures("no_leaks")
def test_a_run_uses_an_adapter_of_another_package(tmp_path: Path) -> None:
    install(tmp_path)
    lines = output(tmp_path, RUN).splitlines()
    sums = [(5, [3, 1]), (6, [3, 1]), (6, [3, 2]), (7, [3, 2])]
    assert lines == [
        *(f"{engine} {{'done': 4}} {sums}" for engine in ("processes", "serial", "threads")),
        "4 1",
    ]


def test_adapters_are_not_looked_for_where_none_is_needed(tmp_path: Path) -> None:
    """Plain values, and those of libraries that superparams knows, read no list of packages."""
    install(tmp_path)
    script = """
    import numpy as np
    from superparams import Experiment, search, value
    from superparams.adapters import libraries

    class Plain(Experiment):
        lr: float = search([0.1, 0.2])
        names: list[str] = ["a"]
        data: object = value(np.arange(3))
        def run(self):
            return {"loss": self.lr, "mean": self.data.mean()}

    if __name__ == "__main__":
        Plain().run_all(1, engine="serial", progress=False)
        print(libraries._is_read)
        import sys, grids
        print("grids_adapter" in sys.modules, libraries.adapter_of(grids.Grid([])) is not None)
    """
    lines = output(tmp_path, dedent(script)).splitlines()
    assert lines == ["[]", "False True"]


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("LIBRARY = None", "is None; it must be a superparams.adapters.adapter.Library"),
        ("OTHER = None", "has no attribute 'LIBRARY'"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_named(
    tmp_path: Path, adapter: str, words: str
) -> None:
    """Without it, settings would get other keys, so that going on is no choice."""
    install(tmp_path, adapter)
    script = """
    import grids
    from superparams import Experiment, search
    try:
        class Runs(Experiment):
            grid: object = search([grids.Grid([1]), grids.Grid([2])])
            def run(self): ...
        Runs().run_all(1, engine="serial", progress=False)
    except Exception as error:
        print(type(error).__name__, error)
    """
    found = output(tmp_path, dedent(script))
    assert "'grids_adapter:LIBRARY' of grids_adapter" in found
    assert words in found


def test_each_library_has_one_file() -> None:
    """The name of a file is that of the library, and its classes are named without modules."""
    folder = Path(libraries.__file__).parent
    names = [path.name.removesuffix("_library.py") for path in folder.glob("*_library.py")]
    assert {"numpy", "pandas", "polars", "pyarrow", "scipy", "torch"} <= set(names)
    for name in names:
        library = libraries.library_named(name)
        assert library is not None
        assert library.name == name
        assert library.adapters
        assert all(kind.isidentifier() for kind in library.adapters)


def test_what_is_no_library_has_none() -> None:
    for name in ("os", "superparams", "__main__", "", "adapter", "no such", "../numpy"):
        assert libraries.library_named(name) is None
