"""Outcomes reach the driver whole, whether or not their worker loads Arrow for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import environment, output, script

from superparams.executor.engines.processes.transport import loaded_ahead, opened
from superparams.outcomes.batches import encode
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import Outcome
from tests.sweeps import sweep

# What settings give, as an expression, and whether it goes without Arrow.
RESULTS = {
    "scalars": ("{'a': 1, 'b': 2.5, 'c': 'x', 'd': None, 'e': True, 'f': b'x'}", True),
    "nothing": ("None", True),
    "an empty dict": ("{}", True),
    "containers": ("{'a': [1, (2, {'x': {3}})], 'b': {1: [None]}}", True),
    "large numbers": ("{'a': 2**70, 'b': float('inf')}", True),
    "numbers of numpy": ("{'a': np.float32(1.5), 'b': np.bool_(True), 'c': np.uint64(1)}", True),
    "arrays": ("{'a': np.arange(4), 'b': np.ones((2, 2), 'f4'), 'c': np.array(1)}", True),
    "surrogates": ("{'a': '\\udcff'}", True),
    "times": ("{'a': dt.datetime(2020, 1, 2), 'b': np.datetime64('2020-01-01')}", False),
    "zones": ("{'a': zoned}", False),
    "paths": ("{'a': pathlib.Path('x/y')}", False),
    "a large array": ("{'a': np.zeros(10_000)}", False),
    "much text": ("{'a': 'x' * 2_000_000}", False),
    "what holds itself": ("{'a': endless}", False),
    "masked arrays": ("{'a': np.ma.masked_array([1], [True])}", False),
    "metadata": ("{'a': np.array([1], np.dtype('i4', metadata={'a': Colour}))}", False),
    "a frame": ("Frame({'a': [1, 2]})", False),
    "a frame without rows": ("Frame({'a': []})", False),
    "an enum": ("{'a': Colour.RED}", False),
    "a class of its own": ("{'a': Number(3)}", False),
    "objects of numpy": ("{'a': np.array([Colour.RED], object)}", False),
    "records": ("{'a': np.zeros(2, 'i4,f8')}", False),
    "its own time zone": ("{'a': dt.datetime(2020, 1, 2, tzinfo=Zone())}", False),
    "a key of its own class": ("{Text('a'): 1}", False),
}
MEANS = """
import datetime as dt, enum, pathlib, sys, zoneinfo
import numpy as np

class Colour(enum.Enum):
    RED = 1

class Number(int):
    pass

class Text(str):
    pass

class Zone(dt.tzinfo):
    def utcoffset(self, when):
        return dt.timedelta(hours=1)

class Frame:
    def __init__(self, columns):
        self.columns = columns

    def __len__(self):
        return len(self.columns["a"])

    def __arrow_c_stream__(self, *more):
        import pyarrow
        return pyarrow.table(self.columns).__arrow_c_stream__(*more)

    def __reduce__(self):
        raise TypeError("it does not travel")

endless = [[[[[[[[[[[[1]]]]]]]]]]]]
zoned = dt.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC"))
"""
WORKER = """
import sys
from superparams.executor.engines.processes.transport import Parcels
from superparams.outcomes.outcome import Outcome

parcels, made = Parcels(), outcomes(Outcome)
assert "pyarrow" not in sys.modules
if needs_arrow and not is_much:
    assert parcels.make(made, may_load=False) is None
    assert "pyarrow" not in sys.modules
parcel = parcels.make(made)
assert ("pyarrow" in sys.modules) is needs_arrow, sorted(sys.modules)
sys.stdout.buffer.write(parcel)
"""


def program(*results: str, params: str = "{'p': 1}") -> str:
    listed = ", ".join(results)
    return f"""{MEANS}
def outcomes(kind):
    return [
        kind(index, f"{{index:032x}}", "done", {params}, result, started=1.5, seconds=index / 3)
        for index, result in enumerate([{listed}])
    ]
"""


def sent(text: str, *, needs_arrow: bool, is_much: bool = False) -> bytes:
    """What a process without Arrow makes of them."""
    code = f"{text}\nneeds_arrow, is_much = {needs_arrow}, {is_much}\n{WORKER}"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE).stdout


def made(text: str) -> list[Outcome]:
    names: dict[str, Any] = {}
    exec(text, names)
    found: list[Outcome] = names["outcomes"](Outcome)
    return found


@sweep(6, "name", RESULTS)
def test_what_is_sent_is_what_would_have_been_encoded(name: str) -> None:
    result, is_known = RESULTS[name]
    text = program(result, result)
    found = opened(sent(text, needs_arrow=not is_known, is_much=name == "much text"))
    expected = encode(made(text))
    assert decode(found) == decode(expected)
    assert [one.schema for one in decode(found)] == [one.schema for one in decode(expected)]


def test_outcomes_of_many_shapes_at_once() -> None:
    text = program("{'a': 1}", "None", "{'a': 1.5}", "{'b': [1]}", "{}", "{'a': 'x'}", "{1: 2}")
    assert decode(opened(sent(text, needs_arrow=False))) == decode(encode(made(text)))


@pytest.mark.parametrize("params", ["{}", "{'p': Colour.RED}", "{'p': {'q': np.int8(1)}}"])
def test_parameters(params: str) -> None:
    text = program("{'a': 1}", "None", params=params)
    found = opened(sent(text, needs_arrow="Colour" in params))
    assert decode(found) == decode(encode(made(text)))


def test_many_nested_results_are_encoded_where_they_are_made() -> None:
    few, many = (program(f"*[{{'a': [1]}}] * {count}") for count in (256, 257))
    assert decode(opened(sent(few, needs_arrow=False))) == decode(encode(made(few)))
    found = sent(many, needs_arrow=True, is_much=True)
    assert decode(found) == decode(encode(made(many)))


def test_arrow_that_cannot_be_loaded_costs_only_what_takes_it() -> None:
    text = program("{'a': 1}", "{'a': Colour.RED}", params="{'p': 1}")
    blocked = text + "\nsys.modules['pyarrow'] = None\n"
    code = f"{blocked}\n{WORKER}".replace("assert", "0 and")
    command = [sys.executable, "-c", f"needs_arrow, is_much = True, True\n{code}"]
    parcel = subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE).stdout
    rows = [row for batch in decode(opened(parcel)) for row in batch.to_pylist()]
    found = {row["index"]: row for row in rows}
    assert (found[0]["status"], found[0]["result.a"]) == ("done", 1)
    assert found[1]["status"] == "failed"
    assert "to record what it returned takes pyarrow" in found[1]["error"]


def test_arrow_is_loaded_ahead_for_parameters_that_need_it() -> None:
    assert loaded_ahead({"a": 1, "b": [1.5]}) == []
    assert loaded_ahead({"a": object()}) == ["superparams.outcomes.batches"]


EXPERIMENTS = """
import enum, sys
from superparams import Experiment, search, value

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Plain(Experiment):
    a: int = search(range(4))

    def run(self):
        return {"arrow": "pyarrow" in sys.modules, "y": self.a}

