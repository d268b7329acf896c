"""The code of a run comes back, exactly, and does what it did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from superparams.errors import StoreError
from superparams.store.provenance.git_state import MAX_FILE
from superparams.store.provenance.record import Provenance, read_provenance
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run
from tests.runs import environment, output
from tests.timing import PATIENCE

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")

STEPS = """
from superparams import Experiment, search
from lib.part import factor
class Steps(Experiment):
    n: int = search([1, 2])
    def run(self):
        return {"steps": factor() * self.n}
"""
AGAIN = """
from steps import Steps
setting = Steps(n=2)
print(setting.run(), setting.key)
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, "-c", "protocol.file.allow=always", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def files(folder: Path) -> dict[str, str]:
    """The text of all files, but for those of git and of runs."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*.py"))
        if path.is_file() and not {".git", "results", "__pycache__", "script.py"} & {*path.parts}
    }


class Project:
    """A project that runs, is edited, and is asked about its rows."""

    def __init__(self, folder: Path, top: Path | None = None) -> None:
        self.folder = folder
        self.top = top or folder
        (folder / "lib").mkdir(parents=True)
        self.write("steps.py", STEPS)
        self.write("lib/part.py", "def factor():\n    return 2\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def commit(self, said: str = "more") -> None:
        git(self.top, "add", ".")
        git(self.top, "commit", "-q", "-m", said)

    def run(self) -> Provenance:
        """Run all of it again; where the row of n=2 comes from."""
        # An edit of the same size within a second would run an outdated compiled copy.
        env = environment(PYTHONDONTWRITEBYTECODE="1")
        output(self.folder, "from steps import Steps\nSteps().run_all(progress=False)", env=env)
        return self.made()

    def made(self) -> Provenance:
        results = Results.load(self.folder / "results" / "steps.Steps")
        return results.provenance(next(iter(results.where(n=2))))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    git(made.folder, "init", "-q", "-b", "trunk")
    made.write(".gitignore", "script.py\nresults\n__pycache__\n")
    made.commit("one")
    return made


def test_the_first_code_comes_back_and_does_the_same(tmp_path: Path, project: Project) -> None:
    """Edited, committed, edited again: each run has its own code."""
    project.write("lib/part.py", "def factor():\n    return 3\n")
    project.write("notes.py", "NOTE = 1\n")
    first, was = project.run(), files(project.folder)
    row = next(iter(Results.load(project.folder / "results/steps.Steps").where(n=2)))
    project.commit("two")
    project.write("lib/part.py", "def factor():\n    return 4\n")
    second, later = project.run(), files(project.folder)
    project.write("lib/part.py", "def factor():\n    return 5\n")
    (project.folder / "notes.py").unlink()
    project.commit("three")
    git(project.folder, "gc", "-q")

    then = first.restore(tmp_path / "then")
    assert files(then) == was
    assert output(then, AGAIN) == f"{{'steps': 6}} {row['key']}\n"
    assert row["steps"] == 6
    assert files(second.restore(tmp_path / "second")) == later


def test_nothing_of_the_repository_changes(tmp_path: Path, project: Project) -> None:
    project.write("lib/part.py", "def factor():\n    return 3\n")
    made = project.run()

    def state() -> dict[str, bytes]:
        inside = (project.folder / ".git").rglob("*")
        return {str(path): path.read_bytes() for path in inside if path.is_file()}

    before = state()
    made.restore(tmp_path / "then")
    assert state() == before
    assert not (tmp_path / "then" / ".git").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path, project: Project) -> None:
    made = project.run()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("a year of it")
    with pytest.raises(StoreError, match=r"mine is not empty \(work is in it\)"):
        made.restore(tmp_path / "mine")
    with pytest.raises(StoreError, match="is not empty"):
        made.restore(project.folder)
    assert (tmp_path / "mine" / "work").read_text() == "a year of it"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work"]
    with pytest.raises(StoreError, match="cannot restore the code"):
        made.restore(tmp_path / "mine" / "work")
    (tmp_path / "empty").mkdir()
    assert made.restore(str(tmp_path / "empty")) == tmp_path / "empty"


def test_outside_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    project = Project(tmp_path / "plain")
    project.write("unrelated.py", "x = 1\n")
    made = project.run()
    was = files(project.folder)
    project.write("lib/part.py", "def factor():\n    return 9\n")
    assert made.commit is None
    then = made.restore(tmp_path / "then")
    assert files(then) == {name: was[name] for name in ("lib/part.py", "steps.py")}
    assert output(then, AGAIN).startswith("{'steps': 4}")


def test_without_git_on_the_way_back(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project.run()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StoreError, match="git=False"):
        made.restore(tmp_path / "then")
    assert not (tmp_path / "then").exists()
    made.restore(tmp_path / "then", git=False)
    assert set(files(tmp_path / "then")) == {"lib/part.py", "steps.py"}


def test_a_commit_that_is_gone_and_a_clone_that_has_it(tmp_path: Path, project: Project) -> None:
    made = project.run()
    git(tmp_path, "clone", "-q", str(project.folder), "clone")
    shutil.rmtree(project.folder / ".git")
    with pytest.raises(StoreError, match=rf"commit {made.commit} of run .* repository=\.\.\."):
        made.restore(tmp_path / "then")
    with pytest.raises(StoreError, match="is in no repository at"):
        made.restore(tmp_path / "then", repository=tmp_path)
    made.restore(tmp_path / "then", repository=tmp_path / "clone")
    assert files(tmp_path / "then") == files(project.folder)


def test_from_another_machine(tmp_path: Path, project: Project) -> None:
    """Only the results came along, and the current directory is a clone."""
    project.run()
    git(tmp_path, "clone", "-q", str(project.folder), "clone")
    shutil.move(project.folder / "results", tmp_path / "results")
    shutil.rmtree(project.folder)
    text = f"""
