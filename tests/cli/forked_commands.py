"""The installed command in forks of a process that has loaded its libraries already.

Most of the time of a short command goes to imports, and hundreds of tests start one. A fork is a
process of its own, with arguments, environment, folder and streams of its own. It runs the same
script.
What depends on the start of the interpreter takes a fresh one, see `can_fork`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LOADED = (
    "superparams.cli.command",
    "superparams.cli.session",
    "superparams.run.loop",
    "superparams.store.results",
)
_AT_START = ("PYTHON", "LANG", "LC_", "TZ", "MALLOC_", "LD_", "OMP_", "OPENBLAS_", "MKL_")


class ForkedCommands:
    """A process that forks commands; it ends with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it with the environment that commands usually have."""
        self._socket, theirs = socket.socketpair()
        self._environment = _at_start(environment)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as those of its forks are
                stderr=subprocess.PIPE,
                env=dict(environment),
            )

    @property
    def pid(self) -> int:
        """The parent of all commands."""
        return self._process.pid

    def can_fork(self, environment: Mapping[str, str]) -> bool:
        """Whether a fresh interpreter would start in no other way with this environment."""
        return _at_start(environment) == self._environment

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Run a script of Python to its end.

        Returns:
            Its exit status, and what it wrote to its standard output and error.

        Raises:
            subprocess.TimeoutExpired: If it takes longer; it is killed then.
        """
        request = json.dumps([list(command), os.fspath(folder), dict(environment)]).encode()
        streams = [os.pipe(), os.pipe()]
        socket.send_fds(
            self._socket, [len(request).to_bytes(8, "big")], [end for _, end in streams]
        )
        self._socket.sendall(request)
        for _, end in streams:
            os.close(end)
        pid = int.from_bytes(_exactly(self._socket, 8), "big")
        timer = threading.Timer(timeout, os.kill, [pid, signal.SIGKILL])
        timer.start()
        found = [b"", b""]
        readers = [
            threading.Thread(target=_read, args=(*each,)) for each in _numbered(streams, found)
        ]
        for reader in readers:
            reader.start()
        status = int.from_bytes(_exactly(self._socket, 8), "big")
        is_late = timer.finished.is_set()
        timer.cancel()
        timer.join()
        for reader in readers:
            reader.join()
        if is_late:
            raise subprocess.TimeoutExpired(list(command), timeout)
        out, err = (data.decode("utf-8").replace("\r\n", "\n") for data in found)
        return os.waitstatus_to_exitcode(status), out, err

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.communicate(timeout=60)


def _numbered(streams: list[tuple[int, int]], found: list[bytes]) -> list[tuple[Any, ...]]:
    return [(begin, found, at) for at, (begin, _) in enumerate(streams)]


def _read(fd: int, found: list[bytes], at: int) -> None:
    with open(fd, "rb") as file:
        found[at] = file.read()


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that an interpreter, or a library, reads when it starts."""
    return {name: x for name, x in environment.items() if name.startswith(_AT_START)}


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def serve(channel: socket.socket) -> None:
    """Fork commands, one after another."""
    # `import_module` of a name that is computed would make all loaded modules, and so all tests,
    # part of the code of each experiment of a test that uses this module.
    for name in _LOADED:
        pkgutil.resolve_name(name)
    verbs = importlib.import_module("superparams.cli.command").VERBS
    for verb in verbs:
        pkgutil.resolve_name(f"superparams.cli.verbs.{verb}")
    gc.collect()
    gc.freeze()
    while True:
        head, files, _, _ = socket.recv_fds(channel, 8, 2)
        if not head:
            return
        request = json.loads(_exactly(channel, int.from_bytes(head, "big")))
        pid = os.fork()
        if pid == 0:
            channel.close()
            _be_command(*request, files)
        for fd in files:
            os.close(fd)
        channel.sendall(pid.to_bytes(8, "big"))
        _, status = os.waitpid(pid, 0)
        channel.sendall(status.to_bytes(8, "big"))


def _be_command(
    command: list[str], folder: str, environment: dict[str, str], files: list[int]
) -> None:
    code = 1
    try:
        for number, fd in enumerate(files, 1):
            os.dup2(fd, number)
            os.close(fd)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[:] = command
        sys.path[0] = str(Path(command[0]).parent)
        importlib.import_module("superparams.identity.source_texts")._loaded_at = time.time()
        code = _run(command[0])
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):  # it was closed
                stream.flush()
    except OSError:
        code = 120
    finally:
        os._exit(code)


def _run(file: str) -> int:
    """Run a script as Python does; gives the exit status."""
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    # As the script of the command, and not as a module of the tests.
    sys.path[:] = [one for one in sys.path if one != str(Path(__file__).resolve().parent)]
    sys.path.insert(0, "")
    serve(socket.socket(fileno=int(sys.argv[1])))
