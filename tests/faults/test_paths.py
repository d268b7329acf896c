"""Rows 70 and 74: the paths of results and of experiments, as people give them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Results, search
from superparams.errors import StoreError
from tests.cli.command import Project
from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")


class Fit(Experiment):
    x: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.x}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and a home beside it."""
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def run(results: Any, **options: Any) -> Results:
    return Fit().run_all(results=results, progress=False, **options)


@pytest.mark.parametrize("kind", [str, Path])
def test_70_a_tilde_is_expanded(here: Path, kind: Callable[[str], Any]) -> None:
    where = kind("~/x")
    found = run(where)
    assert found.path.is_relative_to(here.parent / "home/x")
    assert found.path.is_file()
    assert len(Fit.results(where)) == len(Fit().results(where)) == 2
    assert len(Results.load(f"~/x/{found.root.name}")) == 2
    assert not list(here.iterdir()), "no folder is called ~"


REFUSED: dict[str, tuple[Any, str]] = {
    "a long name": ("a" * 300, "File name too long"),
    "a long path": ("/".join(["a" * 200] * 25), "File name too long"),
    "a name with NUL": ("a\0b", "NUL"),
    "the home of nobody": ("~there-is-no-such-user/x", "there is no user 'there-is-no-such-user'"),
    "a number": (3, "give the path of a folder"),
    "bytes": (b"x", "give the path of a folder"),
    "None": (None, "give the path of a folder"),
    "nothing": ("", "give the path of a folder, such as"),
    "a variable": ("$HOME/rr", r"\$HOME is not expanded; give os.path.expandvars"),
    "a variable in braces": (Path("x/${NOT_SET}"), r"\$\{NOT_SET\} is not expanded"),
    "blanks": ("  ", "give the path of a folder"),
    "a device": ("/dev/null", "/dev/null is a file"),
    "below a device": ("/dev/null/x", "/dev/null is a file"),
    "a file": ("file", "file is a file"),
    "below a file": ("file/x", "file is a file"),
    "a link to itself": ("loop", "symbolic links"),
    "a link to nothing": ("dangling", "link to a folder that does not exist"),
    "a pipe": ("pipe", "pipe is a file"),
}


@pytest.mark.parametrize("where", REFUSED)
def test_70_what_is_no_folder_is_refused_by_all_that_take_one(here: Path, where: str) -> None:
    (here / "file").touch()
    (here / "loop").symlink_to("loop")
    (here / "dangling").symlink_to("nowhere")
    os.mkfifo(here / "pipe")
    before = sorted(here.iterdir())
    given, why = REFUSED[where]
    for call in (run, Fit.results, Fit().results, Results.load):
        with pytest.raises(StoreError, match=why) as refused:
            call(given)
        assert len(str(refused.value)) < 600
    with pytest.raises(StoreError, match=why):
        run(given, num_proc=2)
    assert sorted(here.iterdir()) == before


def test_70_a_deleted_working_directory_is_named(here: Path) -> None:
    there = here.parent / "gone"
    there.mkdir()
    os.chdir(there)
    there.rmdir()
    for call in (
        lambda: run("results"),
        lambda: run("results", num_proc=2),
        Fit.results,
        lambda: Results.load("results/x.Fit"),
        lambda: Fit(x=1).folder,
    ):
        with pytest.raises(StoreError, match="the working directory was deleted"):
            call()
    for workers in (1, 2):  # with a full path nothing is needed of it
        assert run(here / "full", num_proc=workers, resume=False).counts == {"done": 2}
    os.chdir(here)
    assert len(Results.load(here / "full" / run(here / "full").root.name)) == 2


UNWRITABLE = """
import os, sys
from superparams import Experiment, search
from superparams.errors import StoreError

class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"y": self.x}

Fit().run_all(results="open", progress=False)  # all that a run imports is here by now
os.chmod(".", 0o755)
os.mkdir("closed")
os.mkdir("hidden")
os.chmod("closed", 0o555)
os.chmod("hidden", 0o700)
if os.getuid() == 0:
    os.seteuid(65534)
else:
    os.chmod("hidden", 0)
for where in ("closed", "closed/x", "hidden/x"):
    for workers in (1, 2):
        try:
            Fit().run_all(workers, results=where, progress=False)
        except StoreError as error:
            text = str(error)
            print(where, workers, "Permission denied" in text, where.split("/")[0] in text)
os.seteuid(os.getuid())
os.chmod("hidden", 0o700)
"""


