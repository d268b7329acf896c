"""Which experiments a name means, from wherever the command is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from superparams.cli.name_lookup import find_root, resolve
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

FILES = ("RQ1", "index:RQ1", "folder/x", "folder/deep/er/y", "folder/z", "alone/RQ7")


def ran(project: Project) -> list[str]:
    return sorted(project.recorded())


@pytest.mark.parametrize("inside", [".", "experiments", "experiments/folder/deep"])
@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("RQ1", ["RQ1.RQ1"]),
        ("index.RQ1", ["index.RQ1"]),
        ("experiments.index.RQ1", ["index.RQ1"]),
        ("folder", ["folder.deep.er.y.y", "folder.x.x", "folder.z.z"]),
        ("folder.deep.er.y.y", ["folder.deep.er.y.y"]),
        ("experiments/index.py", ["index.RQ1"]),
    ],
)
def test_a_name_means_the_same_from_everywhere(
    project: Project, inside: str, target: str, names: list[str]
) -> None:
    done = project.experiments(*FILES).run(target, inside=inside)
    assert done.code == 0, done.err
    assert ran(project) == names, "also below the project, whatever the working directory is"


def test_all_experiments_of_a_file_in_its_order(project: Project) -> None:
    project.write(
        {
            "experiments/many.py": """
            from superparams import Experiment, search
            from other import Imported

            class Late(Experiment):
                a: int = search([1])
                def run(self): print("Late")

            class Early(Late):
                def run(self): print("Early")

            class _Private(Late):
                def run(self): print("private")

            class Idle(Experiment):
                a: int = 1
            """,
            "other.py": """
            from superparams import Experiment

            class Imported(Experiment):
                def run(self): print("Imported")
            """,
        }
    )
    done = project.run("many")
    names = ("Late", "Early", "private", "Imported")
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if line in names] == ["Late", "Early"]
    done = project.run("many._Private")
    assert done.out.startswith("private\n"), "it was asked for by its name"


def found(project: Project, target: str, inside: str = ".") -> list[str]:
    """What a name means, as ``file:class``, from the experiments folder."""
    here = Path.cwd()
    os.chdir(project.folder / inside)
    try:
        root = find_root(Path.cwd())
        return [
            one.file.relative_to(root.folder).as_posix() + (f":{one.cls}" if one.cls else "")
            for one in resolve(root, target)
        ]
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("inside", "target", "expected"),
    [
        (".", "alone.RQ7", ["alone/RQ7.py"]),
        (".", "alone.RQ7.RQ7", ["alone/RQ7.py:RQ7"]),
        (".", "index", ["index.py"]),
        (".", "index.py", ["index.py"]),
        (".", "./experiments/index.py", ["index.py"]),
        ("experiments", "index.py", ["index.py"]),
        ("experiments", "./index.py", ["index.py"]),
        ("experiments", "experiments/index.py", ["index.py"]),
        ("experiments/folder", "../index.py", ["index.py"]),
        ("experiments/folder", "x.py", ["folder/x.py"]),
        (".", "index.py:RQ1", ["index.py:RQ1"]),
        (".", "experiments/index.py:RQ1", ["index.py:RQ1"]),
        (".", "experiments/folder/deep/", ["folder/deep/er/y.py"]),
        (".", "experiments/folder/deep", ["folder/deep/er/y.py"]),
        (".", "folder/x", ["folder/x.py"]),
        (".", "experiments/alone", ["alone/RQ7.py"]),
        (".", "experiments", ["RQ1.py", "alone/RQ7.py", *[
            f"folder/{name}.py" for name in ("deep/er/y", "x", "z")], "index.py"]),
    ],
)  # fmt: skip
def test_spellings(project: Project, inside: str, target: str, expected: list[str]) -> None:
    assert found(project.experiments(*FILES), target, inside) == expected


def test_an_absolute_path_into_the_folder(project: Project) -> None:
    project.experiments("RQ1")
    assert found(project, str(project.folder / "experiments/RQ1.py")) == ["RQ1.py"]


# ---- two readings


@pytest.mark.parametrize(
    ("files", "target", "ways"),
    [
        (["index:RQ1", "index/RQ1"], "index.RQ1", ["index.py:RQ1", "index/RQ1.py"]),
        (["RQ1", "RQ1/a"], "RQ1", ["RQ1.py", "RQ1/"]),
        (["RQ1", "RQ1/a"], "experiments/RQ1", ["RQ1.py", "RQ1/"]),
        (["i:R", "i/R", "i/R/a"], "i.R", ["i.py:R", "i/R.py", "i/R/"]),
        (["a", "experiments/a"], "experiments.a", ["a.py", "./experiments/experiments/a.py"]),
    ],
)  # fmt: skip
def test_two_readings_are_told_with_what_names_each(
    project: Project, files: list[str], target: str, ways: list[str]
) -> None:
    project.experiments(*files)
    done = project.run(target)
    assert done.code == 2
    assert "is ambiguous" in done.err
    told = [line.strip() for line in done.err.splitlines() if line.startswith("  ")]
    assert sorted(told) == sorted(ways)
    meant = {way: found(project, way) for way in told}
    assert len({tuple(each) for each in meant.values()}) == len(ways), meant
    assert project.recorded() == {}
    assert project.run(told[0]).code == 0


def test_a_file_beside_a_folder_of_its_name_hides_nothing(project: Project) -> None:
    project.experiments("index:RQ1", "index/RQ1", "index/Other")
    assert project.run("index.py").code == 0
    assert ran(project) == ["index.RQ1"]
    assert project.run("index/", "-n", "2").code == 0
    assert ran(project) == ["index.Other.Other", "index.RQ1", "index.RQ1.RQ1"]


# ---- not found


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("RQ11", "RQ1"),
        ("rq1", "RQ1"),
        ("fold", "folder"),
        ("RQ7", "alone.RQ7"),
        ("y", "folder.deep.er.y"),
        ("index.RQ2", "index.RQ1"),
        ("Deep", "alone.Deep"),
        ("experiments/RQ11.py", "RQ1"),
    ],
)
def test_did_you_mean(project: Project, target: str, meant: str) -> None:
    project.experiments(*FILES, "alone:Deep")
    marked = "open('imported', 'w')\n"
    for file in (project.folder / "experiments").rglob("*.py"):
        file.write_text(marked + file.read_text("utf-8"), "utf-8")
    done = project.run(target)
    assert done.code == 2
    assert f"there is no experiment '{target}'" in done.err
    assert meant in done.err.partition("did you mean ")[2].strip("?\n").split(", ")
    assert not (project.folder / "imported").exists(), "names are found without importing"


def test_a_class_that_a_file_does_not_have(project: Project) -> None:
    project.write({"experiments/a.py": "RQ1 = 3  # no class\nclass Pi: pass"})
    done = project.run("a.RQ1")
    assert (done.code, "there is no experiment RQ1 in" in done.err) == (2, True)
    done = project.run("a")
    assert (done.code, "there is no experiment in" in done.err) == (2, True)


def test_what_is_no_experiment(project: Project) -> None:
    names = ("_shared", "_old/RQ1", ".hidden", ".git/RQ2", "__pycache__/RQ3", "a.b", "a.b/c")
    project.experiments("RQ1", *names)
    project.write({"experiments/venv/pyvenv.cfg": "", "experiments/data.txt": ""})
    project.experiments("venv/lib")
    assert found(project, "experiments") == ["RQ1.py"]
    for name in ("_shared", "_old", "experiments/_shared.py", "a.b", "venv", "data"):
        assert project.run(name).code == 2
    assert project.recorded() == {}


# ---- where the folder is


def test_no_folder(project: Project) -> None:
    for words in ([], ["RQ1"], ["status", "RQ1"]):
        done = project.run(*words)
        assert done.code == 2
        assert "no folder experiments/" in done.err
        assert "`experiment init`" in done.err
    assert project.run("--help").code == 0


def test_a_folder_above_that_belongs_to_no_project_is_named(project: Project) -> None:
    project.experiments("RQ1")
    (project.folder / "pyproject.toml").unlink()
    (project.folder / "data").mkdir()
    for words in ([], ["RQ1"], ["results", "RQ1"]):
        done = project.run(*words, inside="data")
        assert done.code == 2
        assert f"but there is {project.folder / 'experiments'}: start" in done.err
        assert f"start the command in {project.folder}, or put an empty pyproject.toml" in done.err
    assert project.run("RQ1").code == 0
    (project.folder / "pyproject.toml").touch()
    assert project.run("RQ1", inside="data").code == 0, "as the message says"


def test_an_experiment_in_the_wrong_folder_is_named(project: Project) -> None:
    project.experiments("RQ1", folder=".")
    project.write({"helper.py": "class Helper:\n    pass\n"})
    for words in ([], ["RQ1"], ["RQ1.py"]):
        done = project.run(*words)
        assert (done.code, "move RQ1.py there" in done.err) == (2, True), done.err
    project.experiments("RQ2")
    done = project.run("RQ1.py")
    assert f"{project.folder / 'RQ1.py'} is outside of this folder: move it there" in done.err
    (project.folder / "RQ1.py").rename(project.folder / "experiments/RQ1.py")
    assert project.run("RQ1.py").code == 0
    assert "outside" not in project.run("RQ3.py").err, "there is no such file"


def test_the_folder_that_pyproject_names(project: Project) -> None:
    project.experiments("RQ1", folder="research/trials").experiments("Other")
    project.write({"pyproject.toml": '[tool.superparams]\nexperiments = "research/trials"\n'})
    for inside in (".", "research", "research/trials", "experiments"):
        assert project.run("RQ1", inside=inside).code == 0
        assert project.run("trials.RQ1", inside=inside).code == 0
        assert project.run("Other", inside=inside).code == 2
    assert project.run("research/trials/RQ1.py").code == 0
    assert ran(project) == ["RQ1.RQ1"]
    assert project.recorded() == {"RQ1.RQ1": 1}, "the second time, all is done"


@pytest.mark.parametrize(
    "line", ['"../else"', '"/tmp"', "3", '["a"]', '"missing"', '"a\\u0000b"', "oh"]
)
def test_a_pyproject_that_names_none(project: Project, line: str) -> None:
    project.experiments("RQ1")
    project.write({"pyproject.toml": f"[tool.superparams]\nexperiments = {line}\n"})
    done = project.run("RQ1")
    assert done.code == 2
    assert "pyproject.toml" in done.err
    assert "Traceback" not in done.err


def test_a_pyproject_of_another_tool_does_not_matter(project: Project) -> None:
    project.experiments("RQ1").write({"pyproject.toml": "tool = 3 # superparams"})
    assert project.run("RQ1").code == 0


def test_not_above_the_project(project: Project) -> None:
    project.experiments("RQ1")
    project.write({"inner/pyproject.toml": "", "inner/deep/file": ""})
    assert project.run("RQ1", inside="inner/deep").code == 2
    project.experiments("RQ2", folder="inner/experiments")
    assert project.run("RQ2", inside="inner/deep").code == 0
    assert ran(project) == []
    assert project.recorded("inner/results") == {"RQ2.RQ2": 1}


def test_without_a_project(tmp_path: Path) -> None:
    """Nothing marks a root: it is where the experiments folder lies."""
    project = Project(tmp_path / "plain")
    (project.folder / "pyproject.toml").unlink()
    project.experiments("a/RQ1")
    for inside in (".", "experiments", "experiments/a"):
        assert project.run("a.RQ1", inside=inside).code == 0
    assert project.recorded() == {"a.RQ1.RQ1": 1}


def test_the_outermost_of_folders_of_that_name(project: Project) -> None:
    project.experiments("RQ1", "old/experiments/RQ1")
    for inside in (".", "experiments/old", "experiments/old/experiments"):
        assert found(project, "RQ1", inside) == ["RQ1.py"]
        assert found(project, "old.experiments.RQ1", inside) == ["old/experiments/RQ1.py"]


def test_a_project_that_is_called_so_itself(tmp_path: Path) -> None:
    project = Project(tmp_path / "experiments").experiments("RQ1", folder=".")
    assert project.run("RQ1").code == 0
    project.experiments("RQ2")
    assert project.run("RQ2").code == 0
    assert project.run("RQ1").code == 2, "the folder in the project is the one"
    assert ran(project) == ["RQ1.RQ1", "RQ2.RQ2"]
