"""A run folder tells which code, data and environment made its results."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.provenance import git_state
from superparams.store.provenance import record as module
from superparams.store.provenance.record import gather, gather_later, save_source
from superparams.store.results import Results
from superparams.store.runs.driver_process import is_alive, this_process
from superparams.store.runs.folder import (
    RunFolder,
    experiment_folder,
    run_folders,
    safe_name,
    write_all_durably,
    write_durably,
)
from tests.runs import environment, output
from tests.timing import PATIENCE, within


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "digits.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def kept(tmp_path: Path, project: Path) -> RunFolder:
    run = RunFolder.create(tmp_path / "results", {"code": "c1"})
    gather(project).save(run)
    with Ledger(run.ledger) as ledger:
        ledger.append(encode([Outcome(0, f"{0:032x}", "done", {})]))
    run.finish()
    return run


def test_commit_branch_patch_and_untracked_sources(tmp_path: Path, project: Path) -> None:
    (project / "digits.py").write_text("x = 2\n")
    (project / "new.py").write_text("y = 1\n")
    (project / "weights.bin").write_bytes(b"\0" * 10)
    (project / "secret.json").write_text("{}")
    kept(tmp_path, project)
    results = Results.load(tmp_path / "results")
    found = results.provenance(next(iter(results)))
    assert found.commit == git(project, "rev-parse", "HEAD")
    assert found.branch == "trunk"
    assert found.patch is not None
    assert "+x = 2" in found.patch
    assert [path.name for path in found.files] == ["new.py"]
    assert found.files[0].read_text() == "y = 1\n"
    assert found.manifest["git"]["is_dirty"]


def test_the_patch_takes_the_commit_to_the_code_that_ran(tmp_path: Path, project: Path) -> None:
    (project / "digits.py").write_text("x = 'é'\n")
    (project / "blob.bin").write_bytes(bytes(range(256)))
    git(project, "add", "blob.bin")
    run = kept(tmp_path, project)
    found = module.read_provenance(run)
    git(project, "worktree", "add", "-q", str(tmp_path / "then"), str(found.commit))
    git(tmp_path / "then", "apply", str(run.source / "uncommitted.patch"))
    assert (tmp_path / "then" / "digits.py").read_text() == "x = 'é'\n"
    assert (tmp_path / "then" / "blob.bin").read_bytes() == bytes(range(256))


def test_a_clean_repository(tmp_path: Path, project: Path) -> None:
    found = module.read_provenance(kept(tmp_path, project))
    assert (found.patch, found.files, found.manifest["git"]["is_dirty"]) == (None, [], False)


def test_what_is_large_is_cut_and_told(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_state, "MAX_PATCH", 1000)
    (project / "digits.py").write_text("x = 2  # " + "long " * 1000)
    (project / "large.py").write_text("#" * (git_state.MAX_FILE + 1))
    found = module.read_provenance(kept(tmp_path, project))
    assert found.patch is not None
    assert len(found.patch) == 1000
    assert found.manifest["git"]["patch_cut_at"] == 1000
    assert found.manifest["git"]["untracked_left_out"] == ["large.py"]


def test_of_a_large_patch_the_sources_are_kept(tmp_path: Path, project: Path) -> None:
    (project / "data.csv").write_text("1\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "two")
    (project / "data.csv").write_text("22222222\n" * 200_000)
    (project / "digits.py").write_text("x = 2\n")
    found = module.read_provenance(kept(tmp_path, project))
    assert found.patch is not None
    assert "+x = 2" in found.patch
    assert "data.csv" not in found.patch
    assert found.manifest["git"]["patch_left_out"] == ["data.csv"]
    assert found.manifest["git"]["patch_cut_at"] is None


def test_what_earlier_runs_kept_is_no_source(project: Path) -> None:
    """Results lie in the project, and are not always ignored."""
    for _ in range(3):
        run = RunFolder.create(project / "results" / "x", {"code": "c1"})
        save_source(run, project, [project / "digits.py"], {})
        gather(project).save(run)
    assert run.manifest()["git"]["untracked"] == []
    assert not (run.source / "untracked").exists()


@pytest.mark.parametrize(
    "settings",
    [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.context", "0"),
        ("color.ui", "always"),
        ("diff.submodule", "log"),
    ],
)
def test_whatever_a_user_likes_patches_to_look_like(
    tmp_path: Path, project: Path, settings: tuple[str, str]
) -> None:
    lines = [f"x{at} = {at}\n" for at in range(20)]
    (project / "digits.py").write_text("".join(lines))
    git(project, "commit", "-q", "-a", "-m", "longer")
    git(project, "config", *settings)
    lines[10] = "x = 2\n"
    (project / "digits.py").write_text("".join(lines))
    (project / "sub").mkdir()
    run = RunFolder.create(tmp_path / "results", {"code": "c1"})
    gather(project / "sub").save(run)
    git(project, "checkout", "-q", "digits.py")
    git(project, "apply", str(run.source / "uncommitted.patch"))
    assert (project / "digits.py").read_text() == "".join(lines)


def test_results_in_the_project_are_not_looked_into(project: Path) -> None:
    for name in ("results [1]/x/settings/a.py", "results [1]2/b.py", "sub/results [1]/c.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x = 1\n")
    state, _ = git_state.git_state(project, project / "results [1]")
    assert state is not None
    assert state["untracked"] == ["results [1]2/b.py", "sub/results [1]/c.py"]
    for results in (project, project.parent, project.parent / "elsewhere", None):
        state, _ = git_state.git_state(project, results)
        assert state is not None
        assert len(state["untracked"]) == 3


SLOW_GIT = """#!/bin/sh
case " $* " in *" {word} "*) exec sleep 60;; esac
exec {git} "$@"
"""


@pytest.mark.timed
@pytest.mark.parametrize("word", ["diff", "ls-files"])
def test_a_git_that_takes_too_long(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """What it does not tell is not taken for nothing."""
    (project / "digits.py").write_text("x = 2\n")
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text(SLOW_GIT.format(word=word, git=shutil.which("git")))
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(git_state, "_SECONDS", 0.5)
    with within(10):
        run = kept(tmp_path, project)
    assert run.manifest()["git"]["failed"] == [word]
    assert not gather(project).is_whole
    with pytest.raises(StoreError, match="not known, since git did not tell"):
        module.read_provenance(run).restore(tmp_path / "then")


TOLD = """
import sys, warnings
from superparams import Experiment, search
from superparams.store.provenance import git_state
class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"y": self.x}
git_state._SECONDS = 0.3
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = Fit().run_all(progress=False)
print(found.counts, [str(one.message).partition(": ")[2] for one in told])
"""


def test_a_run_says_what_git_did_not_tell(tmp_path: Path, project: Path) -> None:
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text(SLOW_GIT.format(word="diff", git=shutil.which("git")))
    slow.chmod(0o755)
    env = environment(PATH=f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    told = output(project, TOLD, env=env)
    assert told.startswith("{'done': 2} [\"TimeoutError('git did not list all uncommitted")


IMPORTS = """
import sys
from pathlib import Path
import rich, superparams.run.loop
from superparams.store.provenance.record import gather
before = set(sys.modules)
known = gather(Path("."))
assert "rich" in known.manifest["versions"], "which has no __version__"
print(sorted(set(sys.modules) - before))
"""


def test_what_is_gathered_in_a_thread_imports_nothing(tmp_path: Path, project: Path) -> None:
    """A fork in the middle of an import could never import that module."""
    assert output(project, IMPORTS) == "[]\n"


def test_the_repository_of_a_hook_is_not_taken_for_ours(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "elsewhere")
    commit = git(project, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    state, _ = git_state.git_state(project)
    assert state is not None
    assert (state["commit"], state["branch"]) == (commit, "trunk")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_a_repository_of_someone_else(project: Path) -> None:
    """In a container the project often belongs to another user."""
    for path in (project, *project.rglob("*")):
        os.chown(path, 12345, 12345)
    state, _ = git_state.git_state(project)
    assert state is not None
    assert state["branch"] == "trunk"


def test_a_detached_head(tmp_path: Path, project: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    found = module.read_provenance(kept(tmp_path, project))
    assert (found.commit, found.branch) == (git(project, "rev-parse", "HEAD"), None)


def test_outside_git_and_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert gather(tmp_path).manifest["git"] is None
    monkeypatch.setenv("PATH", "")
    assert gather(tmp_path).manifest["git"] is None


@needs_git
def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    state, _ = git_state.git_state(tmp_path)
    assert state is not None
    assert (state["commit"], state["branch"]) == (None, "trunk")


def test_nothing_of_the_repository_runs(tmp_path: Path, project: Path) -> None:
    canary = tmp_path / "canary"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {canary}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "diff.x.textconv"):
        git(project, "config", name, str(script))
    for hook in ("post-index-change", "fsmonitor-watchman"):
        (project / ".git" / "hooks").mkdir(exist_ok=True)
        (project / ".git" / "hooks" / hook).symlink_to(script)
    (project / ".gitattributes").write_text("*.py diff=x\n")
    (project / "digits.py").write_text("x = 2\n")
    state, files = git_state.git_state(project)
    assert state is not None
    assert "uncommitted.patch" in files
    assert not canary.exists()


def test_what_is_told_of_machine_and_process(tmp_path: Path) -> None:
    found = gather(tmp_path).manifest
    assert found["argv"] == sys.argv
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert re.match(r"\d+\.", found["versions"]["pyarrow"])
    assert found["versions"]["pytest"] == pytest.__version__
    assert found["cpu"]
    json.dumps(found)


GIVEN = """
import json, sys
import numpy as np
from superparams import Experiment, Params, search, value
class Adam(Params):
    rate: float = search([0.1, 0.2])
