"""What a setting writes into a value that all settings share reaches no other setting.

FAULTS row 41: the same in every engine, for constants and for what factories make.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")

SCRIPT = """
import array, collections, dataclasses, json, random, types
import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sparse
from superparams import Experiment, search, value

@dataclasses.dataclass
class Data:
    a: object
    n: int = 0
@dataclasses.dataclass(frozen=True)
class Frozen:
    a: object
class Lab:  # as xarray keeps arrays
    def __init__(self): self.values, self.n = np.zeros(4), 0
class Slots:
    __slots__ = ("a", "b")
    def __init__(self): self.a, self.b = np.zeros(3), np.zeros(2)
    def put(self, x): self.b[0] = x
    def get(self): return self.b[0]
class Dict(dict): pass
class List(list): pass
class Shared:
    def __init__(self): self.n = 0  # no data: one for all settings, as it always was

def circle():
    made = Data([]); made.a.append(made); made.n = [0]; return made
def pair():
    inner = Data(0); return [inner, inner]
def objects():
    made = np.empty(2, object); made[0], made[1] = [0], np.zeros(2); return made

def item(place): return lambda x, i: x.__setitem__(place, i)
def within(name, place=0): return lambda x, i: getattr(x, name).__setitem__(place, i)
def attribute(name): return lambda x, i: setattr(x, name, i)
frame = lambda: pd.DataFrame({"a": [0.0]})
masked = lambda: np.ma.MaskedArray([0.0, 1.0], mask=[0, 1])
matrix = lambda: sparse.csr_matrix([[9.0, 0], [0, 2.0]])

