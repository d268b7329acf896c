"""Verbs that only read work without the code, and never import the file of an experiment."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Project

pytestmark = pytest.mark.usefixtures("no_leaks")

# `heavy` stands for torch: its import is seen, and takes longer than any test may.
HEAVY = """
    import time
    from pathlib import Path

    with open(Path(__file__).with_name("imported"), "a") as file:
        file.write("x")
    if Path(__file__).with_name("slow").exists():
        time.sleep(1000)

    def twice(x):
        return 2 * x
"""
FIT = """
    import enum
    import heavy
    from superparams import Experiment, Params, search

    class Mode(enum.Enum):
        FAST = 1
        EXACT = 2

    class SGD(Params):
        rate: float = 0.1

    class Adam(Params):
        rate: float = 0.2
        beta: int = 1

    class Fit(Experiment):
        a: int = search([1, 2, 3])
        size: int = search({"small": 8, "large": 64})
        mode: Mode = Mode.FAST
        on: bool = True
        opt: SGD | Adam = search([SGD(), Adam()])

        def run(self):
            print("a is", self.a)
            if self.a == 3:
                raise ValueError("three")
            return {"y": heavy.twice(self.a) * self.size}
"""
KEYED = ["a=1", "size=small", "opt=SGD"]
VERBS: list[list[str]] = [
    ["results"],
    ["results", "--where", "size=small", "--where", "mode=FAST", "--where", "on=yes"],
    ["results", "--where", "opt=Adam", "--sort", "-y"],
    ["results", "--json"],
    ["results", "--format", "csv"],
    ["status"],
    ["status", "--json"],
    ["show", *KEYED],
    ["show", *KEYED, "--json"],
    ["logs", *KEYED],
    ["logs"],
    ["runs"],
    ["runs", "--json"],
    ["clean", "--dry-run"],
    ["clean", "--failed", "--dry-run", "--json"],
    ["clean", "--all", "--dry-run"],
    ["diff", "last", "last"],
    ["list"],
    ["list", "--json"],
]
# All of them in one process, which spares the loading.
DRIVER = """
import contextlib, io, json, sys
from superparams.cli.command import execute

