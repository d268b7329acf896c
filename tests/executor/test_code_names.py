"""Libraries are loaded in the template while the program is packed, and no more than it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import output, script

pytestmark = pytest.mark.usefixtures("no_leaks")

EXPERIMENT = """
import numpy as np
import rich.table
import rich.markdown as unused
from superparams import Experiment, search


class One(Experiment):
    a: int = search([1, 2])

    def run(self):
        import sys
        table = rich.table.Table()
        return {"sum": int(np.arange(self.a).sum()), "unused": "rich.markdown" in sys.modules}
"""

DRIVER = """
from superparams.executor.program import Program
found = Program(One(), 1, "One").libraries()
print(*found)
print(One().run_all(2, progress=False).to_arrow()["unused"].to_pylist())
"""


def test_a_module_in_a_package_comes_along(tmp_path: Path) -> None:
    """Also where a function beside the class uses it; others of the package do not."""
    text = """
import pyarrow.compute, xml.dom.minidom
import pyarrow.csv, numpy.linalg, numpy.random.mtrand
from superparams import Experiment, search

def used():
    return pyarrow.compute.sum([1]), xml.dom.minidom, numpy.random.mtrand

class One(Experiment):
    a: int = search([1, 2])
    def run(self):
        return {"y": used()[0].as_py()}
"""
    script(tmp_path, text, "one.py")
    driver = "from superparams.executor.program import Program\nfrom one import One\n"
    found = output(tmp_path, f"{driver}print(*Program(One(), 1, 'One').libraries())")
    arrow, numpy = ["pyarrow", "pyarrow.compute"], ["numpy", "numpy.random"]
    assert found.split() == [*arrow, *numpy, "numpy.random.mtrand"]


def test_a_script_brings_what_its_methods_name(tmp_path: Path) -> None:
    told = output(tmp_path, EXPERIMENT + DRIVER).splitlines()
    assert told == ["cloudpickle rich rich.table numpy", "[False, False]"]


def test_an_imported_experiment_brings_what_its_module_imports(tmp_path: Path) -> None:
    script(tmp_path, EXPERIMENT, "one.py")
    told = output(tmp_path, "from one import One\n" + DRIVER).splitlines()
    assert told == ["numpy rich rich.table rich.markdown", "[True, True]"]


def test_values_bring_the_library_of_their_class(tmp_path: Path) -> None:
    text = """
from superparams import Experiment, value
from superparams.executor.program import Program
import decimal, numpy


class One(Experiment):
    data: object = value(numpy.arange(3))
    price: object = decimal.Decimal(1)


print(Program(One(), 1, 'One').libraries(), Program(One(data=1), 1, 'One').libraries())
"""
    assert output(tmp_path, text).strip() == "['cloudpickle', 'numpy'] ['cloudpickle']"


def test_a_library_that_cannot_be_loaded_there_costs_nothing(tmp_path: Path) -> None:
    """The experiment's own module finds out by itself, and goes on without it."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "picky.py").write_text(
        "import os\n"
        "if os.environ.get('DRIVER') != str(os.getpid()):\n"
        "    raise OSError('not here')\n"
    )
    script(
        tmp_path,
        """
from superparams import Experiment, search

try:
    import picky
except OSError:
    picky = None


class One(Experiment):
    a: int = search([1, 2])

    def run(self):
        return {"has": picky is not None}
""",
        "one.py",
    )
    text = """
import os, sys
os.environ["DRIVER"] = str(os.getpid())
sys.path.append("site-packages")
from one import One
from superparams.executor.program import Program
found = Program(One(), 1, 'One').libraries()
print(found, One().run_all(2, progress=False).to_arrow()["has"].to_pylist())
"""
    assert output(tmp_path, text).strip() == "['picky'] [False, False]"
