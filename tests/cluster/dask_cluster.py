"""A scheduler of Dask on this machine, and workers on hosts of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.cluster.hosts import Host, free_port
from tests.timing import wait_for

__all__ = ["DaskServers"]


class DaskServers:
    """A scheduler and workers of one thread each, which a nanny starts again when they die.

    Attributes:
        address: Of the scheduler.
        client: A client of it, once there are workers.
    """

    client: Any

    def __init__(self, folder: Path, hidden: Path | None = None) -> None:
        self._folder = folder
        self._hidden = hidden
        self._hosts: list[Host] = []
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
        command += ["--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-jupyter"]
        with (folder / "scheduler.log").open("wb") as log:
            self._scheduler = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )

    def start(self, n_workers: int, python_path: Sequence[Path] = ()) -> None:
        """Start workers, and wait until they are there."""
        from distributed import Client

        for _ in range(n_workers):
            self.add(python_path)
        self.client = Client(self.address, timeout=60, set_as_default=False)
        self.client.wait_for_workers(n_workers, timeout=120)

    def add(
        self,
        python_path: Sequence[Path] = (),
        amounts: Sequence[str] = ("--nthreads", "1"),
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Host:
        """Start a worker on one more host, by default with one thread."""
        number = len(self._hosts)
        arguments = ["-m", "distributed.cli.dask_worker", self.address, *amounts]
        arguments += ["--host", "127.0.0.1", "--no-dashboard", "--name", f"host {number}"]
        arguments += ["--local-directory", str(self._folder / f"space-{number}")]
        log = self._folder / f"worker-{number}.log"
        host = Host(arguments, log, hidden=self._hidden, python_path=python_path, environ=environ)
        self._hosts.append(host)
        return host

    def wait_for(self, n_workers: int) -> None:
        """Wait until there are so many workers, as after some were killed."""
        wait_for(lambda: len(self.client.scheduler_info(n_workers=-1)["workers"]) == n_workers)

    def close(self) -> None:
        """End everything."""
        if "client" in self.__dict__:
            self.client.close(timeout=5)
        for host in self._hosts:
            host.close()
        self._scheduler.kill()
        self._scheduler.wait()
