"""Any command line at all ends with a documented exit code, and never in a traceback of ours.

The command is carried out in this process, in a project with results of its own. What it writes is
watched: nothing lies outside of that project. SUPERPARAMS_SLOW=1 tries 10,000 lines.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

import superparams
from superparams.cli.command import VERBS, _executed, load_verb
from superparams.store.results import Results
from tests.cli.command import Project
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

CODES = (0, 1, 2, 130)
OURS = str(Path(superparams.__file__).parent)
EXPERIMENTS = {
    "experiments/RQ1.py": '''
        from typing import Literal
        from superparams import Experiment, Params, search

        class Optimizer(Params):
            lr: float = search([0.1, 0.01])

        class Fit(Experiment):
            """How well does it fit?"""
            a: int = search([1, 2])
            """A number."""
            kind: Literal["plain", "odd"] = "plain"

            def run(self):
                print("running", self.a)
                return {"y": self.a, "loss": {"train": 0.5}}

        class Fails(Experiment):
            opt: Optimizer = Optimizer()
            flag: bool = False

            def run(self):
                if self.opt.lr > 0.05:
                    raise ValueError("too large \\x1b[31m \\ud800")
                return {"y": 1}
    ''',
    "experiments/index/Deep.py": """
        from superparams import Experiment

        class Deep(Experiment):
            text: str = "a"
            needed: int

            def run(self):
                return None
    """,
    "experiments/broken.py": "import nothing_of_that_name",
    "file": "",
}


# ---- the project, and what is written


class Watch:
    """What this process writes outside of `folder`, while it is `on`; such a write is refused."""

    def __init__(self) -> None:
        self.on = False
        self.folder = ""
        self.outside: list[str] = []
        self.is_changed = False
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        for path in _written(event, arguments):
            if not isinstance(path, (str, bytes, os.PathLike)):
                continue
            place = os.path.join(os.path.abspath(os.fsdecode(path)), "")
            self.is_changed = True
            is_ours = place.startswith(f"{self.folder}/")
            # `make tests` has the folders of tests in /dev/shm.
            is_device = place.startswith(("/dev/", "/proc/")) and "/shm/pytest-" not in place
            if not (is_ours or is_device):
                self.outside.append(f"{event} {place}")
                raise PermissionError(f"{event} {place}")


def _written(event: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if event == "open":
        path, _, flags = arguments
        changes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        return (path,) if isinstance(flags, int) and flags & changes else ()
    if event in ("os.rename", "os.link", "os.symlink"):
        return arguments[:2]
    changing = ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree")
    return arguments[:1] if event in changing else ()


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with results of three runs, made by the command itself."""
    project = Project(tmp_path_factory.mktemp("fuzz") / "project").write(EXPERIMENTS)
    now = (project.folder / "experiments/RQ1.py").read_text()
    project.write({"experiments/RQ1.py": now.replace('"y": self.a', '"y": -self.a')})
    assert project.run("RQ1", "-n", "2").code == 1
    project.write({"experiments/RQ1.py": now})
    assert project.run("RQ1.Fit", "a=2,3").code == 0
    assert project.run("RQ1.Fails").code == 1
    return project


