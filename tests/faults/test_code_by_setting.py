"""An edit makes those rows stale whose settings run the edited code, and no others.

FAULTS rows 47 to 50 for settings with alternatives: the code that runs, the code that is recorded,
the code that a note names and the code that comes back are one and the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runs import output, script, start
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

MODELS = """
from superparams import Params, search

def shared():
    return 1

def of_svm():
    return 10

class Svm(Params):
    C: float = search([1.0, 2.0])
    def build(self):
        return self.C + of_svm() + shared()

class Forest(Params):
    trees: int = 10
    def build(self):
        return self.trees + shared()
"""
FIT = """
import os, signal, time
from superparams import Experiment, search
from models import Forest, Svm

class Fit(Experiment):
    model: Svm | Forest = search([Svm(), Forest()])
    seed: int = search([1, 2])

    def run(self):
        return {"score": self.model.build()}
"""
# Runs under each engine that is named, and prints how many settings ran, and the code of the rows.
RUN = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from fit import Fit
ENGINES = {
    "serial": {},
    "threads": {"num_proc": 2, "engine": "threads"},
    "processes": {"num_proc": 2},
    "pool": {"engine": ThreadPoolExecutor(2), "num_proc": 2},
}
for engine in sys.argv[1:] if __name__ == "__main__" else ():
    found = Fit().run_all(progress=False, results=f"of-{engine}", **ENGINES[engine])
    codes = {}
    for row in found:
        codes.setdefault(row["model"], set()).add(row["code"])
    made = [row for row in found if row["run"] == max(found.runs)]
    assert not found.notes and not len(found.stale)
    print(json.dumps([len(made), {name: sorted(x) for name, x in codes.items()}]))
"""
ENGINES = ("serial", "threads", "processes", "pool")


def project(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text("")
    script(folder, MODELS, "models.py")
    script(folder, FIT, "fit.py")
    script(folder, RUN, "again.py")
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "models.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def ran(folder: Path, *engines: str) -> tuple[int, dict[str, list[str]]]:
    """How many settings ran, and the codes of each alternative; the same under all engines."""
    process = start(folder, "again.py", *engines)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert lines == [lines[0]] * len(engines)
    number, codes = json.loads(lines[0])
    return number, codes


def test_50_an_edit_of_an_alternative_leaves_the_others_alone(tmp_path: Path) -> None:
    project(tmp_path)
    number, first = ran(tmp_path, *ENGINES)
    assert number == 6
    assert set(first) == {"Svm", "Forest"}
    assert all(len(of_one) == 1 for of_one in first.values())
    assert first["Svm"] != first["Forest"]
    for old, new, settings, changed in (
        ("self.C +", "2 * self.C +", 4, {"Svm"}),  # a method
        ("return 10", "return 20", 4, {"Svm"}),  # a function that only this one calls
        ("return 1\n", "return 2\n", 6, {"Svm", "Forest"}),  # one that both call
        ("self.trees +", "2 * self.trees +", 2, {"Forest"}),
    ):
        edit(tmp_path, old, new)
        number, after = ran(tmp_path, *ENGINES)
        assert number == settings, new
        assert {name for name in first if first[name] != after[name]} == changed, new
        first = after


ACCEPT = """
import json, sys
from fit import Fit
found = Fit.results("of-serial")
def show(found):
    print(json.dumps(sorted(row["model"] for row in found.stale)))
show(found)
print([(change.what, [str(part) for part in change.parts]) for change in found.changes()])
print(found.best("score")["model"], found.best("score", stale=True)["model"], found.counts)
found = found.accept_stale(why="the same numbers")
show(found)
again = Fit().run_all(progress=False, results="of-serial")
print(again.counts, [one.what for one in found.accepted])
show(found.withdraw(why="not at all"))
"""


def test_50_what_is_accepted_is_what_changed(tmp_path: Path) -> None:
    project(tmp_path)
    assert ran(tmp_path, "serial")[0] == 6
    edit(tmp_path, "self.C +", "200 + self.C +")
    lines = output(tmp_path, ACCEPT).splitlines()
    changed = "changed models.Svm.build"
    assert lines == [
        '["Svm", "Svm", "Svm", "Svm"]',
        f"[('4 settings with Svm', ['{changed}'])]",
        "Forest Svm {'done': 2, 'stale': 4}",
        "[]",
        f"{{'done': 6}} [('{changed}',)]",
        '["Svm", "Svm", "Svm", "Svm"]',
    ]
    # What was accepted for one alternative says nothing about another one.
    output(tmp_path, "from fit import Fit\nFit.results('of-serial').accept_stale(why='again')")
    edit(tmp_path, "self.trees +", "2 * self.trees +")
    assert ran(tmp_path, "serial")[0] == 2
    edit(tmp_path, "200 + self.C +", "300 + self.C +")
    assert ran(tmp_path, "serial")[0] == 4
