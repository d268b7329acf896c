"""Hyperparameter search and other experiments, each written as one typed Python class.

Subclass `Experiment`, declare fields with ``search`` and ``value``, write ``run``, call
``run_all``. Errors are in `superparams.errors`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from superparams.declare.descriptors import search, value
from superparams.declare.experiment import (
    Experiment,
    GridSearch,
    Params,
    SearchMeta,
    Settings,
)
from superparams.declare.goal import Goal, maximize, minimize
from superparams.identity.source_texts import start_keeping_texts

if TYPE_CHECKING:
    from superparams.cli import entrypoint as entrypoint
    from superparams.declare.resources import Resources as Resources
    from superparams.executor.payload import shared_empty as shared_empty
    from superparams.store.results import Results as Results

__all__ = [
    "Experiment",
    "Goal",
    "GridSearch",
    "Params",
    "Resources",
    "Results",
    "SearchMeta",
    "Settings",
    "entrypoint",
    "maximize",
    "minimize",
    "search",
    "shared_empty",
    "value",
]

start_keeping_texts()

# What a class body does not need is imported when it is first asked for.
_LATER = {
    "Resources": "superparams.declare.resources",
    "Results": "superparams.store.results",
    "entrypoint": "superparams.cli",
    "shared_empty": "superparams.executor.payload",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("superparams")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)


if "SUPERPARAMS_PROCESS" in os.environ:  # a frozen application was started again to be a worker
    from superparams.executor.engines.processes.process_start import become

    become()