from superparams import Results
found = Results.load({str(tmp_path / "results" / "steps.Steps")!r})
print(found.provenance(found.best("steps")).restore("../then"))
"""
    assert output(tmp_path / "clone", text) == "../then\n"
    assert set(files(tmp_path / "then")) == {"lib/part.py", "steps.py"}


def test_a_project_inside_a_larger_repository(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = Project(top / "ml" / "steps", top)
    git(top, "init", "-q", "-b", "trunk")
    project.write("pyproject.toml", "")
    project.write(".gitignore", "script.py\nresults\n")
    (top / "other.py").write_text("y = 1\n")
    project.commit("one")
    project.write("lib/part.py", "def factor():\n    return 3\n")
    made = project.run()
    made.restore(tmp_path / "then")
    assert files(tmp_path / "then") == files(top)
    assert set(files(tmp_path / "then")) == {
        *("ml/steps/steps.py", "ml/steps/lib/part.py", "other.py")
    }
    assert output(tmp_path / "then" / "ml" / "steps", AGAIN).startswith("{'steps': 6}")


@pytest.mark.parametrize("has_git", [True, False])
def test_the_commands_of_show_write_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_git: bool
) -> None:
    """In a project inside a repository: with an edit, files that git ignores, and libraries."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    top = tmp_path / "top"
    project = Project(top / "work" / "project", top)
    project.write("pyproject.toml", "")
    if has_git:
        git(top, "init", "-q")
        (top / ".gitignore").write_text("script.py\nresults\n__pycache__\nlocal.py\n")
        project.commit()
    project.write("lib/part.py", "from local import X\ndef factor():\n    return X\n")
    project.write("local.py", "X = 7\n")  # not known to git, and needed
    project.run()
    source = next((project.folder / "results").rglob("source"))
    run = Run.of(RunFolder(source.parent))
    for label in ("inside", "beside"):
        (source / "libraries" / label).mkdir(parents=True)
        (source / "libraries" / label / f"of_{label}.py").write_text("Y = 1\n")
    run.folder.update(libraries={"inside": "src/inside", "beside": None})
    project.write("local.py", "X = 9\n")

    run = Run.of(run.folder)
    restored = run.kept_code.restore(tmp_path / "then", None, git=True)
    *commands, last = run.kept_code.commands(project.folder, ["true"])
    subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, check=True, timeout=PATIENCE)
    written = Path(commands[0].split()[-2 if has_git else -1])
    assert files(written) == files(restored)
    place = Path("work/project" if has_git else "")
    assert last == f"cd {written / place} && true"
    assert files(restored)[str(place / "local.py")] == "X = 7\n"
    assert files(restored)[str(place / "of_beside.py")] == "Y = 1\n"
    assert "src/inside/of_inside.py" in files(restored)
    assert output(written / place, AGAIN).startswith("{'steps': 14}")


def test_started_from_elsewhere(tmp_path: Path, project: Project) -> None:
    """The repository is that of the experiment, not of where it was started."""
    project.write("go.py", "from steps import Steps\nSteps().run_all(progress=False)\n")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "other")
    subprocess.run(
        ["python", str(project.folder / "go.py")],
        cwd=other,
        check=True,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},
    )
    found = Results.load(other / "results" / "steps.Steps")
    made = found.provenance(found.best("steps"))
    assert made.commit == git(project.folder, "rev-parse", "HEAD")
    assert made.branch == "trunk"
    assert files(made.restore(tmp_path / "then")) == files(project.folder)


