"""What shells are told may stand next, asked as they ask."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project
from tests.runs import Terminal

pytestmark = pytest.mark.usefixtures("no_leaks")

VARIABLE = "_EXPERIMENT_COMPLETE"
BREAKS = " \t\n\"'><=;|&(:"  # COMP_WORDBREAKS of bash

FIELDS = """
import enum
from typing import Literal
from superparams import Experiment, Params, search, value
print("imported")

class Kind(enum.Enum):
    SLOW = 1
    FAST = 2

class Adam(Params):
    lr: float = search([0.1, 1e-05])
    nesterov: bool = False

class Digits(Experiment):
    kernel: str = search(["linear", "rbf", "two words", "it's"])
    C: float = search([0.1, 1, None])
    kind: Kind = Kind.SLOW
    mode: Literal["train", "test"] = "train"
    shuffle: bool = search()
    sizes: dict = search({"small": {"n": 1}, "large": {"n": 2}})
    adam: Adam = Adam()
    data: list = value(factory=lambda: open("made", "w"))
    def run(self): pass

class Other(Experiment):
    momentum: float = 0.9
    def run(self): pass
"""


@pytest.fixture
def ready(project: Project) -> Project:
    project.write({"experiments/digits.py": FIELDS, "experiments/broken.py": "1 / 0"})
    return project.experiments("RQ1", "index:Up", "index/RQ1", "deep/er/x")


def bash(project: Project, line: str, inside: str = ".", breaks: str = BREAKS) -> list[str]:
    """What bash would be offered for a line, without what each is."""
    asked = {VARIABLE: "bash_complete", "COMP_LINE": line, "COMP_BREAKS": breaks}
    done = project.run(inside=inside, env=asked)
    assert done.code == 0, done.err
    return [text.partition("\t")[0] for text in done.out.splitlines() if text]


def test_the_first_word(ready: Project) -> None:
    offered = bash(ready, "experiment ")
    assert {"run", "list", "status", "init", "completion"} <= set(offered)
    assert {"RQ1", "digits", "index", "deep", "broken", "experiments/"} <= set(offered)
    assert not {"digits.Digits", "index.RQ1"} & set(offered), "level by level"
    assert bash(ready, "experiment di") == ["diff", "digits"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("experiment R", ["RQ1"]),
        ("experiment run R", ["RQ1"]),
        ("experiment status R", ["RQ1"]),
        ("experiment -n 4 R", ["RQ1"]),
        ("experiment run -n 4 R", ["RQ1"]),
        ("experiment digits.", ["digits.Digits", "digits.Other"]),
        ("experiment index.", ["index.RQ1", "index.Up"]),
        ("experiment deep.e", ["deep.er"]),
        ("experiment deep.er.", ["deep.er.x"]),
        ("experiment experiments.di", ["experiments.digits"]),
        ("experiment exp", ["experiments/"]),
        ("experiment experiments/d", ["experiments/deep/", "experiments/digits.py"]),
        ("experiment ./experiments/d", ["./experiments/deep/", "./experiments/digits.py"]),
        ("experiment experiments/deep/er/", ["experiments/deep/er/x.py"]),
        ("experiment ../", []),
        ("experiment nothing", []),
        ("experiment _", []),
        ("experiment --ver", ["--version"]),
        ("experiment --num", ["--num-proc"]),
        ("experiment run --num", ["--num-proc"]),
        ("experiment list --j", ["--json"]),
        ("experiment completion z", ["zsh"]),
        ("'experiment' 'R", ["RQ1"]),
    ],
)
def test_names(ready: Project, line: str, offered: list[str]) -> None:
    assert bash(ready, line) == offered


@pytest.mark.parametrize("line", ["", "experiment", "'", "experiment 'R", 'x "', "experiment \\"])
def test_lines_that_are_hardly_begun(ready: Project, line: str) -> None:
    bash(ready, line)


def test_names_from_inside(ready: Project) -> None:
    assert bash(ready, "experiment deep.er.", inside="experiments/deep") == ["deep.er.x"]
    assert bash(ready, "experiment ./d", inside="experiments") == ["./deep/", "./digits.py"]
    assert bash(ready, "experiment ../d", inside="experiments/deep") == ["../deep/", "../digits.py"]


def test_names_are_found_without_importing(ready: Project) -> None:
    marked = "open('imported', 'w')\n"
    for file in (ready.folder / "experiments").rglob("*.py"):
        file.write_text(marked + file.read_text("utf-8"), "utf-8")
    bash(ready, "experiment ")
    bash(ready, "experiment digits.")
    assert not (ready.folder / "imported").exists()
    bash(ready, "experiment digits.Digits ")
    assert (ready.folder / "imported").exists()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("digits.Digits k", ["kernel=", "kind="]),
        ("digits.Digits adam", ["adam=", "adam.lr=", "adam.nesterov="]),
        ("digits m", ["mode=", "momentum="]),
        ("run digits C=1 sh", ["shuffle="]),
        ("-n 2 digits sh", ["shuffle="]),
        ("experiments/digits.py:Other m", ["momentum="]),
        ("digits kernel=", ["linear", "rbf"]),
        ("digits kernel=r", ["rbf"]),
        ("digits kernel=linear,", ["linear,rbf"]),
        ("digits C=", ["0.1", "1", "None"]),
        ("digits kind=", ["SLOW", "FAST"]),
        ("digits mode=t", ["train", "test"]),
        ("digits shuffle=", ["false", "true"]),
        ("digits sizes=", ["small", "large"]),
        ("digits adam.lr=", ["0.1", "1e-05"]),
        ("digits adam.nesterov=t", ["true"]),
        ("digits data=", []),
        ("digits nothing=", []),
        ("nothing x", []),
        ("broken x", []),
    ],
)
def test_fields_and_their_points(ready: Project, line: str, offered: list[str]) -> None:
    assert bash(ready, f"experiment {line}") == offered
    assert not (ready.folder / "made").exists()


def test_words_that_bash_does_not_break(ready: Project) -> None:
    """Where `=` is not among its breaks, or the word is in quotes, all of it is replaced."""
    line = "experiment digits kernel=r"
    assert bash(ready, line) == ["rbf"]
    assert bash(ready, line, breaks=" \t\n") == ["kernel=rbf"]
    assert bash(ready, "experiment digits 'kernel=r") == ["kernel=rbf"]
    assert bash(ready, "experiment experiments/digits.py:O") == []


def test_in_the_way_of_zsh_and_fish(ready: Project) -> None:
    zsh = {VARIABLE: "zsh_complete", "COMP_WORDS": "experiment digits kernel=", "COMP_CWORD": "2"}
    assert ready.run(env=zsh).out.splitlines() == ["kernel=linear", "kernel=rbf"]
    fish = {VARIABLE: "fish_complete", "COMP_LINE": "experiment digits kernel=linear,"}
    assert ready.run(env=fish).out.splitlines() == ["kernel=linear,rbf"]
    fish = {VARIABLE: "fish_complete", "COMP_LINE": "experiment stat"}
    assert ready.run(env=fish).out.splitlines() == [
        "status\tCount settings that are done, failed, stale and to do."
    ]


def test_no_folder(project: Project) -> None:
    assert "status" in bash(project, "experiment ")
    assert bash(project, "experiment run ") == []


def test_through_the_entrypoint(ready: Project) -> None:
    ready.write({"experiments/__main__.py": "from superparams import entrypoint\nentrypoint()\n"})
    asked = {VARIABLE: "fish_complete", "COMP_LINE": "experiment R"}
    done = ready.python("-m", "experiments", env=asked)
    assert (done.code, done.out) == (0, "RQ1\n")


# ---- the scripts


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_no_error_to_its_shell(project: Project, shell: str) -> None:
    done = project.run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"{VARIABLE}={shell}_complete" in done.out
    assert project.run("completion", env={"SHELL": f"/usr/bin/{shell}"}).out == done.out
    found = project.run("completion", shell, "--json").document
    assert found == {"shell": shell, "script": done.out}
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    script = project.folder / "script"
    script.write_text(done.out, "utf-8")
    ended = project.start(shell, "-n", str(script))
    assert (ended.code, ended.err) == (0, "")


def test_an_unknown_shell(project: Project) -> None:
    assert project.run("completion", "tcsh").code == 2
    done = project.run("completion", env={"SHELL": "/bin/tcsh"})
    assert (done.code, "bash, zsh, fish" in done.err) == (2, True)


class Shell(Terminal):
    """A shell at a terminal, which knows our command."""

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(folder, "-c", f"import os; os.execvp({words[0]!r}, {words!r})")

    def complete(self, line: str, tabs: int = 1) -> str:
        """The line after as many tabs, or what is offered below it."""
        self.seen = ""
        # What follows the tabs is shown once they have been dealt with.
        self.type(line + "\t" * tabs + "#end")
        self.expect("#end")
        shown = re.sub(r"\x07|\x1b\[[\d;?]*[a-zA-Z]", "", self.seen.rpartition("#end")[0])
        self.seen = ""
        self.type("\x03")
        self.expect("ready> ")
        return shown


BASH = r"""
PATH={folder}:$PATH
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
PS1='ready> '
eval "$(experiment completion bash)"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_in_bash(ready: Project) -> None:
    rc = BASH.format(folder=Path(EXPERIMENT).parent)
    ready.write({"rc": rc})
    with Shell(ready.folder, "bash", "--rcfile", "rc", "--noprofile", "-i") as shell:
        shell.expect("ready> ")
        assert shell.complete("experiment digi") == "experiment digits "
        assert shell.complete("experiment digits.D") == "experiment digits.Digits "
        assert shell.complete("experiment digits ker") == "experiment digits kernel="
        assert shell.complete("experiment digits kernel=r") == "experiment digits kernel=rbf "
        several = shell.complete("experiment digits kernel=", 2)
        assert several.split()[3:5] == ["linear", "rbf"], several
        assert shell.complete("experiment experiments/de") == "experiment experiments/deep/"
        assert shell.complete("experiment stat") == "experiment status "
        assert shell.complete("experiment RQ1 --num") == "experiment RQ1 --num-proc "
        assert shell.complete("experiment broken x") == "experiment broken x", "and no traceback"
        shell.type("exit\n")
        shell.end()


