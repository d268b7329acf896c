"""The interpreter that stays warm between runs: what forks of it have, and when it ends."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import socket
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.executor.engines.processes import interpreter_main, protocol
from superparams.executor.engines.processes.interpreter_main import Interpreter
from tests.runs import alive, command_line, environment, family, output, script, start, wait_for

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.timeout(120)]

# `run` tells what it finds around it; `interpreters` gives the ids of those that wait.
LOOKS = """
import os, sys
from superparams import Experiment, search, value

STATE = {state}

def drawn():
    import random
    import numpy
    return [random.random(), float(numpy.random.random())]

class Looks(Experiment):
    seed_globals = False
    a: int = search([1, 2])
    draws: list[float] = value(factory=drawn, key="draws")

    def run(self):
        import resource
        umask = os.umask(0)
        os.umask(umask)
        return {{
            "state": STATE,
            "cwd": os.getcwd(),
            "umask": umask,
            "variable": os.environ.get("VARIABLE"),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "draws": str(self.draws),
        }}
"""
DRIVER = """
import json, os, sys
import psutil
import numpy
import superparams.executor
{imports}

def command_line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""

def interpreters():
    children = psutil.Process().children()
    return [process.pid for process in children if "interpreter_main" in command_line(process)]

def go(cls, num_proc=2, **options):
    table = cls().run_all(num_proc, progress=False, resume=False, **options)
    assert [row["status"] for row in table] == ["done"] * len(table), table
    return next(iter(table))

{text}
"""


def driver(text: str, imports: str = "from looks import Looks") -> str:
    return DRIVER.format(text=text, imports=imports)


def told(folder: Path, text: str, *, state: str = "1", **more: str) -> Any:
    """What a driver prints as JSON, beside a module `looks`."""
    script(folder, LOOKS.format(state=state), "looks.py")
    return json.loads(output(folder, driver(text), env=environment(**more)).splitlines()[-1])


def test_runs_share_it_and_nothing_of_the_project(tmp_path: Path) -> None:
    """It has no module of the project: each run has the project's code as the driver has it."""
    text = """
go(Looks, 1)
none, first = interpreters(), go(Looks)
one = interpreters()
with open("looks.py") as file:
    changed = file.read().replace("STATE = 1", "STATE = 22")
with open("looks.py", "w") as file:
    file.write(changed)
import importlib, looks
importlib.reload(looks)
second = go(looks.Looks)
print(json.dumps([none, one == interpreters() and len(one), first["state"], second["state"],
    first["draws"] != second["draws"]]))
"""
    assert told(tmp_path, text) == [[], 1, 1, 22, True]


