"""The status of an experiment from its results and the text of its file; nothing is imported.

The settings to run can be counted if an earlier run had the space that the text declares now, since
each run records the keys of its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from superparams.cli.recorded_experiments import RecordedExperiment
from superparams.identity.code.text_fingerprint import declarations_of_text
from superparams.run.recorded_counts import OUTCOME_KINDS, count_outcomes, number_of_others
from superparams.space.ranges import why_uncounted
from superparams.store.json_values import json_object
from superparams.store.runs.folder import run_folders
from superparams.store.runs.recorded_space import RecordedSpace, declarations_of, space_of
from superparams.store.runs.run_records import Run
from superparams.store.table.index import read_index

if TYPE_CHECKING:
    from superparams.store.results import Results
    from superparams.store.table.index import Index

__all__ = ["RecordedStatus", "SpaceNow"]

MOST_RUNS: Final = 20  # the newest runs, whose spaces are compared


@dataclass(frozen=True)
class SpaceNow:
    """The declared space of an experiment, as far as a run recorded it.

    Attributes:
        size: The number of its settings; None if it is not known.
        is_exact: Whether `size` is exact; otherwise it is an upper bound.
        axes: The text of each axis, by the name of its field.
        why: Why its settings cannot be compared with the records; empty when they can.
        run: The name of the run that recorded it.
        remedy: How to find out more, as the end of a sentence; empty if there is no way.
    """

    size: int | None = None
    is_exact: bool = True
    axes: Mapping[str, str] = field(default_factory=dict[str, str])
    why: str = ""
    run: str | None = None
    remedy: str = ""


@dataclass(frozen=True)
class RecordedStatus:
    """The status of an experiment, like `run.status.ExperimentStatus`, but without an import.

    Attributes:
        of: The experiment.
    """

    of: RecordedExperiment

    @property
    def name(self) -> str:
        """``module.Class``."""
        return self.of.name

    @property
    def root(self) -> Path:
        """The folder in which all of its results are kept."""
        return self.of.root

    @property
    def results(self) -> Results:
        """The recorded results; raises StoreError if there are none."""
        return self.of.results

    @property
    def code_unknown(self) -> str:
        """Why the present code is not known; empty if it is known."""
        return self.of.now.why if self.of.has_records else ""

    @cached_property
    def _index(self) -> Index | None:
        return read_index(self.root) if self.of.has_records else None

    @cached_property
    def _space(self) -> RecordedSpace | str:
        """The space, or the reason why it is not known."""
        cls = self.of.cls
        if not self.of.has_records:
            return "it has not run"
        if cls is None:
            return self.of.why
        declared = declarations_of_text(cls.file, cls.qualname)
        if declared is None:
            return f"the text of {cls.file.name} does not tell what {cls.qualname} declares"
        for folder in reversed(run_folders(self.root)[-MOST_RUNS:]):
            run = Run.of(folder)
            recorded_space = space_of(run) if declarations_of(run) == declared else None
            if recorded_space is not None:
                return recorded_space
        return f"the space that {cls.file.name} declares now has not been run"

    def _ranges(self) -> list[str]:
        """The fields that were ranges when the class ran last."""
        from superparams.declare.class_schema import SCHEMA

        folder = next(reversed(run_folders(self.root)), None)
        schema = json_object({} if folder is None else folder.manifest().get(SCHEMA))
        fields = json_object(schema.get("fields"))
        axes = {name: json_object(json_object(x).get("axis")) for name, x in fields.items()}
        return [name for name, axis in axes.items() if "low" in axis]

    @cached_property
    def declared(self) -> SpaceNow:
        """The space."""
        space = self._space
        ranges = self._ranges() if isinstance(space, str) and self.of.has_records else []
        if ranges:
            return SpaceNow(why=why_uncounted(ranges))
        remedy = "; --import counts its settings" if self.of.is_importable else ""
        if isinstance(space, str):
            return SpaceNow(why=f"not known: {space}", remedy=remedy)
        why = "" if space.keys is not None else "the keys of its settings were not kept"
        return SpaceNow(space.size, axes=space.axes, why=why, run=space.run.name, remedy=remedy)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of settings in each state; see `ExperimentStatus.counts`.

        If the present code is not known, ``done`` counts settings that any code has done.
        """
        index, space = self._index, self._space
        if index is None:
            return dict.fromkeys(OUTCOME_KINDS, 0)
        codes = self.of.codes or [code for code in index.codes if code is not None]
        keys = None if isinstance(space, str) else space.keys
        counts = count_outcomes(index.keys if keys is None else keys, index, codes)
        if not self.of.codes:
            counts |= {"done": counts["done"] + counts["stale"], "stale": 0}
        return counts

    @property
    def others(self) -> int:
        """The number of recorded settings that do not belong to the space."""
        return 0 if self.declared.why else number_of_others(self._index, self.counts)

    @property
    def todo(self) -> int | None:
        """The number of settings that the next run has to run; None if it is not known."""
        if self.declared.why or self.code_unknown:
            return None
        return sum(self.counts.values()) - self.counts["done"]

    @property
    def numbers(self) -> dict[str, int | None]:
        """All counts by name, for a program."""
        unknown = {"new": None} if self.declared.why else {}
        return {**self.counts, **unknown, "todo": self.todo, "others": self.others}
