"""A worker waits for its forks before it ends, and for nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from superparams.executor.engines.processes.forked_children import ForkedChildren
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def gate() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fork_that_waits(gate: tuple[int, int]) -> int:
    """A fork that ends once a byte is written into the gate."""
    pid = os.fork()
    if pid == 0:
        os.read(gate[0], 1)
        os._exit(0)
    return pid


def test_the_wait_is_over_when_the_last_fork_has_ended(gate: tuple[int, int]) -> None:
    forks = ForkedChildren()
    pids = [fork_that_waits(gate) for _ in range(2)]
    os.write(gate[1], b"xx")
    assert forks.wait(PATIENCE)
    for pid in pids:
        assert os.waitpid(pid, 0) == (pid, 0)


def test_a_fork_that_goes_on_is_waited_for_as_long_as_told(gate: tuple[int, int]) -> None:
    forks = ForkedChildren()
    pid = fork_that_waits(gate)
    begun = time.monotonic()
    assert not forks.wait(0.2)
    assert time.monotonic() - begun >= 0.19
    os.write(gate[1], b"x")
    os.waitpid(pid, 0)


def test_no_fork_and_no_other_program_is_waited_for() -> None:
    assert ForkedChildren().wait(PATIENCE)
    forks = ForkedChildren()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        assert forks.wait(PATIENCE)
        assert program.poll() is None
        program.communicate(b"\n")


def test_a_pipe_that_user_code_closed_is_left_alone(gate: tuple[int, int]) -> None:
    forks = ForkedChildren()
    read, held = forks.ends
    os.dup2(gate[1], held)  # user code has closed it, and opened a file of its own
    assert not forks.wait(PATIENCE)
    os.fstat(held)
    os.close(held)
    os.close(read)
