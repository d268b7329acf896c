"""The engine of the page keeps the contract, and is found by the name that a package gives it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from superparams import Experiment, search
from superparams.errors import EngineError
from superparams.executor.engines.contract import Engine
from superparams.executor.engines.registry import find, registered_names
from tests.cli.command import Project
from tests.contracts.engine import EngineContract

PAGE = Path(__file__).parents[2] / "docs/own_engine.md"
TEXT = re.search(r'```python title="helpers.py"\n(.*?)```', PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package that registers the engine, and other objects that are none."""
    assert TEXT is not None
    folder = tmp_path_factory.mktemp("site")
    (folder / "helpers.py").write_text(TEXT[1])
    (folder / "helpers-1.0.dist-info").mkdir()
    (folder / "helpers-1.0.dist-info/entry_points.txt").write_text(
        "[superparams.engines]\nhelpers = helpers:Helpers\nnone = helpers:time\n"
        "gone = helpers:Nowhere\nserial = helpers:Helpers\n"
    )
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("helpers", None)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("installed")
class TestHelpers(EngineContract):
    elsewhere = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Engine:
        return find("helpers")


def test_it_is_short() -> None:
    assert TEXT is not None
    assert len(TEXT[1].splitlines()) <= 60


class Squares(Experiment):
    x: int = search(range(4))

    def run(self) -> dict[str, int]:
        return {"y": self.x**2}


@pytest.mark.usefixtures("installed")
def test_a_package_gives_an_engine_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine: Any = "helpers"
    found = Squares().run_all(2, engine=engine, progress=False)
    assert [row["y"] for row in found] == [0, 1, 4, 9]
    assert find("serial").name == "serial", "our names stay ours"
    assert {"gone", "helpers", "none"} <= set(registered_names())
    with pytest.raises(EngineError, match=r"timeout=1 .*engine='helpers': it cannot be ended"):
        Squares().run_all(2, engine=engine, timeout=1)


@pytest.mark.usefixtures("installed")
def test_what_is_registered_and_is_no_engine() -> None:
    with pytest.raises(EngineError, match=r"'gone', 'helpers:Nowhere' of helpers, cannot be load"):
        find("gone")
    with pytest.raises(EngineError, match="'none', 'helpers:time' of helpers"):
        find("none")
    with pytest.raises(EngineError, match=r"'warp' is unknown: give one of 'serial', .*'helpers'"):
        find("warp")


@pytest.mark.usefixtures("no_leaks")
def test_the_command_finds_it(tmp_path: Path, installed: Path) -> None:
    text = """
    from superparams import Experiment, search
    class Squares(Experiment):
        x: int = search(range(3))
        def run(self):
            return {"y": self.x**2}
    """
    project = Project(tmp_path / "project").write({"experiments/squares.py": text})
    env = {"PYTHONPATH": str(installed)}
    ran = project.run("squares", "--engine", "helpers", "-n", "2", env=env)
    assert ran.code == 0, ran.err
    assert "3 done" in ran.out
    wrong = project.run("squares", "--engine", "warp", env=env)
    assert wrong.code == 2
    assert "'warp' is not one of" in wrong.err


def test_the_command_names_the_engines_of_packages(tmp_path: Path, installed: Path) -> None:
    text = "from superparams import Experiment\n\nclass Once(Experiment):\n    def run(self): ...\n"
    project = Project(tmp_path / "project").write({"experiments/once.py": text})
    env = {"PYTHONPATH": str(installed)}
    shown = project.run("once", "--help", env=env)
    assert "[serial|threads|asyncio|processes|dask|" in "".join(shown.out.split())
    assert "helpers" in shown.out
    wrong = project.run("once", "--engine", "helpesr", env=env)
    assert wrong.code == 2
    assert "'helpesr' is not one of 'serial', " in wrong.err
    assert "'helpers'" in wrong.err
