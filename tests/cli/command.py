"""The installed command at work in a project of its own."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.forked_commands import ForkedCommands
from tests.timing import PATIENCE

EXPERIMENT = str(Path(sys.executable).with_name("experiment"))

# An experiment of two settings, which notes in the project's `ran` where it was started.
NOTES = '''
from superparams import Experiment, search

class {name}(Experiment):
    """{name} of {file}"""
    a: int = search([1, 2])

    def run(self):
        return {{"y": self.a, "module": type(self).__module__}}
'''


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that was printed."""
        return json.loads(self.out)


class Project:
    """A folder with files, and commands that are started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "pyproject.toml").touch()

    def write(self, files: dict[str, str]) -> Project:
        """Write files by their path; texts may be indented."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8")
        return self

    def experiments(self, *names: str, folder: str = "experiments") -> Project:
        """Write a file of one experiment each: ``index/RQ1`` or ``index:Other``."""
        for name in names:
            file, _, cls = name.partition(":")
            text = NOTES.format(name=cls or Path(file).name, file=file)
            self.write({f"{folder}/{file}.py": text})
        return self

    def run(self, *words: str, inside: str = ".", **more: Any) -> Done:
        """The installed command, started in a folder of the project."""
        around = environment(**more.get("env", {}))
        if FORKED is None or not FORKED.can_fork(around) or more.keys() - {"env"}:
            return self.start(EXPERIMENT, *words, inside=inside, **more)
        return Done(*FORKED.run([EXPERIMENT, *words], self.folder / inside, around, PATIENCE))

    def python(self, *words: str, inside: str = ".", **more: Any) -> Done:
        """Python, started in a folder of the project."""
        return self.start(sys.executable, *words, inside=inside, **more)

    def start(self, *command: str, inside: str = ".", **more: Any) -> Done:
        """Any command; nothing of it may hang."""
        ended = subprocess.run(
            command,
            cwd=self.folder / inside,
            env=environment(**more.pop("env", {})),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            check=False,
            **more,
        )
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """The installed command at work in the project; the test ends it."""
        return subprocess.Popen(
            [EXPERIMENT, *words],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def recorded(self, results: str = "results") -> dict[str, int]:
        """The experiments that have been run, with the number of their runs."""
        folders = (self.folder / results).glob("*/runs")
        return {runs.parent.name: len(list(runs.iterdir())) for runs in folders}


def environment(**more: str) -> dict[str, str]:
    """Ours, but for what this process alone needs; warnings are errors, as in it.

    What C code prints is held back, as it is for most people.
    """
    ours = ("COV", "_EXPERIMENT", "PYTHONUNBUFFERED")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONWARNINGS": "error", "COLUMNS": "100", **more}


def parents() -> str:
    """The numbers of the processes that start commands: a process with such a parent is one."""
    return f"{os.getpid()} {FORKED.pid}" if FORKED is not None else f"{os.getpid()}"


def _forked() -> ForkedCommands | None:
    """One for all tests of this process, where processes can be forked."""
    if not hasattr(os, "fork"):
        return None
    commands = ForkedCommands(environment())
    atexit.register(commands.close)
    return commands


FORKED = _forked()
