"""Rows 43 and 48: a script that changes a module which worker processes import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs import environment, script, start
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

LIB = """
import functools
K = 5
J = 5
UNUSED = 5
CFG = {"rate": 1}
TABLE = {}
CACHE = {}
COUNT = 0
def f(): return "old"
def g(): return "old"
def h(): return "old"
def unused(): return "old"
def count(n):
    global COUNT
    COUNT += 1
    CACHE[n] = count
def wrapped(function):
    @functools.wraps(function)
    def inner(): return function()
    return inner
@wrapped
def decorated(): return 1
class C:
    k = 1
    made = 0
    def __init__(self): C.made += 1
    def m(self): return "old"
    @staticmethod
    def s(): return "old"
@functools.singledispatch
def area(x): return "old"
class Base:
    known = {}
    def __init_subclass__(cls): Base.known[cls.__name__] = cls
"""
HELPER = """
import lib
def other(): return "patched"
lib.h = other
lib.J = 6
"""
EXPERIMENT = """
import helper
import lib
from superparams import Experiment, search
class E(Experiment):
    x: int = search([1, 2])
    K = 1
    def run(self):
        c = lib.C()
        lib.count(self.x)
        return {
            "f": lib.f(), "g": lib.g(), "h": lib.h(), "K": lib.K, "J": lib.J, "k": c.k,
            "m": c.m(), "s": c.s(), "area": lib.area(1), "own": self.K, "d": lib.decorated(),
            "rate": lib.CFG["rate"], "table": lib.TABLE["f"]() if "f" in lib.TABLE else "old",
            "known": len(lib.Base.known) > 9,
        }
"""
START = """
import json
from unittest import mock
import lib
from superparams.executor import Processes
from lib import CFG
from ex import E
def new(*arguments): return "new"
class Sub(lib.Base): pass
lib.C()
lib.count(2)
lib.unused = new
lib.UNUSED = 7
def go(name, **how):
    found = E().run_all(2, results="results", progress=False, resume=False, **how)
    newest = max((found.root / "runs").iterdir())
    manifest = json.loads((newest / "run.json").read_text())
    row = next(iter(found))
    names = ("f", "g", "h", "K", "J", "rate", "k", "m", "s", "area", "own", "table")
    values = {n: row[n] for n in names}
    print(json.dumps([name, values, list(found.notes), manifest["notes"]]))
def all_ways():
    go("forkserver", engine=Processes(start_method="forkserver"))
    go("fork", engine=Processes(start_method="fork"))
    go("threads", engine="threads")
    E().run_all(1, results="results", progress=False, resume=False)
"""
CLEAN = f"{START}\nif __name__ == '__main__':\n    all_ways()\n"
CHANGED = f"""{START}
if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    lib.f = new
    lib.C.m = new
    lib.C.k = 7
    E.K = 9
    lib.TABLE["f"] = new
    CFG["rate"] = 8
    lib.area.register(int)(new)
    def inner():
        setattr(lib.C, "s", staticmethod(lambda: "new"))
        lib.K = 7
    inner()
    with mock.patch("lib.g", return_value="new"):
        all_ways()
        go("spawn", engine=Processes(start_method="spawn"))
        for name in ("fork", "spawn"):
            with ProcessPoolExecutor(1, mp_context=get_context(name)) as pool:
                go(f"pool of {{name}}", engine=pool)
"""
INLINE = f"{START}\nlib.f = new\nlib.K = 7\ngo('forkserver', engine=Processes())\n"
NAMES = (
    *("ex.E.K", "lib.C.k", "lib.C.m", "lib.C.s", "lib.CFG", "lib.K", "lib.TABLE", "lib.area"),
    *("lib.f", "lib.g"),
)
OLD: dict[str, Any] = {
    "f": "old",
    "g": "old",
    "h": "patched",
    "K": 5,
    "J": 6,
    "rate": 1,
    "k": 1,
    "m": "old",
    "s": "old",
    "area": "old",
    "own": 1,
    "table": "old",
}
NEW: dict[str, Any] = {
    "f": "new",
    "g": "new",
    "h": "patched",
    "K": 7,
    "J": 6,
    "rate": 8,
    "k": 7,
    "m": "new",
    "s": "new",
    "area": "new",
    "own": 9,
    "table": "new",
}


def runs(folder: Path, *words: str) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """The values and the notes of each run of a script, by the name of the run."""
    for name, text in (("lib.py", LIB), ("helper.py", HELPER), ("ex.py", EXPERIMENT)):
        script(folder, text, name)
    env = environment()
    env["PYTHONPATH"] = f"{folder}:{env['PYTHONPATH']}"
    process = start(folder, *words, env=env)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for line in out.splitlines():
        name, values, notes, recorded = json.loads(line)
        assert [note for note in recorded if "after import" in note] == [
            note for note in notes if "after import" in note
        ]
        found[name] = values, [note for note in notes if "after import" in note]
    return found


def test_43_48_a_note_names_what_a_script_changed_in_modules(tmp_path: Path) -> None:
    found = runs(tmp_path, str(script(tmp_path, CHANGED, "s.py")))
    names = ", ".join(NAMES)
    elsewhere = ["forkserver", "spawn", "pool of spawn"]
    assert sorted(found) == sorted([*elsewhere, "fork", "threads", "pool of fork"])
    for name, (values, notes) in found.items():
        if name in elsewhere:
            assert values == OLD, name
            assert len(notes) == 1, name
            assert notes[0].startswith(f"s.py changes {names} after import. Worker processes")
        else:
            assert (values, notes) == (NEW, []), name


def test_43_48_no_note_for_what_modules_change_themselves(tmp_path: Path) -> None:
    """Decorators, modules that patch others, counters, caches and what nothing reaches."""
    found = runs(tmp_path, str(script(tmp_path, CLEAN, "s.py")))
    assert found == {name: (OLD, []) for name in ("forkserver", "fork", "threads")}


def test_43_48_the_text_of_a_command_line_counts_as_a_script(tmp_path: Path) -> None:
    found = runs(tmp_path, "-c", INLINE)
    _, notes = found["forkserver"]
    assert len(notes) == 1
    assert notes[0].startswith("the script changes lib.K, lib.f after import.")
