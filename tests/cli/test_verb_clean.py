"""`experiment clean`: says what it would remove, asks, and removes it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from superparams.store.results import Results
from superparams.store.runs.folder import run_folders
from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.six_settings import edit, fits, key, record, root
from tests.runs import Terminal
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

WAITS = """
    import time
    from pathlib import Path
    from superparams import Experiment, search

    class Wait(Experiment):
        a: int = search([1, 2])

        def run(self):
            (self.folder / "model").write_text("x")
            while self.a > 1 and not Path("go").exists():
                time.sleep(0.01)
            return {"y": self.a}
"""


@pytest.fixture
def twice(tmp_path: Path) -> Project:
    """The experiment, of which the second run made all again by other code."""
    project = fits(tmp_path / "project")
    edit(project, "0.9 +", "0.8 +")
    record(project)
    return project


def names(project: Project) -> list[str]:
    return [run.name for run in run_folders(root(project))]


def test_what_later_runs_made_again_goes(twice: Project) -> None:
    first, second = names(twice)
    ended = twice.run("clean", "RQ1", inside="experiments")
    assert ended.code == 2
    assert "1 run whose outcomes were all made again or removed" in ended.out
    assert "KiB in all" in ended.out
    assert "Nothing was removed: --yes removes it" in ended.err
    ended = twice.run("clean", "RQ1", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("RQ1.Fit: to be removed\n")
    assert "1 run whose outcomes were all made again or removed" in ended.out
    assert names(twice) == [first, second]
    before = twice.run("results", "RQ1", "--format", "csv").out
    ended = twice.run("clean", "RQ1", "--yes")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Removed.\n")
    assert names(twice) == [second]
    assert twice.run("results", "RQ1", "--format", "csv").out == before
    assert twice.run("logs", "RQ1", "kernel=rbf", "C=1").out == "fitting rbf 1.0\n"
    ended = twice.run("clean", "RQ1")
    assert (ended.code, ended.err) == (0, "")
    assert "nothing to remove" in ended.out
    (told,) = twice.run("status", "RQ1", "--json").document
    assert (told["done"], told["failed"], told["todo"]) == (5, 1, 1)


def test_outcomes_by_other_code_and_what_failed(twice: Project) -> None:
    edit(twice, "0.8 +", "0.9 +")  # as it was first
    (told,) = twice.run("clean", "RQ1", "--stale", "--failed", "--dry-run", "--json").document
    assert (told["outcomes"], told["uncovered"], told["is_removed"]) == (6, 5, False)
    assert told["runs"] == names(twice)[1:]
    (told,) = twice.run("clean", "RQ1", "--stale", "--failed", "--yes", "--json").document
    assert told["is_removed"] is True
    (told,) = twice.run("status", "RQ1", "--json").document
    assert (told["done"], told["stale"], told["failed"], told["new"]) == (5, 0, 0, 1)
    record(twice)
    (told,) = twice.run("status", "RQ1", "--json").document
    assert (told["done"], told["failed"]) == (5, 1)


def test_all_of_it(twice: Project) -> None:
    ended = twice.run("clean", "RQ1", "--all")
    assert ended.code == 2
    assert f"all of {root(twice)}: every result, log and run" in ended.out
    assert root(twice).is_dir()
    assert twice.run("clean", "RQ1", "--all", "--yes").code == 0
    assert list((twice.folder / "results").iterdir()) == []
    assert "nothing to remove" in twice.run("clean", "RQ1", "--all").out


def test_it_asks_at_a_terminal(twice: Project) -> None:
    for answer, code, left in (("n", 2, 2), ("y", 0, 1)):
        with Terminal(twice.folder, EXPERIMENT, "clean", "RQ1") as terminal:
            terminal.expect(r"1 run whose outcomes were all made again or removed")
            terminal.expect(r"Remove this\? \[y/N\]")
            terminal.type(f"{answer}\n")
            assert terminal.end() == code
        assert len(names(twice)) == left


def test_what_is_running_stays(project: Project) -> None:
    project.write({"experiments/W.py": WAITS})
    process = subprocess.Popen(
        [EXPERIMENT, "run", "W", "-n", "2"],
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        settings = project.folder / "results/W.Wait/settings"
        wait_for(lambda: len(list(settings.glob("*/model"))) == 2)
        for word in ("--stale", "--failed", "--all"):
            ended = project.run("clean", "W", word, "--yes")
            assert (ended.code, ended.out) == (2, "")
            assert f"is going on (process {process.pid} on" in ended.err
        ended = project.run("clean", "W", "--yes")
        assert ended.code == 0
        assert "nothing to remove" in ended.out
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    # What a killed run began may go on from what it left.
    assert "nothing to remove" in project.run("clean", "W", "--yes").out
    assert len(list(settings.glob("*/model"))) == 2
    file = project.folder / "experiments/W.py"
    file.write_text(file.read_text().replace("[1, 2]", "[1, 3]"))
    ended = project.run("clean", "W", "--yes")
    assert "1 folder of settings that are not recorded" in ended.out
    assert len(list(settings.glob("*/model"))) == 1


def test_what_is_not_there(project: Project) -> None:
    project.experiments("RQ1")
    assert "nothing to remove" in project.run("clean", "RQ1").out
    assert project.run("clean", "RQ2").code == 2
    assert not (project.folder / "results").exists()


def test_the_key_of_the_table_stays(twice: Project) -> None:
    before = key(twice, "rbf", 1.0)
    assert twice.run("clean", "RQ1", "--yes").code == 0
    assert Results.load(root(twice)).row(before)["accuracy"] == 0.81


# An import is seen.
SEEN = "open('imported', 'a').close()\n"


def test_the_file_is_not_imported_where_its_text_tells_all(twice: Project) -> None:
    edit(twice, "from superparams", f"{SEEN}from superparams")
    edit(twice, "0.8 +", "0.7 +")
    (told,) = twice.run("clean", "RQ1", "--stale", "--dry-run", "--json").document
    assert (told["outcomes"], len(told["runs"])) == (6, 2)
    path = "results/RQ1.Fit"
    assert twice.run("clean", path, "--stale", "--yes", "--json").document[0]["is_removed"]
    assert not (twice.folder / "imported").exists()
    assert names(twice) == []


def test_the_file_is_imported_for_folders_without_an_outcome(twice: Project) -> None:
    edit(twice, "from superparams", f"{SEEN}from superparams")
    folder = root(twice) / "settings" / ("0" * 32)
    folder.mkdir(parents=True)
    assert twice.run("clean", str(root(twice)), "--yes").code == 0
    assert folder.exists()  # by the path nothing tells which settings there are
    assert not (twice.folder / "imported").exists()
    ended = twice.run("clean", "RQ1", "--yes")
    assert "1 folder of settings that are not recorded" in ended.out
    assert (twice.folder / "imported").exists()
    assert not folder.exists()


def test_the_file_is_imported_for_code_that_its_text_does_not_tell(twice: Project) -> None:
    edit(twice, "    def run", "    @(lambda f: f)\n    def run")
    edit(twice, "from superparams", f"{SEEN}from superparams")
    (told,) = twice.run("clean", "RQ1", "--stale", "--dry-run", "--json").document
    assert told["outcomes"] == 6
    assert (twice.folder / "imported").exists()
    (twice.folder / "experiments" / "RQ1.py").unlink()
    ended = twice.run("clean", "RQ1.Fit", "--stale", "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "the code of RQ1.Fit is not known" in ended.err
    assert "stale outcomes cannot be found" in ended.err
    assert twice.run("clean", "RQ1.Fit", "--yes").code == 0
    assert len(names(twice)) == 1
