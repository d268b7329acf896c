"""Rows 16 to 20 and 36 of the fault matrix, as far as the payload alone is concerned."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superparams.errors import PayloadError
from superparams.executor.payload import Handle, attach, explain_readonly, pack, shared_empty

ROOT = Path(__file__).parent.parent.parent
LINUX = sys.platform == "linux"

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not LINUX, reason="brought about by means of Linux"),
]


def run_python(
    script: str, *, before: str = "", env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in a shell after the commands `before`."""
    options = {"capture_output": True, "text": True, "cwd": ROOT, "timeout": 120, **options}
    command = f'{before}\nexec "$0" -W error -c "$1"'
    whole = {**os.environ, **(env or {})}
    shell = ["sh", "-ec", command, sys.executable, script]
    if "mount " in before:
        shell = ["unshare", "-m", "--propagation", "private", *shell]
    return subprocess.run(shell, env=whole, **options)


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return run_python("", before="mount -t tmpfs none /dev/shm").returncode == 0


needs_mounts = pytest.mark.skipif(LINUX and not can_mount(), reason="mounts need root")

ROUND_TRIP = """
import numpy as np, pickle, subprocess, sys
from superparams.executor.payload import pack, shared_empty
a = np.arange(4e6)
shared = shared_empty(4_000_000); shared[:] = a
with pack([a, shared]) as payload:
    child = "import pickle, sys, superparams.executor.payload as p;"
    child += "print(sum(x.sum() for x in p.attach(pickle.load(sys.stdin.buffer)).load()))"
    out = subprocess.run([sys.executable, "-c", child], input=pickle.dumps(payload.handle),
                         stdout=subprocess.PIPE, check=True)
    assert float(out.stdout) == 2 * a.sum(), out
"""


# --- 16: a small /dev/shm, or none --------------------------------------------------------------


@needs_mounts
@pytest.mark.parametrize(
    "mount",
    ["mount -t tmpfs -o size=1m none /dev/shm", "mount -t tmpfs -o size=4k,ro none /dev/shm"],
    ids=["1 MB", "none"],
)
def test_dev_shm_is_not_needed(mount: str) -> None:
    done = run_python(ROUND_TRIP, before=mount)
    assert done.returncode == 0, done.stderr


# --- 17: no memory ------------------------------------------------------------------------------


def says_no_memory(done: subprocess.CompletedProcess[str], size: str) -> None:
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert f"no memory for {size} of the payload" in done.stdout, done.stdout


def failing(action: str) -> str:
    return f"""
import mmap, os, resource, signal, numpy as np
from superparams.errors import PayloadError
from superparams.executor.payload import pack, shared_empty
before = os.listdir('/proc/self/fd')
try:
    {action}
except PayloadError as error:
    print(error)
    assert len(os.listdir('/proc/self/fd')) <= len(before)
"""


@pytest.mark.parametrize(
    "action", ["pack({'a': np.ones(2**20)})", "shared_empty(2**20)"], ids=["pack", "shared_empty"]
)
def test_a_limit_of_file_sizes_is_told(action: str) -> None:
    says_no_memory(run_python(failing(action), before="ulimit -f 1024"), "8 MiB")


def test_a_limit_of_the_address_space_is_told_when_attaching() -> None:
    action = (
        "p = pack({'a': np.ones(2**24)})\n"
        "    with open('/proc/self/statm') as file:\n"
        "        size = int(file.read().split()[0]) * mmap.PAGESIZE\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (size + 2**20, -1))\n"
        "    try: p.attach()\n"
        "    finally: p.close()"
    )
    says_no_memory(run_python(failing(action)), "128 MiB")


def test_packing_takes_no_second_copy_of_the_address_space() -> None:
    script = (
        "import mmap, resource, numpy as np\n"
        "from superparams.executor.payload import pack\n"
        "data = {'dense': np.ones(2**24), 'gaps': np.ones((2**22, 4))[:, 1:3], 'b': bytes(2**27)}\n"
        "pack([np.ones(20000)]).close()\n"
        "size = int(open('/proc/self/statm', 'rb', 0).read().split()[0]) * mmap.PAGESIZE\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, -1))\n"
        "assert pack(data).shared == 2**27 + 2**26 + 2**27\n"
    )
    done = run_python(script, before="export PYTHONWARNINGS=")
    assert done.returncode == 0, done.stderr