def test_a_fork_has_what_a_fresh_process_would_inherit(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    text = """
import resource
def look():
    row = go(Looks, results=RESULTS)
    found = [row["cwd"].endswith("elsewhere"), row["umask"], row["variable"], row["files"]]
    return found, interpreters()
RESULTS = os.path.abspath("results")
found, waiting = zip(look(), look(), strict=True)
os.chdir("elsewhere")
after_folder, same = look()
os.environ["VARIABLE"] = "other"
after_variable, fresh = look()
os.umask(0o077)
after_mask, masked = look()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
after_limit, limited = look()
print(json.dumps([found, after_folder, after_variable, after_mask[:3], after_limit[3],
    waiting[0] == waiting[1] == same != fresh, fresh != masked != limited,
    len(fresh), len(interpreters())]))
"""
    found = told(tmp_path, text, VARIABLE="first")
    one, folder, variable, mask, limit, is_same, is_other, *counts = found
    assert one == [[False, 0o022, "first", one[0][3]]] * 2
    assert folder == [True, 0o022, "first", one[0][3]]
    assert variable == [True, 0o022, "other", one[0][3]]
    assert mask == [True, 0o077, "other"]
    assert limit == 200
    assert is_same
    assert is_other
    assert counts == [1, 1]


def test_its_standard_files_are_those_of_the_driver_at_that_time(tmp_path: Path) -> None:
    """A factory prints in the template; the driver turns its own output over to a file."""
    module = """
import sys
from superparams import Experiment, search, value
def factory():
    print("made", file=sys.stderr, flush=True)
    return [1]
class Prints(Experiment):
    a: int = search([1, 2])
    data: list[int] = value(factory=factory, key="1")
    def run(self): return {"y": self.data[0]}
"""
    script(tmp_path, module, "prints.py")
    text = """
saved = os.dup(2)
for name in ("first", "second"):
    with open(name, "w") as file:
        os.dup2(file.fileno(), 2)
    go(Prints)
    os.dup2(saved, 2)
from pathlib import Path
print(json.dumps([Path(name).read_text() for name in ("first", "second")]))
"""
    found = output(tmp_path, driver(text, "from prints import Prints"))
    assert json.loads(found) == ["made\n"] * 2


def test_close_ends_it_and_leaves_a_run_alone(tmp_path: Path) -> None:
    module = """
import time, pathlib
from superparams import Experiment, search
class Waits(Experiment):
    a: int = search([1, 2])
    def run(self):
        pathlib.Path(f"began{self.a}").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        return {"y": self.a}
"""
    script(tmp_path, module, "waits.py")
    text = """
import pathlib, threading, time
from superparams.executor import close
close()
rows = []
thread = threading.Thread(target=lambda: rows.append(go(Waits)))
thread.start()
while not pathlib.Path("began2").exists():
    time.sleep(0.01)
during = interpreters()
close()
pathlib.Path("go").touch()
thread.join()
deadline = time.monotonic() + 60
while interpreters() and time.monotonic() < deadline:
    time.sleep(0.01)
after = interpreters()
go(Waits)
again = interpreters()
close()
close()
is_fresh = again != during and len(again)
print(json.dumps([len(during), rows[0]["y"], after, is_fresh, interpreters()]))
"""
    found = output(tmp_path, driver(text, "from waits import Waits"))
    assert json.loads(found) == [1, 1, [], 1, []]


def test_one_that_was_killed_costs_nothing(tmp_path: Path) -> None:
    """Between two runs, and while settings run: its templates and their workers die with it."""
    module = """
import os, signal, pathlib
import psutil
from superparams import Experiment, search
class Kills(Experiment):
    a: int = search(range(6))
    kills: bool = False
    def run(self):
        if self.kills and self.a == 3 and not pathlib.Path("killed").exists():
            pathlib.Path("killed").touch()
            worker = psutil.Process()
            os.kill(worker.parent().ppid(), signal.SIGKILL)
            while True: pass
        return {"y": self.a}
"""
    script(tmp_path, module, "kills.py")
    text = """
import signal
go(Kills)
one = interpreters()
os.kill(one[0], signal.SIGKILL)
go(Kills)
two = interpreters()
table = Kills(kills=True).run_all(2, progress=False, resume=False)
print(json.dumps([one != two and len(two), [row["status"] for row in table]]))
"""
    found = output(tmp_path, driver(text, "from kills import Kills"))
    assert json.loads(found) == [1, ["done"] * 6]


SLOW = "import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(60)\n"
IMPORTS_SLOW = """
import sys, types
sys.modules["slow"] = slow = types.ModuleType("slow")
slow.__file__ = "{folder}/slow.py"
from superparams import Experiment, search
class Imports(Experiment):
    a: int = search([1, 2])
    def run(self): return {{"y": bool(slow)}}
"""


@pytest.mark.parametrize("where", ["idle", "loads", "loads, of a thread"])
def test_it_ends_with_a_driver_that_is_killed(tmp_path: Path, where: str) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    script(library, SLOW, "slow.py")
    script(tmp_path, LOOKS.format(state="1"), "looks.py")
    script(tmp_path, IMPORTS_SLOW.format(folder=library), "imports.py")
    text = {
        "idle": "go(Looks)\nprint(flush=True)\nimport time\ntime.sleep(60)",
        "loads": "from imports import Imports\ngo(Imports)",
        "loads, of a thread": "import threading\nfrom imports import Imports\n"
        "threading.Thread(target=go, args=(Imports,)).start()",
    }[where]
    path = os.pathsep.join([environment()["PYTHONPATH"], str(library)])
    process = start(tmp_path, str(script(tmp_path, driver(text))), env=environment(PYTHONPATH=path))
    assert process.stdout is not None
    if where == "idle":
        process.stdout.readline()
    else:
        wait_for((tmp_path / "loading").exists)
    ours = family(process.pid)
    assert any("interpreter_main" in command_line(process) for process in ours)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(alive, ours)))


def test_it_ends_when_nobody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter_main, "_IDLE", 0.2)
    ours, theirs = socket.socketpair()
    watched = os.pidfd_open(os.getpid())
    with ours, theirs:
        served = threading.Thread(target=Interpreter(theirs, os.getpid(), watched).serve)
        served.start()
        served.join(60)
        assert not served.is_alive()
    os.close(watched)


def test_it_ends_with_the_last_word_of_the_driver() -> None:
    ours, theirs = socket.socketpair()
    watched = os.pidfd_open(os.getpid())
    with theirs:
        ours.close()
        Interpreter(theirs, os.getpid(), watched).serve()
    os.close(watched)


def test_other_start_methods_have_none(tmp_path: Path) -> None:
    text = """
from superparams.executor import Processes
for options in ({"start_method": "spawn"}, {"start_method": "fork"}, {"gpus": ["0", "1"]}):
    go(Looks, engine=Processes(**options))
print(json.dumps(interpreters()))
"""
    assert told(tmp_path, text) == []


