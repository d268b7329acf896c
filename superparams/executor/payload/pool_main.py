"""The main module of pool processes that `run` starts: it has the names of the script.

`multiprocessing` runs a module of the name ``pool_main.<handle>`` there, under the name
``__mp_main__``. The last part of that name is the handle of a payload, as `pools` makes it. So the
handle reaches every process, even if the fork server that starts it is older than the run.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from superparams.executor.payload.attachment import Handle, attach
from superparams.executor.payload.script import load_all, mark_as_worker

_HIDDEN = ("__name__", "__builtins__", "__spec__", "__loader__")
__path__: list[str] = []  # it is a package, so that its parts are looked for


class _Loader(InspectLoader):
    def get_source(self, fullname: str) -> str:
        """A module that has the names of the script."""
        handle = fullname.rpartition(".")[2]
        return f"from {__name__} import script_names\nglobals().update(script_names({handle!r}))\n"


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As in `importlib.abc.MetaPathFinder`."""
        return ModuleSpec(name, _Loader()) if name.startswith(f"{__name__}.") else None


def script_names(handle: str) -> dict[str, Any]:
    """The names of the driver's main module, out of the payload of a handle."""
    mark_as_worker()
    attach(cast("Handle", pickle.loads(bytes.fromhex(handle)))).load()
    return {name: x for name, x in load_all().items() if name not in _HIDDEN}


sys.meta_path.append(_Finder())
