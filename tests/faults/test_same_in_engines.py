"""What settings see of a script is the same in every engine: classes, shared memory, limits.

FAULTS rows 41 and 46.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")

# Runs the experiment T of a script under each engine, and prints what its settings gave. Those that
# write to the objects of the script itself come last.
RUNS = """
class Later(T):
    async def run(self):
        return super().run()

if __name__ == "__main__":
    import json
    from superparams.executor import Processes
    for name, options in {
        "forkserver": {"num_proc": 2, "engine": Processes(start_method="forkserver")},
        "spawn": {"num_proc": 2, "engine": Processes(start_method="spawn")},
        "fork": {"num_proc": 2, "engine": Processes(start_method="fork")},
        "asyncio": {"num_proc": 2, "engine": "asyncio"},
        "threads": {"engine": "threads"},
        "serial": {"engine": "serial"},
    }.items():
        cls = Later if name == "asyncio" else T
        found = cls().run_all(results="results-" + name, progress=False, **options)
        rows = [[row.get("error"), row.get("seen")] for row in found]
        print(json.dumps([name, rows]))
"""


def by_engine(folder: Path, text: str) -> dict[str, list[list[Any]]]:
    """By engine: the error and the result `seen` of each setting."""
    return dict(json.loads(line) for line in output(folder, text + RUNS).splitlines())


# `numpy.rec`, where recarray says it lives, is not loaded until somebody asks numpy for it.
CLASSES = """
import collections, enum, functools, json, pickle, struct, sys, types
import numpy as np
from superparams import Experiment, search, value

public = types.ModuleType("json.public")  # a public name that is no module that can be imported
json.public = public
for one in (json.JSONDecodeError, json.scanner.py_make_scanner):
    setattr(public, one.__name__, one)
    one.__module__ = "json.public"
json.JSONEncoder.__module__ = "json.gone"  # a name that is wrong

KINDS = [json.JSONDecodeError, json.scanner.py_make_scanner, json.JSONEncoder]
RECORDS = np.zeros(3, dtype=[("a", int), ("b", float)]).view(np.recarray)
LARGE = np.ones(50_000, dtype=[("a", int), ("b", float)]).view(np.recarray)
assert "numpy.rec" not in sys.modules

Pair = collections.namedtuple("Pair", "a b")
class Color(enum.Enum):
    RED = 1
class Outer:
    class Inner:
        pass
    class Kind(enum.IntEnum):
        A = 1
INNER, KIND, RED = Outer.Inner(), Outer.Kind.A, Color.RED
VERSION, HEADER, LIMITS = sys.version_info, struct.Struct("<i"), np.finfo("f4")
dumps = functools.lru_cache(maxsize=3)(json.dumps)
size = functools.cache(len)

class T(Experiment):
    x: int = search([1, 2])
    records: object = value(RECORDS)
    pair: object = value(Pair(1, 2))

    def run(self):
        import json as here
        back = pickle.loads(pickle.dumps([self.records, LARGE, INNER, KIND, RED, self.pair]))
        return {"seen": json.dumps([
            type(RECORDS) is type(LARGE) is type(self.records) is type(back[0]) is np.recarray,
            [int(LARGE.a.sum()), int(self.records.a.sum()), int(back[1].a.sum())],
            KINDS[0] is here.JSONDecodeError and KINDS[2] is here.JSONEncoder,
            KINDS[1] is here.scanner.py_make_scanner,
            [back[3] is KIND, back[4] is RED, type(back[2]) is Outer.Inner, back[5] == self.pair],
            [Outer.Kind(1) is KIND, Color(1) is RED, type(self.pair) is Pair],
            [VERSION is sys.version_info, HEADER.pack(1)[0], float(LIMITS.eps) == 2.0**-23],
            [dumps(1), dumps.cache_parameters()["maxsize"], size((1, 2))],
        ])}
"""


def test_46_classes_whose_module_is_another_than_they_say_travel_by_name(tmp_path: Path) -> None:
    seen = [True, [50_000, 0, 50_000], True, True, [True] * 4, [True] * 3]
    wanted = [*seen, [True, 1, True], ["1", 3, 2]]
    for engine, rows in by_engine(tmp_path, CLASSES).items():
        for error, found in rows:
            assert error is None, (engine, error)
            assert json.loads(found) == wanted, engine


# Each setting writes through one and reads through the other, before anything else is written.
VIEWS = """
import array
import numpy as np
import pandas as pd
from superparams import Experiment, search

