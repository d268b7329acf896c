"""An edit makes those rows stale whose settings run the edited code, and no others.

FAULTS rows 47 to 50 for settings with alternatives: the code that runs, the code that is recorded,
the code that a note names and the code that comes back are one and the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Project
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
    "asyncio": {"num_proc": 2, "engine": "asyncio"},
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


def test_50_an_edit_of_an_alternative_of_coroutines(tmp_path: Path) -> None:
    project(tmp_path)
    script(tmp_path, FIT.replace("def run", "async def run"), "fit.py")
    engines = ("asyncio", "serial", "processes")
    number, first = ran(tmp_path, *engines)
    assert number == 6
    edit(tmp_path, "self.C +", "2 * self.C +")
    number, after = ran(tmp_path, *engines)
    assert number == 4
    assert {name for name in first if first[name] != after[name]} == {"Svm"}


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


SCRIPT = """
import os, signal
from superparams import Experiment, Params, search
from helpers import of_svm

class Svm(Params):
    C: float = search([1.0, 2.0])
    def build(self):
        if self.C == 2.0:
            os.kill(os.getpid(), signal.SIGKILL)
        return of_svm()

class Forest(Params):
    trees: int = 10
    def build(self):
        return [{"x": 1}, {"x": 2}]

class Fit(Experiment):
    model: Svm | Forest = search([Svm(), Forest()])

    def run(self):
        import pandas
        found = self.model.build()
        return pandas.DataFrame(found) if isinstance(found, list) else {"x": found}

if __name__ == "__main__":
    print(Fit().run_all(2, progress=False).counts)
"""


def test_50_a_script_and_the_command_agree(tmp_path: Path) -> None:
    files = {
        "experiments/fit.py": SCRIPT,
        "experiments/helpers.py": "def of_svm():\n    return 3\n",
    }
    made = Project(tmp_path / "made").write(files)
    ended = made.python("experiments/fit.py")
    assert (ended.err, ended.out) == ("", "{'done': 2, 'killed': 1}\n")

    def recorded() -> dict[str, int]:
        (document,) = made.run("status", "fit.Fit", "--json").document
        return {name: document[name] for name in ("done", "stale", "killed")}

    assert recorded() == {"done": 2, "stale": 0, "killed": 1}
    (made.folder / "experiments" / "helpers.py").write_text("def of_svm():\n    return 4\n")
    assert recorded() == {"done": 1, "stale": 1, "killed": 1}
    assert "1 done, 1 stale, 1 killed" in made.run("run", "fit.Fit", "--plan").out
    (document,) = made.run("status", "fit.Fit", "--json").document
    (change,) = document["changes"]
    assert change["parts"] == [{"name": "experiments.helpers.of_svm", "how": "changed"}]
    assert "since 2 settings with Svm ran" in made.run("status", "fit.Fit").out
    folder = made.folder / "results" / "fit.Fit"
    assert len(list(folder.glob("runs/*"))) == 1
    shown = {
        name: made.run("show", "fit.Fit", f"model={name}", *words).out
        for name, words in {"Svm": ["model.C=1"], "Forest": []}.items()
    }
    assert "changed since: changed experiments.helpers.of_svm" in shown["Svm"]
    assert "the current code" in shown["Forest"]
    # Only what is stale is taken out, also of a run that has made other rows.
    ended = made.run("clean", "fit.Fit", "--stale", "--yes")
    assert (ended.code, ended.err) == (0, "")
    assert recorded() == {"done": 1, "stale": 0, "killed": 0}
    (folder / "results.parquet").unlink()
    assert recorded() == {"done": 1, "stale": 0, "killed": 0}
    assert "1 done by the same code" in made.run("run", "fit.Fit", "-n", "2").err
    assert recorded() == {"done": 2, "stale": 0, "killed": 1}


# A run as superparams recorded it before settings had a code of their own.
OLD = """
import superparams.run.job as job
job.setting_codes = lambda space, code, listed=None: None
from fit import Fit
print(Fit().run_all(progress=False).counts)
"""
NEW = "from fit import Fit\nfound = Fit().run_all(progress=False)\n"
NEW += "print(found.counts, sum(row['run'] == max(found.runs) for row in found))"


def printed(folder: Path, text: str) -> str:
    return output(folder, text).rstrip()


def test_50_rows_with_the_code_of_the_class(tmp_path: Path) -> None:
    project(tmp_path)
    assert printed(tmp_path, OLD) == "{'done': 6}"
    manifest = json.loads(next(tmp_path.glob("results/*/runs/*/run.json")).read_text())
    assert "codes" not in manifest
    show = "from fit import Fit\nfound = Fit.results()\nprint(found.counts, found.changes())"
    assert printed(tmp_path, show).startswith("{'done': 6} nothing is stale")
    assert printed(tmp_path, NEW) == "{'done': 6} 6"
    assert len(list(tmp_path.glob("results/*/runs/*"))) == 1
    # Any change of the class makes them stale, and whoever accepts that accepts it for all.
    edit(tmp_path, "self.C +", "2 * self.C +")
    told = printed(tmp_path, show)
    assert told.startswith("{'stale': 6} 6 settings by the code")
    assert "changed models.Svm.build" in told
    accept = "from fit import Fit\nprint(Fit.results().accept_stale(why='it is the same').counts)"
    assert printed(tmp_path, accept) == "{'done': 6}"
    assert printed(tmp_path, NEW) == "{'done': 6} 6"
    edit(tmp_path, "self.trees +", "2 * self.trees +")
    assert printed(tmp_path, NEW) == "{'done': 6} 6"
    assert len(list(tmp_path.glob("results/*/runs/*"))) == 2
    edit(tmp_path, "2 * self.trees +", "3 * self.trees +")
    assert printed(tmp_path, NEW) == "{'done': 6} 2"
    # Also where the folders of runs are gone, and the table alone is left.
    for path in tmp_path.glob("results/*/runs"):
        path.rename(tmp_path / "gone")
    edit(tmp_path, "3 * self.trees +", "4 * self.trees +")
    left = "import warnings\nwarnings.simplefilter('ignore')\n"
    assert printed(tmp_path, left + show).startswith("{'done': 4, 'stale': 2}")


LOAD = """
from pathlib import Path
from superparams import Results
(folder,) = Path("results").iterdir()
loaded = Results.load(folder)
print(loaded.summary.count("rows of 2 codes"), str(loaded).splitlines()[1].split().count("code"))
"""


def test_56_alternatives_of_one_class_are_no_several_codes(tmp_path: Path) -> None:
    """Without the code, rows are told apart only if the code of the class had changed."""
    project(tmp_path)
    assert printed(tmp_path, NEW).startswith("{'done': 6}")
    assert output(tmp_path, LOAD) == "0 0\n"
    edit(tmp_path, "self.C +", "2 * self.C +")
    assert printed(tmp_path, NEW) == "{'done': 6} 4"  # the rows of the forest are of this code, too
    assert output(tmp_path, LOAD) == "0 0\n"
    edit(tmp_path, "return 1\n", "return 2\n")
    some = "from fit import Fit\nprint(Fit()[:4].run_all(progress=False).counts)"
    assert printed(tmp_path, some).endswith("{'done': 4}")
    assert output(tmp_path, LOAD) == "1 1\n"
