"""`experiment report`: the page of results as a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.command import Project
from tests.pages import Page


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project").experiments("RQ1")
    assert made.run("RQ1", "-n", "1", "--no-progress").code == 0
    return made


def page(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def test_the_page_gets_the_name_of_the_experiment(project: Project) -> None:
    done = project.run("report", "RQ1")
    assert done.code == 0, done.err
    summary, path = done.out.splitlines()
    assert summary.startswith("2 settings: 2 done")
    assert Path(path) == project.folder / "RQ1.RQ1.html"
    found = page(Path(path))
    assert found.about["experiment"] == "RQ1.RQ1"
    assert found.about["doc"] == "RQ1 of RQ1"
    assert found.table.column("y").to_pylist() == [1, 2]
    assert found.about["columns"]["stale"] == "stale"


def test_a_file_is_replaced_if_it_is_a_page(project: Project) -> None:
    words = ("report", "RQ1", "-o", "x.html")
    assert project.run(*words).code == project.run(*words).code == 0
    (project.folder / "x.html").write_text("mine")
    refused = project.run(*words)
    assert refused.code == 2
    assert "x.html exists, and is not a page of superparams" in refused.err
    assert (project.folder / "x.html").read_text() == "mine"
    forced = project.run(*words, "--force", "--json")
    assert forced.document == {
        "experiment": "RQ1.RQ1",
        "page": str(project.folder / "x.html"),
    }
    assert page(project.folder / "x.html").table.num_rows == 2


def test_a_results_folder_is_enough(project: Project, tmp_path: Path) -> None:
    shutil.move(project.folder / "results", tmp_path / "moved")
    shutil.rmtree(project.folder)
    elsewhere = Project(tmp_path / "elsewhere")
    done = elsewhere.run("report", str(tmp_path / "moved" / "RQ1.RQ1"), "-o", "x.html")
    assert done.code == 0, done.err
    found = page(elsewhere.folder / "x.html")
    assert found.about["doc"] == "RQ1 of RQ1"
    assert found.about["columns"]["stale"] is None
    assert found.table.column("y").to_pylist() == [1, 2]


def test_nothing_of_the_file_runs(project: Project) -> None:
    file = project.folder / "experiments" / "RQ1.py"
    file.write_text(file.read_text() + "\nraise SystemExit('imported')\n")
    assert project.run("report", "RQ1").code == 0


def test_what_cannot_be_written_is_said(project: Project) -> None:
    project.experiments("RQ2")
    none = project.run("report", "RQ2")
    assert none.code == 2
    assert "RQ2" in none.err
    missing = project.run("report", "RQ1", "-o", "none/x.html")
    assert missing.code == 2
    assert "there is no folder none" in missing.err
    assert project.run("report", "nowhere").code == 2


@pytest.mark.parametrize(
    "words", [["report", "RQ1"], ["results", "RQ1", "--format", "csv"]], ids=str
)
def test_a_dash_is_no_file(words: list[str], project: Project) -> None:
    refused = project.run(*words, "-o", "-")
    assert refused.code == 2
    assert "-o -: give the path of a file" in refused.err
    assert ("without -o" in refused.err) == (words[0] == "results")
    assert not (project.folder / "-").exists()
    assert project.run(*words, "-o", "-x").code == 0
    assert (project.folder / "-x").is_file()
