"""Carries process-wide settings of a script or a notebook to every worker.

This is a closed list: decimal context, error and print options of numpy, warning filters, logging
levels and their names, limits of Python (recursion, digits of an int), options of pandas, defaults
of torch, locale, working directory. `ProcessState.here` reads the settings when a run begins.
`apply` sets them in a worker after the project's code is loaded. Only values that differ from the
defaults are kept. No library is loaded for this: settings of a library that is not loaded yet are
applied when it is loaded.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from superparams.adapters.numpy_options import NUMPY_OPTIONS
from superparams.adapters.pandas_options import PANDAS_OPTIONS
from superparams.adapters.process_options import Part
from superparams.adapters.torch_options import TORCH_OPTIONS
from superparams.executor.process_state import interpreter_options
from superparams.executor.process_state.decimal_context import DECIMAL_OPTIONS
from superparams.executor.process_state.import_hooks import when_loaded

__all__ = ["ProcessState", "differences"]

_PARTS: tuple[Part, ...] = (
    *DECIMAL_OPTIONS,
    *NUMPY_OPTIONS,
    *PANDAS_OPTIONS,
    *TORCH_OPTIONS,
    *interpreter_options.PARTS,
)


@dataclass
class ProcessState:
    """The process-wide settings that differ from those of a new process.

    Attributes:
        parts: The values of each part, by the name of the part.
        notes: Sentences for the user about settings that cannot be carried to workers.
        thread: The thread in which the settings were read.
    """

    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    thread: int = 0

    @classmethod
    def here(cls) -> ProcessState:
        """Read the settings of this process and this thread."""
        state = cls(thread=threading.get_ident())
        for part in _PARTS:
            if part.module in sys.modules:
                values = part.read(state.notes)
                if values:
                    state.parts[part.name] = values
        return state

    def apply(self) -> list[str]:
        """Apply the settings to this process; returns sentences about failures."""
        return self._apply(_PARTS)

    def apply_to_thread(self) -> None:
        """Apply the settings that each thread has of its own to another thread of the driver."""
        if self.thread != threading.get_ident():
            self._apply([part for part in _PARTS if part.is_of_thread])

    def _apply(self, parts: Iterable[Part]) -> list[str]:
        notes: list[str] = []
        for part in parts:
            values: dict[str, Any] = self.parts.get(part.name) or {}
            if part.module in sys.modules or (values and not part.waits):
                part.apply(values, notes)
            elif part.waits:
                action = partial(part.apply, values, []) if values else None
                when_loaded(part.module, part.name, action)
        return notes

    def shown(self, project: Path) -> dict[str, Any]:
        """The settings as run.json records them: short, as JSON, without paths of this machine.

        Args:
            project: The root of the project, from which paths are shown.
        """
        return {
            part.name: shown
            for part in _PARTS
            if (shown := part.show(self.parts.get(part.name) or {}, str(project)))
        }


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The differences between two recorded set-ups: ``decimal: prec was 28, is 5``.

    Args:
        then: The settings of an earlier run, from its run.json.
        now: The settings of this process, as `ProcessState.shown` returns them.
    """
    sentences: list[str] = []
    for part in _PARTS:
        old, new = _mapping(then.get(part.name)), _mapping(now.get(part.name))
        for name in dict.fromkeys([*old, *new]):
            default = part.defaults.get(name, "default")
            before, after = old.get(name, default), new.get(name, default)
            if before == after:
                continue
            if part.describe_change is None:
                sentences.append(f"{part.name}: {name} was {before!s:.60}, is {after!s:.60}")
            else:
                sentences.append(part.describe_change(str(before), str(after)))
    return sentences


def _mapping(values: object) -> dict[str, Any]:
    """The values of a part in a run.json, which people may have edited."""
    return cast("dict[str, Any]", values) if isinstance(values, dict) else {}
