"""`experiment accept`: results of earlier code count, once someone says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project
from tests.cli.six_settings import edit, fits, root
from tests.runs import Terminal


@pytest.fixture
def changed(tmp_path: Path) -> Project:
    """The experiment has run, and its code has changed since."""
    project = fits(tmp_path / "project")
    edit(project, "return 0.9 + 0.01 * C", "return 0.01 * C + 0.9")
    return project


def standing(project: Project) -> tuple[int, int]:
    (told,) = project.run("status", "RQ1", "--json").document
    return told["done"], told["stale"]


def test_it_shows_what_changed_and_records_the_decision(changed: Project) -> None:
    ended = changed.run("accept", "RQ1", inside="experiments")
    assert ended.code == 2
    assert "6 settings by code" in ended.out
    assert "changed experiments.RQ1.score" in ended.out
    assert "-    return 0.9 + 0.01 * C\n" in ended.out
    assert "+    return 0.01 * C + 0.9\n" in ended.out
    assert "Nothing was recorded: --yes records it." in ended.err
    assert standing(changed) == (0, 5)

    ended = changed.run("accept", "RQ1", "--yes", "--why", "only the order changed")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Accepted.\n")
    assert standing(changed) == (5, 0)
    (line,) = (root(changed) / "accepted.jsonl").read_text().splitlines()
    assert json.loads(line)["why"] == "only the order changed"
    ended = changed.run("accept", "RQ1")
    assert (ended.code, ended.err) == (0, "")
    assert "nothing is stale" in ended.out

    ended = changed.run("accept", "RQ1", "--withdraw")
    assert ended.code == 2
    assert "only the order changed" in ended.out
    (told,) = changed.run("accept", "RQ1", "--withdraw", "--yes", "--json").document
    assert (told["is_recorded"], told["codes"][0]["why"]) == (True, "only the order changed")
    assert standing(changed) == (0, 5)
    assert "nothing is accepted" in changed.run("accept", "RQ1", "--withdraw").out


def test_one_code_of_several(changed: Project) -> None:
    (told,) = changed.run("accept", "RQ1", "--json").document
    assert told["is_recorded"] is False
    code = told["codes"][0]["code"]
    assert told["codes"][0]["settings"] == 6
    ended = changed.run("accept", "RQ1", "none", "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "no code that begins with 'none' made results that are stale" in ended.err
    assert changed.run("accept", "RQ1", code[:6], "--yes").code == 0
    assert standing(changed) == (5, 0)


def test_it_asks_at_a_terminal(changed: Project) -> None:
    for answer, code, expected in (("n", 2, (0, 5)), ("y", 0, (5, 0))):
        with Terminal(changed.folder, EXPERIMENT, "accept", "RQ1") as terminal:
            terminal.expect(r"Accept these results as still valid\? \[y/N\]")
            terminal.type(f"{answer}\n")
            assert terminal.end() == code
        assert standing(changed) == expected


def test_before_it_has_run(project: Project) -> None:
    project.experiments("RQ1")
    ended = project.run("accept", "RQ1")
    assert (ended.code, ended.out) == (2, "")
    assert "run the experiment first" in ended.err


MARKS = """
from pathlib import Path
from superparams import Experiment, search
Path("imported").touch()
def score(a):
    return a + 1
class RQ1(Experiment):
    a: int = search([1, 2])
    def run(self):
        return {"y": score(self.a)}
"""


@pytest.mark.parametrize(
    ("old", "new", "is_imported"),
    [
        ("return a + 1", "return 1 + a", False),
        # What the decorator keeps counts, which the text does not tell.
        ("    def run", "    @(lambda f: f)\n    def run", True),
    ],
)
def test_it_imports_the_file_only_where_it_has_to(
    tmp_path: Path, old: str, new: str, is_imported: bool
) -> None:
    project = Project(tmp_path / "project").write({"experiments/RQ1.py": MARKS})
    file, marker = (project.folder / name for name in ("experiments/RQ1.py", "imported"))
    assert project.run("run", "RQ1").code == 0
    marker.unlink()
    file.write_text(file.read_text().replace(old, new))
    (told,) = project.run("accept", "RQ1", "--yes", "--json").document
    assert told["is_recorded"] is True
    assert [part["name"] for part in told["codes"][0]["parts"]] != []
    assert marker.exists() is is_imported
    assert project.run("run", "RQ1").code == 0
    assert len(list((project.folder / "results").glob("*/runs/*"))) == 1, "all results count"
