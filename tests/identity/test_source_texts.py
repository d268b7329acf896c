"""The texts of loaded modules, while others are loaded."""

from __future__ import annotations

from pathlib import Path

from tests.runs import output

# A finalizer that loads a module may run wherever Python makes an object.
LOADING = """
import gc, sys, types
from superparams.identity.source_texts import project_modules

class Loads:
    n = 0
    def __init__(self):
        self.cycle = self
    def __del__(self):
        Loads.n += 1
        sys.modules[f"loaded_{Loads.n}"] = types.ModuleType("loaded")

gc.set_threshold(5, 1, 1)
for n in range(200):
    for _ in range(n % 7):
        Loads()
    project_modules()
print(Loads.n > 100)
"""


def test_modules_may_be_loaded_at_any_moment(tmp_path: Path) -> None:
    assert output(tmp_path, LOADING) == "True\n"