def test_a_fork_of_the_driver_has_its_own(tmp_path: Path) -> None:
    text = """
go(Looks)
before = interpreters()
pid = os.fork()
if pid == 0:
    code = 1
    try:
        go(Looks, results="child")
        code = 0 if len(interpreters()) == 1 and interpreters() != before else 2
        superparams.executor.close()
    finally:
        os._exit(code)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
go(Looks)
print(json.dumps([code, interpreters() == before]))
"""
    assert told(tmp_path, text) == [0, True]


def test_a_driver_may_close_all_files(tmp_path: Path) -> None:
    """Another file has the number of its socket then."""
    text = """
go(Looks)
os.closerange(3, 1000)
held = [open("looks.py") for _ in range(20)]
for _ in range(2):
    go(Looks)
assert all(one.readline() == chr(10) for one in held)
for one in held:
    one.close()
print(json.dumps(len(interpreters())))
"""
    assert told(tmp_path, text) == 1


def test_runs_in_threads_share_it(tmp_path: Path) -> None:
    text = """
from concurrent.futures import ThreadPoolExecutor
go(Looks)
one = interpreters()
with ThreadPoolExecutor(3) as pool:
    rows = list(pool.map(lambda i: go(Looks, results=f"r{i}"), range(3)))
print(json.dumps([len(rows), one == interpreters()]))
"""
    assert told(tmp_path, text) == [3, True]


# What a library does, and how many interpreters wait after a run: one that became the template of
# that run is gone.
LIBRARIES = {
    "starts a thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n",
        0,
    ),
    "loads a plug-in of the project": (
        "import sys\nsys.path.append({project!r})\nimport plugin\n",
        0,
    ),
    "has a name of the project": ("import helper\n", 1),
}
USES = """
import helper, library
from superparams import Experiment, search
class Uses(Experiment):
    a: int = search([1, 2])
    def run(self): return {"y": [library.NAME, helper.NAME]}
"""


@pytest.mark.parametrize("what", LIBRARIES)
def test_libraries_that_a_fork_cannot_have(tmp_path: Path, what: str) -> None:
    """Threads, modules of the project, and modules that the project has others for."""
    library = tmp_path / "site-packages"
    library.mkdir()
    body, n_waiting = LIBRARIES[what]
    text = f"{body.format(project=str(tmp_path))}NAME = 'library'\n"
    script(library, text, "library.py")
    script(library, "NAME = 'installed'\n", "helper.py")
    script(tmp_path, "NAME = 'project'\n", "helper.py")
    script(tmp_path, "", "plugin.py")
    script(tmp_path, USES, "uses.py")
    text = """
rows = [go(Uses)["y"] for _ in range(3)]
print(json.dumps([rows, len(interpreters())]))
"""
    path = os.pathsep.join([environment()["PYTHONPATH"], str(library)])
    found = output(
        tmp_path, driver(text, "from uses import Uses"), env=environment(PYTHONPATH=path)
    )
    assert json.loads(found) == [[["library", "project"]] * 3, n_waiting]


def test_what_every_template_loads_exists() -> None:
    """A module of a wrong name would only make runs slower."""
    for name in interpreter_main._LOADED_BY_EVERY_TEMPLATE:
        assert importlib.util.find_spec(name) is not None, name


def test_more_files_are_open_than_select_takes(tmp_path: Path) -> None:
    """In the driver, so that its own files and those of the template have large numbers."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("the hard limit of open files is lower")
    text = """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
held = [open(os.devnull) for _ in range(1200)]
rows = [go(Looks)["state"], go(Looks)["state"]]
print(json.dumps([rows, len(interpreters())]))
"""
    assert told(tmp_path, text) == [[1, 1], 1]


def test_a_driver_that_ends_leaves_nothing(tmp_path: Path) -> None:
    """Not even for a moment: whoever waits for a script may look at once."""
    script(tmp_path, LOOKS.format(state="1"), "looks.py")
    process = start(tmp_path, str(script(tmp_path, driver("go(Looks)\nprint(interpreters()[0])"))))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert not psutil.pid_exists(int(out))


def test_a_frame_is_sent_also_if_the_receiver_closes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an interpreter does that becomes a template: the driver must not start another one."""
    ours, theirs = socket.socketpair()
    send_fds = socket.send_fds

    def send_then_close(*words: Any) -> int:
        n = send_fds(*words)
        frame, files = protocol.receive_fds(theirs)
        assert (frame.body, len(files)) == (b"request", 1)
        os.close(files[0])
        theirs.close()
        return n

    monkeypatch.setattr(socket, "send_fds", send_then_close)
    with ours:
        protocol.send(ours, protocol.Frame(protocol.Kind.FORK, body=b"request"), [0])


def test_frames_carry_all_files_of_a_request() -> None:
    ours, theirs = socket.socketpair()
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
    with ours, theirs:
        protocol.send(ours, protocol.Frame(protocol.Kind.FORK), files)
        _, received = protocol.receive_fds(theirs)
    assert len(received) == len(files)
    for one in (*files, *received):
        os.close(one)
