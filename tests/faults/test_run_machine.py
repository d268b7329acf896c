"""What the machine withholds, or has to be divided: FAULTS 16, 17, 32 and 38, over a whole run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.runs import environment, output, script
from tests.sweeps import sweep
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

SHARES = """
import sys
import numpy
from superparams import Experiment, search, value
from superparams.executor import Processes
class Shares(Experiment):
    a: int = search(range(6))
    data: numpy.ndarray = value(numpy.ones(2**20))
    def run(self):
        return {"y": float(self.data.sum())}
if __name__ == "__main__":
    try:
        found = Shares().run_all(2, engine=Processes(start_method=sys.argv[1]), progress=False)
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print(found.counts, {row["y"] for row in found})
"""
WHOLE = "{'done': 6} {1048576.0}\n"


def in_shell(folder: Path, before: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A script that runs after shell commands, which see mounts of their own."""
    shell = ["sh", "-ec", f'{before}\nexec "$@"', "sh", sys.executable, "-W", "error", *words]
    if "mount " in before:
        shell = ["unshare", "-m", "--propagation", "private", *shell]
    return subprocess.run(
        shell,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


NO_SHARED_MEMORY = {
    "1 MB": "mount -t tmpfs -o size=1m none /dev/shm",
    "none": "mount -t tmpfs -o size=4k,ro none /dev/shm",
}


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not here")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts another /dev/shm")
@sweep(1, "method", ["forkserver", "spawn", "fork"])
@pytest.mark.parametrize("size", NO_SHARED_MEMORY)
def test_16_shared_memory_of_the_system_is_not_needed(size: str, method: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # `tmp_path` may be in /dev/shm
        folder = Path(name)
        if in_shell(folder, NO_SHARED_MEMORY[size], "-c", "").returncode:
            pytest.skip("nothing can be mounted here")
        path = script(folder, SHARES)
        done = in_shell(folder, NO_SHARED_MEMORY[size], str(path), method)
    assert (done.stdout, done.stderr) == (WHOLE, "")


@sweep(1, "method", ["forkserver", "spawn"])
def test_17_no_room_for_the_payload_is_an_error_before_anything_runs(
    method: str, tmp_path: Path
) -> None:
    """The limit is one of file sizes, which memory that has no name is held to as well."""
    done = in_shell(tmp_path, "ulimit -f 4096", str(script(tmp_path, SHARES)), method)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PayloadError no memory for 8 MiB of the payload"), done.stdout
    assert [path.read_bytes() for path in tmp_path.glob("results/*/runs/*/ledger/*")] == []


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_32_few_open_files(method: str, tmp_path: Path) -> None:
    done = in_shell(tmp_path, "ulimit -n 64", str(script(tmp_path, SHARES)), method)
    assert (done.stdout, done.stderr) == (WHOLE, "")


def test_32_too_few_open_files_are_an_error(tmp_path: Path) -> None:
    many = SHARES.replace("run_all(2", "run_all(60").replace("range(6)", "range(600)")
    slow = many.replace("return {", "__import__('time').sleep(0.05); return {")
    done = in_shell(tmp_path, "ulimit -n 64", str(script(tmp_path, slow)), "forkserver")
    assert done.stdout.startswith("EngineError num_proc=60: "), done
    assert "ulimit -n" in done.stdout


THREADS = """
import sys
from superparams import Experiment, search
from superparams.executor import Processes
class Threads(Experiment):
    a: int = search([1, 2])
    def run(self):
        import numpy.linalg, polars, threadpoolctl
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        return {"blas": max(pools), "polars": polars.thread_pool_size()}
if __name__ == "__main__":
    import os
    cores = len(os.sched_getaffinity(0))
    for asked in (None, 2):
        found = Threads().run_all(
            cores, engine=Processes(sys.argv[1], threads=asked), resume=False, progress=False
        )
        print({(row["blas"], row["polars"]) for row in found})
"""


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_38_threads_of_libraries_are_divided(method: str, tmp_path: Path) -> None:
    pytest.importorskip("threadpoolctl")
    bare = {name: "" for name in os.environ if name.endswith("_THREADS")}
    out = output(tmp_path, THREADS, method, env=environment(**bare))
    # OpenBLAS starts no more threads than there are cores.
    most = min(2, len(os.sched_getaffinity(0)))
    assert out.splitlines() == ["{(1, 1)}", f"{{({most}, 2)}}"]