class Colours(Experiment):
    colour: Colour = search()

    def run(self):
        return {"arrow": "pyarrow" in sys.modules}

class Late(Experiment):
    a: int = search(range(4))

    def run(self):
        return {"arrow": "pyarrow" in sys.modules, "colour": Colour.RED}

class Rare(Experiment):
    'The first that takes Arrow comes late, and then a long one.'
    a: int = search(range(3000))

    def run(self):
        if self.a == 2999:
            import time
            time.sleep(1)
        return {"y": Colour.RED if self.a == 2990 else self.a}

class Derives(Experiment):
    a: int = 1
    b: str = value(derive=lambda s: 1 / 0)

    def run(self):
        return {"b": repr(self.b)}

class Blocks(Experiment):
    a: int = search(range(4))

    def run(self):
        sys.modules["pyarrow"] = None
        return {"y": self.a}

class Long(Experiment):
    a: int = search(range(40))

    def run(self):
        if self.a == 39:
            import os, signal
            while not os.path.exists("go"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return {"colour": Colour.RED}
"""


@pytest.mark.usefixtures("no_leaks")
@sweep(1, "start_method", ["forkserver", "spawn"])
def test_workers_do_without_arrow_until_they_need_it(tmp_path: Path, start_method: str) -> None:
    script(tmp_path, EXPERIMENTS, "three.py")
    text = f"""
from superparams.executor import Processes
from three import Colours, Late, Plain

for kind in (Plain, Late, Colours):
    found = kind().run_all(1, engine=Processes(start_method={start_method!r}), progress=False)
    print(found.counts["done"], found.to_arrow()["arrow"].to_pylist())
"""
    plain, late, colours = output(tmp_path, text).splitlines()
    assert plain == "4 [False, False, False, False]"
    assert late == "4 [False, True, True, True]"
    ahead = start_method == "forkserver"  # the template knows the parameters, and loads it once
    assert colours == f"2 [{ahead}, True]"


@pytest.mark.usefixtures("no_leaks")
def test_a_long_setting_holds_back_no_outcome_that_needs_arrow(tmp_path: Path) -> None:
    """They are recorded while it runs, so its worker may die and nothing runs twice."""
    script(tmp_path, EXPERIMENTS, "three.py")
    text = """
import pathlib, threading, time
from superparams.store.ledger.reader import read
from three import Long

def recorded():
    return sum(b.num_rows for path in pathlib.Path("results").rglob("ledger") for b in read(path))

def watch():
    while recorded() < 39:
        time.sleep(0.01)
    pathlib.Path("go").touch()

threading.Thread(target=watch).start()
found = Long().run_all(1, engine="processes", progress=False)
print(found.counts)
"""
    assert "'done': 39" in output(tmp_path, text)


@pytest.mark.usefixtures("no_leaks")
@sweep(1, "start_method", ["forkserver", "spawn"])
def test_nothing_is_lost_or_twice_where_arrow_is_needed_late(
    tmp_path: Path, start_method: str
) -> None:
    script(tmp_path, EXPERIMENTS, "three.py")
    text = f"""
from superparams.executor import Processes
from three import Blocks, Rare

found = Rare().run_all(2, engine=Processes(start_method={start_method!r}), progress=False)
print(found.counts, sorted(found.to_arrow()["a"].to_pylist()) == list(range(3000)))
print(Blocks().run_all(2, engine=Processes(start_method={start_method!r}), progress=False).counts)
"""
    assert output(tmp_path, text) == "{'done': 3000} True\n{'done': 4}\n"


@pytest.mark.usefixtures("no_leaks")
def test_to_look_at_parameters_changes_nothing(tmp_path: Path) -> None:
    """A space of one is the user's own object."""
    script(tmp_path, EXPERIMENTS, "three.py")
    text = """
from three import Derives

one = Derives()
found = one.run_all(1, engine="processes", progress=False)
print(found.counts, "b" in vars(one))
"""
    assert output(tmp_path, text) == "{'failed': 1} False\n"
