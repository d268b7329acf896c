"""What happens around workers: the driver's end, Ctrl-C, output, shares, limits, pools within
pools.

FAULTS rows 11 to 15, 21 to 23, 32, 33 and 37 to 40, as far as an engine alone is concerned.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor import Processes
from superparams.executor.engines.contract import Control
from superparams.executor.engines.registry import find
from tests.contracts.engine import Hostile
from tests.contracts.programs import FunctionProgram, execute, rows, run
from tests.runs import alive
from tests.sweeps import sweep
from tests.timing import PATIENCE, stretch, wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")


def driver(text: str, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    """A driver of its own, from `-c`: its functions are in a __main__ that no worker can import."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **more,
    )


def descendants(pid: int) -> list[psutil.Process]:
    return list(psutil.Process(pid).children(recursive=True))


HANGS = """
import re, subprocess, sys
from superparams.executor.engines.registry import find
from tests.contracts.programs import execute
def hang(index, place):
    if index < 2:
        subprocess.Popen(["sleep", "1234.5"], start_new_session=True)
        re.match(r"(a+)+$", "a" * 60 + "b") if index else __import__("time").sleep(1000)
    return {"y": index}
for data in execute(find("processes"), hang, [range(2, 4), range(2)], num_proc=2):
    print("batch", flush=True)
"""