def test_more_than_there_is_is_refused_before_it_is_tried() -> None:
    with pytest.raises(
        PayloadError, match=r"no memory for .* TiB of the payload: only .* are left"
    ):
        shared_empty(2**45, "u1")


@needs_mounts
def test_a_full_disk_is_told_where_the_disk_is_used(tmp_path: Path) -> None:
    script = "import os; del os.memfd_create\n" + failing("pack({'a': np.ones(2**20)})")
    mount = f"mount -t tmpfs -o size=1m none {tmp_path}"
    says_no_memory(run_python(script, before=mount, env={"TMPDIR": str(tmp_path)}), "8 MiB")


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A control group that may use 256 MiB."""
    folder, limit = own_memory_cgroup()
    group = folder / f"superparams-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / limit).write_text(str(2**28))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control groups: {error}")
    yield group
    group.rmdir()


def own_memory_cgroup() -> tuple[Path, str]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return Path("/sys/fs/cgroup/memory") / path.lstrip("/"), "memory.limit_in_bytes"
    return Path("/sys/fs/cgroup"), "memory.max"


@pytest.mark.parametrize("action", ["pack(np.zeros(2**27))", "shared_empty(2**27)"])
def test_the_limit_of_a_container_is_told(small_cgroup: Path, action: str) -> None:
    # Zeros that nobody has written take no memory: what is too large is the payload.
    done = run_python(failing(action), before=f"echo $$ > {small_cgroup / 'cgroup.procs'}")
    assert done.returncode != -signal.SIGKILL
    says_no_memory(done, "1 GiB")


# --- 18: a setting writes into what is shared ---------------------------------------------------


def write_and_tell(handle: Handle, kind: str, pipe: Any) -> None:
    """In a worker: try a write; tell the remedy, then on demand what is there."""
    with attach(handle) as attached:
        data = attached.load()
        try:
            WRITES[kind](data)
            pipe.send("no error")
        except Exception as error:
            pipe.send(explain_readonly(error))
        pipe.recv()
        pipe.send(seen(attached.load()))


def write_array(data: Any) -> None:
    data["array"] *= 2


def write_frame(data: Any) -> None:
    data["frame"].loc[3, "x"] = 5.0


def write_sparse(data: Any) -> None:
    data["sparse"].sort_indices()


WRITES: dict[str, Callable[[Any], None]] = {
    "array": write_array,
    "frame": write_frame,
    "sparse": write_sparse,
}


def seen(data: Any) -> tuple[float, float, int]:
    return (
        float(data["array"].sum()),
        float(data["frame"]["x"].sum()),
        int(data["sparse"].indices[0]),
    )


@contextlib.contextmanager
def worker(function: Any, *arguments: Any) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=function, args=(*arguments, theirs))
    child.start()
    theirs.close()
    try:
        yield ours
        child.join(60)
        assert child.exitcode == 0
    finally:
        ours.close()
        child.kill()
        child.join(60)
        child.close()


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_is_an_error_with_a_remedy_and_others_see_nothing(kind: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    n = 20_000
    unsorted = np.tile(np.arange(100)[::-1], n // 100)
    data = {
        "array": np.arange(float(n)),
        "frame": pd.DataFrame({"x": np.arange(float(n))}),
        "sparse": sparse.csr_array((np.ones(n), unsorted, np.arange(0, n + 1, 100))),
    }
    before = seen(data)
    with (
        pack(data) as payload,
        worker(write_and_tell, payload.handle, kind) as one,
        worker(write_and_tell, payload.handle, kind) as other,
    ):
        for pipe in (one, other):
            assert "is shared and read-only: copy it first" in pipe.recv()
        for pipe in (one, other):
            pipe.send("go on")
            assert pipe.recv() == before
        assert seen(data) == before


# --- 19: torch writes into what is shared -------------------------------------------------------


def write_tensors(handle: Handle, pipe: Any) -> None:
    import warnings

    import torch

    # That the array is not writable is what torch warns of, and then writes to.
    warnings.simplefilter("ignore")
    with attach(handle) as attached:
        data = attached.load()
        for _ in range(3):
            tensor = torch.from_numpy(data["array"])
            tensor.add_(1)
            data["tensor"].add_(1)
            data["weights"].data.fill_(9)
            pipe.send([float(data[name].sum()) for name in data])
            pipe.recv()
            attached.refresh()
            pipe.send([float(data[name].sum()) for name in data])
            pipe.recv()


@pytest.mark.torch
def test_torch_writes_are_private_to_a_setting() -> None:
    torch: Any = pytest.importorskip("torch")
    n = 20_000
    data = {
        "array": np.zeros(n),
        "tensor": torch.zeros(n),
        "weights": torch.nn.Parameter(torch.zeros(n)),
    }
    with (
        pack(data) as payload,
        worker(write_tensors, payload.handle) as one,
        worker(write_tensors, payload.handle) as other,
    ):
        for _ in range(3):
            for expected in ([n, n, 9 * n], [0, 0, 0]):
                for pipe in (one, other):
                    assert pipe.recv() == expected
                for pipe in (one, other):
                    pipe.send("go on")
        assert data["array"].sum() == 0
        assert data["tensor"].sum() == 0


# --- 20: what cannot be pickled -----------------------------------------------------------------


class Digits:
    """Stands for an experiment."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("where", ["field", "deep"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (threading.Lock, "_thread.lock"),
        (socket.socket, "socket.socket"),
        (generator, "generator"),
        (lambda: sqlite3.connect(":memory:"), "sqlite3.Connection"),
        (lambda: os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb"), "_io.BufferedReader"),
    ],
)
def test_what_cannot_be_pickled_is_named(make: Any, kind: str, where: str) -> None:
    thing = make()
    held = thing if where == "field" else {"inner": [1, Digits(thing=thing)]}
    path = "Digits.model" if where == "field" else "Digits.model['inner'][1].thing"
    with pytest.raises(PayloadError) as caught:
        pack(Digits(rate=1, data=np.ones(20_000), model=held), name="Digits")
    message = str(caught.value)
    assert message.startswith(
        f"{path} cannot be sent to workers: it holds an object of type {kind}"
    )
    assert "value(factory=...)" in message
    assert "setup()" in message
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    if hasattr(thing, "close"):
        thing.close()


