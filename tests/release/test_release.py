"""What is published: the wheel in an environment without anything else, and the sdist as a project.

`make release-check` builds both, and names their folder in SUPERPARAMS_DIST.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.timing import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("SUPERPARAMS_DIST", "none"))
CONSTRAINTS = ROOT / "constraints.txt"
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")

pytestmark = [
    pytest.mark.skipif(not DIST.is_dir(), reason="`make release-check` runs this"),
    pytest.mark.timeout(3600),
]


def built(pattern: str) -> Path:
    """The one file of this kind that was built."""
    (path,) = DIST.glob(pattern)
    return path


def tracked(*folders: str) -> set[str]:
    """The files of these folders that are under version control."""
    done = subprocess.run(
        ["git", "ls-files", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines())


def unpacked(folder: Path) -> Path:
    """The project in the sdist."""
    with tarfile.open(built("*.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


class Installed:
    """An environment that holds the wheel and what it requires, and a folder for a project."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)
        self("python", *PIP, "--constraint", str(CONSTRAINTS), str(built("*.whl")))

    def start(self, name: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.bin / name, *words],
            cwd=self.project,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.project)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, name: str, *words: str) -> str:
        """Run a program of the environment; returns what it printed."""
        process = self.start(name, *words)
        output, _ = process.communicate(timeout=10 * PATIENCE)
        assert process.returncode == 0, output
        return output


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def ran(installed: Installed) -> Installed:
    """The environment, with a project whose experiment has run."""
    assert "wrote experiments/example.py" in installed("experiment", "init")
    assert "12 settings: 12 done" in installed("experiment", "example", "-n", "2")
    return installed


def test_the_wheel_holds_the_library_and_nothing_else() -> None:
    with zipfile.ZipFile(built("*.whl")) as wheel:
        names = set(wheel.namelist())
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == tracked("superparams")
    assert {"superparams/py.typed", "superparams/views/page/page.html"} <= names
    assert {Path(name).name for name in info} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "LICENSE",
    }


def test_the_sdist_holds_the_project_and_nothing_else() -> None:
    with tarfile.open(built("*.tar.gz")) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert names - {"PKG-INFO"} == tracked()


def test_it_is_imported_with_its_version(installed: Installed) -> None:
    code = "import superparams; print(superparams.__version__, superparams.__file__)"
    version, path = installed("python", "-c", code).split()
    assert f"-{version}-py3" in built("*.whl").name
    assert Path(path).is_relative_to(installed.bin.parent)
    assert installed("experiment", "--version").split() == ["superparams", version]
    assert installed("python", "-m", "pip", "check").startswith("No broken requirements")


def test_it_runs_an_experiment_and_shows_its_results(ran: Installed) -> None:
    assert "12 settings: 12 done" in ran("experiment", "results", "example", "--limit", "3")
    printed = ran("experiment", "report", "example")
    page = Path(printed.splitlines()[-1]).read_text("utf-8")
    assert "<title>" in page
    assert "example.Pi" in page


def test_the_board_is_served(ran: Installed) -> None:
    board = ran.start("experiment", "board", "--no-browser")
    assert board.stdout is not None
    try:
        line = next(line for line in board.stdout if "http://" in line)
        (found,) = re.findall(r"http://\S+", line)
        with urlopen(found, timeout=PATIENCE) as answer:  # it leads on to the experiment
            assert b"<title>" in answer.read()
    finally:
        board.send_signal(signal.SIGINT)
        board.communicate(timeout=PATIENCE)


def test_the_shell_completes_names(installed: Installed) -> None:
    script = (
        'eval "$(experiment completion bash)"; complete -p experiment; '
        "COMP_LINE='experiment --vers' COMP_POINT=17; "
        "$(complete -p experiment | sed 's/.*-F \\([^ ]*\\).*/\\1/') experiment --vers experiment; "
        'echo "${COMPREPLY[@]}"'
    )
    process = subprocess.run(
        ["bash", "-c", script],
        cwd=installed.project,
        env={"PATH": f"{installed.bin}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "--version" in process.stdout.splitlines()[-1]


def test_the_sdist_builds_the_same_wheel(tmp_path: Path) -> None:
    project = unpacked(tmp_path / "sdist")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path / "again"]
    subprocess.run([*words, project], check=True, timeout=10 * PATIENCE, capture_output=True)
    (again,) = (tmp_path / "again").iterdir()
    with zipfile.ZipFile(again) as rebuilt, zipfile.ZipFile(built("*.whl")) as wheel:
        assert {x.filename: x.CRC for x in rebuilt.filelist} == {
            x.filename: x.CRC for x in wheel.filelist
        }


def test_the_sdist_sets_itself_up_and_passes_its_tests(tmp_path: Path) -> None:
    project = unpacked(tmp_path / "sdist")
    words = ["make", "tests", "PYTEST_ARGS=-q tests/house tests/errors"]
    env = {key: x for key, x in os.environ.items() if not key.startswith(("PYTEST", "VIRTUAL_ENV"))}
    done = subprocess.run(
        words, cwd=project, env=env, text=True, stdout=-1, stderr=-2, timeout=3000, check=False
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)
