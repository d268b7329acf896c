"""Where and how often ``value(factory=...)`` makes its value."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.executor.program import Program
from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")
PATIENT = 40_000  # elements: above what travels inside a pickle


def noted(name: str) -> Any:
    """An array, and a line in a file for each time it is made: by whom."""
    with open(name, "a") as file:
        file.write(f"{os.getpid()}\n")
    return np.ones(PATIENT)


def makers(name: str) -> list[int]:
    path = Path(name)
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def make_keyed() -> Any:
    return noted("keyed")


def make_plain() -> Any:
    return noted("plain")


class Inner(Params):
    lr: float = search([0.1, 0.2])
    data: Any = value(factory=lambda: noted("inner"), key="v1")


def experiment() -> type[Any]:
    """A new class each time, whose factories have made nothing yet."""

    class Sums(Experiment):
        at: int = search(range(6))
        data: Any = value(factory=make_keyed, key="v1")

        def run(self) -> dict[str, Any]:
            return {"sum": float(self.data.sum()), "parent": os.getppid()}

    return Sums


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_with_a_key_the_template_makes_it_once_and_the_driver_never() -> None:
    rows = list(experiment()().run_all(2, progress=False))
    (maker,) = makers("keyed")
    assert maker != os.getpid()
    assert {row["parent"] for row in rows} == {maker}  # the workers are its forks
    assert {row["sum"] for row in rows} == {PATIENT}


# In a process of its own: here, other tests may have loaded libraries that have threads, and then
# no worker is a fork.
ONCE = """
import os, sys
from superparams.executor import Processes
from tests.executor.test_program import PATIENT, experiment, makers
if __name__ == "__main__":
    engine = Processes(start_method=sys.argv[1])
    rows = list(experiment()().run_all(2, progress=False, engine=engine))
    print(makers("keyed") == [os.getpid()], {row["sum"] for row in rows} == {PATIENT})
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_without_a_template_the_driver_makes_it_once(method: str, tmp_path: Path) -> None:
    assert output(tmp_path, ONCE, method) == "True True\n"


def test_without_a_key_the_driver_makes_it_once_for_its_content() -> None:
    class Plain(Experiment):
        at: int = search(range(4))
        data: Any = value(factory=make_plain)

        def run(self) -> dict[str, Any]:
            return {"sum": float(self.data.sum())}

    rows = list(Plain().run_all(2, progress=False))
    assert makers("plain") == [os.getpid()]
    assert {row["sum"] for row in rows} == {PATIENT}


def test_a_factory_of_a_group_is_made_once() -> None:
    class Outer(Experiment):
        inner: Inner = Inner()
        at: int = search(range(3))

        def run(self) -> dict[str, Any]:
            return {"sum": float(self.inner.data.sum())}

    rows = list(Outer().run_all(2, progress=False))
    (maker,) = makers("inner")
    assert maker != os.getpid()
    assert len(rows) == 6


def test_nothing_is_made_when_all_is_done() -> None:
    cls = experiment()
    cls().run_all(2, progress=False)
    cls().run_all(2, progress=False)
    assert len(makers("keyed")) == 1


def test_workers_that_cannot_be_forked_share_what_the_template_made() -> None:
    code = """
import os, threading, time
from typing import Any
import numpy as np
from superparams import Experiment, search, value

def make() -> Any:
    open("made", "a").write(f"{os.getpid()}\\n")
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # no fork is safe now
    return np.ones(100_000)

class Sums(Experiment):
    at: int = search(range(4))
    data: Any = value(factory=make, key="v1")
    def run(self) -> dict[str, Any]:
        return {"sum": float(self.data.sum()), "writable": self.data.flags.writeable}

rows = list(Sums().run_all(2, progress=False))
assert {(row["sum"], row["writable"]) for row in rows} == {(100_000.0, False)}, rows
assert len(open("made").read().split()) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_factory_that_fails_in_the_template_says_so() -> None:
    def broken() -> Any:
        raise OSError("no such data set")

    class Broken(Experiment):
        at: int = search(range(4))
        data: Any = value(factory=broken, key="v1")

        def run(self) -> dict[str, Any]:
            return {"sum": self.data}

    with pytest.raises(Exception, match="no such data set"):
        Broken().run_all(2, progress=False)


def test_prepare_makes_what_is_left() -> None:
    space = experiment()()
    Program(space, 1, "m.Sums").prepare()
    assert makers("keyed") == [os.getpid()]


def test_the_log_of_the_run_tells_the_size_of_the_payload() -> None:
    results = experiment()(data=np.ones(2**20)).run_all(2, progress=False)
    (log,) = results.root.glob("runs/*/logs/run.log")
    assert re.fullmatch(r"payload: 8 MiB shared, [\d.]+ KiB pickled\n", log.read_text())


MODULE = """
from typing import Any
import numpy as np
from superparams import Experiment, Params, search, value

class Inner(Params):
    lr: float = search([0.1, 0.2])
    noise: Any = value(np.random.default_rng().random(40_000))

class Drawn(Experiment):
    at: int = search(range(4))
    inner: Inner = Inner()
    data: Any = value(np.random.default_rng().random(40_000))
    few: list[float] = np.random.default_rng().random(3).tolist()

    def run(self) -> dict[str, Any]:
        noise = float(self.inner.noise.sum())
        return {"sum": float(self.data.sum()), "few": sum(self.few), "noise": noise}
"""
DRIVER = """
import drawn
from superparams.executor import Processes
expected = drawn.Drawn()[0].run()
for method in ("forkserver", "spawn", "fork"):
    engine = Processes(start_method=method)
    results = drawn.Drawn().run_all(2, engine=engine, resume=False, progress=False)
    for row in results:
        assert {name: row[name] if name != "few" else row["result.few"] for name in expected} == (
            expected
        ), (method, row, expected)
(log, *_) = results.root.glob("runs/*/logs/run.log")
assert "KiB shared" in log.read_text(), log.read_text()
"""


def test_constants_are_those_of_the_driver_also_where_the_class_is_imported(tmp_path: Path) -> None:
    (tmp_path / "drawn.py").write_text(MODULE)
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, "driver.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
