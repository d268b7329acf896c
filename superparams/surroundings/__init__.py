"""What a script or a notebook set up before the run holds in every worker.

The list is closed: decimal context, errors and print options of numpy, warning filters, logging
levels, options of pandas, defaults of torch, locale, working directory. `Surroundings.here` takes
it when a run begins, `apply` sets it in a worker once the project's code is loaded there. Only what
differs from the defaults is kept, and a library is never loaded for its sake: what belongs to one
that is not there yet is set when it is loaded.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from superparams.surroundings import numeric, process, third_party
from superparams.surroundings.loading import when_loaded
from superparams.surroundings.part import Part

__all__ = ["Surroundings", "differences"]

_PARTS: tuple[Part, ...] = (*numeric.PARTS, *third_party.PARTS, *process.PARTS)


@dataclass
class Surroundings:
    """The set-up of a process, as far as it differs from that of a new one.

    Attributes:
        parts: the values of each part, by its name.
        notes: what cannot be carried, in sentences for the user.
        thread: the thread that it was taken in.
    """

    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    thread: int = 0

    @classmethod
    def here(cls) -> Surroundings:
        """That of this process and this thread."""
        found = cls(thread=threading.get_ident())
        for part in _PARTS:
            if part.module in sys.modules:
                values = part.take(found.notes)
                if values:
                    found.parts[part.name] = values
        return found

    def apply(self) -> list[str]:
        """Set up this process; gives what could not be done, in sentences for the user."""
        return self._apply(_PARTS)

    def apply_to_thread(self) -> None:
        """Set up a thread of the process that it was taken in, where that starts anew."""
        if self.thread != threading.get_ident():
            self._apply([part for part in _PARTS if part.is_of_thread])

    def _apply(self, parts: Iterable[Part]) -> list[str]:
        notes: list[str] = []
        for part in parts:
            values: dict[str, Any] = self.parts.get(part.name) or {}
            if part.module in sys.modules or (values and not part.waits):
                part.apply(values, notes)
            elif part.waits:
                when_loaded(part.module, part.name, _later(part, values) if values else None)
        return notes

    def shown(self, project: Path) -> dict[str, Any]:
        """What is recorded of it: short and plain, without a path of this machine."""
        return {
            part.name: shown
            for part in _PARTS
            if (shown := part.show(self.parts.get(part.name) or {}, str(project)))
        }


def _later(part: Part, values: Mapping[str, Any]) -> Any:
    return lambda: part.apply(values, [])


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two set-ups as they are recorded: ``decimal prec=28 then, 5 now``."""
    told: list[str] = []
    for part in _PARTS:
        old, new = _mapping(then.get(part.name)), _mapping(now.get(part.name))
        for name in dict.fromkeys([*old, *new]):
            usual = part.defaults.get(name, "default")
            was, is_now = old.get(name, usual), new.get(name, usual)
            if was != is_now:
                told.append(f"{part.name}: {name} was {was!s:.60}, is {is_now!s:.60}")
    return told


def _mapping(found: object) -> dict[str, Any]:
    """What a run tells of a part, whoever wrote that."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
