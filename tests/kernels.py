"""Kernels of notebooks as processes of their own, spoken to as a frontend does."""

from __future__ import annotations

import queue
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.runs import environment

PATIENCE = 60.0  # seconds for a cell


@dataclass
class Cell:
    """What a cell has shown: its outputs as a frontend has them, and how often they changed.

    outputs: texts by kind; an output that is updated is replaced. seen: all texts that any output
    has had.
    """

    outputs: list[tuple[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    error: tuple[str, str, list[str]] | None = None
    is_done: bool = False
    _places: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> list[str]:
        """The outputs of one kind: `stdout`, `stderr`, `display_data`, `execute_result`."""
        return [text for name, text in self.outputs if name == kind]

    def hear(self, kind: str, content: dict[str, Any]) -> None:
        """Take in a message about this cell."""
        if kind == "status":
            self.is_done = content["execution_state"] == "idle"
        elif kind == "stream":
            self._stream(content["name"], content["text"])
        elif kind == "error":
            self.error = content["ename"], content["evalue"], content["traceback"]
        elif kind in ("display_data", "execute_result", "update_display_data"):
            self._data(kind, content)

    def _stream(self, name: str, text: str) -> None:
        if self.outputs and self.outputs[-1][0] == name:
            text = self.outputs.pop()[1] + text
        self.outputs.append((name, text))

    def _data(self, kind: str, content: dict[str, Any]) -> None:
        text = content["data"]["text/plain"]
        known = content.get("transient", {}).get("display_id")
        self.seen.append(text)
        if kind == "update_display_data":
            self.outputs[self._places[known]] = "display_data", text
            return
        if known is not None:
            self._places[known] = len(self.outputs)
        self.outputs.append((kind, text))


class Kernel:
    """A kernel at work in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Sockets of Unix: their paths may not be long.
        self._own = tempfile.mkdtemp(prefix="kernel-")
        self._context = zmq.Context()
        self._manager = KernelManager(
            transport="ipc",
            ip=f"{self._own}/ipc",
            connection_file=f"{self._own}/connection.json",
            context=self._context,
        )
        self._manager.start_kernel(cwd=str(folder), env=environment(IPYTHONDIR=self._own))
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels(hb=False, stdin=False)
        self._client.wait_for_ready(timeout=PATIENCE)

    @property
    def pid(self) -> int:
        provisioner: Any = self._manager.provisioner
        return int(provisioner.pid)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def run(self, text: str, during: Callable[[Cell], object] = lambda cell: None) -> Cell:
        """Run a cell to its end; `during` is called all the while with what it has shown."""
        cell = Cell()
        number = self._client.execute(text)
        limit = time.monotonic() + PATIENCE
        while not cell.is_done:
            assert time.monotonic() < limit, f"still runs: {cell}"
            during(cell)
            try:
                message = self._client.get_iopub_msg(timeout=0.02)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == number:
                cell.hear(message["msg_type"], message["content"])
        return cell

    def interrupt(self) -> None:
        """As the button of a frontend does: SIGINT to the whole group of the kernel."""
        self._manager.interrupt_kernel()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._context.destroy(linger=0)
        shutil.rmtree(self._own, ignore_errors=True)