ZSH = r"""
autoload -Uz compinit
compinit -u -D
PATH={folder}:$PATH
PS1='ready> '
unsetopt zle_bracketed_paste prompt_sp
eval "$(experiment completion zsh)"
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not here")
def test_in_zsh(ready: Project) -> None:
    ready.write({"home/.zshrc": ZSH.format(folder=Path(EXPERIMENT).parent)})
    start = f"export ZDOTDIR={ready.folder}/home; exec zsh -i"
    with Shell(ready.folder, "sh", "-c", start) as shell:
        shell.expect("ready> ")
        for line, completed in (
            ("digi", "digits "),
            ("digits.D", "digits.Digits "),
            ("digits ker", "digits kernel="),
            ("digits kernel=r", "digits kernel=rbf "),
            ("experiments/de", "experiments/deep/"),
        ):
            assert completed in shell.complete(f"experiment {line}")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not here")
def test_in_fish(ready: Project) -> None:
    lines = {"experiment digi": "digits", "experiment digits kernel=r": "kernel=rbf"}
    asked = "".join(f'complete -C"{line}"\n' for line in lines)
    ready.write({"ask.fish": f"experiment completion fish | source\n{asked}"})
    folders = f"{Path(EXPERIMENT).parent}:{os.environ['PATH']}"
    path = {"PATH": folders, "HOME": str(ready.folder)}
    done = ready.start("fish", "--no-config", "ask.fish", env=path)
    assert done.out.splitlines() == list(lines.values())
