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

# Runs the experiment T of a script under each engine, and prints what its settings gave.
RUNS = """
if __name__ == "__main__":
    import json
    for name, options in {
        "serial": {"engine": "serial"},
        "threads": {"engine": "threads", "num_proc": 2},
        "forkserver": {"num_proc": 2, "start_method": "forkserver"},
        "spawn": {"num_proc": 2, "start_method": "spawn"},
        "fork": {"num_proc": 2, "start_method": "fork"},
    }.items():
        found = T().run_all(results="results-" + name, progress=False, **options)
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