def test_an_object_that_raises_when_pickled_is_named() -> None:
    class Broken:
        def __reduce__(self) -> Any:
            raise ZeroDivisionError("on purpose")

    with pytest.raises(PayloadError, match=r"Digits\.model .*Broken \(ZeroDivisionError: on purp"):
        pack(Digits(model=Broken()))


def test_an_object_nested_too_deeply_is_told() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(PayloadError, match="nested too deeply"):
        pack(Digits(model=nested))


# --- 36: secrets in the environment -------------------------------------------------------------

SECRETIVE = """
import os, pickle, sys
from os import environ
from superparams.executor.payload import attach, pack

class Digits:
    env = environ
    def run(self):
        return environ["HOME"], os.environb[b"HOME"], self.env["HOME"], self.get("HOME")

setting = Digits()
setting.get = environ.get
setting.own, setting.raw = os.environ, os.environb
with pack({"setting": setting, "large": b"x" * 10**6}) as payload:
    data = pickle.dumps(payload.portable())
canary = environ["CANARY"]
assert canary.encode() not in data, "as is"
assert canary[1:-1].encode() not in data, "in part"
with attach(pickle.loads(data)) as attached:
    back = attached.load()["setting"]
    assert back.run()[0] == back.run()[2] == back.run()[3] == environ["HOME"]
    assert back.own is os.environ and back.raw is os.environb
"""


@pytest.mark.parametrize("size", [20, 200_000])
def test_the_environment_is_never_in_the_payload(size: int) -> None:
    secret = uuid.uuid4().hex + "s" * min(size, 100_000)
    done = run_python(SECRETIVE, env={"CANARY": secret})
    assert done.returncode == 0, done.stderr