# name: (what makes it, what writes, what reads); the first setting writes 1, the second 2
KINDS = {
    "polars frame": (lambda: pl.DataFrame({"a": [0.0]}), item((0, "a")), lambda x: x[0, "a"]),
    "polars series": (lambda: pl.Series([0.0]), item(0), lambda x: x[0]),
    "polars objects": (lambda: pl.Series([[0]], dtype=pl.Object), lambda x, i: x[0].append(i),
                       lambda x: len(x[0])),
    "frame of objects": (lambda: pl.DataFrame({"o": pl.Series([[0]], dtype=pl.Object)}),
                         lambda x, i: x["o"][0].append(i), lambda x: len(x["o"][0])),
    "memory": (lambda: memoryview(bytearray(3)), item(0), lambda x: x[0]),
    "record": (lambda: np.zeros(1, "i4,i4")[0], item("f0"), lambda x: x["f0"]),
    "csr data": (matrix, within("data"), lambda x: x[0, 0]),
    "csr item": (matrix, item((0, 0)), lambda x: x[0, 0]),
    "coo": (lambda: matrix().tocoo(), within("data"), lambda x: x.data[0]),
    "lil": (lambda: matrix().tolil(), item((0, 1)), lambda x: x[0, 1]),
    "dok": (lambda: matrix().todok(), item((0, 1)), lambda x: x[0, 1]),
    "large csr": (lambda: sparse.csr_matrix(np.full((200, 200), 9.0)), within("data"),
                  lambda x: x[0, 0]),
    "lab": (Lab, within("values"), lambda x: x.values[0]),
    "lab attribute": (Lab, attribute("n"), lambda x: x.n),
    "slots": (Slots, within("a"), lambda x: x.a[0]),
    "hidden slot": (Slots, lambda x, i: x.put(i), lambda x: x.get()),
    "data array": (lambda: Data(np.zeros(3)), within("a"), lambda x: x.a[0]),
    "data large": (lambda: Data(np.zeros(20_000)), within("a"), lambda x: x.a[0]),
    "data list": (lambda: Data([0]), within("a"), lambda x: x.a[0]),
    "data attribute": (lambda: Data([0]), attribute("n"), lambda x: x.n),
    "data frame": (lambda: Data(frame()), lambda x, i: x.a.__setitem__("a", i),
                   lambda x: x.a["a"][0]),
    "frozen": (lambda: Frozen([0]), within("a"), lambda x: x.a[0]),
    "circle": (circle, lambda x, i: x.a[0].n.append(i), lambda x: len(x.n)),
    "pair": (pair, lambda x, i: setattr(x[0], "n", i), lambda x: x[1].n),
    "masked": (masked, item(0), lambda x: x[0]),
    "mask": (masked, within("mask"), lambda x: int(x.mask[0])),
    "no mask": (lambda: np.ma.MaskedArray([0.0]), item(0), lambda x: x[0]),
    "to be masked": (lambda: np.ma.MaskedArray([0.0]), lambda x, i: item(0)(x, np.ma.masked),
                     lambda x: int(np.ma.getmaskarray(x)[0])),
    "shape": (lambda: np.zeros(4), lambda x, i: np.ndarray.shape.__set__(x, (i, 4 // i)),
              lambda x: x.ndim),
    "objects": (objects, item(0), lambda x: len(x[0])),
    "list in objects": (objects, lambda x, i: x[0].append(i), lambda x: len(x[0])),
    "array in objects": (objects, lambda x, i: item(0)(x[1], i), lambda x: x[1][0]),
    "list of frames": (lambda: [frame()], lambda x, i: item("a")(x[0], i), lambda x: x[0]["a"][0]),
    "dict of frames": (lambda: {"k": frame()}, lambda x, i: x["k"].loc.__setitem__((0, "a"), i),
                       lambda x: x["k"]["a"][0]),
    "frame": (frame, lambda x, i: x.loc.__setitem__((0, "a"), i), lambda x: x["a"][0]),
    "index": (lambda: pd.Index([1]), attribute("name"), lambda x: x.name or 0),
    "categories": (lambda: pd.Categorical([1, 2], categories=[0, 1, 2]),
                   lambda x, i: item(i - 1)(x, 0), lambda x: int(x[0] + x[1])),
    "extension": (lambda: pd.array([0], dtype="Int64"), item(0), lambda x: int(x[0])),
    "dict": (lambda: Dict(a=0), item("a"), lambda x: x["a"]),
    "dict attribute": (Dict, attribute("n"), lambda x: getattr(x, "n", 0)),
    "list": (lambda: List([[0]]), lambda x, i: x[0].append(i), lambda x: len(x[0])),
    "namespace": (lambda: types.SimpleNamespace(n=0), attribute("n"), lambda x: x.n),
    "chain": (lambda: collections.ChainMap({"a": 0}), item("a"), lambda x: x["a"]),
    "array.array": (lambda: array.array("i", [0]), item(0), lambda x: x[0]),
    "generator": (lambda: np.random.default_rng(1), lambda x, i: x.random(),
                  lambda x: x.bit_generator.state["state"]["state"] % 999),
    "random": (lambda: random.Random(1), lambda x, i: x.random(), lambda x: x.getstate()[1][-1]),
    "shared": (Shared, lambda x, i: None, lambda x: x.n),
}

class T(Experiment):
    i: int = search([1, 2])
    def run(self):
        seen = {}
        for number, (name, (_, write, read)) in enumerate(KINDS.items()):
            for field in (f"made{number}", f"given{number}")[: 1 if name == "circle" else 2]:
                before = read(getattr(self, field))
                try:
                    write(getattr(self, field), self.i)
                    done = "written"
                except (ValueError, TypeError) as error:
                    done = type(error).__name__
                seen[f"{name}, {field[:4]}"] = [float(before), done]
        return {"seen": json.dumps(seen)}

fields = {}
for number, (make, _, _) in enumerate(KINDS.values()):
    given = value(make(), key="x") if make is Shared else value(make()) if make is not circle else 0
    fields |= {f"made{number}": value(factory=make, key=f"k{number}"), f"given{number}": given}
T = type("T", (T,), {"__annotations__": dict.fromkeys(fields, object), **fields})

class Later(T):
    async def run(self):
        return super().run()

if __name__ == "__main__":
    for name, options in {
        "forkserver": {"engine": "processes"},
        "threads": {"engine": "threads"},
        "asyncio": {"engine": "asyncio"},
        "serial": {"engine": "serial"},
    }.items():
        cls = Later if name == "asyncio" else T
        found = cls().run_all(1, results="results-" + name, progress=False, **options)
        print(json.dumps([name, [[row["error"], row.get("seen")] for row in found]]))
"""


def test_41_a_write_into_a_shared_value_reaches_no_other_setting(tmp_path: Path) -> None:
    engines: dict[str, dict[str, str]] = {}
    for line in output(tmp_path, "# ruff: noqa\n" + SCRIPT).splitlines():
        engine, ((error, first), (other, second)) = json.loads(line)
        assert (error, other) == (None, None), engine
        one, two = json.loads(first), json.loads(second)
        leaked = {name for name in one if one[name][0] != two[name][0]}
        assert not leaked, (engine, leaked)
        engines[engine] = {name: done for name, (_, done) in one.items()}
    assert engines["serial"] == engines["threads"] == engines["asyncio"] == engines["forkserver"]
    refused = {name for name, done in engines["serial"].items() if done != "written"}
    assert {"data array, made", "large csr, give", "masked, give", "mask, made"} <= refused
    assert not {"frame, made", "data list, give", "generator, made", "lil, give"} & refused
