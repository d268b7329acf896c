"""What workers come from starts while the modules of a first run load, and no worker too early."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.processes import Processes
from tests.contracts.programs import FunctionProgram, rows
from tests.runs import command_line, output, script, wait_for

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.timeout(120)]

EXPERIMENT = """
from superparams import Experiment, search
class One(Experiment):
    a: int = search([1, 2])
    def run(self):
        return {"y": self.a}
"""
# Counts the interpreters at the moment at which the modules of a run load.
DRIVER = """
import json, sys
import psutil
from superparams.executor import Processes
from one import One

def command_line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""

class Looks:
    found = None
    def find_spec(self, name, path=None, target=None):
        if name == "superparams.run.loop":
            children = psutil.Process().children()
            Looks.found = sum("interpreter_main" in command_line(x) for x in children)

sys.meta_path.insert(0, Looks())
"""


def found(folder: Path, call: str) -> Any:
    script(folder, EXPERIMENT, "one.py")
    text = f"{DRIVER}\ntable = {call}\nprint(json.dumps([Looks.found, len(table)]))"
    return json.loads(output(folder, text).splitlines()[-1])


def test_the_interpreter_starts_while_modules_load(tmp_path: Path) -> None:
    """It does where worker processes will run something, and only there."""
    run = "One().run_all({}, progress=False)"
    assert found(tmp_path, run.format("1, results='a'")) == [0, 2]
    assert found(tmp_path, run.format("2, results='b', engine=Processes('spawn')")) == [0, 2]
    assert found(tmp_path, run.format("2, results='c'")) == [1, 2]
    assert found(tmp_path, run.format("2, results='c'")) == [0, 2], "all is done"


def test_settings_begin_when_outcomes_are_asked_for() -> None:
    """Until then the folder of the run may not be complete."""

    def pid(index: int, place: object) -> dict[str, int]:
        return {"pid": os.getpid()}

    program: Any = FunctionProgram(cast("Any", pid), 4, 2)
    engine, control = Processes(), Control()
    outcomes = engine.execute_ahead(program, [range(4)], Options(num_proc=2), control)
    assert control.begun.wait(60)
    template = wait_for(_templates)
    assert engine.activity() == []
    assert not template[0].children()
    found = {row["result.pid"] for row in rows(outcomes)}
    assert found.isdisjoint({os.getpid(), template[0].pid})


def test_a_start_that_is_closed_ends_everything() -> None:
    program: Any = FunctionProgram(cast("Any", lambda index, place: {}), 4, 2)
    outcomes: Any = Processes().execute_ahead(program, [range(4)], Options(num_proc=2), Control())
    assert wait_for(_templates)
    outcomes.close()
    assert not [one for one in threading.enumerate() if one.name == "superparams-dispatch"]


def _templates() -> list[psutil.Process]:
    """The children of the interpreters that wait."""
    children = psutil.Process().children()
    interpreters = [one for one in children if "interpreter_main" in command_line(one)]
    return [template for one in interpreters for template in one.children()]


def test_what_cannot_be_sent_is_told_and_leaves_a_record(tmp_path: Path) -> None:
    """The payload is packed before the folder of the run is complete."""
    text = """
import json, threading
from pathlib import Path
from superparams import Experiment, search, value
class Locked(Experiment):
    a: int = search([1, 2])
    lock: object = value(threading.Lock(), key="lock")
    def run(self): return {}
try:
    Locked().run_all(2, progress=False)
except Exception as error:
    told = type(error).__name__
runs = Path("results").glob("*/runs/*/run.json")
states = [json.loads(path.read_text())["state"] for path in runs]
print(json.dumps([told, states]))
"""
    assert json.loads(output(tmp_path, text)) == ["PayloadError", ["interrupted"]]


SEARCH = """
from superparams import Experiment, minimize, search
class One(Experiment):
    x: float = search(low=-1.0, high=1.0)
    goal = minimize("y")
    def run(self):
        return {"y": self.x}
"""


def test_the_process_of_a_sampler_starts_while_modules_load(tmp_path: Path) -> None:
    """The search takes it; a run that is refused leaves none behind."""
    pytest.importorskip("optuna")
    script(tmp_path, SEARCH, "one.py")
    driver = DRIVER.replace("interpreter_main", "optuna_helper")
    lines = [
        driver,
        "from superparams.errors import EngineError",
        "from superparams.strategies import TPE",
        "helpers = lambda: [x.pid for x in psutil.Process().children()",
        "                   if 'optuna_helper' in command_line(x)]",
        "strategy, started = TPE(trials=15), []",
        "begin = TPE.begin",
        "TPE.begin = lambda self, *of: [started.extend(helpers()), begin(self, *of),",
        "                               started.append(self.helper_pid)][0]",
        "try:",
        "    One().run_all(9, strategy=strategy, progress=False)",
        "except EngineError as error:",
        "    print(json.dumps([Looks.found, helpers()]))",
        "del sys.modules['superparams.run.loop']",
        "table = One().run_all(1, strategy=strategy, progress=False)",
        "print(json.dumps([Looks.found, started[0] == started[1], len(table), helpers()]))",
    ]
    shown = output(tmp_path, "\n".join(lines)).splitlines()[-2:]
    assert [json.loads(line) for line in shown] == [[1, []], [1, True, 15, []]]


@pytest.mark.parametrize("before", ["", "gc.disable()", "gc.freeze()"])
def test_the_garbage_collector_is_left_as_it_was(before: str, tmp_path: Path) -> None:
    script(tmp_path, EXPERIMENT, "one.py")
    lines = [
        "import gc, json, weakref",
        "from one import One",
        before,
        "state = lambda: [gc.isenabled(), gc.get_freeze_count()]",
        "class Knot: pass",
        "knot = Knot(); knot.itself = knot; left = weakref.ref(knot); del knot",
        "was = state()",
        "One().run_all(1, progress=False)",
        "now = state()",
        "gc.collect()",
        "print(json.dumps([was == now or (was[0] == now[0] and was[1] > 0), left() is None]))",
    ]
    assert json.loads(output(tmp_path, "\n".join(lines)).splitlines()[-1]) == [True, True]
