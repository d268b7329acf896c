"""What the driver says to a template, and to workers that it has made."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from superparams.engines.pool import wire
from superparams.engines.pool.launch import Template
from superparams.engines.pool.wire import Kind


@pytest.mark.timeout(60)
def test_a_worker_that_is_never_made_keeps_nobody_waiting() -> None:
    """What it should have read is larger than what a socket holds."""
    ours, theirs = socket.socketpair()
    template = Template.__new__(Template)
    template.control, template._words = ours, bytes(1 << 20)
    heard: list[Kind] = []

    def refuse() -> None:
        frame, files = wire.receive_fds(theirs)
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
