"""A Ray cluster on this machine: a head without processors, and nodes on hosts of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.cluster.hosts import Host, free_port
from tests.timing import wait_for

__all__ = ["RayServers"]

# Also of this process, before it imports Ray: nobody else may use the cluster.
ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class RayServers:
    """A head and nodes of one processor each.

    Attributes:
        address: Of the head.
    """

    def __init__(self, folder: Path, hidden: Path | None = None) -> None:
        os.environ.update(ENV)
        self._folder = folder
        self._hidden = hidden
        self._hosts: list[Host] = []
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._head = self._host("head", ["--head", "--port", str(port), "--num-cpus", "0"], None)

    def _host(
        self,
        name: str,
        arguments: Sequence[str],
        hidden: Path | None,
        python_path: Sequence[Path] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Host:
        more = ["--node-ip-address", "127.0.0.1", "--block", "--disable-usage-stats"]
        more += ["--object-store-memory", str(1 << 29)]
        if "--head" in arguments:
            more += ["--include-dashboard", "false"]
        command = ["-m", "ray.scripts.scripts", "start", *arguments, *more]
        log = self._folder / f"{name}.log"
        return Host(
            command,
            log,
            hidden=hidden,
            python_path=python_path,
            is_apart=name != "head",
            environ=environ,
        )

    def start(self, n_nodes: int) -> None:
        """Start nodes, and wait until they are there."""
        import ray

        wait_for(self._connects)
        for n in range(n_nodes):  # Ray cannot start two nodes of one machine at a time
            self.add()
            self.wait_for(n + 1)
        assert ray.is_initialized()

    def _connects(self) -> bool:
        import ray

        try:
            ray.init(
                self.address,
                log_to_driver=False,
                logging_level="error",
                _node_ip_address="127.0.0.1",
            )
        except (ConnectionError, RuntimeError):  # the head is not there yet
            return False
        return True

    def add(
        self,
        python_path: Sequence[Path] = (),
        amounts: Sequence[str] = ("--num-cpus", "1"),
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Host:
        """Start one more node on a host of its own, by default with one processor."""
        name = f"node-{len(self._hosts)}"
        arguments = ["--address", self.address, *amounts]
        self._hosts.append(self._host(name, arguments, self._hidden, python_path, environ))
        return self._hosts[-1]

    def wait_for(self, n_nodes: int) -> None:
        """Wait until there are so many nodes with processors."""
        wait_for(lambda: len(living()) == n_nodes)

    def close(self) -> None:
        """End everything."""
        import ray

        ray.shutdown()
        for host in [*self._hosts, self._head]:
            host.close()


def living() -> list[Any]:
    import ray

    return [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")]