def test_70_a_folder_that_cannot_be_written_is_an_error_that_names_it() -> None:
    with tempfile.TemporaryDirectory() as folder:  # others may look into it, unlike `tmp_path`
        told = output(Path(folder), UNWRITABLE).splitlines()
    places = ("closed", "closed/x", "hidden/x")
    assert told == [f"{one} {workers} True True" for one in places for workers in (1, 2)]


def test_70_the_command_takes_and_refuses_the_same(here: Path) -> None:
    project = Project(here / "project").experiments("RQ1")
    home = str(here.parent / "home")
    assert project.run("RQ1", "--results", "~/x", env={"HOME": home}).code == 0
    assert list((here.parent / "home/x").glob("*/results.parquet"))
    assert not (project.folder / "~").exists()
    for given, why in (("a" * 300, "File name too long"), ("~nobody-of-this-name", "no user")):
        ended = project.run("RQ1", "--results", given)
        assert ended.code == 2
        assert why in ended.err
        assert "Traceback" not in ended.err
        assert len(ended.err) < 700


SIBLINGS = {
    "nn.py": "def f(x): return x",
    "pack/__init__.py": "",
    "pack/m.py": "def g(x): return x",
    "experiments/a.py": """
        from superparams import Experiment, search
        from nn import f
        from pack.m import g

        class A(Experiment):
            x: int = search([1, 2])
            def run(self):
                return {"y": f(g(self.x))}
        """,
    "experiments/b.py": "import far",
    "experiments/c.py": "import nowhere",
}


@pytest.fixture
def code_folder(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project whose experiments lie below a folder of its own, as src/experiments."""

    def make(folder: str, more: dict[str, str] | None = None) -> Project:
        files = {f"{folder}/{name}": text for name, text in SIBLINGS.items()}
        return Project(tmp_path / "project").write({**files, **(more or {})})

    return make


@pytest.mark.parametrize("folder", ["src", "code/python"])
def test_74_siblings_of_an_experiments_folder_are_imported(
    code_folder: Callable[..., Project], folder: str
) -> None:
    project = code_folder(folder)
    (project.folder / "pyproject.toml").rename(project.folder / "setup.cfg")
    for inside, more in ((folder, ()), (f"{folder}/experiments", ()), (folder, ("-n", "2"))):
        ended = project.run("a", "--rerun", *more, inside=inside)
        assert (ended.code, "2 done" in ended.err + ended.out) == (0, True), ended
    edited = project.write({f"{folder}/nn.py": "def f(x): return 2 * x"})
    assert "made by other code" in edited.run("a", inside=folder).err, "siblings count as code"


def test_74_in_a_package_the_folder_above_it_is_the_root(
    code_folder: Callable[..., Project],
) -> None:
    text = SIBLINGS["experiments/a.py"].replace("from nn", "from mine.nn")
    more = {"src/mine/__init__.py": "", "src/mine/experiments/a.py": text}
    project = code_folder("src/mine", {**more, "src/pack/m.py": "def g(x): return x"})
    ended = project.run("a", inside="src/mine")
    assert (ended.code, "2 done" in ended.err + ended.out) == (0, True), ended


def test_74_what_is_not_found_says_where_it_is(code_folder: Callable[..., Project]) -> None:
    project = code_folder("src", {"lib/far.py": ""})
    far = project.run("b", inside="src")
    assert far.code == 2
    assert "lib/far.py exists, but lib/ is not on the import path" in far.err
    assert "PYTHONPATH=lib" in far.err
    assert project.run("b", inside="src", env={"PYTHONPATH": str(project.folder / "lib")}).code != 0
    nowhere = project.run("c", inside="src")
    assert "is not on the import path" not in nowhere.err
    assert "No module named 'nowhere'" in nowhere.err


def test_74_the_root_of_the_project_names_the_folder(code_folder: Callable[..., Project]) -> None:
    project = code_folder("src")
    ended = project.run("a")
    assert ended.code == 2
    assert "there is src/experiments: start the command there" in ended.err
    project.write({"pyproject.toml": '[tool.superparams]\nexperiments = "src/experiments"\n'})
    assert project.run("a").code == 0
