"""A small cluster of agents: real processes on this machine, which talk through pipes.

A node is a process that the test may kill, and that may live in namespaces of its own.
"""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from superparams.executor.engines.clusters.cluster import AgentLine, ClusterNode, NodeGone
from superparams.executor.engines.clusters.cluster_engine import ClusterEngine
from tests.small_cluster import OTHER_HOST, ROOT

# Another host, whose first process is no agent: that one could not be killed from inside.
OWN_HOST = (*OTHER_HOST, "sh", "-c", '"$@"; exit $?', "sh")
# A node answers requests, each in a thread of its own; the first one starts the agent.
NODE = """
def work():
    import os, pickle, struct, threading
    out, into = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lock = threading.Lock()

    def answer(number, function, arguments):
        try:
            data = pickle.dumps((number, None, function(*arguments)))
        except Exception as error:
            data = pickle.dumps((number, error, None))
        with lock:
            out.write(struct.pack("<Q", len(data)) + data)
            out.flush()

    def start(versions):
        from superparams.executor.engines.clusters.node_agent import NodeAgent
        made.append(NodeAgent(versions))

    made = []
    while head := into.read(8):
        number, name, arguments = pickle.loads(into.read(*struct.unpack("<Q", head)))
        function = start if name == "start" else getattr(made[0], name)
        if name == "listen":
            threading.Thread(target=answer, args=(number, function, arguments)).start()
        else:
            answer(number, function, arguments)
    if made:
        made[0].end()
        made[0].join(60)
    os._exit(0)

work()
"""


class SmallNode:
    """A process that is a node.

    Attributes:
        n_bytes: How many bytes were sent to it.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.n_bytes = 0
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*command, sys.executable, "-c", NODE], stdin=pipe, stdout=pipe, env=env, cwd=folder
        )
        self._numbers = itertools.count()
        self._answers: dict[int, queue.SimpleQueue[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, name: str, *arguments: Any) -> Any:
        """The answer of the agent of the node."""
        assert self.process.stdin is not None
        with self._lock:
            number = next(self._numbers)
            answers = self._answers[number] = queue.SimpleQueue()
            data = pickle.dumps((number, name, arguments))
            self.n_bytes += len(data)
            try:
                self.process.stdin.write(struct.pack("<Q", len(data)) + data)
                self.process.stdin.flush()
            except OSError:
                raise NodeGone("the node has ended") from None
        if not self._reader.is_alive():
            self._end()
        error, answer = answers.get()
        if error is not None:
            raise error
        return answer

    def _read(self) -> None:
        assert self.process.stdout is not None
        while len(head := self.process.stdout.read(8)) == 8:
            data = self.process.stdout.read(*struct.unpack("<Q", head))
            number, error, answer = pickle.loads(data)
            self._answers.pop(number).put((error, answer))
        self._end()

    def _end(self) -> None:
        for answers in list(self._answers.values()):
            answers.put((NodeGone("the node has ended"), None))

    def close(self) -> None:
        with self._lock:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with suppress(OSError):
                self.process.stdin.close()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()


class SmallLine:
    """A line to the agent of a node; see `AgentLine`."""

    def __init__(self, node: SmallNode, versions: Mapping[str, str]) -> None:
        self._node = node
        node.call("start", dict(versions))

    def tell(self, batches: list[bytes]) -> None:
        self._node.call("tell", batches)

    def bring(self, batch: bytes) -> None:
        self._node.call("tell", [batch])

    def listen(self, seconds: float) -> list[bytes]:
        batches: list[bytes] = self._node.call("listen", seconds)
        return batches

    def close(self) -> None:
        self._node.close()


class SmallAgents(ClusterEngine):
    """An engine with nodes that come and go.

    Args:
        cpus: The number of workers of each node.
        command: A command before that of a node, such as `OTHER_HOST`.
        python_path: The folders in which nodes look for modules first.
        folder: The working directory of nodes.
        devices: The names of the devices of each node that has some, by its number.
        memory: Bytes of each node of which that is told, by its number.
        names: The names of nodes; by default their numbers.

    Attributes:
        cpus: As given; a node that is added here later joins the run.
        started: The nodes that were started, the dead ones included.
    """

    name = "small"

    def __init__(
        self,
        *cpus: int,
        command: Sequence[str] = (),
        python_path: Sequence[Path] = (ROOT, ROOT / "tests" / "contracts"),
        folder: Path = Path("/"),
        devices: Mapping[int, Sequence[str]] = MappingProxyType({}),
        memory: Mapping[int, int] = MappingProxyType({}),
        names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._names = names
        self._devices, self._memory = devices, memory
        self.cpus = list(cpus)
        self.started: list[SmallNode] = []
        self._command, self._folder = command, folder
        path = os.pathsep.join(map(str, python_path))
        self._env = {**os.environ, "PYTHONPATH": path}

    def cluster(self) -> SmallAgents:
        return self

    def nodes(self) -> Sequence[ClusterNode]:
        return [self._node(n, cpus) for n, cpus in enumerate(self.cpus)]

    def _node(self, n: int, cpus: int) -> ClusterNode:
        name = self._names[n] if self._names else f"node {n}"
        return ClusterNode(str(n), name, cpus, len(self._devices.get(n, ())), self._memory.get(n))

    def start(self, node: ClusterNode, versions: Mapping[str, str]) -> AgentLine:
        devices = ",".join(self._devices.get(int(node.key), ()))
        env = {**self._env, "CUDA_VISIBLE_DEVICES": devices, "NODE_NAME": node.name}
        started = SmallNode(self._command, env, self._folder)
        self.started.append(started)
        try:
            return SmallLine(started, versions)
        except BaseException:
            started.close()
            raise

    def close(self) -> None:
        """Nodes end with their lines."""