def test_a_worktree_and_a_submodule(tmp_path: Path, project: Project) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    git(shared, "init", "-q", "-b", "trunk")
    (shared / "deep.py").write_text("DEEP = 10\n")
    git(shared, "add", ".")
    git(shared, "commit", "-q", "-m", "one")
    git(project.folder, "submodule", "add", "-q", str(shared), "shared")
    project.write("lib/part.py", "from shared.deep import DEEP\ndef factor():\n    return DEEP\n")
    project.commit("two")
    git(project.folder, "worktree", "add", "-q", str(tmp_path / "beside"), "-b", "beside")
    git(tmp_path / "beside", "submodule", "update", "--init", "-q")
    (tmp_path / "beside" / "shared" / "deep.py").write_text("DEEP = 11\n")
    project.folder = tmp_path / "beside"
    made = project.run()
    assert made.branch == "beside"
    assert made.patch is None, "what is dirty in a submodule is no patch that git takes"
    assert files(made.restore(tmp_path / "then")) == files(tmp_path / "beside")
    assert output(tmp_path / "then", AGAIN).startswith("{'steps': 22}")


def test_binary_files_links_modes_and_line_ends(tmp_path: Path, project: Project) -> None:
    inside = project.folder
    (inside / "blob.bin").write_bytes(bytes(range(256)))
    (inside / "run.sh").write_text("#!/bin/sh\n")
    (inside / "run.sh").chmod(0o755)
    (inside / "link.py").symlink_to("steps.py")
    (inside / "ends.py").write_bytes(b"x = 1\r\ny = 2\r\n")
    (inside / "wéird name.py").write_text("z = 1\n")
    project.commit("two")
    (inside / "blob.bin").write_bytes(bytes(range(255, -1, -1)))
    (inside / "ends.py").write_bytes(b"x = 1\r\ny = 3\r\n")
    (inside / "wéird name.py").write_text("z = 2\n")
    (inside / "new dir").mkdir()
    (inside / "new dir" / "né.py").write_text("w = 2\n")
    git(inside, "rm", "-q", "--cached", "run.sh")
    then = project.run().restore(tmp_path / "th:en")
    for name in ("blob.bin", "ends.py", "wéird name.py", "new dir/né.py"):
        assert (then / name).read_bytes() == (inside / name).read_bytes(), name
    assert os.readlink(then / "link.py") == "steps.py"


def test_what_was_too_large_is_told(tmp_path: Path, project: Project) -> None:
    project.write("data.csv", "1\n")
    project.commit("two")
    project.write("data.csv", "22222222\n" * 200_000)
    project.write("lib/part.py", "def factor():\n    return 3\n")
    project.write("large.py", "#" * (MAX_FILE + 1))
    made = project.run()
    with pytest.warns(UserWarning, match="is not all of the code") as told:
        then = made.restore(tmp_path / "then")
    assert ["data.csv" in str(one.message) for one in told] == [True, False]
    assert ["large.py" in str(one.message) for one in told] == [False, True]
    assert output(then, AGAIN).startswith("{'steps': 6}")
    assert (then / "data.csv").read_text() == "1\n"


def test_a_patch_that_had_to_be_cut(tmp_path: Path, project: Project) -> None:
    project.write("lib/part.py", "def factor():\n    return 3\n" + "# long\n" * 300_000)
    made = project.run()
    with pytest.raises(StoreError, match="too large to be kept whole: take git=False"):
        made.restore(tmp_path / "then")
    then = made.restore(tmp_path / "then", git=False)
    assert output(then, AGAIN).startswith("{'steps': 6}")


def test_a_hostile_run_folder(tmp_path: Path, project: Project) -> None:
    """Restored code stays in its folder, and no option is smuggled into git."""
    made = project.run()
    run = RunFolder(made.run)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    (run.source / "untracked").mkdir()
    (run.source / "untracked" / "stolen.py").symlink_to(outside / "secret.py")
    (run.source / "untracked" / "folder").symlink_to(outside)
    run.update(project="/etc")
    then = read_provenance(run).restore(tmp_path / "then")
    assert set(files(then)) == {"lib/part.py", "steps.py"}
    (project.folder / "way").symlink_to(outside)
    project.commit("a link")
    (run.source / "untracked" / "way").mkdir()
    (run.source / "untracked" / "way" / "x.py").write_text("written")
    run.update(git={**made.manifest["git"], "commit": git(project.folder, "rev-parse", "HEAD")})
    read_provenance(run).restore(tmp_path / "linked")
    assert [path.name for path in outside.iterdir()] == ["secret.py"]
    for commit in ("--output=x", "HEAD", 7, ["a"]):
        run.update(git={**made.manifest["git"], "commit": commit})
        if isinstance(commit, str):
            with pytest.raises(StoreError, match="is in no repository"):
                read_provenance(run).restore(tmp_path / "again")
    (run.path / "run.json").write_text(json.dumps({"git": 7, "project": 7}))
    assert read_provenance(run).restore(tmp_path / "plain") == tmp_path / "plain"
