"""Row 34: a name on the command line never leads out of the experiments folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from superparams.cli.name_lookup import find_root, resolve
from superparams.errors import CommandError
from tests.cli.command import Project
from tests.sweeps import swept

pytestmark = pytest.mark.usefixtures("no_leaks")

# Files that must never be imported say so.
BETRAYING = "open({marker!r}, 'w').close()\n"
PARTS = (
    *("RQ1", "RQ1.py", "index", "index.py", "folder", "x", "x.py", "experiments", "project"),
    *("..", ".", "", "~", "~root", "outside", "outside.py", "secret", "secret.py", "_hidden"),
    *("link", "link.py", "linked", "loop", "device", "device.py", "pipe.py", "loop/loop"),
    *("C:", "\0", "\n", "a" * 300, "\ud800", "é", " ", "-", "*", "$HOME", "%s", "{}", "etc"),
)
NAMES = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=7).flatmap(
        lambda parts: st.sampled_from([mark.join(parts) for mark in ("/", ".", "\\", ":", "//")])
    ),
    st.tuples(st.sampled_from(["", "/", "./", "../", "~/", "//"]), st.text(max_size=30)).map(
        "".join
    ),
    st.text("./\\:~RQ1xpyindex\0", max_size=20),
)
EVIL = (
    *("../outside.py", "../secret", "..", ".", "", "../..", "/", "//", "...", "./../.."),
    *("experiments/../secret.py", "RQ1/../../secret.py", "folder/../../../outside.py"),
    *("/etc/passwd", "/dev/zero", "/dev/stdin", "~", "~/x", "~root", "a\0b", "\0", "a\nb", "\n"),
    *("x" * 300, "x." * 150, "\ud800", "C:\\x", "C:/x", "\\\\host\\share", "..\\secret", "con"),
    *("link", "linked", "linked.outside", "linked/outside.py", "link.py", "loop", "loop.RQ1"),
    *("device", "device.py", "pipe", "pipe.py", "_hidden", "secret", "secret.Secret", "-", "--"),
    *("RQ1.py/", "RQ1.py/x", "index.py:..", "index.py:", ":", ":RQ1", "index.py:RQ1:x", "a..b"),
)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with ways out of its experiments folder, and what must not be found there."""
    top = tmp_path_factory.mktemp("names")
    project = Project(top / "project").experiments("RQ1", "index:RQ1", "folder/x")
    betraying = BETRAYING.format(marker=str(top / "imported"))
    (top / "outside.py").write_text(betraying)
    (top / "elsewhere").mkdir()
    (top / "elsewhere/outside.py").write_text(betraying)
    project.write({"secret.py": betraying, "experiments/_hidden.py": betraying})
    inside = project.folder / "experiments"
    (inside / "link.py").symlink_to("../secret.py")
    (inside / "linked").symlink_to(top / "elsewhere")
    (inside / "loop").symlink_to(".")
    (inside / "device.py").symlink_to("/dev/zero")
    os.mkfifo(inside / "pipe.py")
    return project


class Watch:
    """The files and folders that this process opens or lists while it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "os.listdir", "os.scandir") and arguments:
            self.seen.append(os.fspath(arguments[0]) if arguments[0] is not None else ".")

    def __enter__(self) -> list[str]:
        self.seen.clear()
        self.on = True
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(params=swept(1, [".", "experiments", "experiments/folder"]))
def here(request: pytest.FixtureRequest, outside: Project) -> Iterator[Project]:
    before = Path.cwd()
    os.chdir(outside.folder / request.param)
    yield outside
    os.chdir(before)


def meant(project: Project, watch: Watch, name: str) -> set[str]:
    """The files that a name means; fails when anything outside of the folder was looked into."""
    root = find_root(Path.cwd())
    allowed = os.path.realpath(root.folder)
    with watch as seen:
        try:
            found = resolve(root, name)
        except CommandError:
            found = []
    strangers = [path for path in seen if isinstance(path, str) and not path.startswith(allowed)]
    library = [path for path in strangers if "/python3" in path]  # modules of ours, imported late
    assert strangers == library, name
    return {one.file.relative_to(root.folder).as_posix() for one in found}


@settings(
    max_examples=1500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example("RQ1")
@example("../outside.py")
@example("linked")
@given(NAMES)
def test_any_name(here: Project, watch: Watch, name: str) -> None:
    assert meant(here, watch, name) <= {"RQ1.py", "index.py", "folder/x.py"}
    assert not (here.folder.parent / "imported").exists()


def test_the_watch_would_see_it(here: Project, watch: Watch) -> None:
    with watch as seen:
        (here.folder.parent / "outside.py").read_text("utf-8")
        list(os.scandir("/"))
    assert seen == [str(here.folder.parent / "outside.py"), "/"]
    assert meant(here, watch, "RQ1") == {"RQ1.py"}


@pytest.mark.parametrize("name", EVIL)
def test_evil_names_mean_nothing(here: Project, watch: Watch, name: str) -> None:
    assert meant(here, watch, name) == set()


TRYING = """
import json, sys
from superparams.cli.command import execute

for name in json.loads(sys.argv[1]):
    for words in ([name], ["run", name], ["status", name], ["run", "--", name]):
        try:
            execute("experiment", words)
        except SystemExit as leaving:
            print(json.dumps([name, words[0], leaving.code]))
"""


@pytest.mark.parametrize("inside", [".", "experiments/folder"])
def test_the_command_refuses_them(outside: Project, inside: str) -> None:
    """All verbs, with exit code 2 and a message, and without a traceback."""
    done = outside.python("-c", TRYING, json.dumps(EVIL), inside=inside)
    assert "Traceback" not in done.err, done.err
    ended = [json.loads(line) for line in done.out.splitlines() if line.startswith("[")]
    assert len(ended) == 4 * len(EVIL)
    # Two dashes alone are no name: they end the options, of a command line without words.
    assert [each for each in ended if each[2] != 2] == [["--", "--", 0]]
    assert done.err.count("Error") >= len(ended) - 1
    assert outside.recorded() == {}
    assert not (outside.folder.parent / "imported").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../outside.py", "leads out of"),
        ("/dev/zero", "leads out of"),
        ("folder/../../secret.py", "leads out of"),
        ("link", "there is no experiment 'link'"),
        ("x" * 300, "it has 300 characters"),
        ("a\nb", "unprintable characters"),
        ("", "not the name of an experiment"),
    ],
)
def test_through_the_installed_command(outside: Project, name: str, told: str) -> None:
    done = outside.run(name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert told in done.err
    assert outside.recorded() == {}