@pytest.fixture
def project(written: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The same, where this process is now; it imports as before once the test is over."""
    shutil.copytree(written.folder / "results", written.folder.parent / "kept", dirs_exist_ok=True)
    monkeypatch.chdir(written.folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "argv", ["experiment"])
    monkeypatch.setenv("COLUMNS", "100")
    watch.folder = str(written.folder)
    known = set(sys.modules)
    yield written
    for name in set(sys.modules) - known:
        if name.partition(".")[0] == "experiments":
            del sys.modules[name]


def restore(project: Project) -> None:
    """The project as it was made."""
    for path in project.folder.iterdir():
        if path.is_dir() and path.name != "experiments":
            shutil.rmtree(path)
        elif path.name not in ("experiments", "file", "pyproject.toml"):
            path.unlink()
    shutil.copytree(project.folder.parent / "kept", project.folder / "results")


@contextmanager
def streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Standard output and error for a while, as files without a terminal; nothing to read."""
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
        for _ in range(2)
    )
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def executed(project: Project, watch: Watch, words: list[str]) -> tuple[int, str, str]:
    """Exit code, output and messages of a command line."""
    watch.is_changed = False
    watch.outside.clear()
    with streams() as (out, err):
        watch.on = True
        try:
            code = _executed("experiment", words, None)
        except SystemExit as leaving:  # as click leaves where a pipe is closed
            code = leaving.code if isinstance(leaving.code, int) else -1
        finally:
            watch.on = False
            os.chdir(project.folder)
        said = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]  # type: ignore[attr-defined]
    if watch.is_changed:
        restore(project)
    return code, said[0], said[1]


# ---- command lines

NAMES = (
    *("RQ1", "RQ1.Fit", "RQ1.Fails", "index.Deep", "index", "index/", "index.Deep.Deep"),
    *("experiments", "experiments/RQ1.py", "experiments.RQ1.Fit", "./experiments/index", "RQ1:Fit"),
    *("broken", "nothing", "Fit", "..", ".", "/", "../project", "RQ1.", "RQ1.Fit.a", "status", ""),
)
OVERRIDES = (
    *("a=1", "a=1,2", "a=1..3", "a=x", "a=1,", "a=[1", "a=", "=1", "a", "A=1", "aa=1", "kind=odd"),
    *(
        "kind=even",
        "flag=true",
        "opt.lr=0.1",
        "opt.lr=1e-3,1e-4",
        "opt=1",
        "lr=1",
        "opt.=1",
        "a=-1",
    ),
    *(
        "text='a,b'",
        "needed=1",
        "needed=1,2",
        "a=0..999999999",
        "opt.lr=nan",
        "text=\ud800",
        "a=1e9",
    ),
)
VALUES = (
    *("1", "1", "1", "2", "0", "-1", "auto", "3,", "x", "nan", "1e999", "", "²", "10" * 30, "0.5"),
    *("serial", "threads", "processes", "spawn", "fork", "failed", "killed,timeout", "done,"),
    *("a", "-a", "y", "-seconds", "status=failed", "a>1", "y!=2", "kind", "nothing", "a=x", "*"),
    *(
        "csv",
        "json",
        "parquet",
        "markdown",
        "xml",
        "bash",
        "zsh",
        "fish",
        "last",
        "last~1",
        "0" * 32,
    ),
)
KNOWN = ("<key>", "<begun key>", "<run>", "<begun run>", "<code>", "<begun code>")
INSIDE = (
    "results",
    "other",
    "deep/er",
    "file",
    "file/x",
    "experiments",
    "made.csv",
    "made.parquet",
)
INTO = ("--results", "-o", "--output")  # what follows names where to write


def parameters(verb: str) -> list[click.Option]:
    """All options of a verb."""
    command = load_verb(verb)
    assert command is not None
    return [one for one in command.params if isinstance(one, click.Option)]