def hanging(**more: Any) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A driver with two workers that hang, one holding the GIL, each with a child; all of them.

    The others are the template, and the interpreter that it is forked from.
    """
    process = driver(HANGS, **more)
    family = wait_for(lambda: (found := descendants(process.pid)) and len(found) == 6 and found)
    return process, family


@pytest.mark.timed
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_11_14_nothing_outlives_the_driver(how: signal.Signals) -> None:
    process, family = hanging()
    with within(1.0):
        process.send_signal(how)
        wait_for(lambda: not any(alive(one) for one in family))
    process.communicate()


def test_11_killed_at_any_time_of_its_start() -> None:
    for delay in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        process = driver(HANGS)
        time.sleep(delay)  # wherever it is by now
        process.kill()
        process.communicate()


@pytest.mark.timed
def test_12_nothing_outlives_the_process_group_of_the_driver() -> None:
    process, family = hanging(start_new_session=True)
    with within(1.0):
        os.killpg(process.pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(one) for one in family))
    process.communicate()


def test_the_template_is_killed(tmp_path: Path) -> None:
    """Nobody is to blame: what ran is run again."""

    def nap(index: int, place: Place) -> dict[str, int]:
        if index:
            wait_for((tmp_path / "killed").exists)
        return {"y": index}

    found: list[dict[str, Any]] = []
    for data in execute(find("processes"), nap, 20, num_proc=2):
        if not found:
            descendants_of_ours = psutil.Process().children(recursive=True)
            (template,) = filter(is_template, descendants_of_ours)
            template.kill()
            (tmp_path / "killed").touch()
        found += rows([data])
    assert sorted(row["index"] for row in found) == list(range(20))
    assert {row["status"] for row in found} == {"done"}


def is_template(process: psutil.Process) -> bool:
    """Whether it is a child of the interpreter that stays warm, whose own command it has."""
    try:
        parent = process.parent()
        command = " ".join(parent.cmdline()) if parent and parent.pid != os.getpid() else ""
        grandparent = parent.ppid() if parent else 0
    except psutil.Error:
        return False
    return "processes.interpreter_main" in command and grandparent == os.getpid()


def test_the_template_dies_while_the_payload_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads libraries then, one of which crashes; once, as when memory is short."""
    died = tmp_path / "died"
    (tmp_path / "crashes.py").write_text(
        f"import os\nif not os.path.exists({str(died)!r}):\n"
        f"    open({str(died)!r}, 'w').close()\n    os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def is_dead() -> bool:
        return died.exists() and not any(map(is_template, descendants(os.getpid())))

    class PackedSlowly:
        def __reduce__(self) -> Any:
            wait_for(is_dead)
            return int, (1,)

    slow = PackedSlowly()

    def double(index: int, place: Place) -> dict[str, int]:
        return {"y": 2 * index, "packed": slow}

    program = FunctionProgram(double, 6, 2, needs=["crashes"])
    found = run(find("processes"), double, 6, program=program, num_proc=2)
    assert [found[index]["result.y"] for index in range(6)] == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_what_imports_skip_in_the_path_is_skipped(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    found = run(Processes(start_method=method), lambda index, place: {"y": index}, 4)
    assert [row["status"] for row in found.values()] == ["done"] * 4


def test_a_missing_python_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))

    def removes(index: int, place: Place) -> None:
        python.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    told = r"a worker could not start: FileNotFoundError: .* set sys\.executable"
    with pytest.raises(EngineError, match=told):
        run(Processes(start_method="spawn"), removes, 2)
    told = r"workers cannot be started: .*No such file.* set sys\.executable"
    with pytest.raises(EngineError, match=told):
        run(Processes(start_method="spawn"), removes, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_children_of_settings_inherit_no_file_of_ours(method: str) -> None:
    def looks(index: int, place: Place) -> dict[str, str]:
        command = ["ls", "-l", "/proc/self/fd"]
        return {"y": subprocess.check_output(command, text=True, close_fds=False)}

    found = run(Processes(start_method=method), looks, 1)
    assert not [x for x in found[0]["result.y"].split() if x.startswith(("socket:", "/memfd:"))]


def test_13_the_terminal_does_not_interrupt_workers() -> None:
    """Ctrl-C reaches the whole foreground process group: no worker may be in it."""

    def groups(index: int, place: Place) -> dict[str, Any]:
        return {"group": os.getpgrp(), "ignored": signal.getsignal(signal.SIGINT) is signal.SIG_IGN}

    found = run(find("processes"), groups, 4, num_proc=2)
    assert os.getpgrp() not in {row["result.group"] for row in found.values()}
    assert {row["result.ignored"] for row in found.values()} == {True}


@pytest.mark.timed
def test_13_draining_does_not_wait_for_the_rest_of_a_chunk() -> None:
    """Quick settings, so that the long ones after them are in one large chunk."""

    def slows_down(index: int, place: Place) -> dict[str, int]:
        time.sleep(0.2 if index >= 2000 else 0)
        return {}

    control = Control()
    found: list[dict[str, Any]] = []
    engine = find("processes")
    begun = 0.0
    with stretch() as measured:
        for data in execute(engine, slows_down, 6000, control=control, num_proc=2):
            found += rows([data])
            if not begun and any(row["index"] >= 2000 for row in found):
                begun = time.monotonic()
                control.drain()
        seconds = time.monotonic() - begun
    assert measured.allows(seconds, 1.5)
    assert len(found) < 2100


@pytest.mark.timed
def test_13_stopping_kills_what_holds_the_gil() -> None:
    import re

    def hang(index: int, place: Place) -> dict[str, int]:
        if index:
            re.match(r"(a+)+$", "a" * 60 + "b")
        return {}

    control = Control()
    engine = find("processes")
    batches = execute(engine, hang, 2, control=control)
    next(batches)
    wait_for(lambda: [one for one in engine.activity() if one.index == 1])
    with within(1.0):
        control.stop()
        assert rows(batches) == []


def test_21_an_exception_that_cannot_be_pickled_keeps_type_text_and_traceback() -> None:
    def fail(index: int, place: Place) -> None:
        raise Hostile("kept")

    row = run(find("processes"), fail, 1)[0]
    assert row["error"] == "Hostile: kept"
    assert "in fail" in row["traceback"]


INLINE = """
import sys
from superparams.executor.engines.registry import find
from superparams.executor import Processes
from tests.contracts.programs import run
class Thing:
    def __init__(self, y): self.y = y
def function(index, place):
    return {"y": Thing(index).y, "main": __name__}
print("started")
found = run(Processes(start_method=sys.argv[1]), function, 5, num_proc=2)
print([row["status"] for row in found.values()].count("done"))
"""


@sweep(1, "method", ["forkserver", "spawn", "fork"])
@pytest.mark.parametrize("how", ["-c", "stdin", "script"])
def test_22_no_main_guard_is_needed(method: str, how: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(INLINE)
    given = {"-c": ["-c", INLINE], "stdin": ["-"], "script": [str(script)]}[how]
    done = subprocess.run(
        [sys.executable, *given, method],
        input=INLINE if how == "stdin" else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split() == ["started", "5"], done.stderr


THREADED = """
import sys
import numpy, polars
frame = polars.DataFrame({"a": list(range(10000))})
frame.group_by(polars.col("a") % 7).len()
numpy.ones((600, 600)) @ numpy.ones((600, 600))
from superparams.executor.engines.registry import find
from tests.contracts.programs import run
def function(index, place):
    used = polars.DataFrame({"a": list(range(10000))}).group_by(polars.col("a") % 7).len()
    return {"y": used.height, "z": float((numpy.ones((600, 600)) @ numpy.ones((600, 600)))[0, 0])}
found = run(find("processes"), function, 8, num_proc=2)
print(sorted({(row["result.y"], row["result.z"]) for row in found.values()}))
"""


def test_23_threads_of_libraries_in_the_driver_do_not_hang_workers() -> None:
    process = driver(THREADED)
    out, err = process.communicate(timeout=PATIENCE)
    assert out.strip() == "[(7, 600.0)]", err


def test_23_threads_that_loading_starts_do_not_hang_workers(tmp_path: Path) -> None:
    """The template sees that a fork would miss them, and starts fresh interpreters instead."""
    (tmp_path / "starts_threads.py").write_text(
        "import threading, time\n"
        "lock = threading.Lock()\n"
        "def hold():\n"
        "    with lock:\n"
        "        time.sleep(1000)\n"
        "threading.Thread(target=hold, daemon=True).start()\n"
        "while not lock.locked():\n"
        "    time.sleep(0.001)\n"
    )

    def threads(index: int, place: Place) -> dict[str, Any]:
        import threading

        importlib.import_module("starts_threads")
        return {"alive": [one.is_alive() for one in threading.enumerate()]}

    sys.path.insert(0, str(tmp_path))
    try:
        program = FunctionProgram(threads, 4, 2, needs=["starts_threads"])
        found = run(find("processes"), threads, 4, program=program, num_proc=2)
    finally:
        sys.path.remove(str(tmp_path))
    assert [row["result.alive"] for row in found.values()] == [[True, True]] * 4


LIMITED = """
import resource, sys
from superparams.executor.engines.registry import find
from tests.contracts.programs import run
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
function = lambda index, place: {"y": index}
print(len(run(find("processes"), function, 100, num_proc=2)))
try:
    run(find("processes"), lambda index, place: __import__("time").sleep(0.1), 400, num_proc=60)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_32_few_open_files() -> None:
    out, err = driver(LIMITED).communicate(timeout=PATIENCE)
    told = out.splitlines()
    assert told[0] == "100", err
    assert told[1].startswith("EngineError num_proc=60"), err
    assert "ulimit -n" in told[1]


def test_33_the_clock_of_the_day_does_not_end_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a day, back and forth, in the driver's clock and in the worker's."""
    steps = iter(range(10**9))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86400 * (-1) ** next(steps))

    def nap(index: int, place: Place) -> dict[str, int]:
        time.sleep(0.05)
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    options = {"num_proc": 2, "timeout": 5.0}
    found = run(Processes("fork"), nap, 6, **options)
    assert [found[i]["status"] for i in range(6)] == ["done"] * 3 + ["killed"] + ["done"] * 2
    assert all(0.04 < row["seconds"] < 60 for row in found.values())


def logged(row: dict[str, Any], folder: Path) -> str:
    data = (folder / "logs" / f"{row['rank']}.log").read_bytes()
    return data[row["log_start"] : row["log_end"]].decode()


@pytest.fixture(params=["forkserver", "spawn", "fork"])
def logging_options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return {"engine": Processes(request.param), "num_proc": 2, "folder": tmp_path}


def test_37_what_is_printed_belongs_to_its_setting(logging_options: dict[str, Any]) -> None:
    def speak(index: int, place: Place) -> dict[str, int]:
        import ctypes

        print(f"python {index} ü", end="")
        ctypes.CDLL(None).puts(f" c {index}".encode())
        print(f"error {index}", file=sys.stderr)
        subprocess.run(["echo", f"child {index}"], check=True)
        os.write(1, f"fd {index}\n".encode())
        return {}

    found = run(function=speak, todo=40, **logging_options)
    for index, row in found.items():
        lines = sorted(logged(row, logging_options["folder"]).split("\n"))
        told = "".join(lines)
        for part in ("python {} ü", " c {}\n", "error {}", "child {}", "fd {}"):
            assert part.format(index).strip() in told
        assert len(told.encode()) == len(
            f"python {index} ü c {index}error {index}child {index}fd {index}".encode()
        )


def test_37_ten_megabytes_by_c_code_and_by_a_child(tmp_path: Path) -> None:
    def flood(index: int, place: Place) -> dict[str, int]:
        import ctypes

        libc, line = ctypes.CDLL(None), b"x" * 999
        for _ in range(10_000):
            libc.puts(line)
        subprocess.run(["head", "-c", "10000000", "/dev/zero"], check=True)
        return {}

    found = run(find("processes"), flood, 2, num_proc=2, folder=tmp_path)
    for row in found.values():
        assert row["log_end"] - row["log_start"] == 20_000_000


def test_37_the_last_output_of_a_worker_is_kept(tmp_path: Path) -> None:
    def die(index: int, place: Place) -> dict[str, int]:
        print(f"at {index}")
        if index == 3:
            os.kill(os.getpid(), signal.SIGSEGV)
        return {}

    found = run(find("processes"), die, 6, num_proc=1, folder=tmp_path)
    assert found[3]["status"] == "killed"
    assert [logged(found[i], tmp_path) for i in range(6)] == [f"at {i}\n" for i in range(6)]


def test_37_without_a_folder_output_goes_where_the_drivers_goes() -> None:
    text = (
        "from superparams.executor.engines.registry import find\n"
        "from tests.contracts.programs import run\n"
        "def speak(index, place): print('spoken')\n"
        "found = run(find('processes'), speak, 1)\n"
        "print(found[0]['log_start'])\n"
    )
    out, err = driver(text).communicate(timeout=PATIENCE)
    assert out.split() == ["spoken", "None"], err


def test_38_threads_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "17")

    def shares(index: int, place: Place) -> dict[str, Any]:
        importlib.import_module("numpy.linalg")
        pools: list[dict[str, Any]] = importlib.import_module("threadpoolctl").threadpool_info()
        return {
            "blas": max(pool["num_threads"] for pool in pools),
            "polars": os.environ["POLARS_MAX_THREADS"],
            "numba": os.environ["NUMBA_NUM_THREADS"],
        }

    cores = len(os.sched_getaffinity(0))
    for method in ("forkserver", "spawn", "fork"):
        row = run(Processes(start_method=method), shares, 1, num_proc=cores)[0]
        assert row["result.blas"] == 1, method
        assert row["result.polars"] == "1"
        assert row["result.numba"] == "17", "what the user set stays"


def test_38_threads_a_worker_are_the_users_choice() -> None:
    def share(index: int, place: Place) -> dict[str, Any]:
        return {"y": os.environ["OMP_NUM_THREADS"]}

    found = run(Processes(threads=3), share, 1, num_proc=2)
    assert found[0]["result.y"] == "3"


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_38_devices_are_divided_before_anything_is_imported(method: str, tmp_path: Path) -> None:
    (tmp_path / "sees_devices.py").write_text(
        "import os\nseen = os.environ.get('CUDA_VISIBLE_DEVICES')\n"
    )

    def devices(index: int, place: Place) -> dict[str, Any]:
        time.sleep(0.02)
        return {"y": importlib.import_module("sees_devices").seen}

    program = FunctionProgram(devices, 20, 2, needs=["sees_devices"])
    engine = Processes(method, gpus=["a", "b", "c"])
    sys.path.insert(0, str(tmp_path))
    try:
        found = run(engine, devices, 20, num_proc=2, program=program)
    finally:
        sys.path.remove(str(tmp_path))
    assert {(row["rank"], row["result.y"]) for row in found.values()} <= {(0, "a,c"), (1, "b")}


def test_39_a_setting_starts_its_own_pools() -> None:
    def pools(index: int, place: Place) -> dict[str, Any]:
        import multiprocessing

        joblib = importlib.import_module("joblib")

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with multiprocessing.get_context("fork").Pool(2) as pool:
                forked = pool.map(abs, [-1, -2])
        return {
            "fork": forked,
            "loky": joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(x) for x in (-3, -4)),
        }

    for row in run(find("processes"), pools, 2, num_proc=2).values():
        assert (row["status"], row["error"]) == ("done", None)
        assert row["result.fork"] == [1, 2]
        assert row["result.loky"] == [3, 4]