said = []
for words in json.loads(sys.argv[1]):
    file, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(file, "utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute("experiment", words)
        except SystemExit as end:
            code = end.code
    said.append((code, file.getvalue().decode(), err.getvalue()))
assert not [x for x in sys.modules if x.partition(".")[0] in ("experiments", "heavy", "fit")]
json.dump(said, sys.stdout)
"""


KINDS = "done", "stale", "failed", "killed", "timeout", "stopped"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs of fit.Fit."""
    project = Project(tmp_path_factory.mktemp("recorded") / "project")
    project.write({"experiments/fit.py": FIT, "heavy.py": HEAVY})
    assert project.run("fit", "-n", "2", "--no-progress").code == 1
    assert project.run("fit", "-n", "2", "--no-progress").code == 1
    (project.folder / "imported").unlink()
    (project.folder / "slow").touch()
    return project.folder


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Project:
    """A copy of the project, in which the import of the file takes for ever."""
    project = Project(tmp_path / "project")
    shutil.copytree(recorded, project.folder, dirs_exist_ok=True)
    return project


def said(project: Project, target: str, verbs: list[list[str]] | None = None) -> dict[str, Done]:
    """What each verb says of a target. Nothing of the user is imported, and nothing fails."""
    words = [[verb, target, *more] for verb, *more in verbs or VERBS]
    ended = project.python("-c", DRIVER, json.dumps(words))
    assert ended.code == 0, ended.err
    found = [Done(*each) for each in ended.document]
    made = {" ".join([one[0], *one[2:]]): done for one, done in zip(words, found, strict=True)}
    for name, done in made.items():
        assert (done.code, "Traceback" in done.err) == (0, False), (name, done)
    assert not (project.folder / "imported").exists()
    return made


def document(found: dict[str, Done], name: str) -> dict[str, Any]:
    made: Any = found[name].document
    several: list[Any] = made if isinstance(made, list) else [made]
    (one,) = several
    return dict(one)


def check(found: dict[str, Done], *, code: str, todo: int | None) -> None:
    """What does not depend on the code, and whether the code is "current", "stale" or unknown."""
    rows = document(found, "results --json")
    assert len(rows["rows"]) == 12
    assert {row["stale"] for row in rows["rows"]} == {{"current": False, "stale": True}.get(code)}
    selected = found["results --where size=small --where mode=FAST --where on=yes"].out
    assert "6 of 12 rows" in selected
    assert "large" not in selected
    assert "6 of 12 rows" in found["results --where opt=Adam --sort -y"].out
    assert found["results --format csv"].out.startswith("a,size,mode,on,opt,opt.rate,opt.beta,y,")
    head = found["results"].out.partition("\n")[0]
    assert ("8 stale, 4 failed" if code == "stale" else "8 done, 4 failed") in head
    shown = document(found, f"show {' '.join(KEYED)} --json")
    assert shown["params"]["size"] == "small"
    assert shown["is_stale"] == {"current": False, "stale": True}.get(code)
    assert found[f"logs {' '.join(KEYED)}"].out == "a is 1\n"
    assert len(document(found, "runs --json")["runs"]) == 2
    assert "code: the same" in found["diff last last"].out
    assert "nothing to remove" in found["clean --dry-run"].out
    assert document(found, "clean --failed --dry-run --json")["outcomes"] == 4
    status = document(found, "status --json")
    (listed,) = found["list --json"].document["experiments"]
    assert (listed["name"], listed["state"]["todo"]) == ("fit.Fit", todo)
    assert {name: listed["state"][name] for name in KINDS} == {name: status[name] for name in KINDS}
    assert (status["todo"], status["failed"], status["runs"]) == (todo, 4, 2)
    assert (status["done"], status["stale"]) == ((0, 8) if code == "stale" else (8, 0))
    if code not in ("current", "stale"):
        assert "code unknown" in head
        assert f"code unknown: {code}" in found["results"].out
        assert found["results"].out.count("code unknown") >= 12
        assert f"code     unknown: {code}" in found["status"].out
        assert f"code unknown: {code}" in found[f"show {' '.join(KEYED)}"].out
        assert rows["code_unknown"].startswith(code)
        assert status["code_unknown"].startswith(code)
    else:
        assert "unknown" not in found["results"].out + found["status"].out.replace("not known", "")


def edit(project: Project, old: str, new: str, name: str = "experiments/fit.py") -> None:
    file = project.folder / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


TARGETS = ["fit", "fit.Fit", "results", "./results/fit.Fit", "results/fit.Fit/results.parquet"]


@pytest.mark.parametrize("target", TARGETS)
def test_by_name_and_by_path_nothing_is_imported(copied: Project, target: str) -> None:
    began = time.monotonic()
    found = said(copied, target)
    assert time.monotonic() - began < 900  # an import would take longer
    check(found, code="current", todo=4)
    assert "12 settings, as in run" in found["status"].out


def test_the_installed_command_does_not_wait_for_the_import(copied: Project) -> None:
    ended = copied.run("results", "fit")
    assert (ended.code, ended.err) == (0, "")
    assert not (copied.folder / "imported").exists()


# How the code is after the runs, what is said of it, and whether the space is known.
def delete(project: Project) -> None:
    (project.folder / "experiments" / "fit.py").unlink()


def delete_all(project: Project) -> None:
    shutil.rmtree(project.folder / "experiments")
    (project.folder / "heavy.py").unlink()


def break_it(project: Project) -> None:
    edit(project, "class Fit(", "class Fit((")


def raise_at_import(project: Project) -> None:
    edit(project, "import heavy\n", "import heavy\nraise RuntimeError('no GPU')\n")


def change(project: Project) -> None:
    edit(project, "heavy.twice(self.a)", "3 * self.a")


def change_library(project: Project) -> None:
    edit(project, "return 2 * x", "return x + x", "heavy.py")


def comment(project: Project) -> None:
    edit(project, "    a: int", "    # the first\n    a: int")


def extend(project: Project) -> None:
    edit(project, "search([1, 2, 3])", "search([1, 2, 3, 4])")


def wrap(project: Project) -> None:
    edit(project, "    def run", "    @staticmethod\n    @heavy.wrapped\n    def run")


GONE = "there is no experiments folder here"
NO_FILE = "the experiments folder has no file of this name"
FACES: list[tuple[Any, str, int | None]] = [
    (delete, NO_FILE, None),
    (delete_all, NO_FILE, None),
    (break_it, "fit.py has no class statement for it", None),
    (raise_at_import, "current", 4),
    (change, "stale", 12),
    (change_library, "stale", 12),
    (comment, "current", 4),
    (extend, "current", None),
    (wrap, "Fit.run has a decorator that may keep values", None),
]


@pytest.mark.parametrize(("change", "code", "todo"), FACES, ids=[x[0].__name__ for x in FACES])
def test_whatever_became_of_the_code(
    copied: Project, change: Any, code: str, todo: int | None
) -> None:
    change(copied)
    found = said(copied, "fit")
    check(found, code=code, todo=todo)
    if code == "stale":
        assert "changed " in found["status"].out
    if change is wrap:  # the text tells what is declared all the same
        assert "12 settings, as in run" in found["status"].out
    if change is extend:
        assert "the space that fit.py declares now has not been run" in found["status"].out


def test_on_another_machine_and_read_only(copied: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    (other.folder / "pyproject.toml").unlink()
    shutil.move(copied.folder / "results", other.folder / "theirs")
    folders = [other.folder / "theirs", *(other.folder / "theirs").rglob("*")]
    for path in folders:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in folders}
    try:
        for target in ("theirs", "theirs/fit.Fit", str(other.folder / "theirs" / "fit.Fit")):
            check(said(other, target), code=GONE, todo=None)
        assert {path: path.stat().st_mtime_ns for path in folders} == before
    finally:
        for path in folders:
            if path.is_dir():
                path.chmod(0o755)


def test_what_the_text_does_not_tell_is_as_it_was_while_no_file_has_changed(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path / "project")
    wrapped = FIT.replace("    def run", "    @heavy.wrapped\n        def run")
    heavy = f"{HEAVY}\n    def wrapped(f):\n        return lambda self: f(self)\n"
    project.write({"experiments/fit.py": wrapped, "heavy.py": heavy})
    for _ in range(2):
        assert project.run("fit", "-n", "2", "--no-progress").code == 1
    (project.folder / "imported").unlink()
    found = said(project, "fit")
    check(found, code="current", todo=4)
    edit(project, "return 2 * x", "return x + x", "heavy.py")
    check(said(project, "fit"), code="Fit.run has a decorator that may keep values", todo=None)


def test_runs_of_older_versions_have_no_schema(copied: Project) -> None:
    for file in (copied.folder / "results").glob("*/runs/*/run.json"):
        manifest = json.loads(file.read_text())
        for name in ("schema", "from_text", "axes"):
            del manifest[name]
        file.write_text(json.dumps(manifest))
        for path in file.parent.glob("*.keys"):
            path.unlink()
    found = said(copied, "fit")
    check(found, code="current", todo=None)
    assert "not known: the space that fit.py declares now has not been run" in found["status"].out


def test_names_that_mean_nothing_and_files_without_experiments(copied: Project) -> None:
    (copied.folder / "experiments" / "empty.py").write_text("x = 1\n")
    (copied.folder / "experiments" / "bad.py").write_text("def (\n")
    (copied.folder / "elsewhere").mkdir()
    words = [
        ["results", "fitt"],
        ["runs", "empty"],
        ["logs", "bad"],
        ["status", "fit.SGD"],
        ["results", "./elsewhere"],
        ["results", "--stale", "theirs"],
    ]
    shutil.copytree(copied.folder / "results", copied.folder / "theirs" / "x", symlinks=True)
    ended = copied.python("-c", DRIVER, json.dumps(words))
    assert ended.code == 0, ended.err
    errors = [err for code, _, err in ended.document if code == 2]
    assert len(errors) == len(words)
    assert "did you mean fit" in errors[0]
    assert "there is no experiment in" in errors[1]
    assert "bad.py, line 1: invalid syntax" in errors[2]
    assert "there is no experiment SGD in" in errors[3]
    assert "it has Fit" in errors[3]
    assert not (copied.folder / "imported").exists()


def test_status_imports_on_demand(copied: Project) -> None:
    (copied.folder / "slow").unlink()
    edit(copied, "search([1, 2, 3])", "search([1, 2, 3, 4])")
    (one,) = copied.run("status", "fit", "--import", "--json").document
    assert (one["size"], one["done"], one["todo"], one["others"]) == (16, 8, 8, 0)
    assert (copied.folder / "imported").exists()


SCRIPT = """
    from superparams import Experiment, search
    import helper

    class Steps(Experiment):
        n: int = search([1, 2])

        def run(self):
            return {"steps": helper.twice(self.n)}

    if __name__ == "__main__":
        Steps().run_all(progress=False)
"""


def test_scripts_without_an_experiments_folder(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    helper = "def twice(x):\n    return 2 * x\n"
    project.write({"steps.py": SCRIPT, "helper.py": helper, "other/steps.py": SCRIPT})
    assert project.python("steps.py").code == 0

    def status(target: str = "results") -> dict[str, Any]:
        return document(said(project, target, [["status", "--json"]]), "status --json")

    found = status()
    assert (found["done"], found["todo"], found["size"]) == (2, 0, 2)
    edit(project, "return 2", "return 3", "helper.py")
    assert status("results/steps.Steps")["stale"] == 2
    edit(project, "search([1, 2])", "search([1, 2, 3])", "steps.py")
    assert status()["why"] == "not known: the space that steps.py declares now has not been run"

    # What the folder says is its file does not count where that is a part of the folder.
    (run,) = (project.folder / "results").glob("*/runs/*/run.json")
    manifest = json.loads(run.read_text())
    kept = run.parent / "source" / "project" / "steps.py"
    assert kept.exists()
    inside = kept.relative_to(project.folder / "results")
    for name in (str(inside), "../../elsewhere/steps.py", "/etc/passwd", "..", "../steps.txt", 3):
        run.write_text(json.dumps({**manifest, "file": name}))
        assert status()["code_unknown"] == "there is no experiments folder here", name


def test_classes_that_a_file_makes_when_it_is_imported(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    text = """
        from superparams import Experiment, search

        def make(k):
            class Made(Experiment):
                a: int = search([1, 2])
                def run(self):
                    return {"y": self.a * k}
            return Made

        Made = make(3)
    """
    project.write({"experiments/m.py": text})
    made = project.run("m", "--no-progress")
    assert made.code == 0, made.err
    (folder,) = (project.folder / "results").iterdir()
    found = said(project, "m", [["results"], ["status"], ["results", "--json"]])
    assert folder.name in found["results"].out
    assert "code unknown: m.py has no class statement for it" in found["results"].out
    assert len(document(found, "results --json")["rows"]) == 2


def test_a_space_of_which_some_settings_were_done(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.experiments("RQ1")
    assert project.run("RQ1", "a=1", "--no-progress").code == 0
    assert "not known" in said(project, "RQ1", [["status"]])["status"].out
    assert project.run("RQ1", "--no-progress").code == 0  # one of two settings is left
    assert project.run("RQ1", "a=7", "--no-progress").code == 0
    (one,) = said(project, "RQ1", [["status", "--json"]])["status --json"].document
    assert (one["size"], one["done"], one["todo"], one["others"]) == (2, 2, 0, 1)
    assert one["axes"] == {"a": "[1, 2]"}


def test_the_goal_is_that_of_the_text_and_else_of_the_last_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    text = """
        import superparams
        from superparams import Experiment, minimize, search

        class Base(Experiment):
            goal = minimize("loss")

        class Fit(Base):
            a: int = search([1, 2, 3])
            def run(self):
                return {"loss": (self.a - 2) ** 2, "y": self.a}
    """
    project.write({"experiments/m.py": text})
    made = project.run("m.Fit", "--no-progress")
    assert made.code == 0, made.err
    assert "best loss 0" in said(project, "m.Fit", [["results"]])["results"].out
    edited = text.replace(
        "class Fit(Base):",
        """class Fit(Base):
            goal = superparams.maximize("y")""",
    )
    project.write({"experiments/m.py": edited})
    assert "best y 3" in said(project, "m.Fit", [["results"]])["results"].out
    (project.folder / "experiments" / "m.py").unlink()
    assert "best loss 0" in said(project, "m.Fit", [["results"]])["results"].out


GOAL = """
from superparams import Experiment, maximize, minimize, search

class Fit(Experiment):
    a: int = search([1, 2])
    goal = maximize("y")
    def run(self):
        return {"y": self.a}
"""


def test_a_goal_is_no_part_of_the_code_in_the_text_either(project: Project) -> None:
    path = project.write({"experiments/RQ1.py": GOAL}).folder / "experiments/RQ1.py"
    assert project.run("RQ1").code == 0
    for text in (
        f"{GOAL}# a comment\n",
        GOAL.replace('maximize("y")', 'minimize("y")'),
        GOAL.replace("    goal", "    keep_checkpoints = True\n    goal"),
    ):
        path.write_text(text)
        assert "2 done, nothing to do" in project.run("status", "RQ1").out, text
    path.write_text(GOAL.replace("self.a}", "self.a + 1}"))
    told = project.run("status", "RQ1").out
    assert "2 stale, 2 to do" in told
    assert "changed experiments.RQ1.Fit.run" in told