class Fit(Experiment):
    C: float = search([1.0, 2.0])
    folds: int = 5
    layers: list[int] = [64, 64]
    data: object = value(np.arange(100_000.0))
    other: object = value(factory=lambda: np.ones(3), key="v1")
    optimizer: Adam = Adam()
    def run(self):
        return {"y": self.C}
if __name__ == "__main__":
    given = {"C": search([1.0, 3.0]), "folds": 3, "layers": [64, 64], "optimizer": Adam(rate=0.1)}
    found = Fit(**given).run_all(int(sys.argv[1]), progress=False)
    told = found.provenance(found.best("y")).manifest
    print(json.dumps({name: told[name] for name in ("overrides", "constants", "payload")}))
"""


def test_what_the_call_gave_and_what_the_data_was(tmp_path: Path) -> None:
    alone = json.loads(output(tmp_path, GIVEN, "1"))
    assert alone["overrides"] == {
        "C": "search([1.0, 3.0])",
        "folds": "3",
        "optimizer": "Adam(rate=0.1)",
    }
    constants = alone["constants"]
    assert list(constants) == ["folds", "layers", "data", "other", "optimizer"]
    assert constants["data"]["value"] == "ndarray(100000, float64)"
    assert len({one["digest"] for one in constants.values()}) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", one["digest"]) for one in constants.values())
    assert "not made yet" in constants["other"]["value"], "nothing is made for this"
    assert alone["payload"] is None


def test_the_size_of_the_payload(tmp_path: Path) -> None:
    payload = json.loads(output(tmp_path, GIVEN, "2"))["payload"]
    assert payload["shared"] >= 800_000
    assert payload["in_place"] == 0
    assert 0 < payload["pickled"] < 100_000


def test_no_value_of_the_environment_is_kept(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "canary-9f8e7d")
    kept(tmp_path, project)
    for path in (tmp_path / "results").rglob("*"):
        assert path.is_dir() or b"canary-9f8e7d" not in path.read_bytes()


WAITING_GIT = """#!/bin/sh
while [ ! -e {go} ]; do sleep 0.01; done
exec {git} "$@"
"""


def test_it_does_not_hold_up_a_start(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, go = tmp_path / "bin" / "git", tmp_path / "go"
    git.parent.mkdir()
    git.write_text(WAITING_GIT.format(go=go, git=shutil.which("git")))
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    future = gather_later(project)
    assert not future.done()
    go.touch()
    assert future.result(timeout=PATIENCE).manifest["git"]["branch"] == "trunk"


def test_the_source_of_the_experiment(tmp_path: Path, project: Path) -> None:
    run = RunFolder.create(tmp_path / "results")
    (project / "deep").mkdir()
    (project / "deep" / "part.py").write_text("z = 1")
    outside = tmp_path / "outside.py"
    outside.write_text("w = 1")
    save_source(run, project, [project / "deep" / "part.py", outside], {"m.f": "def f(): …"})
    assert (run.source / "project" / "deep" / "part.py").read_text() == "z = 1"
    assert (run.source / "project" / "outside.py").read_text() == "w = 1"
    assert json.loads((run.source / "parts.json").read_text()) == {"m.f": "def f(): …"}


class TestRunFolder:
    """Folders and manifests."""

    def test_states(self, tmp_path: Path) -> None:
        run = RunFolder.create(tmp_path, {"code": "c1"})
        assert (run.state(), run.code()) == ("running", "c1")
        process = run.manifest()["process"]
        run.update(process={**process, "started": "0"})  # the pid is another process now
        assert run.state() == "crashed"
        run.finish("interrupted", counts={"done": 1})
        assert (run.state(), run.manifest()["counts"]) == ("interrupted", {"done": 1})
        (run.path / "run.json").write_text("{")
        assert (run.state(), run.code(), run.manifest()) == ("crashed", None, {})

    def test_a_process_that_ended_is_not_alive(self) -> None:
        code = (
            "import json, superparams.store.runs.driver_process as p\n"
            "print(json.dumps(p.this_process()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=os.getcwd(),
        )
        assert not is_alive(json.loads(done.stdout))
        assert is_alive(this_process())

    def test_names_sort_by_time_also_when_the_clock_steps_back(self, tmp_path: Path) -> None:
        (tmp_path / "runs" / "29990101T000000000000Z-abcdef").mkdir(parents=True)
        made = [RunFolder.create(tmp_path).name for _ in range(3)]
        assert [run.name for run in run_folders(tmp_path)][1:] == made
        assert all(re.fullmatch(r"\d{8}T\d{12}Z-[0-9a-f]{6}", name) for name in made)

    @pytest.mark.parametrize(
        "name",
        [
            "../x",
            "/abs",
            "a\0b",
            "x" * 300,
            "con",
            "NUL.txt",
            "a<b>:c",
            "",
            ".",
            "..",
            "\udcff",
            "a. ",
        ],
    )
    def test_names_that_file_systems_refuse(self, tmp_path: Path, name: str) -> None:
        folder = experiment_folder(tmp_path, name)
        assert folder.parent == tmp_path
        folder.mkdir()
        assert safe_name(name) == folder.name
        assert safe_name(name) != safe_name(name + "x")

    def test_plain_names_stay(self) -> None:
        assert safe_name("package.module.Digits") == "package.module.Digits"

    def test_no_room_for_a_run(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("")
        with pytest.raises(StoreError, match="cannot make a run folder"):
            RunFolder.create(tmp_path)

    def test_many_files_at_once(self, tmp_path: Path) -> None:
        files = {"a": b"1", "deep/er/b": b"2", "deep/c": b"3"}
        for _ in range(2):
            write_all_durably(tmp_path / "x", files)
            found = [path for path in (tmp_path / "x").rglob("*") if path.is_file()]
            assert {path.relative_to(tmp_path / "x").as_posix() for path in found} == files.keys()
            assert all(path.read_bytes() in files.values() for path in found)
        with pytest.raises(StoreError, match=r"cannot make .*a"):
            write_all_durably(tmp_path / "x", {"a/b": b""})

    def test_a_write_that_fails_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        write_durably(path, b"old")
        with pytest.raises(StoreError, match="cannot write"):
            write_durably(tmp_path / "missing" / "file", b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]


FORKING = """
import os, signal, sys, threading
from pathlib import Path
from superparams.store.provenance.git_commits import find_objects
from superparams.store.runs.driver_process import _started_elsewhere
from superparams.store.provenance.record import gather
where = Path(sys.argv[1])
asks = {
    "state": lambda: gather(where),
    "commit": lambda: find_objects(sys.argv[3], [where]),
    "process": lambda: _started_elsewhere(os.getpid()),
}
def ask():
    for _ in range(40):
        answers.append(bool(asks[sys.argv[2]]()))
answers = []
asking = threading.Thread(target=ask)
asking.start()
children = []
while asking.is_alive():
    children.append(os.fork())
    if not children[-1]:
        signal.pause()
    if len(children) > 100:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children.pop(0), 0)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print("asked", len(children) > 0, answers.count(True))
"""


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("what", ["state", "commit", "process"])
def test_processes_that_the_driver_forks_do_not_hold_up_programs(tmp_path: Path, what: str) -> None:
    """As a pool of processes does while a run asks git: they inherit what is open just then."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    asked = [*git, "rev-parse", "HEAD"]
    commit = subprocess.run(asked, cwd=tmp_path, check=True, capture_output=True, text=True)
    (tmp_path / "new.py").write_text("x = 1")
    words = (str(tmp_path), what, commit.stdout.strip())
    with within(20.0):
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORKING, *words],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert ended.stdout == "asked True 40\n", ended.stderr