ENDING = [verb for verb in VERBS if verb != "board"]  # which serves until Ctrl-C
OPTIONS = {
    verb: [name for one in parameters(verb) for name in [*one.opts, *one.secondary_opts]]
    for verb in VERBS
}
# What an option can be given, where that does not follow from its type.
GOOD = {
    "--results": ("results", "other"),
    "--output": ("made.csv", "made.parquet", "made.json", "file"),
    "--where": ("a=1", "a>1", "y!=2", "kind=plain", "status=failed", "opt.lr<1", "nothing=1"),
    "--sort": ("a", "-seconds", "y,-a", "nothing"),
    "--columns": ("a,y", "key", "*", "nothing", "loss.train"),
    "--run": ("<run>", "last", "last~1", "last~9"),
    "--num-proc": ("1", "1", "1", "1", "1", "2", "auto"),
    "--timeout": ("9", "0.5"),
    "--gpus": ("1", "0,1"),
    "--retry-on": ("failed", "killed,timeout"),
    "--why": ("so", ""),
}
GOOD_NAMES = (
    *("RQ1.Fit", "RQ1.Fit", "RQ1.Fit", "RQ1.Fails", "RQ1.Fails", "RQ1", "experiments/RQ1.py"),
    *("index.Deep", "index"),
)
GOOD_WORDS = {
    "run": ("a=1", "a=2,3", "kind=odd", "opt.lr=0.1", "flag=true", "needed=1", "text=b"),
    "logs": ("<key>", "<begun key>", "a=1", "last"),
    "show": ("<key>", "<begun key>", "a=1", "a=3"),
    "rerun": ("<key>", "<begun key>", "a=3", "kind=plain"),
    "diff": ("<run>", "<begun run>", "last", "last~1"),
    "accept": ("<code>", "<begun code>"),
    "completion": ("bash", "zsh", "fish"),
    "init": ("experiments", "new", "deep/new"),
}


@st.composite
def good(draw: st.DrawFn, verb: str) -> list[str]:
    """A command line that makes sense, or nearly."""
    line = [verb] if verb != "run" or draw(st.booleans()) else []
    line += draw(st.lists(options(verb), max_size=1).map(flat))
    if verb not in ("list", "init", "completion"):
        line.append(draw(st.sampled_from(GOOD_NAMES)))
    line += draw(st.lists(st.sampled_from(GOOD_WORDS.get(verb, ("a=1",))), max_size=2))
    return line + draw(st.lists(options(verb), max_size=2).map(flat))


def options(verb: str) -> st.SearchStrategy[list[str]]:
    """An option of a verb with what it can be given."""
    return st.sampled_from(parameters(verb)).flatmap(values)


def values(option: click.Option) -> st.SearchStrategy[list[str]]:
    name = option.opts[-1]
    if option.is_flag:
        return st.just([name])
    choices = getattr(option.type, "choices", None) or GOOD.get(name, ("0", "1", "3"))
    return st.sampled_from([[name, one] for one in choices])


def flat(parts: list[list[str]]) -> list[str]:
    return [word for part in parts for word in part]


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl"]), min_size=1, max_size=5),
    st.sampled_from(
        ["\0", "a\0b", "\udcff", "-\0", "x" * 5000, "=" * 300, "a=" + "[" * 2000, "a=" + "9" * 5000]
    ),
    st.tuples(
        st.sampled_from(["-", "--", "---", "a=", "opt.lr=", "RQ1.", "-n", "--json="]),
        st.text(max_size=6),
    ).map("".join),
    st.text("-=.,/:[]()'\"0123456789aenN_~ ", max_size=10),
)


def words(verb: str) -> st.SearchStrategy[list[str]]:
    """What may follow a verb: its options with values, overrides, keys, and anything else."""
    flags = st.sampled_from(OPTIONS[verb])
    return st.one_of(
        st.tuples(flags, st.sampled_from(VALUES)).map(list),
        st.tuples(flags, st.sampled_from(VALUES)).map(lambda two: ["=".join(two)]),
        flags.map(lambda one: [one]),
        st.tuples(st.sampled_from(INTO), st.sampled_from(INSIDE)).map(list),
        st.sampled_from([*OVERRIDES, *KNOWN]).map(lambda one: [one]),
        st.sampled_from([*NAMES, *VALUES, *OPTIONS["run"]]).map(lambda one: [one]),
        TEXTS.map(lambda one: [one]),
    )


@st.composite
def odd(draw: st.DrawFn) -> list[str]:
    """A command line that hardly makes sense."""
    verb = draw(st.sampled_from([*ENDING, "run", "run", "results", "show"]))
    line = [verb] if verb != "run" or draw(st.booleans()) else []
    # Most lines name something, in its place; the others have whatever comes.
    if draw(st.integers(0, 9)):
        line.append(draw(st.sampled_from(NAMES[: draw(st.sampled_from([5, len(NAMES)]))])))
    for part in draw(st.lists(words(verb), max_size=4)):
        line += part
    if draw(st.integers(0, 19)) == 0:
        line.insert(draw(st.integers(0, len(line))), draw(TEXTS))
    return tame(line)


