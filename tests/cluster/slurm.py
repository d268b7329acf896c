"""Slurm on this machine: one node, with daemons of its own in a temporary folder.

Debian has it: ``apt install slurm-wlm munge``. The daemons run as root, without cgroups.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.timing import PATIENCE, wait_for

__all__ = ["Slurm", "needs_slurm", "started_slurm"]

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_is_there = (
    sys.platform == "linux"
    and os.geteuid() == 0
    and all(shutil.which(name, path=_PATH) for name in _PROGRAMS)
)
# Where `make test-cluster` has set all up, a test fails without it.
needs_slurm = pytest.mark.skipif(
    not _is_there and "SUPERPARAMS_CLUSTER" not in os.environ,
    reason="needs root, and slurm-wlm and munge of Debian",
)
_CONF = """
ClusterName=tests
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
KillWait=5
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A Slurm that runs.

    Attributes:
        env: The environment for its commands.
    """

    def __init__(self, folder: Path) -> None:
        # The daemon of munge refuses an environment with paths of a virtual one in front.
        self.env: dict[str, str] = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": _PATH,
        }

    def run(
        self, *command: str, folder: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """What a command prints; it must end well."""
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def states(self, job: str) -> dict[str, str]:
        """The state of each task of a job that is not over, by its number."""
        told = self.run("squeue", "--noheader", "--array", "--format=%K %T", "--jobs", job)
        return dict(line.split() for line in told.splitlines())

    def wait(self, job: str) -> None:
        """Wait until all tasks of a job are over."""
        wait_for(lambda: not self._is_known(job) or not self.states(job))

    def _is_known(self, job: str) -> bool:
        command = ["squeue", "--noheader", "--jobs", job]
        return not subprocess.run(command, env=self.env, capture_output=True).returncode


@contextmanager
def started_slurm(cpus: int = 4) -> Iterator[Slurm]:
    """A Slurm with one node of so many processors, which share those of this machine."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        slurm = Slurm(folder)
        host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        ports = _free_ports(2)
        (folder / "slurm.conf").write_text(
            _CONF.format(folder=folder, host=host, ports=ports, cpus=cpus)
        )
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o400)
        _start(daemons, slurm, folder, _munge(folder))
        wait_for((folder / "munge.socket").exists)
        _start(daemons, slurm, folder, ["slurmctld", "-D", "-c"])
        _start(daemons, slurm, folder, ["slurmd", "-D", "-N", host])
        wait_for(lambda: _is_idle(slurm))
        yield slurm
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _munge(folder: Path) -> list[str]:
    files = {
        "socket": "munge.socket",
        "key-file": "munge.key",
        "pid-file": "munge.pid",
        "log-file": "munge.log",
        "seed-file": "munge.seed",
    }
    return ["munged", "--foreground", "--force", *(f"--{x}={folder / y}" for x, y in files.items())]


def _start(
    daemons: list[subprocess.Popen[bytes]], slurm: Slurm, folder: Path, command: Sequence[str]
) -> None:
    with open(folder / f"{command[0]}.log", "wb") as log:
        daemons.append(
            subprocess.Popen(
                command, env=slurm.env, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        )


def _is_idle(slurm: Slurm) -> bool:
    command = ["sinfo", "--noheader", "--format=%T"]
    ended = subprocess.run(command, env=slurm.env, capture_output=True, text=True, check=False)
    return ended.stdout.strip() == "idle"


def _free_ports(n: int) -> list[int]:
    opened = [socket.socket() for _ in range(n)]
    try:
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]
    finally:
        for one in opened:
            one.close()