def test_40_huge_results_do_not_pile_up_before_a_slow_reader() -> None:
    """320 MB come through a driver that has memory for a part of them."""

    def huge(index: int, place: Place) -> dict[str, bytes]:
        return {"y": bytes(8 << 20)}

    process = psutil.Process()
    before, peak, count = process.memory_info().rss, 0, 0
    for data in execute(find("processes"), huge, 40, num_proc=2):
        time.sleep(0.02)
        count += len(data) >> 23
        peak = max(peak, process.memory_info().rss)
    assert count == 40
    assert peak - before < 160 << 20


def test_random_numbers_differ_between_workers() -> None:
    def draw(index: int, place: Place) -> dict[str, Any]:
        import random

        import numpy

        return {"numpy": float(numpy.random.random()), "python": random.random()}

    found = run(find("processes"), draw, 50, num_proc=2)
    assert len({row["result.numpy"] for row in found.values()}) == 50
    assert len({row["result.python"] for row in found.values()}) == 50


def test_a_broken_payload_is_an_error() -> None:
    class Fragile:
        def __reduce__(self) -> Any:
            return (_explode, ())

    fragile = Fragile()

    def function(index: int, place: Place) -> dict[str, str]:
        return {"y": str(fragile)}

    program = FunctionProgram(function, 3, 1)
    with pytest.raises(EngineError, match="module of the future"):
        list(execute(find("processes"), function, 3, program=program))


def _explode() -> None:
    raise ImportError("module of the future")