LIKELY = st.sampled_from([*ENDING, "run", "run", "run"]).flatmap(good)
LINES = st.sampled_from([LIKELY, LIKELY, LIKELY, odd()]).flatmap(lambda one: one)


def tame(line: list[str]) -> list[str]:
    """A line that names no place outside of the project to write to, which it may."""
    tamed: list[str] = []
    for word in line:
        place = word.partition("=")[2] if word.startswith(INTO[0::2]) else word
        is_place = place != word or line[:1] == ["init"] or tamed[-1:] in [[into] for into in INTO]
        is_short = word[:1] == "-" and word[:2] != "--"
        if (is_place or is_short) and (os.path.isabs(place) or ".." in place or "/" in word[:3]):
            word = "results"
        tamed.append(word)
    return tamed


@pytest.fixture(scope="module")
def known(written: Project) -> dict[str, str]:
    """What the words in `KNOWN` stand for, which differs from run to run."""
    found = Results.load(written.folder / "results/RQ1.Fit")
    row = next(iter(found))
    first, last = found.runs[0], found.runs[-1]
    meant = (row["key"], row["key"][:4], first, last[:12], row["code"], row["code"][:6])
    return dict(zip(KNOWN, meant, strict=True))


def check(project: Project, watch: Watch, line: list[str]) -> None:
    begun = time.monotonic()
    code, out, err = executed(project, watch, line)
    event(f"exit code {code}")
    event(f"verb {line[0] if line and line[0] in VERBS else 'none'}, exit code {code}")
    assert code in CODES, f"{code}\n{err}"
    assert f'File "{OURS}' not in out + err, err
    assert watch.outside == []
    assert code != 2 or err.strip(), "what was wrong is told"
    assert code != 2 or "Usage" in err or err.startswith(("Error", "Nothing")) or "Error: " in err
    assert "\x1b" not in err or "--debug" in line, "a debugger shows what Python shows"
    assert time.monotonic() - begun < PATIENCE, "as good as a hang"


SLOW = "SUPERPARAMS_SLOW" in os.environ


@settings(
    max_examples=10_000 if SLOW else 300,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@example([])
@example(["RQ1", "-n", "2"])
@example(["clean", "RQ1", "--all", "--yes"])
@example(["rerun", "RQ1.Fails", "0"])
@example(["results", "RQ1.Fit", "--format", "parquet"])
@example(["init"])
@example(["list", "a=\x1b[31m"])
@given(LINES)
def test_any_command_line(
    project: Project, watch: Watch, known: dict[str, str], line: list[str]
) -> None:
    check(project, watch, [known.get(word, word) for word in line])


def test_the_watch_would_see_it(project: Project, watch: Watch, tmp_path: Path) -> None:
    """And the check would see a traceback of ours."""
    _, _, err = executed(project, watch, ["results", "RQ1.Fit", "-o", str(tmp_path / "made.csv")])
    # It is written beside the file, and removed again.
    part = rf"{re.escape(str(tmp_path))}/\.made\.csv\.\d+-[0-9a-f]+\.part/"
    seen = [re.sub(part, "PART", line) for line in watch.outside]
    assert seen == ["open PART", "os.remove PART"], err
    assert not list(tmp_path.iterdir())
    code, out, _ = executed(project, watch, ["run", "RQ1.Fit", "--json"])
    assert (code, out[:1]) == (0, "[")
    executed(project, watch, ["clean", "RQ1", "--all", "--yes"])
    assert watch.is_changed
    assert len(Results.load(project.folder / "results/RQ1.Fit")) == 3, "it is as it was again"
