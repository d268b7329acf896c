"""What the driver says to a template, and to workers that it has made."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from runs import output, script

from superparams.executor.engines.processes import protocol
from superparams.executor.engines.processes.protocol import Kind
from superparams.executor.engines.processes.template_handle import Template


@pytest.mark.timeout(60)
def test_a_worker_that_is_never_made_keeps_nobody_waiting() -> None:
    """What it should have read is larger than what a socket holds."""
    ours, theirs = socket.socketpair()
    template = Template.__new__(Template)
    template.control, template._pickled_boot = ours, bytes(1 << 20)
    heard: list[Kind] = []

    def refuse() -> None:
        frame, files = protocol.receive_fds(theirs)
        heard.append(frame.kind)
        for one in files:
            os.close(one)

    thread = threading.Thread(target=refuse)
    thread.start()
    fault = os.open(os.devnull, os.O_RDONLY)
    with ours, theirs:
        channel = template.start(0, fault, boots=True)
        thread.join()
    os.close(fault)
    channel.close()
    assert heard == [Kind.START]


STARTS = {
    "nothing": "",
    "a thread of Python": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n",
    "threads of Arrow": "import io, pyarrow.csv\n"
    "pyarrow.csv.read_csv(io.BytesIO(b'a\\n1\\n' * 99))\n",
    # Its threads have no name either, and do not survive a fork.
    "threads of Arrow, and OpenMP": "import io, mmap, pyarrow.csv\n"
    "pyarrow.csv.read_csv(io.BytesIO(b'a\\n1\\n' * 99))\n"
    "with open('libiomp5.so', 'rb') as file:\n"
    "    held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n",
}
ASKS = """
from superparams import Experiment, search

class Asks(Experiment):
    a: int = search([1, 2])

    def run(self):
        with open("/proc/self/cmdline") as file:
            return {"forked": "worker_main" not in file.read()}
"""


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("what", STARTS)
def test_workers_are_forks_where_that_is_sound(what: str, tmp_path: Path) -> None:
    """Not of a template with threads that a fork would miss: then they are fresh interpreters."""
    (tmp_path / "libiomp5.so").write_bytes(b"\x7fELF")
    script(tmp_path, STARTS[what] + ASKS, "asks.py")
    text = "from asks import Asks\nprint(Asks().run_all(2, progress=False).to_arrow()['forked'][0])"
    is_sound = what in ("nothing", "threads of Arrow")
    assert output(tmp_path, text) == f"{is_sound}\n"
