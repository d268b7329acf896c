"""Outcomes reach the driver whole, whether or not their worker loads Arrow for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import environment, output, script

from superparams.batches import decode, encode
from superparams.engines.pool.parcel import is_plain, libraries_for, opened
from superparams.outcome import Outcome

# What settings give, as an expression, and whether it goes without Arrow.
RESULTS = {
    "scalars": ("{'a': 1, 'b': 2.5, 'c': 'x', 'd': None, 'e': True, 'f': b'x'}", True),
    "nothing": ("None", True),
    "an empty dict": ("{}", True),
    "containers": ("{'a': [1, (2, {'x': {3}})], 'b': {1: [None]}}", True),
    "times": (
        "{'a': dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), 'b': dt.date(2020, 1, 2), "
        "'c': dt.timedelta(1), 'd': zoned}",
        True,
    ),
    "numbers": ("{'a': decimal.Decimal('1.50'), 'b': uuid.UUID(int=1), 'c': 2**70}", True),
    "paths": ("{'a': pathlib.Path('x/y')}", True),
    "numpy": ("{'a': np.float32(1.5), 'b': np.arange(4), 'c': np.datetime64('2020-01-01')}", True),
    "surrogates": ("{'a': '\\udcff'}", True),
    "an enum": ("{'a': Colour.RED}", False),
    "a class of its own": ("{'a': Number(3)}", False),
    "objects of numpy": ("{'a': np.array([Colour.RED], object)}", False),
    "records": ("{'a': np.zeros(2, 'i4,f8')}", False),
    "its own time zone": ("{'a': dt.datetime(2020, 1, 2, tzinfo=Zone())}", False),
    "a key of its own class": ("{Text('a'): 1}", False),
}
MEANS = """
import datetime as dt, decimal, enum, pathlib, uuid, zoneinfo
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

zoned = dt.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC"))
"""
WORKER = """
import sys
from superparams.engines.pool.parcel import Parcels
from superparams.outcome import Outcome

parcels, made = Parcels(), outcomes(Outcome)
for one in made:
    parcels.admit(one)
assert ("pyarrow" in sys.modules) is needs_arrow, sorted(sys.modules)
sys.stdout.buffer.write(parcels.make(made))
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


def sent(text: str, *, needs_arrow: bool) -> bytes:
    """What a process without Arrow makes of them."""
    code = f"{text}\nneeds_arrow = {needs_arrow}\n{WORKER}"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE).stdout


def made(text: str) -> list[Outcome]:
    names: dict[str, Any] = {}
    exec(text, names)
    found: list[Outcome] = names["outcomes"](Outcome)
    return found


@pytest.mark.parametrize("name", RESULTS)
def test_what_is_sent_is_what_would_have_been_encoded(name: str) -> None:
    result, is_known = RESULTS[name]
    text = program(result, result)
    found = opened(sent(text, needs_arrow=not is_known))
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


def test_a_list_that_holds_itself_is_not_looked_through() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert not is_plain({"a": endless})
    assert is_plain({"a": [[[[1]]]]})


def test_what_is_no_dict_is_not_plain() -> None:
    assert not is_plain([("a", 1)])


def test_an_array_that_is_masked_is_not_plain() -> None:
    assert not is_plain({"a": np.ma.masked_array([1], [True])})


def test_arrow_is_loaded_ahead_for_parameters_that_need_it() -> None:
    assert libraries_for({"a": 1}) == []
    assert libraries_for({"a": object()}) == ["superparams.batches"]


EXPERIMENTS = """
import enum, sys
from superparams import Experiment, search

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
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_workers_do_without_arrow_until_they_need_it(tmp_path: Path, start_method: str) -> None:
    script(tmp_path, EXPERIMENTS, "three.py")
    text = f"""
from three import Colours, Late, Plain

for kind in (Plain, Late, Colours):
    found = kind().run_all(1, engine="processes", start_method={start_method!r}, progress=False)
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
from superparams.store import read
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
