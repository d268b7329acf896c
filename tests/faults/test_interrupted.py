"""Row 13: Ctrl-C in a script shows the user's own lines, and Python's exit status."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import environment

pytestmark = pytest.mark.usefixtures("no_leaks")

SCRIPT = """
import asyncio
import os
import sys
import time
from superparams import Experiment, search

class Fit(Experiment):
    x: int = search(range(1000))

    def run(self):
        os.write(1, b"runs\\n")  # at once: threads print into each other
        if sys.argv[2] == "raises":
            raise KeyboardInterrupt("by itself")
        time.sleep(0.1)
        return {"y": self.x}

class Later(Fit):
    async def run(self):
        os.write(1, b"runs\\n")
        if sys.argv[2] == "raises":
            raise KeyboardInterrupt("by itself")
        await asyncio.sleep(0.1)
        return {"y": self.x}

def main():
    cls = Later if sys.argv[3] == "asyncio" else Fit
    cls().run_all(int(sys.argv[1]), engine=sys.argv[3], progress=False)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("num_proc", "engine", "way"),
    [
        (1, "serial", "waits"),
        (1, "serial", "raises"),
        (2, "threads", "waits"),
        (2, "asyncio", "waits"),
    ],
)
def test_13_an_interrupt_shows_the_lines_of_the_user_alone(
    tmp_path: Path, num_proc: int, engine: str, way: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "script.py", str(num_proc), way, engine],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        if way == "waits":
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGINT
    files = re.findall(r'File "([^"]*)"', errors)
    if sys.version_info >= (3, 11):
        assert {Path(one).name for one in files} == {"script.py"}, errors
    else:  # which shows the frame that the interrupt leaves last
        assert {Path(one).name for one in files} <= {"script.py", "legacy.py"}, errors
    assert "in main\n" in errors
    assert ("in run\n" in errors) == (way == "raises")
    said = "by itself" if way == "raises" else "of 1,000 settings ran; run it again for the rest"
    assert errors.rstrip().endswith(said), errors
    assert "During handling" not in errors
