"""Processes of clusters on this machine, each in namespaces of its own, as if on another host.

Such a process sees other numbers of processes, and an empty folder instead of the hidden one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import psutil

from tests.small_cluster import ROOT

__all__ = ["Host", "free_port", "lo_bytes", "missing"]


def missing() -> str | None:
    """Why hosts cannot be told apart here; None if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts are told apart by namespaces, which takes root on Linux"
    tried = subprocess.run(["unshare", "-m", "-p", "-f", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"unshare: {tried.stderr.decode()}"


class Host:
    """A process tree on a host of its own.

    Args:
        arguments: Of python, which runs the first process.
        log: The file that gets its output.
        hidden: A folder that the host does not see; None for none.
        python_path: Folders in which it looks for modules first.
        is_apart: Whether it has namespaces of its own.
        environ: Variables that its processes have.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        hidden: Path | None = None,
        python_path: Sequence[Path] = (),
        is_apart: bool = True,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.log = log
        hide = "" if hidden is None else f"mount -t tmpfs none {hidden} && "
        command = ["unshare", "-m", "-p", "-f", "--mount-proc"] if is_apart else []
        command += ["sh", "-c"]
        command += [f'{hide}"$@"; exit $?', "sh", sys.executable, *arguments]
        path = os.pathsep.join(map(str, [*python_path, ROOT]))
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**os.environ, "PYTHONPATH": path, **environ},
                start_new_session=True,
            )

    def close(self) -> None:
        """Kill all of its processes, which end with the first one of their namespace."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def lo_bytes() -> int:
    """The bytes that have gone over the loopback interface."""
    for line in Path("/proc/net/dev").read_text("utf-8").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise AssertionError("there is no loopback interface")