owner = np.zeros(9); view = owner[1:4]
early = np.arange(20.0)[:10]; late = np.arange(20.0)
first, second = late[:10], late[5:15]            # their base is a third
backwards, turned = late[::-1], late.reshape(4, 5).T
matrix = np.zeros((40, 200)); left, right = matrix[:, 0], matrix[:, 1]  # no item in common
integers = np.zeros(4, "i4"); as_bytes = integers.view("u1")
masked = np.ma.MaskedArray(owner, mask=[False] * 9, copy=False)
objects = np.array([[1, "a"], [None, 2]], dtype=object); row = objects[1]
memory = bytearray(16); over = np.frombuffer(memory, dtype="u1")
plain = array.array("d", [0.0] * 4); over_plain = np.frombuffer(plain)
table = np.zeros((3, 2)); frame = pd.DataFrame(table, copy=False)
records = np.zeros(3, [("a", "i4"), ("b", "f8")]); column = records["b"]
locked = np.zeros(3); reader = locked[:]; reader.flags.writeable = False
# pandas 3 copies these as soon as one of them is written.
if pd.__version__ < "3": pd.options.mode.copy_on_write = True
whole = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "n": pd.array([1, None], dtype="Int64")})
series, renamed, number = whole["a"], whole.rename(columns={"b": "B"}), whole["n"]

class Model:
    def __init__(self):
        self.flat = np.zeros(10)
        self.weights, self.bias = self.flat[:4].reshape(2, 2), self.flat[4:]
model = Model()

class T(Experiment):
    x: int = search([1, 2])
    def run(self):
        x = self.x
        view[0] = x; first[6] = 100 + x; left[1] = x; as_bytes[4] = x; row[0] = x; memory[3] = x
        plain[2] = x; table[0, 1] = x; column[1] = x; locked[2] = x; model.weights[0, 1] = x
        early[2] = 40 + x
        whole.iloc[0, 0], renamed.iloc[0, 1], whole.loc[0, "n"] = 10 + x, 20 + x, 30 + x
        seen = [owner.sum(), masked.sum(), second[1], backwards[13], turned[1, 1], matrix[1, 0],
                right[1], integers[1], objects[1, 0], over[3], over_plain[2], frame.iloc[0, 1],
                records[1]["b"], reader[2], model.flat[1], late[2], early[2]]
        copied = [whole.iloc[0, 0], whole.iloc[0, 1], series.iloc[0], renamed.iloc[0, 0],
                  renamed.iloc[0, 1], number.iloc[0]]
        return {"seen": [float(one) for one in seen + copied]}
"""


def test_41_what_is_written_through_a_view_is_seen_through_the_others(tmp_path: Path) -> None:
    for engine, rows in by_engine(tmp_path, VIEWS).items():
        for x, (error, seen) in enumerate(rows, 1):
            assert error is None, (engine, error)
            shared = [x, x, 100 + x, 100 + x, 100 + x, x, 0, x, x, x, x, x, x, x, x, 2, 40 + x]
            assert seen[: len(shared)] == shared, engine
            assert seen[len(shared) :] == [10 + x, 3, 1, 1, 20 + x, 1], engine


LARGE = """
import numpy as np
from superparams import Experiment, search

large = np.zeros(50_000); small = large[10:20]; other = large[15:40_000]
hidden = np.zeros(50_000); ends = [hidden[::4000], hidden[:40_000:4000]]  # nobody holds the whole
alone = np.zeros(50_000)[:3]
class T(Experiment):
    x: int = search([1, 2])
    def run(self):
        alone[0] = self.x
        refused = []
        for writes in (small, large, other, *ends):
            try:
                writes[6] = self.x
            except ValueError as error:
                refused.append(str(error))
        return {"seen": [float(alone[0]), len(refused), float(small[6]), float(large[16])]}
"""


def test_41_a_small_view_of_large_memory_refuses_what_would_be_lost(tmp_path: Path) -> None:
    found = by_engine(tmp_path, LARGE)
    for engine in ("serial", "threads", "asyncio", "fork"):
        assert [seen[:2] for _, seen in found[engine]] == [[1, 0], [2, 0]], engine
    for engine in ("forkserver", "spawn"):
        assert found[engine] == [[None, [1, 5, 0, 0]], [None, [2, 5, 0, 0]]], engine
