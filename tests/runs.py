"""Drivers of runs as processes of their own: from a script, from `-c`, at a terminal."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import psutil

from superparams.store.ledger.reader import read
from tests.timing import PATIENCE
from tests.timing import wait_for as wait_for

PROJECT = Path(__file__).parents[1]
# The slave of a pty becomes the terminal of the first session leader that opens it.
AT_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
os.closerange(3, 10)
os.execv(sys.argv[2], sys.argv[2:])
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "120", **more}


def start(folder: Path, *words: str, **more: Any) -> subprocess.Popen[str]:
    """A Python of its own at work in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=more.pop("stdin", subprocess.DEVNULL),
        text=True,
        **{"env": environment(), **more},
    )


def script(folder: Path, text: str, name: str = "script.py") -> Path:
    (folder / name).write_text(text)
    return folder / name


def tables(folder: Path, *words: str) -> list[Any]:
    """What a Python of its own prints in `folder`, each line read as JSON; it must end well."""
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def output(folder: Path, text: str, *arguments: str, **more: Any) -> str:
    """What a script prints; it must end well, and say nothing on stderr."""
    process = start(folder, str(script(folder, text)), *arguments, **more)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, ""), f"{out}\n{err}"
    return out


def family(pid: int) -> list[psutil.Process]:
    """The descendants of a process."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    """The command of a process; none once it has ended, also before it is reaped."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def recorded(folder: Path) -> set[int]:
    """The settings whose outcome is in a ledger, as any reader of Arrow finds them."""
    found: set[int] = set()
    for ledger in folder.glob("results/*/runs/*/ledger"):
        for batch in read(ledger, growing=True):
            found.update(batch.column("param.a").to_pylist())
    return found


class Terminal:
    """A script at a terminal of its own, as a person sits at one.

    columns: how wide it is, where that matters; a program has to ask the terminal for it.
    """

    def __init__(self, folder: Path, *words: str, columns: int | None = None) -> None:
        self.master, slave = os.openpty()
        name = os.ttyname(slave)
        around = environment(TERM="xterm")
        if columns is not None:
            del around["COLUMNS"]
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, name, sys.executable, *words],
            cwd=folder,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=around,
        )
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read(self, seconds: float = 0.0) -> str:
        """Take in what is shown within some seconds; all that was shown so far."""
        limit = time.monotonic() + seconds
        while select.select([self.master], [], [], max(0.0, limit - time.monotonic()))[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                if error.errno != errno.EIO:  # nobody is at the other end any more
                    raise
                break
            if not data:
                break
            self.seen += data.decode(errors="replace")
        return self.seen

    def expect(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the screen has shown something."""
        limit = time.monotonic() + seconds
        while (found := re.search(pattern, self.read(0.02))) is None:
            # What has ended may have left something on the way here.
            has_ended = self.process.poll() is not None and not re.search(pattern, self.read(0.2))
            assert not has_ended, f"it ended, with no {pattern!r} in:\n{self.seen}"
            assert time.monotonic() < limit, f"no {pattern!r} in:\n{self.seen}"
        return found

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, through the terminal: the whole foreground process group gets it."""
        self.type("\x03")

    def end(self, seconds: float = PATIENCE) -> int:
        """The exit status, -2 for a death by SIGINT, once it has ended."""
        limit = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            self.read(0.01)
            assert time.monotonic() < limit, f"still there:\n{self.seen}"
        self.read(0.05)
        return code


BY_INTERRUPT = -signal.SIGINT
